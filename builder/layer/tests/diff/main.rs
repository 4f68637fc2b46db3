//! What commands change, in directories with a whole file system and in those
//! that the kernel lays over others, must be one and the same layer.
//!
//! Owners, devices and mounts are of root: as anyone else these tests say that
//! they are left out.

mod corpus;
mod cost;
mod random;
mod stage;

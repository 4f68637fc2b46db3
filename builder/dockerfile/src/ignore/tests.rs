//! Cases in a folder, properties of every file, and limits.

mod corpus;
mod limits;
mod properties;
mod slow;

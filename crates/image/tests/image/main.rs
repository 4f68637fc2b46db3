//! Images in places of every kind: round trips, damaged archives, and the
//! programs that read and write the same formats.

mod archives;
mod docker_archives;
mod fixture;
mod interop;
mod layouts;
mod library;
mod nodes;
mod registry;
mod round_trips;

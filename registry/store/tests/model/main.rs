//! An executable model of the collection of garbage.

mod collector;
mod judge;
mod process;
mod runs;
mod state;
mod system;
mod world;
mod writer;

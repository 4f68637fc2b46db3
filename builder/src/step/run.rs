//! The parts of `RUN`: what is started, what it sees, and what its result
//! depends on (Dockerfile reference, "RUN").
//!
//! Everything here goes from data to data. What comes of it is run elsewhere.

pub(crate) mod command;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod key;
pub(crate) mod mask;
pub(crate) mod mounts;
pub(crate) mod stubs;
pub(crate) mod user;

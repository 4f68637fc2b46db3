//! Files on this machine: which may be read and written, and how they appear
//! whole.

pub(crate) mod regular;
mod temporary;

pub(crate) use temporary::{Temporary, directory_of};

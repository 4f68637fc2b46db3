//! Files on this machine: which may be read and written, and how they appear
//! whole.

pub(crate) mod regular;
mod replacement;
mod temporary;

pub use replacement::Replacement;
pub(crate) use temporary::{PREFIX, Temporary, directory_of};

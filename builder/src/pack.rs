//! From files to layers: what goes into one, where its content is, and the
//! library's layers that were made of the same before.

mod ahead;
mod checked;
pub(crate) mod confirm;
pub(crate) mod contents;
pub(crate) mod layers;
pub(crate) mod reading;
pub(crate) mod recipe;
mod repack;
pub(crate) mod shared;

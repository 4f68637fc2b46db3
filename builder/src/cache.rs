//! What steps came to, by what they were made of: in the library of this
//! machine, and in caches elsewhere.
//!
//! A step is found by its definition: what is known of it before a file system
//! is looked at. Where that was never done, it is found by its content: what a
//! layer would hold, or what a command would see. Either is a digest of
//! everything that the result depends on, so that a hit is never wrong
//! (`docs/adr/0011-cache.md`).

pub(crate) mod definition;
pub(crate) mod explain;
pub(crate) mod memory;
pub(crate) mod mounts;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod trace;

pub(crate) use definition::{Definition, InputKind};
pub use explain::{Change, ChangeKind};
pub(crate) use memory::{Known, Memory};
pub(crate) use record::Warning;
pub(crate) use trace::{TracedStep, Traces};

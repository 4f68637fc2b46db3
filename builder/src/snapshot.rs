//! The file systems of stages as directories that commands can be run in:
//! layers that lie over each other where the kernel can do that, and one
//! directory with all of them where it can not.
//!
//! What a layer unpacks to is kept between builds ([`Store`]). What is there is
//! decided by layers alone: whether a command has just made one or somebody
//! else did long ago, its directory is the same.

mod build;
mod chain;
mod locks;
mod store;

pub use store::{Prune, Pruned, Store, Usage};

pub(crate) use build::{Kept, Left};
pub(crate) use store::{Cache, make};

pub(crate) use build::{Prepared, Snapshots};
pub(crate) use chain::Chain;

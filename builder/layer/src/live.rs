//! File systems that are there to be run in: layers put into directories, and
//! what a command left in them found again.
//!
//! What is to be done and what was changed is decided here by trees, apart
//! from any directory; who does it does nothing else.

mod diff;
#[cfg(test)]
mod found;
mod observe;
mod operation;
mod owners;
mod perform;
mod remove;
mod settle;

pub use diff::{Changed, Clamp, Diff, Source, diff};
pub use observe::{Memory, Observation, Seen, SeenKind, observe};
pub use operation::{Operation, operations};
pub use perform::{Performed, Skipped, perform};
pub use remove::remove;
pub use settle::{Settlement, settle};

/// Says what a directory is that a file system lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Form {
    /// All of the file system.
    Plain,
    /// What one layer changes, for the kernel to lay over others (overlayfs).
    Overlay {
        /// Which attributes mark directories.
        marks: Marks,
    },
}

/// Says which attributes overlayfs has its marks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Marks {
    /// `trusted.overlay.*`: of real root.
    Trusted,
    /// `user.overlay.*`: in user namespaces (mount option `userxattr`).
    User,
}

/// Says what whoever handles the files can give them. What can not be given is
/// recorded beside it, in attributes ([`RECORDED_OWNER`], [`RECORDED_NODE`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rights {
    /// Owners.
    pub owners: Given,
    /// Devices.
    pub devices: Given,
    /// Attributes of `trusted.*` and `security.*` but `security.capability`.
    pub attributes: Given,
}

/// Says whether something is really so, or recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Given {
    /// The file system has it.
    Really,
    /// It is recorded in an attribute. Of attributes: it is left out of the
    /// directory, and stays what it was in the layer.
    Recorded,
}

/// The attribute that records an owner: `UID:GID` in decimal. It is absent
/// where both are 0. Symbolic links, named pipes and sockets can not have it:
/// theirs are in [`LINK_OWNERS`] of the directory that they are in.
pub const RECORDED_OWNER: &str = "user.wharf.owner";
/// The attribute of a directory that records the owners of what is in it and
/// can not have attributes: symbolic links, named pipes and sockets. It is
/// `UID:GID NAME` with a NUL behind each, ordered by name. An empty name is for
/// all names that are not listed, `0:0` then being one to be listed; without
/// it those are root's. It is there where the list would be longer than 3072
/// bytes. Names that are not there, or are of other things, say nothing.
pub const LINK_OWNERS: &str = "user.wharf.links";
/// The attribute that records a device: `c MAJOR:MINOR` or `b MAJOR:MINOR`, on
/// an empty regular file.
pub const RECORDED_NODE: &str = "user.wharf.node";

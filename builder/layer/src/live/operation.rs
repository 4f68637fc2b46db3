//! What has to be done to a directory, so that it has one more layer. It is
//! decided here, of trees alone; no directory is looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{DeviceKind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::index::LayerIndex;
use crate::live::owners;
use crate::path::EntryPath;
use crate::tree::{ContentPlace, Effect, File, Node, NodeKind, Tree};

/// Is one thing to do. Paths have no links on their way.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Operation {
    /// Take away what is there, with all that is in it.
    Remove {
        /// Where.
        path: EntryPath,
    },
    /// Take away what is in a directory.
    Clear {
        /// Where.
        path: EntryPath,
    },
    /// Make a directory, or give one that is there this metadata; anything
    /// else goes away.
    Directory {
        /// Where.
        path: EntryPath,
        /// Its metadata.
        metadata: Metadata,
        /// The owners (user and group) of the symbolic links and named pipes
        /// in it, of this layer and of others, by name: for whoever has to
        /// record them ([`LINK_OWNERS`](crate::LINK_OWNERS)). The empty name
        /// is for all names that are not listed; without it, those are root's.
        links: BTreeMap<Box<[u8]>, (u32, u32)>,
    },
    /// Make a file in the place of what is there.
    File {
        /// Where.
        path: EntryPath,
        /// Its metadata.
        metadata: Metadata,
        /// Its size in bytes.
        size: u64,
        /// Where its content starts in the uncompressed layer.
        offset: u64,
    },
    /// Make another name of a file that this layer made.
    Link {
        /// Where.
        path: EntryPath,
        /// The file.
        target: EntryPath,
    },
    /// Make a symbolic link in the place of what is there.
    Symlink {
        /// Where.
        path: EntryPath,
        /// Its metadata.
        metadata: Metadata,
        /// What it says.
        target: Box<[u8]>,
    },
    /// Make a named pipe in the place of what is there.
    Fifo {
        /// Where.
        path: EntryPath,
        /// Its metadata.
        metadata: Metadata,
    },
    /// Make a device in the place of what is there.
    Device {
        /// Where.
        path: EntryPath,
        /// Its metadata.
        metadata: Metadata,
        /// Which of the two kinds.
        kind: DeviceKind,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
}

/// Lists what has to be done so that a directory with a file system has one
/// more layer, ordered by path, so that parents come before what is in them;
/// a directory that is made and cleared comes in this order, and other names of
/// files come after those. Directories on the way that the layer does not have,
/// and always the root, are in the list, with the metadata that they have in
/// the file system, so that a directory of this layer alone can be laid over
/// it. No path is there twice, but of what is made and cleared.
///
/// # Errors
///
/// As [`Tree::apply`], and with [`ErrorKind::Unsupported`] for what no
/// directory over others can have: another name of a file of a lower layer,
/// and a device that overlayfs takes for nothing (0:0); and where a file is
/// sparse in its layer.
pub fn operations(before: &Tree, layer: &LayerIndex) -> Result<Vec<Operation>, Error> {
    let mut after = before.clone();
    let mut hidden = BTreeSet::new();
    let mut touched = Vec::new();
    after.apply_noting(ORIGIN, layer, &mut |effect, path| {
        if effect == Effect::Hides {
            hidden.insert(path.clone());
        }
        touched.push(path.clone());
    })?;
    // The kernel looks for no mark at the root of a layer.
    let root = before.node(&EntryPath::root()).map(|root| &root.kind);
    if let Some(NodeKind::Directory(children)) = root
        && hidden.remove(&EntryPath::root())
    {
        let children = children.keys().map(|name| EntryPath::root().child(name));
        hidden.extend(children);
        touched.extend(hidden.iter().cloned());
    }
    touched.sort_unstable();
    let change = Change {
        before,
        after: &after,
        layer,
        hidden,
    };
    change.operations(touched)
}

/// The origin of the files of the layer, in places; trees count from 0.
const ORIGIN: u32 = u32::MAX;

/// Is a file system before a layer and after it.
struct Change<'a> {
    before: &'a Tree,
    after: &'a Tree,
    layer: &'a LayerIndex,
    /// Where the layer hides what was there, or in it.
    hidden: BTreeSet<EntryPath>,
}

impl Change<'_> {
    fn operations(&self, touched: Vec<EntryPath>) -> Result<Vec<Operation>, Error> {
        let mut operations = Vec::new();
        let mut links = Vec::new();
        let mut first: BTreeMap<ContentPlace, EntryPath> = BTreeMap::new();
        // What lies in it is gone with it.
        let mut cleared: Option<EntryPath> = None;
        for path in self.listed(touched) {
            let is_covered = cleared.as_ref().is_some_and(|top| path.is_in(top));
            let Some(node) = self.after.node(&path) else {
                if !is_covered {
                    operations.push(Operation::Remove { path });
                }
                continue;
            };
            match &node.kind {
                NodeKind::Directory(children) => {
                    let is_cleared = !is_covered && self.is_cleared(&path);
                    operations.push(directory(path.clone(), &node.metadata, children));
                    if is_cleared {
                        operations.push(Operation::Clear { path: path.clone() });
                        cleared = Some(path);
                    }
                }
                NodeKind::File(file) => match first.get(&file.place) {
                    Some(target) => links.push(Operation::Link {
                        path,
                        target: target.clone(),
                    }),
                    None => {
                        first.insert(file.place, path.clone());
                        operations.push(self.file(path, &node.metadata, file)?);
                    }
                },
                kind => operations.push(other(path, &node.metadata, kind)?),
            }
        }
        operations.append(&mut links);
        Ok(operations)
    }

    /// Lists the paths that something is done at, with those of the
    /// directories on the way, in order. They come in order.
    fn listed(&self, touched: Vec<EntryPath>) -> Vec<EntryPath> {
        let mut listed = vec![EntryPath::root()];
        for path in touched {
            if self.after.node(&path).is_none() && !self.is_removed(&path) {
                continue;
            }
            let last = listed.last().cloned().unwrap_or_default();
            let is_new = |path: &EntryPath| !last.is_in(path);
            let way = std::iter::successors(Some(path), EntryPath::parent);
            let start = listed.len();
            listed.extend(way.take_while(is_new));
            if let Some(new) = listed.get_mut(start..) {
                new.reverse();
            }
        }
        listed
    }

    /// Says whether what was at a path is gone by itself, not with what it was
    /// in.
    fn is_removed(&self, path: &EntryPath) -> bool {
        let parent = path.parent().unwrap_or_default();
        self.before.node(path).is_some() && self.after.node(&parent).is_some_and(Node::is_directory)
    }

    /// Says whether what was in a directory is gone, and the directory is there.
    fn is_cleared(&self, path: &EntryPath) -> bool {
        let was = self.before.node(path).map(|node| &node.kind);
        let had_some = matches!(was, Some(NodeKind::Directory(children)) if !children.is_empty());
        had_some && self.hidden.contains(path)
    }

    fn file(&self, path: EntryPath, metadata: &Metadata, file: &File) -> Result<Operation, Error> {
        if file.place.origin != ORIGIN {
            let message = format!("`{path}` is another name of a file of a lower layer");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let number = usize::try_from(file.place.position).unwrap_or(usize::MAX);
        let record = self.layer.records().get(number);
        let stored = record.and_then(|record| record.content.as_ref());
        let offset = stored.and_then(|stored| stored.offset);
        let Some(offset) = offset.or((file.size == 0).then_some(0)) else {
            let message = format!("the content of `{path}` is not in one piece in its layer");
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        Ok(Operation::File {
            path,
            metadata: metadata.clone(),
            size: file.size,
            offset,
        })
    }
}

impl Operation {
    /// Makes a directory, or gives it the metadata, that it has in a tree;
    /// `None` where the tree has none there.
    #[must_use]
    pub fn directory_of(tree: &Tree, path: &EntryPath) -> Option<Self> {
        let node = tree.node(path)?;
        let NodeKind::Directory(children) = &node.kind else {
            return None;
        };
        Some(directory(path.clone(), &node.metadata, children))
    }
}

fn directory(
    path: EntryPath,
    metadata: &Metadata,
    children: &BTreeMap<Box<[u8]>, Node>,
) -> Operation {
    let links = children.iter().filter_map(|(name, node)| {
        let has_none = matches!(node.kind, NodeKind::Symlink { .. } | NodeKind::Fifo);
        has_none.then_some((&**name, (node.metadata.uid, node.metadata.gid)))
    });
    Operation::Directory {
        path,
        metadata: metadata.clone(),
        links: owners::owners(links),
    }
}

/// Gives what makes something that is neither a directory nor a regular file.
fn other(path: EntryPath, metadata: &Metadata, kind: &NodeKind) -> Result<Operation, Error> {
    let metadata = metadata.clone();
    Ok(match kind {
        NodeKind::Symlink { target } => Operation::Symlink {
            path,
            metadata,
            target: target.clone(),
        },
        NodeKind::Device {
            kind: DeviceKind::Character,
            major: 0,
            minor: 0,
        } => {
            let message = format!("`{path}` is a device 0:0, which overlayfs takes for nothing");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        NodeKind::Device { kind, major, minor } => Operation::Device {
            path,
            metadata,
            kind: *kind,
            major: *major,
            minor: *minor,
        },
        _ => Operation::Fifo { path, metadata },
    })
}

#[cfg(test)]
mod tests;

//! A tree written out into a directory, as whoever runs it.

use std::collections::BTreeMap;

use crate::directory::Directory;
use crate::error::Error;
use crate::path::EntryPath;
use crate::tree::{ContentPlace, Contents, Node, NodeKind, Tree};

/// Says what was not written, or not as it is in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Devices, which need more rights than anybody has.
    pub skipped: Vec<EntryPath>,
    /// Files that would run as their owner or group: since the owner is
    /// another one here, they are written without that permission.
    pub weakened: Vec<EntryPath>,
}

/// The bits of a mode that run a file as its owner or its group.
const SET_ID: u16 = 0o6000;

/// Writes a tree into a directory: permissions and times as the tree has them,
/// owners, set-id bits of files and extended attributes not. The directory itself is as it was. What
/// is in it already stays, unless the tree has something there; a directory
/// gives way to nothing but a directory, unless it is empty. No link in it is
/// followed.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not
/// be written, with [`ErrorKind::Changed`](crate::ErrorKind::Changed) when a
/// file is not as long as the tree says, and as `contents` does.
pub fn unpack(tree: &Tree, contents: &dyn Contents, into: &Directory) -> Result<Unpacked, Error> {
    let mut unpacked = Unpacked::default();
    let mut first: BTreeMap<ContentPlace, EntryPath> = BTreeMap::new();
    let mut directories: Vec<(EntryPath, &Node)> = Vec::new();
    for (path, node) in tree.walk(&EntryPath::root()) {
        if path.is_root() {
            continue;
        }
        match &node.kind {
            NodeKind::Directory(_) => {
                into.make_directory(&path)?;
                directories.push((path, node));
                continue;
            }
            NodeKind::File(file) => {
                if let Some(target) = first.get(&file.place) {
                    into.make_link(&path, target)?;
                    continue;
                }
                let mut content = contents.open(file.place, file.size)?;
                let mut metadata = node.metadata.clone();
                if metadata.mode & SET_ID != 0 {
                    metadata.mode &= !SET_ID;
                    unpacked.weakened.push(path.clone());
                }
                into.make_file(&path, &metadata, file.size, &mut content)?;
                first.insert(file.place, path);
                continue;
            }
            NodeKind::Symlink { target } => into.make_symlink(&path, target)?,
            NodeKind::Fifo => into.make_fifo(&path)?,
            NodeKind::Device { .. } => {
                unpacked.skipped.push(path);
                continue;
            }
        }
        into.set(&path, &node.metadata)?;
    }
    // Inner ones first, and all at last: what is made in them changes their
    // times, and a directory may not let its owner write.
    for (path, node) in directories.iter().rev() {
        into.set(path, &node.metadata)?;
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;

//! Layers one on the other (image-spec, "Applying Changesets").

use std::collections::BTreeSet;

use crate::entry::{Entry, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::index::{LayerIndex, Record};
use crate::path::EntryPath;
use crate::tree::{
    ContentPlace, File, Follow, IMPLIED_MODE, Node, NodeKind, ResolveError, Tree, check_depth,
};

/// Says what a layer does at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What was there, or in it, is not there any more; something else may be.
    Hides,
    /// A directory is there, with what was in it if it was one.
    Makes,
}

impl Tree {
    /// Puts a layer onto the file system. What the layer removes is removed
    /// of lower layers alone, wherever in the layer that stands. `origin`
    /// becomes part of the places of the layer's files.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when the layer has something where
    /// links lead in a circle, or another name for what is no file; with
    /// [`ErrorKind::Limit`] when it has something more than 512 directories
    /// deep. The tree is then half of what it was to be.
    pub fn apply(&mut self, origin: u32, layer: &LayerIndex) -> Result<(), Error> {
        self.apply_noting(origin, layer, &mut |_, _| {})
    }

    /// Does so, and says of each path, without links on its way, what was done
    /// there. Directories that are implied are not said.
    pub(crate) fn apply_noting(
        &mut self,
        origin: u32,
        layer: &LayerIndex,
        note: &mut dyn FnMut(Effect, &EntryPath),
    ) -> Result<(), Error> {
        let replaced = self.replaced(layer);
        for record in layer.records() {
            let mut way = std::iter::successors(record.entry.path.parent(), EntryPath::parent);
            if replaced.is_empty() || !way.any(|directory| replaced.contains(&directory)) {
                self.hide(&record.entry, note)?;
            }
        }
        for (number, record) in layer.records().iter().enumerate() {
            let place = ContentPlace {
                origin,
                position: number as u64,
            };
            self.add(record, place, note)?;
        }
        Ok(())
    }

    /// Finds the directories of a layer that stand in the place of something
    /// else: there is nothing in them that could be hidden, nor where a link
    /// leads that was there.
    fn replaced(&self, layer: &LayerIndex) -> BTreeSet<EntryPath> {
        let entries = layer.records().iter().map(|record| &record.entry);
        let replaced = entries.filter(|entry| {
            entry.kind == Kind::Directory
                && self
                    .node(&entry.path)
                    .is_some_and(|node| !node.is_directory())
        });
        replaced.map(|entry| entry.path.clone()).collect()
    }

    /// Removes what an entry hides of lower layers.
    fn hide(
        &mut self,
        entry: &Entry,
        note: &mut dyn FnMut(Effect, &EntryPath),
    ) -> Result<(), Error> {
        match entry.kind {
            Kind::Whiteout => {
                let path = self.real(&entry.path)?;
                if self.remove(&path).is_some() {
                    note(Effect::Hides, &path);
                }
            }
            Kind::Opaque => {
                let path = self.real(&entry.path)?;
                note(Effect::Hides, &path);
                if let Some(children) = self.node_mut(&path).and_then(Node::children_mut) {
                    children.clear();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives the path without links on the way: where a lower layer has a link
    /// to a directory, what is below it goes there, as it does for all who
    /// unpack layers.
    fn real(&self, path: &EntryPath) -> Result<EntryPath, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Ok(path.clone());
        };
        if self.node(&parent).is_some_and(Node::is_directory) {
            return Ok(path.clone());
        }
        match self.resolve(parent.as_bytes(), Follow::All) {
            Ok(resolved) => Ok(resolved.path.child(name)),
            // A file on the way is replaced by a directory.
            Err(ResolveError::NotADirectory(_)) => Ok(path.clone()),
            Err(error) => {
                let message = format!("`{path}` of the layer leads nowhere: {error}");
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    fn add(
        &mut self,
        record: &Record,
        place: ContentPlace,
        note: &mut dyn FnMut(Effect, &EntryPath),
    ) -> Result<(), Error> {
        let Entry {
            path,
            kind,
            metadata,
        } = &record.entry;
        let path = &self.real(path)?;
        match kind {
            Kind::Whiteout | Kind::Opaque => return Ok(()),
            Kind::Directory => note(Effect::Makes, path),
            _ => note(Effect::Hides, path),
        }
        let kind = match kind {
            Kind::Whiteout | Kind::Opaque => return Ok(()),
            Kind::Directory => {
                return self.add_directory(path, metadata);
            }
            Kind::File { size } => NodeKind::File(File {
                size: *size,
                place,
                digest: record.content.as_ref().map(|stored| stored.digest),
            }),
            Kind::HardLink { target } => return self.add_link(path, target),
            Kind::Symlink { target } => NodeKind::Symlink {
                target: target.clone(),
            },
            Kind::Fifo => NodeKind::Fifo,
            Kind::Device { kind, major, minor } => NodeKind::Device {
                kind: *kind,
                major: *major,
                minor: *minor,
            },
        };
        let metadata = metadata.clone();
        self.put(path, Node { metadata, kind })
    }

    /// Makes a directory, or has one that is there take new metadata; what is
    /// in it stays.
    fn add_directory(&mut self, path: &EntryPath, metadata: &Metadata) -> Result<(), Error> {
        match self.node_mut(path) {
            Some(node) if node.is_directory() => {
                node.metadata = metadata.clone();
                Ok(())
            }
            _ => self.put(path, Node::directory(metadata.clone())),
        }
    }

    fn add_link(&mut self, path: &EntryPath, target: &EntryPath) -> Result<(), Error> {
        let target = &self.real(target)?;
        let node = match self.node(target) {
            Some(node) if !node.is_directory() => node.clone(),
            _ => {
                let message = format!("`{path}` is another name for `{target}`, which is no file");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        self.put(path, node)
    }

    /// Puts a node at a path, and makes the directories on the way that no
    /// layer has, as all who unpack layers do. A file in the way is replaced by
    /// one.
    fn put(&mut self, path: &EntryPath, put: Node) -> Result<(), Error> {
        let mut names: Vec<&[u8]> = path.names().collect();
        let Some(last) = names.pop() else {
            return self.insert(path, put);
        };
        check_depth(path)?;
        let parent = names.into_iter().try_fold(&mut self.root, implied);
        let children = parent.and_then(Node::children_mut).ok_or_else(|| {
            let message = format!("`{path}` is in something that is no directory");
            Error::new(ErrorKind::Invalid, message)
        })?;
        children.insert(last.into(), put);
        Ok(())
    }
}

/// Gives a directory in another one, which is made where there is none.
fn implied<'a>(node: &'a mut Node, name: &[u8]) -> Option<&'a mut Node> {
    let children = node.children_mut()?;
    if !children.get(name).is_some_and(Node::is_directory) {
        let made = Node::directory(Metadata {
            mode: IMPLIED_MODE,
            ..Metadata::default()
        });
        children.insert(name.into(), made);
    }
    children.get_mut(name)
}

#[cfg(test)]
mod tests;

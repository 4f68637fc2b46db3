//! Files that a mount brings into a command: of the context, a stage or an
//! image, with the metadata that a `COPY` would give them. The command has a
//! copy of its own, which nobody sees again.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::Mount;
use layer::{ContentPlace, Entry, EntryPath, Kind, LayerIndex, Node, NodeKind, Tree};

use oci::Digest;

use crate::blocking;
use crate::context::{Moment, Wanted};
use crate::error::{Error, ErrorKind};
use crate::pack::confirm::confirm;
use crate::pack::contents::Shelf;
use crate::pack::layers;
use crate::pack::recipe::{Content, Item, Recipe};
use crate::plan::CopyFrom;
use crate::solve::run::Run;
use crate::step::run::mounts::{self, Shape};

/// The name of what is mounted, in the directory that is made for it.
pub(super) const NAME: &str = "d";

/// Is what a mount brings.
pub(super) struct Brings {
    /// What is there, below [`NAME`].
    pub(super) recipe: Recipe,
    /// Where its content is.
    pub(super) shelf: Shelf,
    /// Whether it is a directory or a file.
    pub(super) shape: Shape,
    /// The digest of all of it.
    pub(super) digest: Digest,
}

/// Is what a mount brings, as a layer that can be unpacked.
pub(super) struct Packed {
    pub(super) file: std::fs::File,
    pub(super) index: LayerIndex,
}

impl Run<'_> {
    /// Finds what a mount brings.
    pub(super) async fn brings(
        &self,
        number: usize,
        from: &CopyFrom,
        mount: &Mount,
    ) -> Result<Brings, Error> {
        let mut shelf = Shelf::default();
        let (own, there);
        let tree = match from {
            CopyFrom::Context | CopyFrom::Files(_) => {
                let source = mount.source.as_deref().unwrap_or_default();
                let wanted = match EntryPath::parse(source.as_bytes()) {
                    Ok(path) if !path.is_root() => Wanted::Paths(vec![path]),
                    _ => Wanted::All,
                };
                let context = self.look(from, wanted).await?;
                shelf.context = Some(Arc::clone(&context));
                own = context;
                &own.tree
            }
            _ => {
                there = self.there(number, from).await?;
                &there
            }
        };
        let (recipe, shape) = below(tree, mount)?;
        // Of files in layers that is known, and none has to be at hand.
        let (recipe, digest) = self.layers().digest(recipe, &shelf).await?;
        Ok(Brings {
            recipe,
            shelf,
            shape,
            digest,
        })
    }

    /// Packs what a mount brings, so that it can be unpacked where commands
    /// are.
    pub(super) async fn packed(&self, brings: Brings) -> Result<Packed, Error> {
        let Brings {
            mut recipe,
            mut shelf,
            ..
        } = brings;
        let scratch = self.request().scratch.clone();
        let _lease = self.unpack(&recipe, &mut shelf).await?;
        let packing = blocking::run(move || {
            let stored = |error| {
                let context = format!("can not write into `{}`", scratch.display());
                Error::caused(ErrorKind::Storage, context, error)
            };
            let file = tempfile::tempfile_in(&scratch).map_err(stored)?;
            let before = Moment::now();
            let mut writer = layer::Writer::new(std::io::BufWriter::new(file));
            layers::fill(&recipe, &shelf, &mut writer, &mut |_| {})?;
            let written = writer.finish().map_err(|error| {
                Error::layer("can not pack the files of a mount".to_owned(), error)
            })?;
            let (buffered, index) = written;
            confirm(&mut recipe, &index, &shelf, before)?;
            let file = buffered
                .into_inner()
                .map_err(|error| stored(error.into_error()))?;
            Ok(Packed { file, index })
        });
        packing.await
    }
}

/// Lists what is at a path of a tree and in it, below [`NAME`].
fn below(tree: &Tree, mount: &Mount) -> Result<(Recipe, Shape), Error> {
    let (source, shape) = mounts::source(tree, mount)?;
    let mut recipe = Recipe::default();
    let mut first: BTreeMap<ContentPlace, EntryPath> = BTreeMap::new();
    let depth = source.names().count();
    for (path, node) in tree.walk(&source) {
        let start = EntryPath::root().child(NAME.as_bytes());
        let path = path
            .names()
            .skip(depth)
            .fold(start, |path, name| path.child(name));
        recipe.add(item(path, node, &mut first));
    }
    Ok((recipe, shape))
}

fn item(path: EntryPath, node: &Node, first: &mut BTreeMap<ContentPlace, EntryPath>) -> Item {
    let (kind, content) = match &node.kind {
        NodeKind::File(file) => match first.get(&file.place) {
            Some(target) => {
                let target = target.clone();
                (Kind::HardLink { target }, Content::None)
            }
            None => {
                first.insert(file.place, path.clone());
                let content = Content::Place {
                    place: file.place,
                    digest: file.digest,
                };
                (node.kind.to_entry(), content)
            }
        },
        _ => (node.kind.to_entry(), Content::None),
    };
    Item {
        entry: Entry {
            path,
            metadata: match kind {
                Kind::HardLink { .. } => layer::Metadata::default(),
                _ => node.metadata.clone(),
            },
            kind,
        },
        content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str) -> Mount {
        dockerfile::parse_mount(text).expect("a mount")
    }

    #[test]
    fn a_source_that_is_not_there_is_named() {
        let mount = mount("target=/x,source=a/b");
        let error = below(&Tree::new(), &mount).expect_err("nothing is there");
        assert!(error.to_string().contains("`/a/b`"), "{error}");
    }

    #[test]
    fn the_root_is_a_directory_that_brings_itself() {
        let (recipe, shape) = below(&Tree::new(), &mount("target=/x")).expect("it is there");
        assert_eq!(shape, Shape::Directory);
        let paths: Vec<String> = recipe
            .items()
            .map(|item| item.entry.path.to_string())
            .collect();
        assert_eq!(paths, ["/d"]);
    }
}

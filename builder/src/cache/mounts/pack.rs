//! Packs a cache into layers, in a directory from which they are sent.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use image::Place;
use layer::{ContentPlace, Contents, Entry, EntryPath, Kind, Metadata};
use oci::{Descriptor, Digest};

use crate::cache::mounts::collect::CachedFile;
use crate::cache::mounts::compose::described;
use crate::error::{Error, ErrorKind};
use crate::pack::recipe::{Content, Item, Recipe};

/// Is what goes into the layers of an artefact.
#[derive(Debug)]
pub(super) struct Contained {
    /// What each layer is made of, the frame first.
    recipes: Vec<Recipe>,
    /// Where the content of files is, by the positions of their places.
    pub(super) paths: Vec<EntryPath>,
}

/// The origin of all content.
const ORIGIN: u32 = 0;

impl Contained {
    /// Sorts a frame and groups of files into recipes.
    pub(super) fn new(frame: Vec<Entry>, groups: Vec<Vec<CachedFile>>) -> Self {
        let mut first = Recipe::default();
        for entry in frame {
            let content = Content::None;
            first.add(Item { entry, content });
        }
        let mut contained = Self {
            recipes: vec![first],
            paths: Vec::new(),
        };
        for group in groups {
            let mut recipe = Recipe::default();
            for file in group {
                contained.add(&mut recipe, file);
            }
            contained.recipes.push(recipe);
        }
        contained
    }

    fn add(&mut self, recipe: &mut Recipe, file: CachedFile) {
        let target = file.path.clone();
        recipe.add(Item {
            entry: Entry {
                path: file.path,
                kind: Kind::File { size: file.size },
                metadata: file.metadata,
            },
            content: Content::Place {
                place: ContentPlace {
                    origin: ORIGIN,
                    position: self.paths.len() as u64,
                },
                digest: Some(file.digest),
            },
        });
        for path in file.links {
            let target = target.clone();
            recipe.add(Item {
                entry: Entry {
                    path,
                    kind: Kind::HardLink { target },
                    metadata: Metadata::default(),
                },
                content: Content::None,
            });
        }
        self.paths.push(target);
    }

    /// Packs what is not known yet, and points at all layers in their order. It
    /// blocks.
    pub(super) fn pack(
        &self,
        contents: &dyn Contents,
        known: &BTreeMap<Digest, Descriptor>,
        (parcel, threads): (&Parcel, NonZeroUsize),
    ) -> Result<Vec<Descriptor>, Error> {
        let mut layers = Vec::with_capacity(self.recipes.len());
        for recipe in &self.recipes {
            let group = recipe.key().ok_or_else(|| {
                Error::new(ErrorKind::Storage, "the content of a file is not known")
            })?;
            layers.push(match known.get(&group) {
                Some(layer) => layer.clone(),
                None => described(&group, parcel.write(recipe, contents, threads)?),
            });
        }
        Ok(layers)
    }
}

/// Is a directory with the blobs of a layout, which goes when this does.
#[derive(Debug)]
pub(super) struct Parcel {
    directory: tempfile::TempDir,
    blobs: PathBuf,
}

impl Parcel {
    /// Makes one.
    pub(super) fn new(scratch: &Path) -> Result<Self, Error> {
        let failed = |error| stored(scratch, error);
        let directory = tempfile::TempDir::new_in(scratch).map_err(failed)?;
        let blobs = directory.path().join("blobs").join("sha256");
        fs_err::create_dir_all(&blobs).map_err(failed)?;
        Ok(Self { directory, blobs })
    }

    /// Gives the place that its blobs are sent from.
    pub(super) fn place(&self) -> Place {
        Place::Layout {
            directory: self.directory.path().to_owned(),
            tag: None,
        }
    }

    /// Writes a layer, and gives its digest and size.
    fn write(
        &self,
        recipe: &Recipe,
        contents: &dyn Contents,
        threads: NonZeroUsize,
    ) -> Result<(Digest, u64), Error> {
        let failed = |error| stored(&self.blobs, error);
        let file = tempfile::NamedTempFile::new_in(&self.blobs).map_err(failed)?;
        let out = BufWriter::new(file.as_file());
        let (written, ()) = layer::write_layer(threads, out, |writer| {
            recipe.items().try_for_each(|item| {
                let entry = &item.entry;
                let packed = match (&entry.kind, &item.content) {
                    (Kind::File { size }, Content::Place { place, .. }) => contents
                        .open(*place, *size)
                        .and_then(|mut content| writer.file(entry, &mut content)),
                    _ => writer.entry(entry),
                };
                let context = || format!("`{}` of a cache can not be packed", entry.path);
                packed.map_err(|error| Error::layer(context(), error))
            })
        })?;
        check(recipe, &written.index)?;
        let at = self.blobs.join(written.digest.hex());
        file.persist(at).map_err(|error| failed(error.error))?;
        Ok((written.digest, written.size))
    }
}

fn stored(directory: &Path, error: std::io::Error) -> Error {
    let context = format!("can not write into `{}`", directory.display());
    Error::caused(ErrorKind::Storage, context, error)
}

/// Checks that what was packed is what was seen before: what a layer says that
/// it was made of must be true.
fn check(recipe: &Recipe, index: &layer::LayerIndex) -> Result<(), Error> {
    for (item, record) in recipe.items().zip(index.records()) {
        let Content::Place { digest, .. } = &item.content else {
            continue;
        };
        if *digest != record.content.as_ref().map(|stored| stored.digest) {
            let message = format!("`{}` of a cache changed while it was read", item.entry.path);
            return Err(Error::new(ErrorKind::Changed, message));
        }
    }
    Ok(())
}

//! Layers that are there: what they say, and their content at hand. Each is read
//! once for both where a command is to see it, else for what is needed, by one
//! for all who ask; and it is checked to its last byte.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use image::{Place, Topic};
use layer::LayerIndex;
use oci::{Descriptor, Digest};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::Event;
use crate::image::LayerOf;
use crate::pack::checked::{Halt, Tapped, pour, verified};
use crate::pack::contents::Unpacked;
use crate::pack::layers::Layers;

/// What the library notes of a layer's index.
#[derive(serde::Serialize, serde::Deserialize)]
struct IndexNote {
    /// The digest of the index.
    index: Digest,
    /// The digest of the layer, uncompressed.
    diff_id: Digest,
}

/// The largest index that is read, in bytes: of ten million files with short
/// names.
const INDEX_LIMIT: u64 = 2 * 1024 * 1024 * 1024;

/// Says what becomes of the content of a layer while its index is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// It is passed over.
    Passed,
    /// It is kept at hand: a command is to see it.
    Kept,
}

impl Layers {
    /// Gives what a layer says, from the library, or else by reading it once;
    /// then it is at hand afterwards, if that is wanted.
    pub(crate) async fn index(
        &self,
        step: usize,
        (layer, place): (&LayerOf, &Place),
        content: Content,
    ) -> Result<Arc<LayerIndex>, Error> {
        let cell = self.indexes.of(&layer.descriptor.digest);
        let index = cell.get_or_try_init(async || match self.noted_index(layer).await? {
            Some(index) => Ok(Arc::new(index)),
            None => self.read_index(step, (layer, place), content).await,
        });
        index.await.map(Arc::clone)
    }

    /// Has the content of a layer at hand, uncompressed.
    pub(crate) async fn unpack(
        &self,
        step: usize,
        place: &Place,
        layer: &LayerOf,
    ) -> Result<Unpacked, Error> {
        // It may be at hand after that.
        let index = self.index(step, (layer, place), Content::Kept).await?;
        let cell = self.unpacked.of(&layer.descriptor.digest);
        let unpacked = cell.get_or_try_init(async || {
            let stream = self.stream(place, &layer.descriptor).await?;
            let (digest, diff_id) = (layer.descriptor.digest, layer.diff_id);
            let scratch = self.scratch.clone();
            let file = blocking::consume(stream, move |mut incoming| {
                let stored = |error| unkept(&scratch, error);
                let mut file = nameless(&scratch).map_err(stored)?;
                verified(&mut incoming, digest, &diff_id, |plain| {
                    pour(plain, (&mut file, digest), stored, |_| Ok(()))
                })?;
                Ok(Arc::new(file))
            });
            let file = file.await?;
            Ok(Unpacked { file, index })
        });
        unpacked.await.cloned()
    }

    /// Finds an index in the library. One that can not be read is made anew.
    async fn noted_index(&self, layer: &LayerOf) -> Result<Option<LayerIndex>, Error> {
        let failed = |error| Error::image("can not read the index of a layer", error);
        let digest = layer.descriptor.digest;
        let note = self
            .library
            .noted(Topic::Indexes, &digest)
            .await
            .map_err(failed)?;
        let note = note.and_then(|note| serde_json::from_slice::<IndexNote>(&note).ok());
        let Some(note) = note.filter(|note| note.diff_id == layer.diff_id) else {
            return Ok(None);
        };
        let Ok(Some(bytes)) = self.library.read(&note.index, INDEX_LIMIT).await else {
            return Ok(None);
        };
        blocking::run(move || Ok(LayerIndex::decode(&bytes).ok())).await
    }

    /// Reads a layer from its first to its last byte, for its index, and has
    /// its content at hand if that is to be.
    async fn read_index(
        &self,
        step: usize,
        (layer, place): (&LayerOf, &Place),
        content: Content,
    ) -> Result<Arc<LayerIndex>, Error> {
        let stream = self.stream(place, &layer.descriptor).await?;
        let (size, digest) = (layer.descriptor.size, layer.descriptor.digest);
        let (progress, scratch) = (Arc::clone(&self.progress), self.scratch.clone());
        let diff_id = layer.diff_id;
        let (index, file) = blocking::consume(stream, move |incoming| {
            let mut position = 0;
            let mut counted = Tapped::new(incoming, |piece| {
                position += piece.len() as u64;
                progress.note(&Event::Indexing {
                    step,
                    digest: &digest,
                    position,
                    size,
                });
            });
            let stored = |error| unkept(&scratch, error);
            let mut file = match content {
                Content::Passed => None,
                Content::Kept => Some(nameless(&scratch).map_err(stored)?),
            };
            let index = verified(&mut counted, digest, &diff_id, |plain| match &mut file {
                None => read(plain, digest),
                Some(file) => pour(plain, (file, digest), stored, |plain| read(plain, digest)),
            })?;
            Ok((Arc::new(index), file))
        })
        .await?;
        self.keep_index(&digest, &diff_id, &index).await?;
        if let Some(file) = file {
            let unpacked = Unpacked {
                file: Arc::new(file),
                index: Arc::clone(&index),
            };
            self.unpacked.put(&digest, unpacked);
        }
        Ok(index)
    }

    pub(super) async fn keep_index(
        &self,
        layer: &Digest,
        diff_id: &Digest,
        index: &LayerIndex,
    ) -> Result<(), Error> {
        let failed = |error| Error::image("can not keep the index of a layer", error);
        let index = self
            .library
            .keep(index.encode().into())
            .await
            .map_err(failed)?;
        let note = IndexNote {
            index,
            diff_id: *diff_id,
        };
        let note = serde_json::to_vec(&note).unwrap_or_default();
        self.library
            .note(Topic::Indexes, layer, note.into())
            .await
            .map_err(failed)
    }

    async fn stream(&self, place: &Place, layer: &Descriptor) -> Result<image::BlobStream, Error> {
        self.images.blob(place, layer).await.map_err(|error| {
            Error::image(format!("can not read the layer `{}`", layer.digest), error)
        })
    }
}

/// Reads what a layer says.
fn read(mut plain: impl Read, layer: Digest) -> Result<LayerIndex, Halt> {
    LayerIndex::read(&mut plain).map_err(|error| {
        let context = format!("the layer `{layer}` can not be read");
        Halt::Content(Error::layer(context, error))
    })
}

/// Makes a file without a name in a directory.
pub(super) fn nameless(scratch: &Path) -> io::Result<fs_err::File> {
    let file = tempfile::tempfile_in(scratch)?;
    Ok(fs_err::File::from_parts(file, scratch.join("layer")))
}

pub(super) fn unkept(scratch: &Path, error: io::Error) -> Error {
    let context = format!("can not unpack a layer in `{}`", scratch.display());
    Error::caused(ErrorKind::Storage, context, error)
}

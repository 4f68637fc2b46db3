//! Layers on their way: new ones packed from recipes, each kept in the library
//! under what it was made of.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use image::{Images, Incoming, Library, Topic};
use layer::{Compression, ContentPlace, Contents, LayerIndex, Packing, Plain};
use oci::{Algorithm, Descriptor, Digest, Hasher, MediaType};

use crate::blocking;
use crate::context::Moment;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress};
use crate::image::LayerOf;
use crate::pack::checked::Tapped;
use crate::pack::confirm::confirm;
use crate::pack::contents::{Shelf, Unpacked};
use crate::pack::reading::{self, nameless, unkept};
use crate::pack::recipe::{Content, Item, Recipe};
use crate::pack::shared::Shared;
use crate::request::{Cache, Request};

/// Reads and makes layers.
pub(crate) struct Layers {
    pub(crate) images: Images,
    pub(crate) library: Library,
    pub(crate) scratch: PathBuf,
    pub(crate) packing: Packing,
    pub(crate) cache: Cache,
    pub(crate) progress: Arc<dyn Progress>,
    /// What was read already, by the digest of the blob.
    pub(crate) indexes: Shared<Arc<LayerIndex>>,
    pub(crate) unpacked: Shared<Unpacked>,
}

/// Says as what a layer is packed.
#[derive(Debug, Clone)]
pub(crate) struct PackedAs {
    /// The type of the blob.
    pub(crate) media_type: MediaType,
    /// What it is compressed with.
    pub(crate) compression: Compression,
}

impl PackedAs {
    /// Gives the key of something that is packed so.
    fn key(&self, key: Digest) -> Digest {
        packed_as(self.compression, key)
    }
}

/// What the library notes of a recipe, by its key; by its shape, that there
/// is some layer of it.
#[derive(serde::Serialize, serde::Deserialize)]
struct LayerNote {
    digest: Digest,
    size: u64,
    diff_id: Digest,
}

/// Is a file without a name that a layer goes to besides, as it is.
#[derive(Debug, Clone)]
struct Kept(Arc<fs_err::File>);

impl Kept {
    fn create(scratch: &Path) -> Result<Self, Error> {
        let file = nameless(scratch).map_err(|error| unkept(scratch, error))?;
        Ok(Self(Arc::new(file)))
    }
}

impl io::Write for Kept {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        (&*self.0).write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a file that are hashed at once.
const PIECE: usize = 128 * 1024;

impl Layers {
    /// Starts with nothing read.
    pub(crate) fn new(images: &Images, library: &Library, request: &Request) -> Self {
        Self {
            images: images.clone(),
            library: library.clone(),
            scratch: request.scratch.clone(),
            packing: Packing {
                threads: request.threads,
                compression: request.compression,
            },
            cache: request.cache,
            progress: Arc::clone(&request.progress),
            indexes: Shared::default(),
            unpacked: Shared::default(),
        }
    }

    /// Finds the layer of a recipe, if it was made before.
    pub(crate) async fn find(
        &self,
        recipe: &mut Recipe,
        shelf: &Shelf,
        kind: &PackedAs,
    ) -> Result<Option<LayerOf>, Error> {
        if self.cache != Cache::Use {
            return Ok(None);
        }
        if self
            .noted_layer(&kind.key(recipe.shape()), &kind.media_type)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        // Something of this shape was packed: reading the files is likely to
        // spare compressing them.
        *recipe = self.digested(std::mem::take(recipe), shelf).await?;
        match recipe.key() {
            Some(key) => self.noted_layer(&kind.key(key), &kind.media_type).await,
            None => Ok(None),
        }
    }

    /// Makes the layer of a recipe: its bytes are made once, and go to the
    /// library as they are made. Its content is at hand afterwards, if that is
    /// wanted.
    pub(crate) async fn make(
        &self,
        step: usize,
        (recipe, shelf): (&mut Recipe, &Shelf),
        kind: &PackedAs,
        content: reading::Content,
    ) -> Result<LayerOf, Error> {
        let before = Moment::now();
        let kept = match content {
            reading::Content::Passed => None,
            reading::Content::Kept => Some(Kept::create(&self.scratch)?),
        };
        let how = (kind.compression, kept.clone());
        let (written, mut incoming) = self.write(step, (recipe, shelf), how).await?;
        if let Err(error) = confirm(recipe, &written.index, shelf, before) {
            incoming.discard().await;
            return Err(error);
        }
        let (digest, diff_id) = (written.digest, written.diff_id);
        let published = async {
            let published = incoming.publish(&digest).await;
            published.map_err(|error| Error::image("can not keep the layer", error))
        };
        // Each waits for the disk.
        tokio::try_join!(
            published,
            self.keep_index(&digest, &diff_id, &written.index)
        )?;
        let layer = LayerOf {
            descriptor: Descriptor::new(kind.media_type.clone(), written.digest, written.size),
            diff_id: written.diff_id,
        };
        let index = Arc::new(written.index);
        self.indexes.put(&written.digest, Arc::clone(&index));
        if let Some(Kept(file)) = kept {
            let unpacked = Unpacked { file, index };
            self.unpacked.put(&written.digest, unpacked);
        }
        if self.cache == Cache::Apart {
            return Ok(layer);
        }
        let note = LayerNote {
            digest: layer.descriptor.digest,
            size: layer.descriptor.size,
            diff_id: layer.diff_id,
        };
        let note = Bytes::from(serde_json::to_vec(&note).unwrap_or_default());
        let keys = recipe.key().into_iter().chain([recipe.shape()]);
        for about in &keys.map(|key| kind.key(key)).collect::<Vec<_>>() {
            let noted = self.library.note(Topic::Layers, about, note.clone()).await;
            noted.map_err(|error| Error::image("can not note what was packed", error))?;
        }
        Ok(layer)
    }

    /// Finds a layer by what it was made of.
    async fn noted_layer(
        &self,
        about: &Digest,
        media_type: &MediaType,
    ) -> Result<Option<LayerOf>, Error> {
        let failed = |error| Error::image("can not look up what was packed", error);
        let note = self
            .library
            .noted(Topic::Layers, about)
            .await
            .map_err(failed)?;
        let Some(note) = note.and_then(|note| serde_json::from_slice::<LayerNote>(&note).ok())
        else {
            return Ok(None);
        };
        let descriptor = Descriptor::new(media_type.clone(), note.digest, note.size);
        let there = self.library.has(&descriptor).await.map_err(failed)?;
        Ok(there.then_some(LayerOf {
            descriptor,
            diff_id: note.diff_id,
        }))
    }

    /// Digests the content of the files of which that is not known.
    async fn digested(&self, recipe: Recipe, shelf: &Shelf) -> Result<Recipe, Error> {
        let (shelf, threads) = (shelf.clone(), self.packing.threads);
        blocking::run(move || digest_all(recipe, &shelf, threads)).await
    }

    /// Digests a recipe and all content that it names.
    pub(crate) async fn digest(
        &self,
        recipe: Recipe,
        shelf: &Shelf,
    ) -> Result<(Recipe, Digest), Error> {
        let recipe = self.digested(recipe, shelf).await?;
        let digest = recipe
            .key()
            .ok_or_else(|| Error::new(ErrorKind::Storage, "the content of a file is not known"))?;
        Ok((recipe, digest))
    }

    /// Packs a layer into the library, where it is not to be seen yet.
    async fn write(
        &self,
        step: usize,
        (recipe, shelf): (&mut Recipe, &Shelf),
        (compression, kept): (Compression, Option<Kept>),
    ) -> Result<(layer::Written, Incoming), Error> {
        let failed = |error| Error::image("can not keep the layer", error);
        let hasher = Hasher::unbroken(Algorithm::Sha256);
        let mut incoming = self.library.begin(hasher).await.map_err(failed)?;
        // Not copied: of a million files it is a gigabyte.
        let job = std::mem::take(recipe);
        let packing = Packing {
            threads: self.packing.threads,
            compression,
        };
        let shelf = shelf.clone();
        let progress = Arc::clone(&self.progress);
        let written = blocking::produce(
            move |outgoing| {
                let out = (outgoing, kept.map(Plain::to));
                let written = write(step, (&job, &shelf), (packing, out), progress.as_ref())?;
                Ok((written, job))
            },
            async |piece| incoming.push(piece).await.map_err(failed),
        )
        .await;
        match written {
            Ok((written, job)) => {
                *recipe = job;
                Ok((written, incoming))
            }
            Err(error) => {
                incoming.discard().await;
                Err(error)
            }
        }
    }
}

/// Gives the key of something that is packed in a way, by the key of what is in
/// it.
pub(crate) fn packed_as(compression: Compression, key: Digest) -> Digest {
    if compression == Compression::default() {
        return key;
    }
    Digest::sha256(format!("packed {} {key}", compression.name()).as_bytes())
}

/// Writes the layer of a recipe. It blocks.
fn write(
    step: usize,
    (recipe, shelf): (&Recipe, &Shelf),
    (packing, out): (Packing, (&mut blocking::Outgoing, Option<Plain>)),
    progress: &dyn Progress,
) -> Result<layer::Written, Error> {
    let size = recipe.size();
    let mut position = 0;
    let (written, ()) = layer::write_layer_and(packing, out, |writer| {
        fill(recipe, shelf, writer, &mut |piece| {
            position += piece as u64;
            progress.note(&Event::Packing {
                step,
                position,
                size,
            });
        })
    })?;
    Ok(written)
}

/// Writes the entries of a recipe, and tells of the bytes of their content. It
/// blocks.
pub(crate) fn fill<W: io::Write>(
    recipe: &Recipe,
    shelf: &Shelf,
    writer: &mut layer::Writer<W>,
    tell: &mut impl FnMut(usize),
) -> Result<(), Error> {
    for Item { entry, content } in recipe.items() {
        let named = |error: layer::Error| {
            Error::layer(format!("`{}` can not be packed", entry.path), error)
        };
        match content {
            Content::None => writer.entry(entry).map_err(named)?,
            Content::Inline(bytes) => {
                writer.file(entry, &mut bytes.as_ref()).map_err(named)?;
            }
            Content::Place { place, .. } => {
                let content = open(shelf, *place, entry).map_err(named)?;
                let mut content = Tapped::new(content, |piece| tell(piece.len()));
                writer.file(entry, &mut content).map_err(named)?;
            }
        }
    }
    Ok(())
}

fn open<'a>(
    shelf: &'a Shelf,
    place: ContentPlace,
    entry: &layer::Entry,
) -> Result<Box<dyn Read + Send + 'a>, layer::Error> {
    let size = match entry.kind {
        layer::Kind::File { size } => size,
        _ => 0,
    };
    shelf.open(place, size)
}

/// Digests files, some threads at a time. It blocks.
fn digest_all(mut recipe: Recipe, shelf: &Shelf, threads: NonZeroUsize) -> Result<Recipe, Error> {
    let open: Vec<&mut Item> = recipe
        .items_mut()
        .filter(|item| matches!(item.content, Content::Place { digest: None, .. }))
        .collect();
    if open.is_empty() {
        return Ok(recipe);
    }
    let before = Moment::now();
    let queue = Mutex::new(open.into_iter());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get())
            .map(|_| {
                scope.spawn(|| -> Result<(), Error> {
                    let mut buffer = vec![0; PIECE];
                    loop {
                        // Taken in a statement of its own, so that the lock is
                        // free while the file is read.
                        let next = locked(&queue).next();
                        let Some(item) = next else { return Ok(()) };
                        digest_one(item, shelf, (&mut buffer, before))?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_panic| {
                Err(Error::new(
                    ErrorKind::Storage,
                    "a thread that digests files was cut off",
                ))
            })
        })
    })?;
    Ok(recipe)
}

fn digest_one(
    item: &mut Item,
    shelf: &Shelf,
    (buffer, before): (&mut [u8], Moment),
) -> Result<(), Error> {
    let path = item.entry.path.clone();
    let size = item.size();
    let Content::Place { place, digest } = &mut item.content else {
        return Ok(());
    };
    let failed = |error| Error::layer(format!("`{path}` can not be read"), error);
    let mut content = shelf.open(*place, size).map_err(failed)?;
    let mut hasher = Hasher::unbroken(Algorithm::Sha256);
    loop {
        let read = content.read(buffer).map_err(|error| {
            Error::caused(kind_of(&error), format!("`{path}` can not be read"), error)
        })?;
        match buffer.get(..read) {
            Some(piece) if !piece.is_empty() => hasher.update(piece),
            _ => break,
        }
    }
    let known = hasher.finish();
    shelf.learn(*place, &known, before);
    *digest = Some(known);
    Ok(())
}

/// Finds out whether a file could not be read because it changed.
fn kind_of(error: &io::Error) -> ErrorKind {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<layer::Error>());
    match inner.map(layer::Error::kind) {
        Some(layer::ErrorKind::Changed) => ErrorKind::Changed,
        _ => ErrorKind::Storage,
    }
}

/// Takes a lock; what it guards is whole whatever became of another thread.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

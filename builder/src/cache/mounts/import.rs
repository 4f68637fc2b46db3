//! A cache filled from an artefact. Nothing of it is trusted: what it says is
//! checked on trees before the first file is made, and where anything is wrong,
//! the cache is empty, and somebody is told.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_util::{StreamExt as _, TryStreamExt as _};
use image::{AT_ONCE, ErrorKind as ImageErrorKind, Images, Inspected, Place, PlatformChoice};
use layer::{EntryPath, Form, Kind, LayerIndex, Operation, Rights, Tree};
use oci::Descriptor;

use crate::blocking;
use crate::cache::mounts::{MountId, MountSource, chain, compose, is_meant};
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress};
use crate::request::Request;
use crate::worker::Handle;

/// How many entries all layers of an artefact have at most.
const ENTRIES_LIMIT: usize = 4_000_000;

/// Is what a cache is filled from.
#[derive(Debug)]
pub(crate) struct Seed {
    /// Layers, uncompressed, and what is to be done with each, in this order.
    parts: Vec<(std::fs::File, Vec<Operation>)>,
}

impl Seed {
    /// Fills a directory that is not there yet. It blocks.
    pub(crate) fn fill(
        &self,
        handle: &Handle,
        rights: Rights,
        directory: &Path,
    ) -> Result<(), Error> {
        handle.make(directory)?;
        for (file, operations) in &self.parts {
            let how = (Form::Plain, rights);
            handle.perform(directory, operations.clone(), file.as_fd(), how)?;
        }
        Ok(())
    }
}

/// Finds the artefact of a cache, and fetches it: by the first source that has
/// one that is sound. Whatever is wrong is told and no more.
pub(crate) async fn find(
    images: &Images,
    request: &Request,
    sources: &[MountSource],
    id: &MountId,
) -> Option<Seed> {
    let progress = request.progress.as_ref();
    for source in sources.iter().filter(|source| is_meant(&source.ids, id)) {
        for tag in id.tags(&source.key) {
            let place = source.place.at(&tag);
            match fetch(images, (&place, id), &request.scratch, source.quota).await {
                Ok(Some(seed)) => return Some(seed),
                Ok(None) => {}
                Err(error) => warn(progress, id, &place, &error),
            }
        }
    }
    None
}

fn warn(progress: &dyn Progress, id: &MountId, place: &Place, error: &Error) {
    let message = format!(
        "the cache `{}` can not be filled from `{place}`: {}",
        crate::plan::excerpt(id.id()),
        chain(error)
    );
    progress.note(&Event::Warned {
        message: &message,
        hint: "it starts without what is there; `quota=` allows more of it, where that is the reason",
    });
}

/// Fetches an artefact; `None` where there is none.
async fn fetch(
    images: &Images,
    (place, id): (&Place, &MountId),
    scratch: &Path,
    quota: u64,
) -> Result<Option<Seed>, Error> {
    let inspected = match images.inspect(place, &PlatformChoice::All).await {
        Ok(inspected) => inspected,
        Err(error) if error.kind() == ImageErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::image("it can not be read", error)),
    };
    let Inspected { manifest, .. } = inspected;
    let left = Arc::new(AtomicU64::new(quota));
    let layers = compose::layers(&manifest, id)?.iter();
    let layers = layers.map(|layer| unpacked(images, (place, layer), scratch, &left));
    let layers = futures_util::stream::iter(layers.collect::<Vec<_>>());
    let layers: Vec<_> = layers.buffered(AT_ONCE).try_collect().await?;
    let seed = blocking::run(move || {
        let indexes: Vec<&LayerIndex> = layers.iter().map(|(_, index)| index).collect();
        let operations = operations(&indexes)?;
        let files = layers.into_iter().map(|(file, _)| file);
        Ok(Seed {
            parts: files.zip(operations).collect(),
        })
    });
    seed.await.map(Some)
}

/// Fetches a layer, and decompresses it: to as many bytes at most as are left
/// for all layers.
async fn unpacked(
    images: &Images,
    (place, layer): (&Place, &Descriptor),
    scratch: &Path,
    left: &Arc<AtomicU64>,
) -> Result<(std::fs::File, LayerIndex), Error> {
    let context = format!("its layer `{}` can not be read", layer.digest);
    let stream = images.blob(place, layer).await;
    let stream = stream.map_err(|error| Error::image(context.clone(), error))?;
    let (scratch, left) = (scratch.to_owned(), Arc::clone(left));
    blocking::consume(stream, move |incoming| {
        let stored = |error| {
            let context = format!("can not write into `{}`", scratch.display());
            Error::caused(ErrorKind::Storage, context, error)
        };
        let wrong = |error| Error::layer(context.clone(), error);
        let file = tempfile::tempfile_in(&scratch).map_err(stored)?;
        let mut file = fs_err::File::from_parts(file, scratch.join("cache"));
        let plain = layer::decompress(incoming).map_err(wrong)?;
        io::copy(&mut Bounded { plain, left }, &mut file)
            .map_err(|error| Error::caused(ErrorKind::Storage, context.clone(), error))?;
        file.rewind().map_err(stored)?;
        let index = LayerIndex::read(&mut BufReader::new(&file)).map_err(wrong)?;
        Ok((file.into_parts().0, index))
    })
    .await
}

/// Reads no more than is left for all layers.
struct Bounded<R> {
    plain: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        let take = |left: u64| left.checked_sub(read as u64);
        let taken = self.left.fetch_update(Relaxed, Relaxed, take);
        let over = |_left| io::Error::other("the artefact unpacks to more than its quota");
        taken.map_err(over).map(|_before| read)
    }
}

/// Lists what is to be done to an empty directory: for the first layer, which
/// has directories, links and pipes, and then for each of the others, which
/// have files in those, each path once.
pub(super) fn operations(layers: &[&LayerIndex]) -> Result<Vec<Vec<Operation>>, Error> {
    let entries = layers.iter().map(|layer| layer.records().len());
    if entries.fold(0, usize::saturating_add) > ENTRIES_LIMIT {
        let message = format!("it has more than {ENTRIES_LIMIT} entries");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let wrong = |error| Error::layer("its layers do not fit", error);
    let Some((frame, others)) = layers.split_first() else {
        return Ok(Vec::new());
    };
    check_frame(frame)?;
    let mut tree = Tree::new();
    let mut all = vec![layer::operations(&tree, frame).map_err(wrong)?];
    tree.apply(ORIGIN, frame).map_err(wrong)?;
    let mut paths = BTreeSet::new();
    for layer in others {
        check_files(layer, &tree, &mut paths)?;
        all.push(layer::operations(&tree, layer).map_err(wrong)?);
    }
    Ok(all)
}

/// The origin of the first layer; it has no content.
const ORIGIN: u32 = 0;

fn check_frame(frame: &LayerIndex) -> Result<(), Error> {
    let mut paths = BTreeSet::new();
    for record in frame.records() {
        let path = &record.entry.path;
        let is_right = matches!(
            record.entry.kind,
            Kind::Directory | Kind::Symlink { .. } | Kind::Fifo
        );
        if !is_right || !paths.insert(path) {
            return Err(out_of_place(path));
        }
    }
    Ok(())
}

/// Checks that a layer has files and their names alone, in directories of the
/// frame, where nothing else is.
fn check_files<'a>(
    layer: &'a LayerIndex,
    frame: &Tree,
    paths: &mut BTreeSet<&'a EntryPath>,
) -> Result<(), Error> {
    for record in layer.records() {
        let path = &record.entry.path;
        let is_right = matches!(record.entry.kind, Kind::File { .. } | Kind::HardLink { .. });
        let parent = path.parent().and_then(|parent| frame.node(&parent));
        let is_in = parent.is_some_and(layer::Node::is_directory) && frame.node(path).is_none();
        if !is_right || !is_in || !paths.insert(path) {
            return Err(out_of_place(path));
        }
    }
    Ok(())
}

fn out_of_place(path: &EntryPath) -> Error {
    let message = format!("it has `{path}` where no artefact of a cache has it");
    Error::new(ErrorKind::Image, message)
}

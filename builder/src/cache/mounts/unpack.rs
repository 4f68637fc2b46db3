//! The layers of an artefact, fetched and decompressed. However many there are
//! and whatever they say, they take a few descriptors, so much memory and so
//! much of the disk.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use image::{AT_ONCE, BlobStream, Images, Place};
use layer::{EntryPath, Kind, LayerIndex};
use oci::Descriptor;

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::pack::layers::locked;

/// How many entries all layers of an artefact have at most.
const ENTRIES_LIMIT: u64 = 4_000_000;
/// The bytes that names, links and extended attributes of all layers have at
/// most, which are held in memory.
const TEXT_LIMIT: u64 = 1024 * 1024 * 1024;

/// Says what all layers of an artefact may have together, and holds them to it.
#[derive(Debug)]
pub(super) struct Room {
    /// The bytes without compression.
    pub(super) bytes: AtomicU64,
    pub(super) entries: AtomicU64,
    /// The bytes of what entries say.
    pub(super) text: AtomicU64,
}

impl Room {
    /// Has room for so many bytes on the disk.
    pub(super) fn new(quota: u64) -> Self {
        Self {
            bytes: AtomicU64::new(quota),
            entries: AtomicU64::new(ENTRIES_LIMIT),
            text: AtomicU64::new(TEXT_LIMIT),
        }
    }

    /// Takes the room that an index has in memory.
    fn hold(&self, index: &LayerIndex) -> Result<(), Error> {
        let over = |what: &str| {
            let message = format!("it has more {what} than are read of a cache");
            Err(Error::new(ErrorKind::Unsupported, message))
        };
        if !take(&self.entries, index.records().len() as u64) {
            return over("entries");
        }
        if !take(&self.text, text(index)) {
            return over("bytes of names and attributes");
        }
        Ok(())
    }
}

/// Takes so much of what is left, if there is so much.
fn take(left: &AtomicU64, amount: u64) -> bool {
    let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(amount));
    taken.is_ok()
}

/// Adds up what an index holds of text.
fn text(index: &LayerIndex) -> u64 {
    let entries = index.records().iter().map(|record| {
        let entry = &record.entry;
        let target = match &entry.kind {
            Kind::HardLink { target } => target.as_bytes().len(),
            Kind::Symlink { target } => target.len(),
            _ => 0,
        };
        let attributes = entry.metadata.xattrs.iter();
        let attributes = attributes.map(|(name, value)| name.len() + value.len());
        entry.path.as_bytes().len() + target + attributes.sum::<usize>()
    });
    let kept = LayerIndex::KEPT.iter().filter_map(|path| {
        let path = EntryPath::parse(path.as_bytes()).ok()?;
        index.kept(&path).map(<[u8]>::len)
    });
    entries.chain(kept).map(|bytes| bytes as u64).sum()
}

/// Is a layer of an artefact, uncompressed.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// What it lies in, with others.
    pub(super) file: Arc<fs_err::File>,
    /// Where it begins there.
    pub(super) start: u64,
    pub(super) index: LayerIndex,
}

/// Has the files that layers are written to. Each has a name for nobody, and
/// one layer behind the other; it is written by one at a time, so that there are
/// as many as are fetched at once, and not as many as there are layers.
#[derive(Debug)]
struct Spools {
    scratch: PathBuf,
    free: Mutex<Vec<Arc<fs_err::File>>>,
}

impl Spools {
    /// Gives a file that nobody writes to, and where it ends.
    fn take(&self) -> io::Result<(Arc<fs_err::File>, u64)> {
        let free = locked(&self.free).pop();
        let file = match free {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(&self.scratch)?;
                Arc::new(fs_err::File::from_parts(file, self.scratch.join("cache")))
            }
        };
        let end = (&*file).seek(SeekFrom::End(0))?;
        Ok((file, end))
    }

    /// Takes a file back that nobody writes to any more.
    fn put(&self, file: &Arc<fs_err::File>) {
        locked(&self.free).push(Arc::clone(file));
    }
}

/// Fetches and decompresses all layers of an artefact, in their order. `silence`
/// is how long one may not come on.
pub(super) async fn unpack(
    (images, place): (&Images, &Place),
    layers: &[Descriptor],
    scratch: &Path,
    room: Room,
    silence: Duration,
) -> Result<Vec<Unpacked>, Error> {
    let spools = Spools {
        scratch: scratch.to_owned(),
        free: Mutex::default(),
    };
    let shared = Arc::new((spools, room));
    let layers = layers.iter().map(async |layer| {
        let context = format!("its layer `{}` can not be read", layer.digest);
        let silent = || {
            let message = format!("{context}: nothing came for {silence:?}");
            Error::new(ErrorKind::Image, message)
        };
        let opening = tokio::time::timeout(silence, images.blob(place, layer));
        let stream = opening.await.map_err(|_elapsed| silent())?;
        let stream = stream.map_err(|error| Error::image(context.clone(), error))?;
        let (stream, fell_silent) = brisk(stream, silence);
        let (shared, said) = (Arc::clone(&shared), context.clone());
        let unpacked = blocking::consume(stream, move |incoming| write(incoming, &shared, &said));
        let unpacked = unpacked.await;
        if fell_silent.load(Relaxed) {
            return Err(silent());
        }
        unpacked
    });
    let layers = futures_util::stream::iter(layers.collect::<Vec<_>>());
    layers.buffered(AT_ONCE).try_collect().await
}

/// Ends a stream that is silent for longer, and then says so.
pub(super) fn brisk(stream: BlobStream, silence: Duration) -> (BlobStream, Arc<AtomicBool>) {
    let fell_silent = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fell_silent);
    let pieces =
        futures_util::stream::unfold((stream, told), move |(mut stream, told)| async move {
            match tokio::time::timeout(silence, stream.next()).await {
                Ok(piece) => Some((piece?, (stream, told))),
                Err(_elapsed) => {
                    told.store(true, Relaxed);
                    None
                }
            }
        });
    (Box::pin(pieces), fell_silent)
}

/// Writes a layer behind others. It blocks.
fn write(
    incoming: &mut blocking::Incoming,
    (spools, room): &(Spools, Room),
    context: &str,
) -> Result<Unpacked, Error> {
    let stored = |error| {
        let context = format!("can not write into `{}`", spools.scratch.display());
        Error::caused(ErrorKind::Storage, context, error)
    };
    let wrong = |error| Error::layer(context, error);
    let (file, start) = spools.take().map_err(stored)?;
    let plain = layer::decompress(incoming).map_err(wrong)?;
    let mut bounded = Bounded {
        plain,
        left: &room.bytes,
    };
    io::copy(&mut bounded, &mut &*file)
        .map_err(|error| Error::caused(ErrorKind::Storage, context, error))?;
    (&*file).seek(SeekFrom::Start(start)).map_err(stored)?;
    let index = LayerIndex::read(&mut BufReader::new(&*file)).map_err(wrong)?;
    room.hold(&index)?;
    spools.put(&file);
    Ok(Unpacked { file, start, index })
}

/// Reads no more than is left for all layers.
struct Bounded<'a, R> {
    plain: R,
    left: &'a AtomicU64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        match take(self.left, read as u64) {
            true => Ok(read),
            false => Err(io::Error::other(
                "the artefact unpacks to more than its quota",
            )),
        }
    }
}

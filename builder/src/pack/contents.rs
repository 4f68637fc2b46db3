//! Where the content of files comes from while a layer is packed: the
//! context, layers that were unpacked for it, archives, and what was fetched.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use layer::{ContentPlace, Contents, EntryPath, LayerIndex};

use crate::context::Context;
use crate::fetch::Checkout;
use crate::snapshot::{Kept, Left};

/// The origin of what is in the context.
pub(crate) const CONTEXT: u32 = 0;
/// The first origin of what one instruction brings from elsewhere: layers are
/// counted from 1, and never come so far.
const FIRST_BROUGHT: u32 = 1 << 31;

/// Reaches the content of files by their places.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) context: Option<Arc<Context>>,
    pub(crate) layers: BTreeMap<u32, FilesOf>,
    /// By their origins, from [`FIRST_BROUGHT`] on.
    brought: Vec<Brought>,
}

/// Is what an instruction brings from elsewhere.
#[derive(Clone)]
pub(crate) enum Brought {
    /// A file, whose position is 0.
    File(Arc<fs_err::File>),
    /// The files of an archive, by the numbers of their records.
    Archive(Unpacked),
    /// Files that a command left, by their numbers in the list.
    Left {
        left: Left,
        paths: Arc<Vec<EntryPath>>,
    },
    /// The files of a repository, which are gone with the checkout.
    Checkout {
        files: Arc<Context>,
        _kept: Arc<Checkout>,
    },
}

impl Shelf {
    /// Gives the origin of what is brought next; `None` when there are too
    /// many.
    pub(crate) fn next_origin(&self) -> Option<u32> {
        let next = u32::try_from(self.brought.len()).ok()?;
        // The last one is that of files which stand in the Dockerfile.
        let origin = FIRST_BROUGHT.checked_add(next)?;
        (origin < u32::MAX).then_some(origin)
    }

    /// Keeps what has the next origin.
    pub(crate) fn bring(&mut self, brought: Brought) {
        self.brought.push(brought);
    }

    /// Says whether what has this origin needs no layer.
    pub(crate) fn needs_no_layer(origin: u32) -> bool {
        origin == CONTEXT || origin >= FIRST_BROUGHT
    }

    fn brought(&self, origin: u32) -> Option<&Brought> {
        let at = origin.checked_sub(FIRST_BROUGHT)?;
        self.brought.get(usize::try_from(at).ok()?)
    }
}

/// Says where the files of a layer are.
#[derive(Clone)]
pub(crate) enum FilesOf {
    /// In its archive.
    Archive(Unpacked),
    /// In a directory that the command was run in which made them.
    Directory { kept: Kept, index: Arc<LayerIndex> },
}

/// Is a layer in a file that has no name, uncompressed.
#[derive(Clone)]
pub(crate) struct Unpacked {
    pub(crate) file: Arc<fs_err::File>,
    pub(crate) index: Arc<LayerIndex>,
}

impl Contents for Shelf {
    fn open(
        &self,
        place: ContentPlace,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        if place.origin == CONTEXT {
            let context = self.context.as_ref().ok_or_else(lost)?;
            return context.open(place.position, size);
        }
        match self.brought(place.origin) {
            Some(Brought::File(file)) => {
                return Ok(Box::new(Range {
                    file,
                    position: 0,
                    end: size,
                }));
            }
            Some(Brought::Archive(archive)) => return archive.open(place.position, size),
            Some(Brought::Left { left, paths }) => {
                let number = usize::try_from(place.position).ok();
                let path = number.and_then(|number| paths.get(number));
                return self::left(left, path.ok_or_else(lost)?, size);
            }
            Some(Brought::Checkout { files, .. }) => return files.open(place.position, size),
            None => {}
        }
        match self.layers.get(&place.origin).ok_or_else(lost)? {
            FilesOf::Archive(archive) => archive.open(place.position, size),
            FilesOf::Directory { kept, index } => {
                let number = usize::try_from(place.position).ok();
                let record = number.and_then(|number| index.records().get(number));
                left(kept.files(), &record.ok_or_else(lost)?.entry.path, size)
            }
        }
    }
}

/// Opens a file that a command left.
fn left(
    left: &Left,
    path: &EntryPath,
    size: u64,
) -> Result<Box<dyn Read + Send + 'static>, layer::Error> {
    let file = left.open(path).map_err(|error| {
        layer::Error::io(format!("can not read `{path}`"), io::Error::other(error))
    })?;
    Ok(Box::new(std::fs::File::from(file).take(size)))
}

impl Unpacked {
    /// Opens the content that a record of the layer has.
    pub(crate) fn open(
        &self,
        record: u64,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        let record = usize::try_from(record)
            .ok()
            .and_then(|record| self.index.records().get(record))
            .ok_or_else(lost)?;
        let stored = record.content.as_ref().ok_or_else(lost)?;
        let Some(offset) = stored.offset else {
            return Err(layer::Error::new(
                layer::ErrorKind::Unsupported,
                format!(
                    "`{}` is sparse in its archive, and such files are not copied",
                    record.entry.path
                ),
            ));
        };
        Ok(Box::new(Range {
            file: &self.file,
            position: offset,
            end: offset.saturating_add(size),
        }))
    }
}

fn lost() -> layer::Error {
    layer::Error::new(
        layer::ErrorKind::Invalid,
        "the content of a file is not where it should be",
    )
}

/// The most bytes that a layer or a context may have without its compression.
/// Real ones stay far below; a bomb does not.
const UNPACKED_LIMIT: u64 = 256 * 1024 * 1024 * 1024;

/// Reads no more than anything may have that is unpacked.
pub(crate) struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            left: UNPACKED_LIMIT,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let message = format!("it unpacks to more than {UNPACKED_LIMIT} bytes");
            io::Error::from(layer::Error::new(layer::ErrorKind::Limit, message))
        })?;
        Ok(read)
    }
}

/// Reads a part of a file, wherever others read in it.
pub(crate) struct Range<'a> {
    pub(crate) file: &'a fs_err::File,
    pub(crate) position: u64,
    pub(crate) end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self
            .file
            .file()
            .read_at(&mut buffer[..length], self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

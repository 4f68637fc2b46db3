//! Where the content of files comes from while a layer is packed: the
//! context, or layers that were unpacked for it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use layer::{ContentPlace, Contents, LayerIndex};

use crate::context::Context;

/// The origin of what is in the context.
pub(crate) const CONTEXT: u32 = 0;

/// Reaches the content of files by their places.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) context: Option<Arc<Context>>,
    pub(crate) layers: BTreeMap<u32, Unpacked>,
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
        let layer = self.layers.get(&place.origin).ok_or_else(lost)?;
        layer.open(place.position, size)
    }
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
                    "`{}` is sparse in its layer, and such files are not copied",
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

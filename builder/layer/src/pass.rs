//! One pass over a layer: entries are framed, and what they become is digested,
//! compressed by several threads, digested again and written, all at once.
//!
//! It keeps nothing of the content: memory is a few blocks for each thread,
//! however large a layer is. The bytes are the same for any number of threads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use oci::{Algorithm, Digest, Hasher};

use crate::compression::{Compression, Compressor, Method};
use crate::error::{Error, ErrorKind};
use crate::index::LayerIndex;
use crate::write::Writer;

/// Is the version of the bytes of layers: of the order and the form of their
/// entries, and of their compression. Whatever changes one byte of any layer
/// raises it; caches have it in their keys.
pub const LAYER_FORMAT: u32 = 2;

/// The most threads that one pass starts, which bounds its memory: more than one
/// thread that reads and digests can keep busy.
pub const THREADS_LIMIT: usize = 8;

/// How many blocks may wait for a thread, beside those that threads have: so
/// many that none has to wait for the next one while this thread reads.
const WAITING_BLOCKS: usize = 4;

/// Says how an archive is compressed, and by how many threads. A number of
/// threads alone means gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// By how many threads: it changes no byte.
    pub threads: NonZeroUsize,
    /// How.
    pub compression: Compression,
}

impl From<NonZeroUsize> for Packing {
    fn from(threads: NonZeroUsize) -> Self {
        Self {
            threads,
            compression: Compression::default(),
        }
    }
}

/// Is what is known of a layer that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The digest of the bytes that were written.
    pub digest: Digest,
    /// How many bytes were written.
    pub size: u64,
    /// The digest of the archive before it was compressed (image-spec, "Layer
    /// DiffID").
    pub diff_id: Digest,
    /// The size of the archive before it was compressed, in bytes.
    pub uncompressed: u64,
    /// What the layer says.
    pub index: LayerIndex,
}

/// Takes an archive, and writes it compressed to `W`: what the writer of
/// [`write_layer`] writes to. Nothing else makes one.
#[derive(Debug)]
pub struct Framing<W> {
    out: W,
    /// Where the archive goes as it is.
    plain: Option<Plain>,
    compression: Compression,
    /// The part of the archive that is to be the next block.
    block: Vec<u8>,
    jobs: Sender<Job>,
    /// The blocks under way, in their order.
    under_way: VecDeque<Receiver<Packed>>,
    most_under_way: usize,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    diff_id: Hasher,
    digest: Hasher,
}

/// Takes an archive before it is compressed.
pub struct Plain(Box<dyn Write + Send>);

impl Plain {
    /// Has it be written here too.
    pub fn to(plain: impl Write + Send + 'static) -> Self {
        Self(Box::new(plain))
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Plain").finish()
    }
}

/// Is a block to be compressed.
#[derive(Debug)]
struct Job {
    block: Vec<u8>,
    done: SyncSender<Packed>,
}

/// Is what a block became.
#[derive(Debug)]
struct Packed {
    /// To be used again.
    buffer: Vec<u8>,
    bytes: Vec<u8>,
}

/// Writes a layer as a compressed archive: `fill` says its entries in their
/// order, and what it gives is given beside what is known of the layer.
///
/// Compression runs on as many threads as said, at most 8; they end before
/// this returns. It fills in, reads and writes on the thread of its caller.
///
/// # Errors
///
/// Fails with what `fill` fails with, and with [`ErrorKind::Io`] when `out`
/// can not be written. What `out` has received then is of no use.
pub fn write_layer<W, T, E>(
    how: impl Into<Packing>,
    out: W,
    fill: impl FnOnce(&mut Writer<Framing<W>>) -> Result<T, E>,
) -> Result<(Written, T), E>
where
    W: Write,
    E: From<Error>,
{
    write_layer_and(how, (out, None), fill)
}

/// Does so, and writes the archive before it is compressed elsewhere besides,
/// for who needs it at once.
///
/// # Errors
///
/// Fails as [`write_layer`] does, and with [`ErrorKind::Io`] when the archive
/// can not be written.
pub fn write_layer_and<W, T, E>(
    how: impl Into<Packing>,
    (out, plain): (W, Option<Plain>),
    fill: impl FnOnce(&mut Writer<Framing<W>>) -> Result<T, E>,
) -> Result<(Written, T), E>
where
    W: Write,
    E: From<Error>,
{
    compressing(how.into(), (out, plain), |framing| {
        let mut writer = Writer::new(framing);
        let value = fill(&mut writer)?;
        let (framing, index) = writer.finish()?;
        Ok((framing.finish(index)?, value))
    })
}

/// Writes an archive that is there already, byte for byte, as a compressed
/// layer: what [`write_layer`] makes of the same entries. The index is empty.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`] when the archive can not be read or `out` not
/// be written.
pub fn write_archive<W: Write>(
    how: impl Into<Packing>,
    out: W,
    archive: &mut impl io::Read,
) -> Result<Written, Error> {
    compressing(how.into(), (out, None), |mut framing| {
        io::copy(archive, &mut framing)
            .map_err(|error| Error::io("can not pack a layer", error))?;
        framing.finish(LayerIndex::default())
    })
}

/// Has threads that compress for as long as something is written.
fn compressing<W: Write, T, E: From<Error>>(
    Packing {
        threads,
        compression,
    }: Packing,
    out: (W, Option<Plain>),
    write: impl FnOnce(Framing<W>) -> Result<T, E>,
) -> Result<T, E> {
    let threads = match compression.method() {
        // There is nothing to do for them.
        Method::Uncompressed => 1,
        Method::Gzip | Method::Zstd => threads.get().min(THREADS_LIMIT),
    };
    let (jobs, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            start(scope, &queue, Compressor::new(compression)?)?;
        }
        write(Framing::new(out, jobs, (threads, compression)))
    })
}

/// Starts a thread that compresses blocks until no more can come.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    queue: &'scope Mutex<Receiver<Job>>,
    mut compressor: Compressor,
) -> Result<(), Error> {
    let work = move || {
        // Whoever waits for a block has the lock; the others wait for that.
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(Job { block, done }) = next() {
            let (bytes, buffer) = compressor.pack(block);
            // Nobody waits for it any more when writing has failed.
            drop(done.send(Packed { buffer, bytes }));
        }
    };
    std::thread::Builder::new()
        .name("layer".into())
        .spawn_scoped(scope, work)
        .map(drop)
        .map_err(|error| Error::io("can not start a thread that compresses", error))
}

impl<W: Write> Framing<W> {
    fn new(
        (out, plain): (W, Option<Plain>),
        jobs: Sender<Job>,
        (threads, compression): (usize, Compression),
    ) -> Self {
        Self {
            out,
            plain,
            compression,
            block: Vec::with_capacity(compression.block()),
            jobs,
            under_way: VecDeque::new(),
            most_under_way: threads + WAITING_BLOCKS,
            spare: Vec::new(),
            diff_id: Hasher::unbroken(Algorithm::Sha256),
            digest: Hasher::unbroken(Algorithm::Sha256),
        }
    }

    fn is_compressed(&self) -> bool {
        self.compression.method() != Method::Uncompressed
    }

    /// Hands the block over to whichever thread is free.
    fn submit(&mut self) -> io::Result<()> {
        if self.under_way.len() >= self.most_under_way {
            self.take()?;
        }
        let next = self
            .spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(self.compression.block()));
        if let Some(Plain(plain)) = &mut self.plain {
            plain.write_all(&self.block)?;
        }
        let block = std::mem::replace(&mut self.block, next);
        let (done, result) = mpsc::sync_channel(1);
        self.jobs
            .send(Job { block, done })
            .map_err(|_gone| stopped())?;
        self.under_way.push_back(result);
        Ok(())
    }

    /// Writes the first of the blocks under way.
    fn take(&mut self) -> io::Result<()> {
        let Some(result) = self.under_way.pop_front() else {
            return Ok(());
        };
        let Packed { buffer, bytes } = result.recv().map_err(|_gone| stopped())?;
        if self.is_compressed() {
            self.digest.update(&bytes);
        }
        self.out.write_all(&bytes)?;
        // What is not compressed stays in the buffer that it was in.
        let mut spare = if self.is_compressed() { buffer } else { bytes };
        spare.clear();
        self.spare.push(spare);
        Ok(())
    }

    fn finish(mut self, index: LayerIndex) -> Result<Written, Error> {
        self.drain()
            .map_err(|error| Error::io("can not write the layer", error))?;
        let is_compressed = self.is_compressed();
        let uncompressed = self.diff_id.length();
        let diff_id = self.diff_id.finish();
        let (size, digest) = match is_compressed {
            true => (self.digest.length(), self.digest.finish()),
            false => (uncompressed, diff_id),
        };
        Ok(Written {
            digest,
            size,
            diff_id,
            uncompressed,
            index,
        })
    }

    /// Writes all that is left.
    fn drain(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.submit()?;
        }
        while !self.under_way.is_empty() {
            self.take()?;
        }
        self.out.flush()
    }
}

impl<W: Write> Write for Framing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let room = self.compression.block().saturating_sub(self.block.len());
        let piece = piece.get(..room).unwrap_or(piece);
        self.diff_id.update(piece);
        self.block.extend_from_slice(piece);
        if self.block.len() >= self.compression.block() {
            self.submit()?;
        }
        Ok(piece.len())
    }

    /// Does nothing: a block is as long as its place in the layer says.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reports that the threads are gone, which a panic alone can cause; it goes on
/// in the thread of the caller as soon as they are waited for.
fn stopped() -> io::Error {
    Error::new(ErrorKind::Io, "a thread that compresses has stopped").into()
}

#[cfg(test)]
mod tests;

//! Reading blobs: in large pieces, off the reactor, one piece ahead.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::blocking;
use super::cache::Known;
use super::calls;
use super::directory::Directory;
use super::pieces::Pieces;
use crate::backend::Version;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// How the version of a file begins; that of a record is hexadecimal.
pub(super) const FILE_VERSION: &str = "file:";

/// Looks at the size of a record or blob, and keeps it.
pub(super) fn size(directory: &Directory, key: &Key) -> Result<Option<u64>, Error> {
    let failed = |error: std::io::Error| Error::io(format!("can not look at `{key}`"), error);
    let look = || {
        let size = look_at(directory, key)?.map(|stat| size_of(&stat));
        directory.settle(&directory.path(key)).map_err(failed)?;
        Ok(size)
    };
    let Some(records) = directory.records() else {
        return look();
    };
    // Whoever writes it now has not yet made it durable.
    let _turn = super::record::turn(directory, key)?;
    let size = look()?;
    records.keep(key, size.map_or(Known::Absent, Known::Size));
    Ok(size)
}

/// Tells which file lies under a key: by its number, size and times. Numbers
/// are used again at once, and clocks tick slowly; so who writes a file gives
/// it a time that no file of the key had ([`super::record::stamp`]).
pub(super) fn version(directory: &Directory, key: &Key) -> Result<Option<Version>, Error> {
    Ok(look_at(directory, key)?.map(|stat| version_of(&stat)))
}

pub(super) fn version_of(stat: &Stat) -> Version {
    Version(format!(
        "{FILE_VERSION}{}-{}.{}-{}.{}-{}",
        stat.st_ino,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_ctime,
        stat.st_ctime_nsec,
        stat.st_size
    ))
}

fn look_at(directory: &Directory, key: &Key) -> Result<Option<Stat>, Error> {
    match directory.calls().stat(&directory.path(key)) {
        Ok(stat) if is_file(&stat) => Ok(Some(stat)),
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io(format!("can not look at `{key}`"), error)),
    }
}

pub(super) fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

pub(super) fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// Opens a blob and reads its first piece, which often is the whole of it.
pub(super) fn open(
    directory: &Directory,
    key: &Key,
    range: ByteRange,
) -> Result<Option<ByteStream>, Error> {
    let failed = |error: Errno| Error::io(format!("can not open `{key}`"), error);
    let file = match rustix::fs::open(
        directory.path(key),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    if !is_file(&stat) {
        return Ok(None);
    }
    let size = size_of(&stat);
    if range.end > size || range.start > range.end {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "`{key}` has {size} bytes, not the wanted {} to {}",
                range.start, range.end
            ),
        ));
    }
    let reader = Reader {
        file,
        key: key.clone(),
        pieces: Arc::clone(directory.pieces()),
        end: range.end,
    };
    let first = reader.read(range.start)?;
    let next = range.start + first.len() as u64;
    if next >= range.end {
        return Ok(Some(ByteStream::of(first)));
    }
    calls::read_ahead(&reader.file, range.start, range.length());
    Ok(Some(ByteStream::new(
        range.length(),
        pieces(reader, Some(first), next),
    )))
}

/// Streams a part of a file that is known to have it.
pub(super) fn stream(
    file: OwnedFd,
    range: ByteRange,
    key: Key,
    pieces_of: &Arc<Pieces>,
) -> ByteStream {
    let reader = Reader {
        file,
        key,
        pieces: Arc::clone(pieces_of),
        end: range.end,
    };
    ByteStream::new(range.length(), pieces(reader, None, range.start))
}

/// Reads a file up to some end.
#[derive(Debug)]
struct Reader {
    file: OwnedFd,
    key: Key,
    pieces: Arc<Pieces>,
    end: u64,
}

impl Reader {
    /// Reads the piece at an offset. It blocks.
    fn read(&self, offset: u64) -> Result<Bytes, Error> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        // Pieces that follow begin at multiples of the page size.
        let skew = usize::try_from(offset % PAGE).unwrap_or_default();
        let length = left.min(self.pieces.size() - skew);
        let mut piece = self.pieces.take(length);
        calls::read_exact(&self.file, piece.room(), offset)
            .map_err(|error| Error::io(format!("can not read `{}`", self.key), error))?;
        Ok(piece.into_bytes())
    }
}

/// The size that reading begins at multiples of, in bytes.
const PAGE: u64 = 4096;

/// What a stream of pieces is about to do.
struct Reading {
    reader: Arc<Reader>,
    /// What was read already.
    first: Option<Bytes>,
    /// What is being read.
    ahead: Option<JoinHandle<Result<Bytes, Error>>>,
    /// Where the piece after those begins.
    offset: u64,
}

/// Reads piece after piece; the next one while the last one is sent.
fn pieces(
    reader: Reader,
    first: Option<Bytes>,
    offset: u64,
) -> impl futures_util::Stream<Item = Result<Bytes, Error>> + Send {
    let reading = Reading {
        reader: Arc::new(reader),
        first,
        ahead: None,
        offset,
    };
    futures_util::stream::try_unfold(reading, async |mut reading: Reading| {
        if let Some(first) = reading.first.take() {
            reading.read_ahead();
            return Ok(Some((first, reading)));
        }
        let piece = match reading.ahead.take() {
            Some(ahead) => ahead.await.map_err(cut_off)??,
            None if reading.offset >= reading.reader.end => return Ok(None),
            None => {
                let (reader, offset) = (Arc::clone(&reading.reader), reading.offset);
                blocking(move || reader.read(offset)).await?
            }
        };
        reading.offset += piece.len() as u64;
        reading.read_ahead();
        Ok(Some((piece, reading)))
    })
}

impl Reading {
    /// Starts to read the next piece, if there is one and memory for it.
    fn read_ahead(&mut self) {
        if self.offset >= self.reader.end || !self.reader.pieces.may_read_ahead() {
            return;
        }
        let (reader, offset) = (Arc::clone(&self.reader), self.offset);
        self.ahead = Some(tokio::task::spawn_blocking(move || reader.read(offset)));
    }
}

pub(super) fn cut_off(error: tokio::task::JoinError) -> Error {
    Error::caused(ErrorKind::Unavailable, "storage work was cut off", error)
}

//! Reading blobs: in large pieces, off the reactor, one piece ahead.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Advice, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::blocking;
use super::directory::Directory;
use crate::backend::Version;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// The bytes that are read at once: large enough that the hand-over between
/// threads does not count, small enough that 200 readers stay below 128 MiB.
pub(super) const PIECE: u64 = 256 * 1024;

/// How the version of a file begins; that of a record is hexadecimal.
pub(super) const FILE_VERSION: &str = "file:";

pub(super) fn size(directory: &Directory, key: &Key) -> Result<Option<u64>, Error> {
    match rustix::fs::stat(directory.path(key)) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => {
            Ok(Some(u64::try_from(stat.st_size).unwrap_or_default()))
        }
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io(format!("can not look at `{key}`"), error)),
    }
}

/// Tells which file lies under a key. Only one process has the directory, so
/// that a file is told from its successors by its number and times.
pub(super) fn version(directory: &Directory, key: &Key) -> Result<Option<Version>, Error> {
    match rustix::fs::stat(directory.path(key)) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => Ok(Some(Version(format!(
            "{FILE_VERSION}{}-{}.{}-{}",
            stat.st_ino, stat.st_ctime, stat.st_ctime_nsec, stat.st_size
        )))),
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io(format!("can not look at `{key}`"), error)),
    }
}

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
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if range.end > size || range.start > range.end {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "`{key}` has {size} bytes, not the wanted {} to {}",
                range.start, range.end
            ),
        ));
    }
    if range.length() > PIECE {
        // A hint: without it the kernel reads ahead less, and nothing else.
        let _ = rustix::fs::fadvise(
            &file,
            range.start,
            std::num::NonZeroU64::new(range.length()),
            Advice::Sequential,
        );
    }
    Ok(Some(stream(file, range, key.clone())))
}

/// Streams a part of a file that is known to have it.
pub(super) fn stream(file: OwnedFd, range: ByteRange, key: Key) -> ByteStream {
    let file = Arc::new(file);
    let pieces = futures_util::stream::try_unfold(range.start, move |offset| {
        let (file, key) = (Arc::clone(&file), key.clone());
        async move {
            if offset >= range.end {
                return Ok(None);
            }
            let length = PIECE.min(range.end - offset);
            let piece = blocking(move || {
                let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                read_exact(&file, &mut piece, offset)
                    .map_err(|error| Error::io(format!("can not read `{key}`"), error))?;
                Ok(Bytes::from(piece))
            })
            .await?;
            Ok(Some((piece, offset + length)))
        }
    });
    ByteStream::new(range.length(), pieces)
}

/// Fills a buffer from an offset.
pub(super) fn read_exact(file: &OwnedFd, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match rustix::io::pread(file, &mut *buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

//! Scratch space for the bytes of an upload that are no full part yet: in
//! memory while they are few, then in files without a name, which no kill
//! leaves behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::stream::ByteStream;

/// Says where scratch space is.
#[derive(Debug, Clone)]
pub(super) enum Scratch {
    /// In memory: where everything is in memory anyway.
    Memory,
    /// In a directory, which must exist.
    Directory(PathBuf),
}

/// Holds bytes until they are taken.
#[derive(Debug)]
pub(super) struct Spool {
    scratch: Scratch,
    /// The bytes after those of the file.
    memory: BytesMut,
    /// Made when there is something to write.
    file: Option<Arc<File>>,
    /// The bytes in the file that count.
    written: u64,
}

/// The bytes of each upload that stay in memory: with 200 uploads at once
/// these are 25 MiB. A smaller blob needs no file.
const BUFFER: usize = 128 * 1024;

/// The bytes that are read back at a time, in bytes.
const PIECE: u64 = 256 * 1024;

impl Scratch {
    pub(super) fn spool(&self) -> Spool {
        Spool {
            scratch: self.clone(),
            memory: BytesMut::new(),
            file: None,
            written: 0,
        }
    }
}

impl Spool {
    pub(super) fn length(&self) -> u64 {
        self.written + self.memory.len() as u64
    }

    pub(super) async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        self.memory.extend_from_slice(&piece);
        match &self.scratch {
            Scratch::Directory(directory) if self.memory.len() > BUFFER => {
                let (directory, file) = (directory.clone(), self.file.clone());
                let (memory, offset) = (self.memory.split().freeze(), self.written);
                let size = memory.len() as u64;
                let written = blocking("write to", move || {
                    let file = match file {
                        Some(file) => file,
                        None => Arc::new(unnamed(&directory)?),
                    };
                    file.write_all_at(&memory, offset)?;
                    Ok(file)
                });
                self.file = Some(written.await?);
                self.written += size;
                Ok(())
            }
            Scratch::Directory(_) | Scratch::Memory => Ok(()),
        }
    }

    /// Gives all bytes and keeps them.
    pub(super) async fn read(&self) -> Result<Bytes, Error> {
        let (Some(file), true) = (self.file.clone(), self.written > 0) else {
            return Ok(Bytes::copy_from_slice(&self.memory));
        };
        let written = usize::try_from(self.written).unwrap_or(usize::MAX);
        let memory = Bytes::copy_from_slice(&self.memory);
        blocking("read from", move || {
            let mut bytes = vec![0; written.saturating_add(memory.len())];
            let (front, back) = bytes.split_at_mut(written);
            file.read_exact_at(front, 0)?;
            back.copy_from_slice(&memory);
            Ok(bytes.into())
        })
        .await
    }

    /// Streams all bytes and keeps them. They must not be taken before the
    /// stream has ended.
    pub(super) fn stream(&self) -> ByteStream {
        let (file, written) = (self.file.clone(), self.written);
        let memory = Bytes::copy_from_slice(&self.memory);
        let pieces = futures_util::stream::try_unfold(0, move |offset| {
            let (file, memory) = (file.clone(), memory.clone());
            async move {
                let left = written.saturating_sub(offset);
                match file {
                    Some(file) if left > 0 => {
                        let size = left.min(PIECE);
                        let piece = piece(file, offset, size).await?;
                        Ok(Some((piece, offset + size)))
                    }
                    _ if offset == written && !memory.is_empty() => Ok(Some((memory, written + 1))),
                    _ => Ok(None),
                }
            }
        });
        ByteStream::new(self.length(), pieces)
    }

    /// Gives all bytes and forgets them.
    pub(super) async fn take(&mut self) -> Result<Bytes, Error> {
        let bytes = match self.written {
            0 => self.memory.split().freeze(),
            _ => self.read().await?,
        };
        self.memory.clear();
        // The file is written again from its start.
        self.written = 0;
        Ok(bytes)
    }
}

async fn piece(file: Arc<File>, offset: u64, size: u64) -> Result<Bytes, Error> {
    blocking("read from", move || {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::caused(ErrorKind::Unavailable, "scratch work was cut off", error))?
        .map_err(|error| Error::io(format!("can not {what} the scratch directory"), error))
}

/// Makes a file without a name.
fn unnamed(directory: &Path) -> io::Result<File> {
    let mode = Mode::RUSR.union(Mode::WUSR);
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok(file.into()),
        // Not every file system has such files; then one loses its name as
        // soon as it has it.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let name = format!("scratch-{}", super::frame::Id::fresh().as_str());
            let path = directory.join(name);
            let file = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
            rustix::fs::unlink(&path)?;
            Ok(file.into())
        }
        Err(error) => Err(error.into()),
    }
}

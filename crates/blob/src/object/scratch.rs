//! Scratch space for the bytes of an upload that are no full part yet: in
//! memory, or in files without a name, which no kill leaves behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// Says where scratch space is.
#[derive(Debug, Clone)]
pub(super) enum Scratch {
    /// In memory: where everything is in memory anyway.
    Memory,
    /// In a directory, which must exist.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "constructed once there is a remote object store")
    )]
    Directory(PathBuf),
}

/// Holds bytes until they are taken.
#[derive(Debug)]
pub(super) struct Spool {
    scratch: Scratch,
    memory: BytesMut,
    /// Made when there is something to write.
    file: Option<Arc<File>>,
    length: u64,
}

impl Scratch {
    pub(super) fn spool(&self) -> Spool {
        Spool {
            scratch: self.clone(),
            memory: BytesMut::new(),
            file: None,
            length: 0,
        }
    }
}

impl Spool {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        let (size, offset) = (piece.len() as u64, self.length);
        match &self.scratch {
            Scratch::Memory => self.memory.extend_from_slice(&piece),
            Scratch::Directory(directory) => {
                let (directory, file) = (directory.clone(), self.file.clone());
                let written = blocking("write to", move || {
                    let file = match file {
                        Some(file) => file,
                        None => Arc::new(unnamed(&directory)?),
                    };
                    file.write_all_at(&piece, offset)?;
                    Ok(file)
                });
                self.file = Some(written.await?);
            }
        }
        self.length += size;
        Ok(())
    }

    /// Gives all bytes and keeps them.
    pub(super) async fn read(&self) -> Result<Bytes, Error> {
        let Some(file) = self.file.clone() else {
            return Ok(Bytes::copy_from_slice(&self.memory));
        };
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        blocking("read from", move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes.into())
        })
        .await
    }

    /// Gives all bytes and forgets them.
    pub(super) async fn take(&mut self) -> Result<Bytes, Error> {
        let bytes = match &self.file {
            Some(_) => self.read().await?,
            None => self.memory.split().freeze(),
        };
        // The file is written again from its start.
        self.length = 0;
        Ok(bytes)
    }
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
            let name = format!("scratch-{}", super::pointer::Data::fresh().as_str());
            let path = directory.join(name);
            let file = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
            rustix::fs::unlink(&path)?;
            Ok(file.into())
        }
        Err(error) => Err(error.into()),
    }
}

//! Uploads: a file that is appended to, and renamed when it is whole.
//!
//! The upload's place is the file itself, so that starting one makes no
//! directory.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::directory::{Directory, FILE_MODE};
use super::{blocking, read, record};
use crate::backend::{Saved, Upload};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Receives a blob into the file at its place.
#[derive(Debug)]
pub(super) struct LocalUpload {
    directory: Arc<Directory>,
    key: Key,
    path: PathBuf,
    file: Arc<OwnedFd>,
    length: u64,
    /// Whether the file's own name is durable already.
    named: bool,
}

/// Says how far an upload has come.
#[derive(serde::Serialize, serde::Deserialize)]
struct State {
    length: u64,
}

impl LocalUpload {
    pub(super) fn begin(directory: Arc<Directory>, place: &Key) -> Result<Self, Error> {
        let key = place.clone();
        let path = directory.path(&key);
        let failed = |error: std::io::Error| Error::io(format!("can not start `{key}`"), error);
        directory.make_parent(&path).map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file =
            rustix::fs::open(&path, flags, FILE_MODE).map_err(|error| failed(error.into()))?;
        Ok(Self {
            directory,
            key,
            path,
            file: Arc::new(file),
            length: 0,
            named: false,
        })
    }

    pub(super) fn resume(
        directory: Arc<Directory>,
        place: &Key,
        saved: &Saved,
    ) -> Result<Option<Self>, Error> {
        let key = place.clone();
        let path = directory.path(&key);
        let failed = |error: Errno| Error::io(format!("can not continue `{key}`"), error);
        let State { length } = serde_json::from_value(saved.0.clone()).map_err(|error| {
            Error::caused(
                ErrorKind::Corrupt,
                format!("the saved state of `{key}` can not be read"),
                error,
            )
        })?;
        let file = match rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, FILE_MODE) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let actual =
            u64::try_from(rustix::fs::fstat(&file).map_err(failed)?.st_size).unwrap_or_default();
        if actual < length {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("`{key}` has {actual} bytes of the {length} that were saved"),
            ));
        }
        // What came after the last save was never acknowledged.
        rustix::fs::ftruncate(&file, length).map_err(failed)?;
        Ok(Some(Self {
            directory,
            key,
            path,
            file: Arc::new(file),
            length,
            named: true,
        }))
    }

    fn failed(&self, what: &str, error: impl Into<std::io::Error>) -> Error {
        Error::io(format!("can not {what} `{}`", self.key), error)
    }
}

#[async_trait]
impl Upload for LocalUpload {
    fn length(&self) -> u64 {
        self.length
    }

    async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        let (file, offset, size) = (Arc::clone(&self.file), self.length, piece.len() as u64);
        let key = self.key.clone();
        blocking(move || {
            record::write_all(&file, &piece, offset)
                .map_err(|error| Error::io(format!("can not write `{key}`"), error))
        })
        .await?;
        self.length += size;
        Ok(())
    }

    async fn save(&mut self) -> Result<Saved, Error> {
        let (directory, file) = (Arc::clone(&self.directory), Arc::clone(&self.file));
        let (path, key, named) = (self.path.clone(), self.key.clone(), self.named);
        blocking(move || {
            directory
                .sync_file(&file)
                .and_then(|()| {
                    if named {
                        Ok(())
                    } else {
                        directory.sync_name(&path)
                    }
                })
                .map_err(|error| Error::io(format!("can not sync `{key}`"), error))
        })
        .await?;
        self.named = true;
        let state = serde_json::json!({ "length": self.length });
        Ok(Saved(state))
    }

    async fn read_back(&mut self) -> Result<ByteStream, Error> {
        let file = self
            .file
            .try_clone()
            .map_err(|error| self.failed("read", error))?;
        Ok(read::stream(
            file,
            ByteRange::whole(self.length),
            self.key.clone(),
        ))
    }

    async fn publish(self: Box<Self>, key: &Key) -> Result<(), Error> {
        let key = key.clone();
        blocking(move || {
            let target = self.directory.path(&key);
            // Whoever deletes one writing of the blob must not hit the next.
            let _turn = record::turn(&self.directory, &key)?;
            self.directory
                .sync_file(&self.file)
                .and_then(|()| self.directory.make_parent(&target))
                .and_then(|()| Ok(rustix::fs::rename(&self.path, &target)?))
                .and_then(|()| self.directory.sync_name(&target))
                .map_err(|error| self.failed("publish", error))
        })
        .await
    }
}

/// Removes an upload's file, if it still has its own name. A power cut may
/// bring it back; it is then found by age, as any abandoned upload is.
pub(super) fn discard(directory: &Directory, place: &Key) -> Result<(), Error> {
    match rustix::fs::unlink(directory.path(place)) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(Error::io(format!("can not discard `{place}`"), error)),
    }
}

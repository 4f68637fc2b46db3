//! Uploads: a file that is appended to, and renamed when it is whole.
//!
//! The upload's place is the file itself, so that starting one makes no
//! directory. What was appended goes to the disk while more comes in, so that
//! the last sync has little left to do.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::cache::Known;
use super::directory::Directory;
use super::locks::Turn;
use super::record::{self, Change};
use super::{blocking, read};
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
    /// Whether what was appended can be relied on. Once a sync has failed, the
    /// next one says nothing of the bytes that the first one has lost.
    health: Health,
    /// Gone with the upload: what it has not written by then stays unwritten.
    alive: Arc<()>,
    /// The bytes for which no sync was started.
    unsynced: u64,
    /// A sync of what was appended before.
    syncing: Option<JoinHandle<Result<(), Error>>>,
}

/// Says whether an upload can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    /// A sync has failed, or a call was dropped on its way.
    Spent,
}

/// The bytes after which a sync is started beside.
const SYNC_AFTER: u64 = 8 * 1024 * 1024;

/// The bytes without a sync beyond which the upload waits for the last one.
const UNSYNCED_LIMIT: u64 = 4 * SYNC_AFTER;

/// Says how far an upload has come.
#[derive(serde::Serialize, serde::Deserialize)]
struct State {
    length: u64,
}

impl LocalUpload {
    pub(super) fn begin(directory: Arc<Directory>, place: &Key) -> Result<Self, Error> {
        let path = directory.path(place);
        let failed = |error: io::Error| Error::io(format!("can not start `{place}`"), error);
        directory.make_parent(&path).map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
        let file = directory.calls().open(&path, flags);
        directory.changed(&path);
        let file = file.map_err(|error| failed(error.into()))?;
        Ok(Self::new(directory, place, file))
    }

    pub(super) fn resume(
        directory: Arc<Directory>,
        place: &Key,
        saved: &Saved,
    ) -> Result<Option<Self>, Error> {
        let path = directory.path(place);
        let failed = |error: Errno| Error::io(format!("can not continue `{place}`"), error);
        let State { length } = serde_json::from_value(saved.0.clone()).map_err(|error| {
            Error::caused(
                ErrorKind::Corrupt,
                format!("the saved state of `{place}` can not be read"),
                error,
            )
        })?;
        let file = match directory.calls().open(&path, OFlags::RDWR) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let actual = read::size_of(&rustix::fs::fstat(&file).map_err(failed)?);
        if actual < length {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("`{place}` has {actual} bytes of the {length} that were saved"),
            ));
        }
        // What came after the last save was never acknowledged. A call that
        // was dropped may still be writing it.
        let turn = own_turn(&directory, place)?;
        directory.calls().truncate(&file, length).map_err(failed)?;
        drop(turn);
        let mut upload = Self::new(directory, place, file);
        upload.length = length;
        upload.named = true;
        Ok(Some(upload))
    }

    fn new(directory: Arc<Directory>, place: &Key, file: OwnedFd) -> Self {
        Self {
            path: directory.path(place),
            directory,
            key: place.clone(),
            file: Arc::new(file),
            length: 0,
            named: false,
            health: Health::Well,
            alive: Arc::default(),
            unsynced: 0,
            syncing: None,
        }
    }

    /// Begins a call: the upload is spent unless it comes to a good end.
    fn spend(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.health, Health::Spent) {
            Health::Well => Ok(()),
            Health::Spent => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the upload `{}` failed before", self.key),
            )),
        }
    }

    /// Starts to sync what was appended, once that is worth it.
    async fn sync_beside(&mut self) -> Result<(), Error> {
        if self.unsynced < SYNC_AFTER {
            return Ok(());
        }
        let is_running = |syncing: &JoinHandle<_>| !syncing.is_finished();
        if self.syncing.as_ref().is_some_and(is_running) && self.unsynced < UNSYNCED_LIMIT {
            return Ok(());
        }
        self.end_sync().await?;
        self.unsynced = 0;
        let (directory, file) = (Arc::clone(&self.directory), Arc::clone(&self.file));
        let key = self.key.clone();
        self.syncing = Some(tokio::task::spawn_blocking(move || {
            directory
                .calls()
                .sync_file(&file)
                .map_err(|error| Error::io(format!("can not sync `{key}`"), error))
        }));
        Ok(())
    }

    /// Waits for the sync that was started last.
    async fn end_sync(&mut self) -> Result<(), Error> {
        match self.syncing.take() {
            Some(syncing) => syncing.await.map_err(read::cut_off)?,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for LocalUpload {
    fn length(&self) -> u64 {
        self.length
    }

    async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        self.spend()?;
        let (directory, file) = (Arc::clone(&self.directory), Arc::clone(&self.file));
        let (offset, size, key) = (self.length, piece.len() as u64, self.key.clone());
        let alive = Arc::downgrade(&self.alive);
        let written = blocking(move || {
            let _turn = own_turn(&directory, &key)?;
            // Whoever continues the upload was not to wait for this.
            if alive.strong_count() == 0 {
                return Ok(Err(io::ErrorKind::Interrupted.into()));
            }
            Ok(directory.calls().write_all(&file, &piece, offset))
        })
        .await?;
        if let Err(error) = written {
            // What was appended before is as it was; so it can be saved.
            self.health = Health::Well;
            return Err(Error::io(format!("can not write `{}`", self.key), error));
        }
        self.length += size;
        self.unsynced += size;
        self.sync_beside().await?;
        self.health = Health::Well;
        Ok(())
    }

    async fn save(&mut self) -> Result<Saved, Error> {
        self.spend()?;
        self.end_sync().await?;
        let (directory, file) = (Arc::clone(&self.directory), Arc::clone(&self.file));
        let (path, key, named) = (self.path.clone(), self.key.clone(), self.named);
        blocking(move || {
            let synced = directory.calls().sync_file(&file);
            synced
                .map_err(io::Error::from)
                .and_then(|()| match named {
                    true => Ok(()),
                    false => directory.sync_name(&path),
                })
                .map_err(|error| Error::io(format!("can not sync `{key}`"), error))
        })
        .await?;
        self.named = true;
        self.unsynced = 0;
        self.health = Health::Well;
        let state = serde_json::json!({ "length": self.length });
        Ok(Saved(state))
    }

    async fn read_back(&mut self) -> Result<ByteStream, Error> {
        self.spend()?;
        let file = self
            .file
            .try_clone()
            .map_err(|error| Error::io(format!("can not read `{}`", self.key), error))?;
        self.health = Health::Well;
        Ok(read::stream(
            file,
            ByteRange::whole(self.length),
            self.key.clone(),
            self.directory.pieces(),
        ))
    }

    async fn publish(mut self: Box<Self>, key: &Key) -> Result<(), Error> {
        self.spend()?;
        self.end_sync().await?;
        let key = key.clone();
        blocking(move || {
            let directory = Arc::clone(&self.directory);
            if directory.records().is_none() {
                // All who write to a directory that is shared wait for one
                // turn: what takes long comes before it.
                let synced = directory.calls().sync_file(&self.file);
                synced.map_err(|error| Error::io(format!("can not sync `{}`", self.key), error))?;
            }
            // Whoever deletes one writing of the blob must not hit the next.
            let mut change = Change::begin(&directory, &key)?;
            self.publish_as(&mut change).map_err(|error| {
                let place = &self.key;
                Error::io(format!("can not publish `{place}` as `{key}`"), error)
            })
        })
        .await
    }
}

impl LocalUpload {
    fn publish_as(&self, change: &mut Change<'_>) -> io::Result<()> {
        let calls = self.directory.calls();
        change.stamp(&self.file)?;
        calls.sync_file(&self.file)?;
        self.directory.make_parent(change.path())?;
        let renamed = calls.rename(&self.path, change.path(), RenameFlags::empty());
        self.directory.changed(&self.path);
        renamed?;
        self.directory.sync_name(change.path())?;
        change.end(Known::Size(self.length));
        Ok(())
    }
}

/// Waits for the turn to write to an upload. Among processes that share the
/// directory each upload belongs to one, which does not continue it.
fn own_turn<'a>(directory: &'a Directory, place: &Key) -> Result<Option<Turn<'a>>, Error> {
    match directory.records() {
        Some(_) => record::turn(directory, place).map(Some),
        None => Ok(None),
    }
}

/// Removes an upload's file, if it still has its own name. A power cut may
/// bring it back; it is then found by age, as any abandoned upload is.
pub(super) fn discard(directory: &Directory, place: &Key) -> Result<(), Error> {
    let path = directory.path(place);
    let removed = directory.calls().unlink(&path);
    directory.changed(&path);
    match removed {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(Error::io(format!("can not discard `{place}`"), error)),
    }
}

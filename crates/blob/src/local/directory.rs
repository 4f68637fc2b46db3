//! The directory itself: who has it, how paths are made, and how a name is
//! made durable.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::locks::KeyLocks;
use super::{Sharing, Sync};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// Holds an open directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    sync: Sync,
    locks: KeyLocks,
    /// Makes the names of temporary files distinct within the process.
    next: AtomicU64,
    /// Keeps the `flock`, which ends with the descriptor.
    _lock: OwnedFd,
}

/// Directories below the root are for their owner: they hold private images.
const DIRECTORY_MODE: Mode = Mode::RWXU;
/// Files likewise.
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Directory {
    pub(super) fn open(root: &Path, sharing: Sharing, sync: Sync) -> Result<Self, Error> {
        let failed =
            |what: &str| format!("can not {what} the storage directory `{}`", root.display());
        make_directories(root, sync).map_err(|error| Error::io(failed("make"), error))?;
        let root = root
            .canonicalize()
            .map_err(|error| Error::io(failed("find"), error))?;
        let lock = rustix::fs::open(
            root.join("lock"),
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC,
            FILE_MODE,
        )
        .map_err(|error| Error::io(failed("write to"), error))?;
        let operation = match sharing {
            Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
        };
        rustix::fs::flock(&lock, operation).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => Error::new(
                ErrorKind::Busy,
                format!(
                    "the storage directory `{}` is in use by another process",
                    root.display()
                ),
            ),
            error => Error::io(failed("lock"), error),
        })?;
        let temporary = root.join("tmp");
        if sharing == Sharing::Exclusive {
            sweep(&temporary).map_err(|error| Error::io(failed("sweep `tmp` of"), error))?;
        }
        make_directories(&temporary, sync)
            .map_err(|error| Error::io(failed("make `tmp` in"), error))?;
        let locks = KeyLocks::new(match sharing {
            Sharing::Exclusive => None,
            Sharing::Shared => Some(root.join("turn")),
        });
        Ok(Self {
            root,
            sync,
            locks,
            next: AtomicU64::new(0),
            _lock: lock,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn locks(&self) -> &KeyLocks {
        &self.locks
    }

    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Names a file that nobody else has.
    pub(super) fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root
            .join("tmp")
            .join(format!("{}-{number}", std::process::id()))
    }

    /// Makes the directory that names a key, durably.
    pub(super) fn make_parent(&self, path: &Path) -> io::Result<()> {
        make_directories(parent(path), self.sync)
    }

    /// Makes a file's bytes durable.
    pub(super) fn sync_file(&self, file: &OwnedFd) -> io::Result<()> {
        match self.sync {
            Sync::Always => Ok(rustix::fs::fdatasync(file)?),
            Sync::Never => Ok(()),
        }
    }

    /// Makes the name of a file, or its absence, durable.
    pub(super) fn sync_name(&self, path: &Path) -> io::Result<()> {
        sync_directory(parent(path), self.sync)
    }
}

/// Every path here lies below the root and so has a parent.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Makes a directory and those above it. Each new name is synced, topmost
/// first, so that no power cut leaves a synced file in a lost directory.
fn make_directories(path: &Path, sync: Sync) -> io::Result<()> {
    match rustix::fs::mkdir(path, DIRECTORY_MODE) {
        Ok(()) => sync_directory(parent(path), sync),
        // A concurrent writer may have made it and not have synced it yet;
        // what it answers hangs on its own sync, what we answer on ours.
        Err(rustix::io::Errno::EXIST) if path.is_dir() => Ok(()),
        Err(rustix::io::Errno::NOENT) if path.parent().is_some_and(|up| up != Path::new("")) => {
            make_directories(parent(path), sync)?;
            match rustix::fs::mkdir(path, DIRECTORY_MODE) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => sync_directory(parent(path), sync),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn sync_directory(path: &Path, sync: Sync) -> io::Result<()> {
    if sync == Sync::Never {
        return Ok(());
    }
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let directory = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    Ok(rustix::fs::fsync(directory)?)
}

/// Removes what a killed process left without a name.
fn sweep(temporary: &Path) -> io::Result<()> {
    let entries = match fs_err::read_dir(temporary) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        fs_err::remove_file(entry?.path())?;
    }
    Ok(())
}

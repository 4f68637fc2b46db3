//! The directory itself: who has it, how paths are made, and how a name is
//! made durable.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::cache::RecordCache;
use super::calls::Calls;
use super::locks::KeyLocks;
use super::mark::{self, Mark, Marked};
use super::names::{self, Names};
use super::pieces::Pieces;
use super::{Sharing, Sync, record};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// Holds an open directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    calls: Calls,
    locks: KeyLocks,
    /// Kept where nobody else changes anything.
    kept: Option<Kept>,
    pieces: Arc<Pieces>,
    /// The directories whose names this process has seen to be durable.
    durable: Mutex<HashSet<PathBuf>>,
    /// The directories that could not be synced after a change.
    doubtful: Mutex<HashSet<PathBuf>>,
    /// Makes the names of temporary files distinct within the process.
    next: AtomicU64,
    /// Keeps the `flock`, which ends with the descriptor.
    _lock: OwnedFd,
}

/// What is kept in memory of a directory that nobody else changes.
#[derive(Debug)]
struct Kept {
    records: RecordCache,
    names: Names,
}

/// Directories below the root are for their owner: they hold private images.
pub(super) const DIRECTORY_MODE: Mode = Mode::RWXU;
/// Files likewise.
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How many durable directories are remembered. Each push of a new blob makes
/// two; forgetting one costs a sync and nothing else.
const DURABLE_LIMIT: usize = 16 * 1024;

impl Directory {
    pub(super) fn open(
        root: &Path,
        mark: &Mark,
        sharing: Sharing,
        sync: Sync,
    ) -> Result<Self, Error> {
        let failed =
            |what: &str| format!("can not {what} the storage directory `{}`", root.display());
        fs_err::create_dir_all(root).map_err(|error| Error::io(failed("make"), error))?;
        let root = root
            .canonicalize()
            .map_err(|error| Error::io(failed("find"), error))?;
        // Before anything is changed: the directory may be somebody else's.
        let calls = Calls::new(sync);
        let marked = mark::check(&calls, &root, mark)?;
        let lock = take(&root, sharing)?;
        let temporary = root.join("tmp");
        if sharing == Sharing::Exclusive && marked == Marked::Ours {
            sweep(&temporary).map_err(|error| Error::io(failed("sweep `tmp` of"), error))?;
        }
        let locks = KeyLocks::new(match sharing {
            Sharing::Exclusive => None,
            Sharing::Shared => Some(root.join("turn")),
        });
        let kept = (sharing == Sharing::Exclusive).then(|| Kept {
            records: RecordCache::new(),
            names: Names::new(names::LIMIT),
        });
        let directory = Self {
            root,
            calls,
            locks,
            kept,
            pieces: Arc::default(),
            durable: Mutex::default(),
            doubtful: Mutex::default(),
            next: AtomicU64::new(0),
            _lock: lock,
        };
        directory
            .sync_root()
            .map_err(|error| Error::io(failed_in(&directory.root), error))?;
        if marked == Marked::Not {
            // Whoever made it at the same time wrote the same.
            let _ = record::create(&directory, &Key::top(mark.name), &mark.value.into())?;
        }
        Ok(directory)
    }

    /// Makes the name of the root durable, the place of temporary files, and
    /// whatever a process has left that was killed before it could sync it:
    /// from now on, what is found there is relied on.
    fn sync_root(&self) -> io::Result<()> {
        self.calls.sync_directory(parent(&self.root))?;
        self.make_directory(&self.root.join("tmp"))?;
        if self.kept.is_some() {
            self.calls.sync_everything(&self.root)?;
        }
        Ok(())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    pub(super) fn locks(&self) -> &KeyLocks {
        &self.locks
    }

    /// Gives what is kept of records; nothing where others write, too.
    pub(super) fn records(&self) -> Option<&RecordCache> {
        self.kept.as_ref().map(|kept| &kept.records)
    }

    /// Gives what is kept of names; nothing where others write, too.
    pub(super) fn names(&self) -> Option<&Names> {
        self.kept.as_ref().map(|kept| &kept.names)
    }

    pub(super) fn pieces(&self) -> &Arc<Pieces> {
        &self.pieces
    }

    /// Gives up to a millisecond by chance, in nanoseconds, where others write
    /// at the same time; and else nothing.
    pub(super) fn chance(&self) -> u64 {
        if self.kept.is_some() {
            return 0;
        }
        RandomState::new().hash_one(self.next.load(Ordering::Relaxed)) % 1_000_000
    }

    /// Takes in that a name was made or removed, or may have been.
    pub(super) fn changed(&self, path: &Path) {
        if let Some(names) = self.names() {
            names.changed(path);
        }
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
        self.make_directory(parent(path))
    }

    /// Makes a directory below the root and those above it, durably.
    ///
    /// One that is there already may have been made by a writer who has not
    /// synced its name yet; so it is synced here as well, once.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        if path == self.root || self.durable().contains(path) {
            return Ok(());
        }
        self.make_directory(parent(path))?;
        match self.calls.make_directory(path) {
            Ok(()) => self.changed(path),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.calls.sync_directory(parent(path))?;
        let mut durable = self.durable();
        if durable.len() >= DURABLE_LIMIT {
            durable.clear();
        }
        durable.insert(path.to_owned());
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole whatever its holder panicked on.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the name of a file, or its absence, durable.
    ///
    /// Where that fails the name is seen and may yet be lost; so the directory
    /// is remembered, and nobody is told of anything in it before
    /// [`Directory::settle`] could sync it. A second sync proves something
    /// here: names go through the journal, and what the journal could not
    /// write it does not report as written later, as is the case with the
    /// bytes of files.
    pub(super) fn sync_name(&self, path: &Path) -> io::Result<()> {
        let directory = parent(path);
        let synced = self.calls.sync_directory(directory);
        if synced.is_err() {
            self.doubtful().insert(directory.to_owned());
        }
        Ok(synced?)
    }

    /// Makes sure that what can be seen of a name is durable, too.
    pub(super) fn settle(&self, path: &Path) -> io::Result<()> {
        let directory = parent(path);
        if !self.doubtful().contains(directory) {
            return Ok(());
        }
        self.calls.sync_directory(directory)?;
        self.doubtful().remove(directory);
        Ok(())
    }

    fn doubtful(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole whatever its holder panicked on.
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the directory, as long as the file that is given is open.
fn take(root: &Path, sharing: Sharing) -> Result<OwnedFd, Error> {
    let failed = |what: &str| format!("can not {what} the storage directory `{}`", root.display());
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
        Errno::WOULDBLOCK => Error::new(
            ErrorKind::Busy,
            format!(
                "the storage directory `{}` is in use by another process",
                root.display()
            ),
        ),
        error => Error::io(failed("lock"), error),
    })?;
    Ok(lock)
}

/// Every path here lies below the root and so has a parent.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn failed_in(root: &Path) -> String {
    format!(
        "can not make the storage directory `{}` durable",
        root.display()
    )
}

/// Removes what a killed process left without a name.
fn sweep(temporary: &Path) -> io::Result<()> {
    let entries = match fs_err::read_dir(temporary) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if is_temporary(&entry.file_name()) && entry.file_type()?.is_file() {
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Says whether a file in `tmp` is named as [`Directory::temporary`] does.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.to_str()
        .and_then(|name| name.split_once('-'))
        .is_some_and(|(process, number)| is_number(process) && is_number(number))
}

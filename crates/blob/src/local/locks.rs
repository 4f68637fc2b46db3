//! Turns: who may change a record or blob now.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags};

use super::directory::FILE_MODE;
use crate::key::Key;

/// Gives turns by key. Two keys may share a lock, which costs a wait and no
/// more.
#[derive(Debug)]
pub(super) struct KeyLocks {
    /// Each with the last time that a file of its keys was given.
    shards: Box<[Mutex<u64>]>,
    hasher: RandomState,
    /// The file whose `flock` gives turns between processes.
    between_processes: Option<PathBuf>,
}

/// Holds a turn until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    last: MutexGuard<'a, u64>,
    _between: Option<OwnedFd>,
}

impl Turn<'_> {
    /// Notes the time of a file that goes, in nanoseconds since 1970.
    pub(super) fn note(&mut self, time: u64) {
        *self.last = time.max(*self.last);
    }

    /// Gives a time that no file of the key has had as far as this process
    /// knows, and that is this time or later.
    pub(super) fn next(&self, time: u64) -> u64 {
        time.max(self.last.saturating_add(1))
    }
}

impl KeyLocks {
    /// More shards than threads that could wait, so that few share one.
    const SHARDS: usize = 1024;

    pub(super) fn new(between_processes: Option<PathBuf>) -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::new(),
            between_processes,
        }
    }

    /// Waits for the turn to change what lies under a key.
    pub(super) fn turn(&self, key: &Key) -> io::Result<Turn<'_>> {
        let shard =
            usize::try_from(self.hasher.hash_one(key) % Self::SHARDS as u64).unwrap_or_default();
        // A time is whole whatever its holder panicked on.
        let last = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let between = match &self.between_processes {
            None => None,
            Some(path) => {
                let file = rustix::fs::open(
                    path,
                    OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC,
                    FILE_MODE,
                )?;
                rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
                Some(file)
            }
        };
        Ok(Turn {
            last,
            _between: between,
        })
    }
}

//! Turns: who may change a record now.

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
    shards: Box<[Mutex<()>]>,
    hasher: RandomState,
    /// The file whose `flock` gives turns between processes.
    between_processes: Option<PathBuf>,
}

/// Holds a turn until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _within: MutexGuard<'a, ()>,
    _between: Option<OwnedFd>,
}

impl KeyLocks {
    /// More shards than threads that could wait, so that few share one.
    const SHARDS: usize = 1024;

    pub(super) fn new(between_processes: Option<PathBuf>) -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            between_processes,
        }
    }

    /// Waits for the turn to change a record.
    pub(super) fn turn(&self, key: &Key) -> io::Result<Turn<'_>> {
        let shard =
            usize::try_from(self.hasher.hash_one(key) % Self::SHARDS as u64).unwrap_or_default();
        // The lock guards no data: a panic of its holder breaks nothing.
        let within = self.shards[shard]
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
            _within: within,
            _between: between,
        })
    }
}

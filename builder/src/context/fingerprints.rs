//! What is remembered of the files of a context between builds: the digest of
//! each, by what the kernel says of it. A file that is as it was is not read
//! again.
//!
//! A file is as it was if device, inode, size and both times are: nobody sets
//! the time of a change (`ctime`), whatever `touch` does to the other one. It
//! tells two changes apart only if they were not made within one tick, so that
//! nothing is remembered of a file that was changed shortly before it was read
//! (git does the same for its index). And it is believed only where the
//! kernel of this machine keeps it: not on a network's file systems, whose
//! clock is another, nor on images of file systems, whose times are made up.
//!
//! It knows nothing of names, modes or owners, and it never says that a file
//! is unchanged that was written through a mapping of memory, of which the
//! kernel takes note later: no more than `make` or git does.

mod disk;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use layer::{Found, FoundKind};
use oci::Digest;

use crate::pack::layers::locked;

use disk::Room;
use record::{Inode, Record, Stamp};

pub(crate) use disk::remove_all;

/// How much older than the moment of its reading the times of a file have to
/// be, in seconds: more than any file system rounds them by, which is two.
const SETTLED: i64 = 3;
/// How many times others are written down, since a file was last seen, until
/// it is forgotten.
const UNSEEN_LIMIT: u8 = 16;
/// How many files are remembered of one context.
const RECORDS_LIMIT: usize = 500_000;

/// Remembers the files of one context.
#[derive(Debug)]
pub(crate) struct Fingerprints {
    room: Room,
    /// What earlier builds wrote down; read when it is first asked for.
    known: OnceLock<Known>,
    changes: Mutex<Changes>,
}

/// Is what earlier builds wrote down.
#[derive(Debug, Default)]
struct Known {
    /// In the order of their inodes.
    records: Vec<Record>,
    /// Which of them were asked for.
    seen: Vec<AtomicBool>,
}

/// Is what this build has to write down.
#[derive(Debug, Default)]
struct Changes {
    learned: BTreeMap<Inode, Record>,
    forgotten: BTreeSet<Inode>,
}

/// Is a moment before some files are read, by the clock that files have their
/// times from; or none, where that is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(Option<i64>);

impl Moment {
    /// Looks at the time that a file has that is made now.
    pub(crate) fn now() -> Self {
        Self(disk::now())
    }

    /// Says whether a change that comes after this moment shows in the times
    /// of a file that are these now.
    fn is_after(self, found: &Found) -> bool {
        let newest = found.mtime.0.max(found.ctime.0);
        // Whole seconds: the file's are rounded down, and so is the moment.
        self.0
            .is_some_and(|now| newest.checked_add(SETTLED).is_some_and(|then| then <= now))
    }
}

impl Fingerprints {
    /// Remembers a context by its directory, in a directory that builds keep
    /// for each other. Nothing is read yet.
    pub(crate) fn of(context: &Path, store: &Path) -> Self {
        Self {
            room: Room::of(context, store),
            known: OnceLock::new(),
            changes: Mutex::default(),
        }
    }

    /// Gives the digest that a file had when it was as it is now. It blocks.
    pub(crate) fn recall(&self, found: &Found) -> Option<Digest> {
        let (inode, stamp) = described(found)?;
        let known = self.known();
        let at = known.find(inode)?;
        let record = known
            .records
            .get(at)
            .filter(|record| record.stamp == stamp)?;
        if let Some(seen) = known.seen.get(at) {
            seen.store(true, Ordering::Relaxed);
        }
        // What was found wrong is read again, by another step too.
        if locked(&self.changes).forgotten.contains(&inode) {
            return None;
        }
        Some(record.digest())
    }

    /// Remembers the digest of a file that was read after a moment, and was at
    /// the end as it was found.
    pub(crate) fn learn(&self, found: &Found, digest: &Digest, before: Moment) {
        let Some((inode, stamp)) = described(found) else {
            return;
        };
        let Some(record) = Record::new(inode, stamp, digest) else {
            return;
        };
        if !before.is_after(found) {
            return;
        }
        let mut changes = locked(&self.changes);
        changes.forgotten.remove(&inode);
        if self.known.get().is_some_and(|known| known.has(&record)) {
            return;
        }
        if changes.learned.len() < RECORDS_LIMIT {
            changes.learned.insert(inode, record);
        }
    }

    /// Forgets a file whose content is not what was remembered.
    pub(crate) fn forget(&self, found: &Found) {
        let inode = Inode {
            device: found.device,
            number: found.inode,
        };
        let mut changes = locked(&self.changes);
        changes.learned.remove(&inode);
        changes.forgotten.insert(inode);
    }

    /// Writes down what is new, if anything is. Where that can not be done,
    /// the next build reads the files once more. It blocks.
    pub(crate) fn keep(&self) {
        let changes = std::mem::take(&mut *locked(&self.changes));
        if changes.learned.is_empty() && changes.forgotten.is_empty() {
            return;
        }
        // Another build may have written since: what it knows stays.
        let records = self.merged(self.room.read(), changes);
        self.room.write(&records);
    }

    fn known(&self) -> &Known {
        self.known.get_or_init(|| {
            let records = self.room.read();
            let seen = records.iter().map(|_| AtomicBool::new(false)).collect();
            Known { records, seen }
        })
    }

    /// Puts what is new to what is there: what was not seen for long goes.
    fn merged(&self, there: Vec<Record>, changes: Changes) -> Vec<Record> {
        let was_seen = |record: &Record| {
            let known = self.known.get();
            known.is_some_and(|known| {
                known
                    .find(record.inode)
                    .and_then(|at| known.seen.get(at))
                    .is_some_and(|seen| seen.load(Ordering::Relaxed))
            })
        };
        let mut all = changes.learned;
        for mut record in there {
            record.unseen = match was_seen(&record) {
                true => 0,
                false => record.unseen.saturating_add(1),
            };
            if record.unseen <= UNSEEN_LIMIT && !changes.forgotten.contains(&record.inode) {
                all.entry(record.inode).or_insert(record);
            }
        }
        let mut records: Vec<Record> = all.into_values().collect();
        if records.len() > RECORDS_LIMIT {
            records.sort_by_key(|record| record.unseen);
            records.truncate(RECORDS_LIMIT);
            records.sort_by_key(|record| record.inode);
        }
        records
    }
}

impl Known {
    fn find(&self, inode: Inode) -> Option<usize> {
        self.records
            .binary_search_by_key(&inode, |record| record.inode)
            .ok()
    }

    /// Says whether this is what is known already.
    fn has(&self, record: &Record) -> bool {
        self.find(record.inode)
            .and_then(|at| self.records.get(at))
            .is_some_and(|known| known.says(record))
    }
}

/// Says what a file is known by; `None` for what is never remembered.
fn described(found: &Found) -> Option<(Inode, Stamp)> {
    // Where there is nothing below a second, nothing tells a time that the
    // kernel noted from one that was made up for an image of a file system.
    if found.kind != FoundKind::File || found.ctime.1 == 0 {
        return None;
    }
    let inode = Inode {
        device: found.device,
        number: found.inode,
    };
    let stamp = Stamp {
        size: found.size,
        mtime: found.mtime,
        ctime: found.ctime,
    };
    Some((inode, stamp))
}

#[cfg(test)]
mod tests;

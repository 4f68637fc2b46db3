//! What is known of records and blobs without asking the disk.
//!
//! Only where this process has the directory for itself. Whatever is in here
//! is durable, and was put here by who had the turn of its key: a reader that
//! looked at the disk, or a writer at its end, before it answered. A writer
//! that failed leaves nothing here. So a value that is found is the one that
//! was written last, or that before it while the last is not answered yet.

use std::fmt;
use std::hash::RandomState;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::backend::Record;
use crate::key::Key;

/// The memory that is used at most, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// How many keys the cache is laid out for.
const KEYS: usize = 16 * 1024;

/// Parts with a lock of their own. Each has its share of the memory, which
/// must have room for the largest value.
const PARTS: usize = 16;

/// The largest value that is kept, in bytes. Those that are read often have
/// some hundred.
const VALUE_LIMIT: usize = 64 * 1024;

/// What an entry takes besides its key and value, about, in bytes.
const OVERHEAD: u64 = 256;

/// Says what lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Absent,
    /// A record or blob of this many bytes.
    Size(u64),
    /// This record.
    Record(Record),
}

impl Known {
    /// Gives the size in bytes; `None` where there is nothing.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Size(size) => Some(*size),
            Self::Record(record) => Some(record.value.len() as u64),
        }
    }
}

/// Keeps what is known.
pub(super) struct RecordCache(Cache<Key, Known, Weight, RandomState>);

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Known> for Weight {
    fn weight(&self, key: &Key, known: &Known) -> u64 {
        let value = match known {
            Known::Absent | Known::Size(_) => 0,
            Known::Record(record) => record.value.len() as u64,
        };
        OVERHEAD + key.as_str().len() as u64 + value
    }
}

impl RecordCache {
    pub(super) fn new() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(KEYS)
            .weight_capacity(LIMIT)
            .shards(PARTS)
            .build()
            .expect("both capacities are given");
        // Keys are made of what clients send, so they are hashed with a
        // secret.
        let secret = RandomState::new();
        let cache = Cache::with_options(options, Weight, secret, DefaultLifecycle::default());
        Self(cache)
    }

    pub(super) fn find(&self, key: &Key) -> Option<Known> {
        self.0.get(key)
    }

    /// Keeps what the caller has found or made, in its turn.
    pub(super) fn keep(&self, key: &Key, known: Known) {
        let known = match known {
            Known::Record(record) if record.value.len() > VALUE_LIMIT => {
                Known::Size(record.value.len() as u64)
            }
            known => known,
        };
        self.0.insert(key.clone(), known);
    }

    pub(super) fn forget(&self, key: &Key) {
        self.0.remove(key);
    }
}

impl fmt::Debug for RecordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCache")
            .field("keys", &self.0.len())
            .field("bytes", &self.0.weight())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::backend::Version;

    fn record(size: usize) -> Known {
        Known::Record(Record {
            value: Bytes::from(vec![1; size]),
            version: Version("v".to_owned()),
        })
    }

    #[test]
    fn memory_is_bounded() {
        let cache = RecordCache::new();
        for number in 0..4 * LIMIT / VALUE_LIMIT as u64 {
            let key = Key::top(&number.to_string());
            cache.keep(&key, record(VALUE_LIMIT));
            assert!(cache.0.weight() <= LIMIT);
        }
        assert!(cache.0.weight() > LIMIT / 2, "it is used, too");
        let small = Key::top("small");
        cache.keep(&small, record(VALUE_LIMIT));
        assert_eq!(cache.find(&small), Some(record(VALUE_LIMIT)));
    }

    #[test]
    fn of_a_large_record_only_the_size_is_kept() {
        let cache = RecordCache::new();
        let key = Key::top("a");
        cache.keep(&key, record(10));
        cache.keep(&key, record(VALUE_LIMIT + 1));
        let size = VALUE_LIMIT as u64 + 1;
        assert_eq!(cache.find(&key), Some(Known::Size(size)));
        cache.forget(&key);
        assert_eq!(cache.find(&key), None);
    }
}

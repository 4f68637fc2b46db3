//! Manifests that were read lately, so that a tag that everybody pulls does not
//! cost a read and a hash each time.
//!
//! Only bytes are kept, by their digest: they can never be stale. Whether a
//! repository still has the manifest is asked of the storage every time.

use std::fmt;

use bytes::Bytes;
use oci::Digest;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The bytes that are kept, at most. A manifest has one or two kilobytes.
const CACHE_LIMIT: u64 = 8 * 1024 * 1024;

/// How many manifests the cache is laid out for.
const CACHE_ENTRIES: usize = 4096;

/// Parts with a lock of their own, which readers share. Each has its share of
/// the bytes: on a machine with many processors the default would leave no
/// part with room for an index of hundreds of images.
const CACHE_PARTS: usize = 8;

/// Keeps the bytes of manifests.
pub(crate) struct ManifestCache(Cache<Digest, Bytes, Size>);

#[derive(Clone)]
struct Size;

impl Weighter<Digest, Bytes> for Size {
    fn weight(&self, _digest: &Digest, bytes: &Bytes) -> u64 {
        // Whatever is kept takes room for its key besides.
        bytes.len() as u64 + 128
    }
}

impl ManifestCache {
    pub(crate) fn new() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(CACHE_ENTRIES)
            .weight_capacity(CACHE_LIMIT)
            .shards(CACHE_PARTS)
            .build()
            .expect("both capacities are given");
        let hasher = DefaultHashBuilder::default();
        let lifecycle = DefaultLifecycle::default();
        Self(Cache::with_options(options, Size, hasher, lifecycle))
    }

    pub(crate) fn find(&self, digest: &Digest) -> Option<Bytes> {
        self.0.get(digest)
    }

    /// Keeps bytes that were checked against their digest.
    pub(crate) fn keep(&self, digest: Digest, bytes: Bytes) {
        self.0.insert(digest, bytes);
    }
}

impl fmt::Debug for ManifestCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestCache")
            .field("manifests", &self.0.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: u32, size: usize) -> (Digest, Bytes) {
        let digest = Digest::sha256(&number.to_le_bytes());
        (digest, Bytes::from(vec![0; size]))
    }

    #[test]
    fn memory_is_bounded_by_bytes() {
        const MANIFEST: usize = 2048;
        let cache = ManifestCache::new();
        let count = u32::try_from(4 * CACHE_LIMIT / MANIFEST as u64).expect("few");
        for number in 0..count {
            let (digest, bytes) = manifest(number, MANIFEST);
            cache.keep(digest, bytes.clone());
            assert_eq!(cache.find(&digest), Some(bytes));
        }
        assert!(cache.0.weight() <= CACHE_LIMIT);
        assert!(cache.0.weight() > CACHE_LIMIT / 2, "it is used, too");
    }

    #[test]
    fn a_large_index_is_kept() {
        let cache = ManifestCache::new();
        let (digest, bytes) = manifest(0, 512 * 1024);
        cache.keep(digest, bytes.clone());
        assert_eq!(cache.find(&digest), Some(bytes));
    }
}

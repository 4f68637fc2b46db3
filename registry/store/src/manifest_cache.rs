//! Manifests that were read lately, so that a tag that everybody pulls does not
//! cost a read and a hash each time.
//!
//! Only bytes are kept, by their digest: they can never be stale. Whether a
//! repository still has the manifest is asked of the storage every time.

use std::fmt;

use bytes::Bytes;
use oci::Digest;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// The bytes that are kept, at most. A manifest has one or two kilobytes.
const CACHE_LIMIT: u64 = 8 * 1024 * 1024;

/// How many manifests the cache is laid out for.
const CACHE_ENTRIES: usize = 4096;

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
        Self(Cache::with_weighter(CACHE_ENTRIES, CACHE_LIMIT, Size))
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

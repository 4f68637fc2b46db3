//! The store: one backend, and the handles to what is in it.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blob::{Backend, Blobs, Expected, Key, Mark, Swapped, Version};
use bytes::Bytes;
use oci::{Digest, MANIFEST_LIMIT, RepositoryName};

use crate::collect::policy::millis;
use crate::error::Error;
use crate::keys;
use crate::manifest_cache::ManifestCache;
use crate::records::{self, DueRecord, FactRecord, FormatRecord};
use crate::repository::{Grant, Repository};
use crate::tags::TagPatterns;
use crate::uploads::UploadId;

/// Tells the time, in milliseconds since 1970. It is made by the program and
/// by each test, never here.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// Tells the time by this function.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Tells the time.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Says what the store is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub backend: Arc<dyn Backend>,
    /// What tells the time.
    pub clock: Clock,
    /// A random number that no other process has: it makes what this one
    /// writes different from what any other does.
    pub seed: u128,
    /// The tags that mean one manifest for ever.
    pub immutable: TagPatterns,
    /// The grace of those who collect here: [`Policy::grace`](crate::Policy).
    pub grace: Duration,
}

/// How long a fact counts as found lately, at most: who finds it later writes
/// it anew. It is no longer than half of the grace, so that half of it is left
/// to whoever finds the fact.
const LATELY: Duration = Duration::from_secs(10 * 60);

/// Keeps the repositories of a registry.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    blobs: Blobs,
    manifests: ManifestCache,
    /// The uploads that a request of this process is writing to.
    writing: Mutex<HashSet<UploadId>>,
    /// How many nonces were made.
    nonces: AtomicU64,
}

impl Store {
    /// The version of the tree of keys that this program reads and writes.
    pub const FORMAT: u32 = 1;

    /// How a directory says that it is the storage of a registry: by the key
    /// of the format.
    pub const MARK: Mark = Mark {
        what: "registry's storage",
        name: "format",
        value: br#"{"format":1}"#,
        before: &["lock", "tmp"],
    };

    /// Opens the store, and marks an empty backend as one.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Format`] when another version of wharf wrote it,
    /// and when the backend fails.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let backend = options.backend.as_ref();
        let ours = records::to_bytes(&FormatRecord {
            format: Self::FORMAT,
        });
        if backend.create(&keys::format(), ours).await? == Swapped::Lost {
            let found = records::read::<FormatRecord>(backend, &keys::format()).await?;
            let found = found.map_or(0, |(record, _)| record.format);
            if found != Self::FORMAT {
                return Err(Error::Format {
                    found,
                    known: Self::FORMAT,
                });
            }
        }
        let blobs = Blobs::new(Arc::clone(&options.backend));
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                blobs,
                manifests: ManifestCache::new(),
                writing: Mutex::default(),
                nonces: AtomicU64::new(0),
            }),
        })
    }

    /// Gives the handle to a repository, whether or not it exists: it comes
    /// into being with its first manifest. Whoever calls this has decided
    /// that the grant is due.
    ///
    /// # Errors
    ///
    /// Fails when the name does not fit into a key.
    pub fn repository<G: Grant>(
        &self,
        name: &RepositoryName,
        _granted: G,
    ) -> Result<Repository<G>, Error> {
        Repository::new(self.clone(), name.clone())
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        self.inner.options.backend.as_ref()
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Reads the bytes of a manifest, checked; `None` where there are none.
    pub(crate) async fn manifest_bytes(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        if let Some(bytes) = self.inner.manifests.find(digest) {
            return Ok(Some(bytes));
        }
        let bytes = self.inner.blobs.read(digest, MANIFEST_LIMIT).await?;
        if let Some(bytes) = &bytes {
            self.inner.manifests.keep(*digest, bytes.clone());
        }
        Ok(bytes)
    }

    /// Tells the time, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.inner.options.clock.now()
    }

    pub(crate) fn writing(&self) -> &Mutex<HashSet<UploadId>> {
        &self.inner.writing
    }

    pub(crate) fn immutable(&self) -> &TagPatterns {
        &self.inner.options.immutable
    }

    /// Makes a text that no process has ever made.
    pub(crate) fn nonce(&self) -> String {
        let number = self.inner.nonces.fetch_add(1, Ordering::Relaxed);
        format!("{:032x}-{number:x}", self.inner.options.seed)
    }

    /// Makes a key say that something is so; it may have been so before.
    pub(crate) async fn state_fact(&self, key: &Key) -> Result<(), Error> {
        let _so_before = self.backend().create(key, self.fact()).await?;
        Ok(())
    }

    /// Makes a key say that something is so, and was found to matter lately:
    /// the collector lets a client that is in the middle of a push go on.
    pub(crate) async fn state_lately(&self, key: &Key) -> Result<(), Error> {
        let backend = self.backend();
        if backend.create(key, self.fact()).await? == Swapped::Done {
            return Ok(());
        }
        match records::read::<FactRecord>(backend, key).await? {
            Some((fact, version)) => self.renew(key, &fact, version).await,
            None => self.state_fact(key).await,
        }
    }

    /// Says whether a fact was found to matter lately.
    pub(crate) fn is_recent(&self, fact: &FactRecord) -> bool {
        let lately = LATELY.min(self.inner.options.grace / 2);
        fact.since.saturating_add(millis(lately)) >= self.now()
    }

    /// Says that a fact was found to matter, if it was not lately.
    pub(crate) async fn renew(
        &self,
        key: &Key,
        fact: &FactRecord,
        version: Version,
    ) -> Result<(), Error> {
        if !self.is_recent(fact) {
            let expected = Expected::Version(version);
            let _by_somebody_else = self.backend().swap(key, expected, self.fact()).await?;
        }
        Ok(())
    }

    fn fact(&self) -> Bytes {
        records::to_bytes(&FactRecord {
            since: self.now(),
            nonce: self.nonce(),
        })
    }

    /// Makes the collector look at something when its time has come.
    pub(crate) async fn make_due(&self, at: u64, what: &DueRecord) -> Result<(), Error> {
        let number = self.inner.nonces.fetch_add(1, Ordering::Relaxed);
        let seed = self.inner.options.seed & 0xff_ffff_ffff;
        let key = keys::due(&format!("{at:012x}{seed:010x}{number:010x}"));
        let _new = self.backend().create(&key, records::to_bytes(what)).await?;
        Ok(())
    }

    /// Says whether this is so.
    pub(crate) async fn is_fact(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.backend().head(key).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_marked_by_the_record_of_the_format() {
        let record = records::to_bytes(&FormatRecord {
            format: Store::FORMAT,
        });
        assert_eq!(record, Store::MARK.value);
        assert_eq!(keys::format().as_str(), Store::MARK.name);
    }
}

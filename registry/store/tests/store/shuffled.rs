//! A backend that lets others go first, by dice that fall the same way each
//! time: on one thread a seed is one interleaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use blob::{
    Backend, ByteRange, ByteStream, Error, Expected, Key, Page, Record, Saved, Swapped, Upload,
    Version,
};
use bytes::Bytes;

/// Throws numbers that depend on the seed alone.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// Throws a number below `sides`.
    pub(crate) fn throw(&self, sides: u64) -> u64 {
        // SplitMix64.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Wraps a backend, and yields before each operation.
#[derive(Debug)]
pub(crate) struct Shuffled {
    inner: Arc<dyn Backend>,
    dice: Dice,
}

impl Shuffled {
    pub(crate) fn new(inner: Arc<dyn Backend>, dice: Dice) -> Self {
        Self { inner, dice }
    }

    async fn wait(&self) {
        // Now and then so long that another call comes to its end.
        let turns = match self.dice.throw(8) {
            0 => self.dice.throw(40),
            _ => self.dice.throw(4),
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Backend for Shuffled {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.wait().await;
        self.inner.read(key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        self.wait().await;
        self.inner.head(key).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        self.wait().await;
        self.inner.open(key, range).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        self.wait().await;
        self.inner.create(key, value).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        self.wait().await;
        self.inner.swap(key, expected, value).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.wait().await;
        self.inner.delete(key).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        self.wait().await;
        self.inner.delete_if(key, version).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        self.wait().await;
        self.inner.page(key, after, limit).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        self.wait().await;
        self.inner.begin(place).await
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        self.wait().await;
        self.inner.resume(place, saved).await
    }

    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error> {
        self.wait().await;
        self.inner.discard(place, saved).await
    }
}

//! A backend that pauses before each operation, so that others can go first.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use blob::{
    Backend, ByteRange, ByteStream, Error, Expected, Key, Page, Record, Saved, Swapped, Upload,
    Version,
};
use bytes::Bytes;

/// Says what happens before an operation.
#[async_trait]
pub(crate) trait Pause: fmt::Debug + Send + Sync + 'static {
    /// Lets others go first.
    async fn pause(&self);

    /// Says whether the place counts as one that several processes write to.
    fn is_shared(&self) -> bool {
        false
    }
}

/// Wraps a backend, and pauses before each operation.
#[derive(Debug)]
pub(crate) struct Paused<P> {
    inner: Arc<dyn Backend>,
    pause: P,
}

impl<P: Pause> Paused<P> {
    pub(crate) fn new(inner: Arc<dyn Backend>, pause: P) -> Self {
        Self { inner, pause }
    }
}

#[async_trait]
impl<P: Pause> Backend for Paused<P> {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.pause.pause().await;
        self.inner.read(key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        self.pause.pause().await;
        self.inner.head(key).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        self.pause.pause().await;
        self.inner.open(key, range).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        self.pause.pause().await;
        self.inner.create(key, value).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        self.pause.pause().await;
        self.inner.swap(key, expected, value).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.pause.pause().await;
        self.inner.delete(key).await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        self.pause.pause().await;
        self.inner.version(key).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        self.pause.pause().await;
        self.inner.delete_if(key, version).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        self.pause.pause().await;
        self.inner.page(key, after, limit).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        self.pause.pause().await;
        self.inner.begin(place).await
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        self.pause.pause().await;
        self.inner.resume(place, saved).await
    }

    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error> {
        self.pause.pause().await;
        self.inner.discard(place, saved).await
    }

    fn is_shared(&self) -> bool {
        self.pause.is_shared()
    }
}

//! An object store as a backend, written for what S3 promises: an object is
//! put whole, conditionally by its entity tag; large ones come as a multipart
//! upload of uniform parts; listings are in byte order of the whole key.
//!
//! ```text
//! <key>                  a record, as it is
//! <key>                  a frame: a blob below one part, or a pointer to it
//! <key>                  a tombstone of 0 bytes: nothing is here
//! <place>/tail-<id>      an upload: the bytes after its last data object
//! <place>/data-<id>      an upload: a note of a data object
//! .wharf/data/<id>       the data of large blobs; no key begins with a dot
//! .wharf/probe/<id>/…    a proof of what the store can do; short-lived
//! ```
//!
//! *Frames.* An object store can not rename, and copies at most 5 GiB. So a
//! large blob stays where its parts were sent, and publishing puts a pointer.
//! Every frame has a random identifier, so every writing of a blob has an
//! entity tag of its own. No record may begin as a frame does, and a blob is
//! always framed: nobody who pushes bytes can forge either.
//!
//! *Deletions.* A blob becomes a grave first, which reads as absence and leads
//! to its data until that is gone: whoever repeats a deletion that was cut off
//! finishes it. A reader that has opened an object reads it to its end, unless
//! its connection breaks; the next data object of a blob may be gone.
//!
//! *Tombstones.* Where the store was seen to delete conditionally, it does.
//! Elsewhere a record is replaced by an empty object, and every method takes
//! that for absence. There is at most one for each key that ever was, and the
//! next writing of the key takes its place; nothing removes one, because a
//! deletion without a condition could meet a creation. A directory that holds
//! nothing but tombstones is still listed, and so is a grave or a reservation
//! that a killed process has left, until its key is written again.
//!
//! *Uploads.* Every turn, from beginning or resuming an upload to its last
//! save, sends to multipart uploads of its own: saving completes what was
//! sent, so the next turn finds data objects that nobody can change. Two turns
//! that continue from one state do not meet; only one of the states they save
//! will count, and what the other sent goes with the place. How publishing
//! and discarding meet is said in `publish.rs`.
//!
//! What a killed process may leave: a multipart upload without parts, for the
//! bucket's own expiry, and a probe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;

use crate::backend::{Backend, Expected, Page, Record, Saved, Swapped, Upload, Version};
use crate::error::Error;
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

mod bucket;
mod content;
mod failure;
mod frame;
mod memory;
mod options;
mod page;
mod place;
mod probe;
mod publish;
mod record;
mod remote;
mod removal;
mod scratch;
mod upload;

use bucket::{Bucket, Store};
use memory::Memory;
pub use options::{
    AzureOptions, GcsOptions, S3Addressing, S3Credentials, S3Encryption, S3Options, Variables,
};
use scratch::Scratch;
use upload::ObjectUpload;

/// Keeps records and blobs in an object store.
#[derive(Clone)]
pub struct Object {
    bucket: Arc<Bucket>,
    is_shared: bool,
}

impl Object {
    /// Keeps everything in the memory of this process, until the last clone
    /// is dropped.
    #[must_use]
    pub fn in_memory() -> Self {
        let objects = Arc::new(InMemory::new());
        let memory = Arc::new(Memory::new(Arc::clone(&objects)));
        let store = Store {
            objects,
            parts: Arc::clone(&memory) as _,
            lists: memory,
            signer: None,
            removal: None,
        };
        Self::over(store, "", Scratch::Memory)
    }

    /// Keeps everything in a bucket of S3, or of a store that speaks its
    /// protocol. Nothing is asked of it yet: see [`Object::probe`].
    ///
    /// # Errors
    ///
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) where the
    /// options contradict each other or leave out what is needed.
    pub fn s3(options: S3Options) -> Result<Self, Error> {
        let store = remote::s3(&options)?;
        Ok(Self::over(
            store,
            &options.prefix,
            Scratch::Directory(options.scratch),
        ))
    }

    /// Keeps everything in a bucket of Google Cloud Storage.
    ///
    /// # Errors
    ///
    /// Fails as [`Object::s3`] does.
    pub fn gcs(options: GcsOptions) -> Result<Self, Error> {
        let store = remote::gcs(&options)?;
        Ok(Self::over(
            store,
            &options.prefix,
            Scratch::Directory(options.scratch),
        ))
    }

    /// Keeps everything in a container of Azure Blob Storage.
    ///
    /// # Errors
    ///
    /// Fails as [`Object::s3`] does.
    pub fn azure(options: AzureOptions) -> Result<Self, Error> {
        let store = remote::azure(&options)?;
        Ok(Self::over(
            store,
            &options.prefix,
            Scratch::Directory(options.scratch),
        ))
    }

    /// Proves that the store can do what is needed, by doing it once on a key
    /// that nobody else has; several processes may prove it at the same time.
    ///
    /// # Errors
    ///
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) and the name
    /// of what is missing where the store can not do it, and with
    /// [`Unavailable`](crate::ErrorKind::Unavailable) where it can not be
    /// reached or lets nobody in.
    pub async fn probe(&self) -> Result<(), Error> {
        probe::probe(&self.bucket).await
    }

    /// Keeps everything in one store, below a prefix. Parts are gathered in
    /// `scratch` before they are sent.
    fn over(store: Store, prefix: &str, scratch: Scratch) -> Self {
        Self {
            // What is in memory is nobody else's.
            is_shared: matches!(scratch, Scratch::Directory(_)),
            bucket: Arc::new(Bucket::new(store, prefix, scratch)),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.bucket).finish()
    }
}

#[async_trait]
impl Backend for Object {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        record::read(&self.bucket, key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        content::size(&self.bucket, key).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        content::open(&self.bucket, key, range).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        record::create(&self.bucket, key, value).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        record::swap(&self.bucket, key, expected, value).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        content::delete(&self.bucket, key).await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        content::version(&self.bucket, key).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        content::delete_if(&self.bucket, key, version).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        page::page(&self.bucket, key, after, limit).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        // Nothing is stored before there is something to store.
        bucket::path(place)?;
        let upload = ObjectUpload::begin(Arc::clone(&self.bucket), place.clone());
        Ok(Box::new(upload))
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        let bucket = Arc::clone(&self.bucket);
        let upload = ObjectUpload::resume(bucket, place.clone(), saved).await?;
        Ok(upload.map(|upload| Box::new(upload) as Box<dyn Upload>))
    }

    async fn discard(&self, place: &Key, _saved: &Saved) -> Result<(), Error> {
        place::sweep(&self.bucket, place).await
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn signed_url(&self, key: &Key, valid: Duration) -> Result<Option<String>, Error> {
        match content::single(&self.bucket, key).await? {
            Some(data) => self.bucket.sign(&data, valid).await,
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;

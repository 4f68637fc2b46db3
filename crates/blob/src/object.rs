//! An object store as a backend, written for what S3 promises: an object is
//! put whole, conditionally by its entity tag; large ones come as a multipart
//! upload of uniform parts; listings are in byte order of the whole key.
//!
//! ```text
//! <key>                  a record, as it is
//! <key>                  a blob below one part, as it is
//! <key>                  a larger blob: a pointer of 512 bytes to its data
//! <key>                  a tombstone of 0 bytes: nothing is here
//! <place>/tail-<n>       an upload: the bytes after its last full part
//! <place>/data-<id>      an upload: which multipart upload it opened
//! .wharf/data/<id>       the data of large blobs; no key begins with a dot
//! ```
//!
//! *Pointers.* An object store can not rename, and copies at most 5 GiB. So a
//! large blob stays where its parts were sent, and publishing puts a pointer.
//! A pointer is told from content by its size and its first bytes; content
//! that looks the same, and the empty blob, is put behind a pointer as well,
//! and no record may look so: nobody who pushes bytes can forge one.
//!
//! *Tombstones.* There is no conditional delete, so a record is replaced by an
//! empty object, and every method takes that for absence. A directory that
//! holds nothing but tombstones is still listed.
//!
//! *Uploads.* The multipart upload is continued by its identifier, from
//! whatever process. Its parts can not be read before it is completed, so
//! reading back completes it; what comes after is another segment of the blob.
//! A place belongs to one caller at a time: an upload that is discarded while
//! it is published may lose its data.
//!
//! What a killed process may leave: a multipart upload without parts, for the
//! bucket's own expiry; and data that no pointer names, when it was killed
//! between removing a pointer and removing its data.

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

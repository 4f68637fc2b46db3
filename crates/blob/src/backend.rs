//! What a place must be able to do to keep images.
//!
//! The trait is ours because `object_store` alone has no compare-and-swap on
//! a local disk, no upload that another process can continue, and no ordered
//! page. What success means is written at each method; [`crate::testing`]
//! holds every implementation to it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Keeps records and blobs under keys.
///
/// Whatever a method has answered with `Ok` is durable and visible to every
/// later call of every process that shares the place. A method that failed or
/// was dropped has either done its work or not; it never leaves half a value
/// visible.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Reads a record whole; `None` where there is none.
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error>;

    /// Gives the size of a record or blob, in bytes; `None` where there is
    /// none.
    async fn head(&self, key: &Key) -> Result<Option<u64>, Error>;

    /// Streams a part of a blob; `None` where there is no blob. A part that
    /// reaches past the end is an error of kind
    /// [`Corrupt`](crate::ErrorKind::Corrupt).
    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error>;

    /// Writes a record where there is none. Of several callers at once,
    /// exactly one is told that it has written.
    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error>;

    /// Replaces a record if it is still as expected.
    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error>;

    /// Makes sure that there is nothing under the key; there need not have
    /// been anything.
    async fn delete(&self, key: &Key) -> Result<(), Error>;

    /// Tells which writing of a blob lies under a key; `None` where there is
    /// none. No two writings of one key ever have the same version, even of
    /// equal content.
    async fn version(&self, key: &Key) -> Result<Option<Version>, Error>;

    /// Deletes a record or blob if it is still of this version. Whoever is
    /// reading the blob may read it to its end.
    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error>;

    /// Lists the names directly below a key, in byte order: at most `limit`
    /// of them, all greater than `after` (empty for the first page). A name
    /// below which everything was deleted may still be listed.
    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error>;

    /// Writes a small blob whole, durable and visible; one that lies there
    /// already may stay. The backend may use `place` as for an upload.
    async fn create_blob(&self, key: &Key, place: &Key, content: Bytes) -> Result<(), Error> {
        let mut upload = self.begin(place).await?;
        upload.append(content).await?;
        upload.publish(key).await
    }

    /// Starts a blob. The backend may keep what it needs at or below `place`, which
    /// belongs to this upload alone.
    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error>;

    /// Continues an upload in whatever process. Bytes that were appended
    /// after it was saved are forgotten. `None` where the upload is gone.
    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error>;

    /// Removes whatever an upload has left below its place, finished or not.
    /// Another process may publish it at the same moment: then the blob is
    /// whole, or publishing fails.
    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error>;

    /// Says whether several processes write to the place at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// Gives a URL under which anybody may read a blob for a while, where the
    /// place can serve it itself.
    async fn signed_url(&self, _key: &Key, _valid: Duration) -> Result<Option<String>, Error> {
        Ok(None)
    }
}

/// The largest record, in bytes. Records are read whole; the largest are a
/// referrer's annotations and an upload's list of parts.
pub(crate) const RECORD_LIMIT: u64 = 4 * 1024 * 1024;

/// Receives the bytes of one blob, in order.
#[async_trait]
pub trait Upload: fmt::Debug + Send + Sync {
    /// Counts the bytes that were appended.
    fn length(&self) -> u64;

    /// Appends a piece. It is not durable before [`Upload::save`] or
    /// [`Upload::publish`]. After an error the upload is spent; it can be
    /// resumed from what was saved.
    async fn append(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Makes what was appended durable and says how to continue from here.
    async fn save(&mut self) -> Result<Saved, Error>;

    /// Reads back what was appended.
    async fn read_back(&mut self) -> Result<ByteStream, Error>;

    /// Makes the blob durable and visible under a key, at once and whole. A
    /// blob that lies there already may stay instead: under one key all
    /// content is the same.
    async fn publish(self: Box<Self>, key: &Key) -> Result<(), Error>;
}

/// Holds a record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The bytes.
    pub value: Bytes,
    /// Which writing of the record this is.
    pub version: Version,
}

/// Tells one writing of a record from another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version(pub(crate) String);

/// Says what a swap expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// No record.
    Absent,
    /// The record that was read before.
    Version(Version),
    /// Whatever there is: the last writer wins.
    Anything,
}

/// Says whether a conditional write was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a swap that lost has written nothing"]
pub enum Swapped {
    /// It was as expected, and is now as wanted.
    Done,
    /// It was not as expected, and nothing was written.
    Lost,
}

/// Lists names below a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The names, in byte order, escaped as [`Key`] escapes them.
    pub names: Vec<String>,
    /// Says whether there are names beyond the last one.
    pub more: bool,
}

/// Says how an upload continues, in words that its backend understands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Saved(pub(crate) serde_json::Value);

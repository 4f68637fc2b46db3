//! A directory as a backend.
//!
//! A key is a path. A record is one small file, written whole beside its
//! place and renamed into it; a blob is a file that was appended to elsewhere
//! and renamed likewise, so that nothing half-written ever has a name.
//!
//! ```text
//! ROOT/lock            held by whoever has the directory
//! ROOT/<mark>          says what the directory is for
//! ROOT/tmp/            records before they have their name; swept at start
//! ROOT/<key>           everything else
//! ```
//!
//! Durable means: the file is synced, then the directory that names it, then
//! each directory above that was made for it.
//!
//! Where this process has the directory for itself it also keeps in memory
//! what it has read and written lately, records and lists of names, and never
//! asks the disk what it knows.
//!
//! There is no compare-and-swap on a file system, so writers of a record take
//! turns by a lock on its key: in memory where this process has the directory
//! for itself, by `flock` where several share it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{Backend, Expected, Page, Record, Saved, Swapped, Upload, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

mod cache;
mod calls;
mod directory;
mod locks;
mod mark;
mod names;
mod owner;
mod page;
mod pieces;
mod read;
mod record;
mod upload;

use cache::Known;
use directory::Directory;
pub use mark::Mark;
pub use owner::Owner;
use upload::LocalUpload;

/// Says who else may use the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody, as long as this process lives: a registry's storage.
    Exclusive,
    /// Other processes that also share it: the local library.
    Shared,
}

/// Says whether writes wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Files and directories are synced before a write is answered.
    Always,
    /// Nothing is synced: a power cut loses what was acknowledged, or leaves a
    /// part of it. For tests, and for what can be made again and tells by itself
    /// whether it is whole.
    Never,
}

/// Keeps records and blobs in a directory.
#[derive(Debug, Clone)]
pub struct Local {
    directory: Arc<Directory>,
}

impl Local {
    /// Opens a directory, and makes and marks it if it is not there. Nothing
    /// is changed in one that is not empty and has no mark. Exclusive, it
    /// waits until the disk has everything that a process before has left.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Busy`] when another process has the directory
    /// in a way that excludes this one, with [`ErrorKind::Unsupported`] when
    /// it is somebody else's, and when it can not be made, read or locked.
    pub fn open(root: &Path, mark: &Mark, sharing: Sharing, sync: Sync) -> Result<Self, Error> {
        let directory = Directory::open(root, mark, sharing, sync)?;
        Ok(Self {
            directory: Arc::new(directory),
        })
    }

    /// Takes a part of an area of uploads for this process alone, among those
    /// that share the directory, and removes what processes that are gone
    /// left in that area. It blocks.
    ///
    /// # Errors
    ///
    /// Fails when the area can not be written.
    pub fn own(&self, area: &Key) -> Result<Owner, Error> {
        Owner::new(Arc::clone(&self.directory), area)
    }

    /// Gives the path of the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.root()
    }

    /// Finds what is known of a key without asking the disk.
    fn known(&self, key: &Key) -> Option<Known> {
        self.directory.records()?.find(key)
    }

    /// Runs file-system calls where they may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = Arc::clone(&self.directory);
        blocking(move || work(&directory)).await
    }
}

#[async_trait]
impl Backend for Local {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        match self.known(key) {
            Some(Known::Record(record)) => return Ok(Some(record)),
            Some(Known::Absent) => return Ok(None),
            Some(Known::Size(_)) | None => {}
        }
        let key = key.clone();
        self.run(move |directory| record::read(directory, &key))
            .await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        if let Some(known) = self.known(key) {
            return Ok(known.size());
        }
        let key = key.clone();
        self.run(move |directory| read::size(directory, &key)).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        let key = key.clone();
        self.run(move |directory| read::open(directory, &key, range))
            .await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        if self.known(key).is_some_and(|known| known != Known::Absent) {
            return Ok(Swapped::Lost);
        }
        let key = key.clone();
        self.run(move |directory| record::create(directory, &key, &value))
            .await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        let key = key.clone();
        self.run(move |directory| record::swap(directory, &key, &expected, &value))
            .await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        if self.known(key) == Some(Known::Absent) {
            return Ok(());
        }
        let key = key.clone();
        self.run(move |directory| record::delete(directory, &key))
            .await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        let key = key.clone();
        self.run(move |directory| read::version(directory, &key))
            .await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        let (key, version) = (key.clone(), version.clone());
        self.run(move |directory| record::delete_if(directory, &key, &version))
            .await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        let names = self.directory.names();
        if let Some(page) =
            names.and_then(|names| names.page(&self.directory.path(key), after, limit))
        {
            return Ok(page);
        }
        let (key, after) = (key.clone(), after.to_owned());
        self.run(move |directory| page::page(directory, &key, &after, limit))
            .await
    }

    async fn create_blob(&self, key: &Key, _place: &Key, content: Bytes) -> Result<(), Error> {
        let _lies_there = self.create(key, content).await?;
        Ok(())
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        let directory = Arc::clone(&self.directory);
        let place = place.clone();
        let upload = blocking(move || LocalUpload::begin(directory, &place)).await?;
        Ok(Box::new(upload))
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        let directory = Arc::clone(&self.directory);
        let (place, saved) = (place.clone(), saved.clone());
        let upload = blocking(move || LocalUpload::resume(directory, &place, &saved)).await?;
        Ok(upload.map(|upload| Box::new(upload) as Box<dyn Upload>))
    }

    async fn discard(&self, place: &Key, _saved: &Saved) -> Result<(), Error> {
        let place = place.clone();
        self.run(move |directory| upload::discard(directory, &place))
            .await
    }
}

/// Runs blocking work to its end, whether or not anybody still waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::caused(ErrorKind::Unavailable, "storage work was cut off", error))?
}

#[cfg(test)]
mod tests;

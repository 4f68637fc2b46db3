//! The object store in our words: paths, versions, writes that know their own
//! doing. It knows nothing of records, tombstones and blobs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failure::{caused, failed};
use super::frame::Id;
use super::removal::Removal;
use super::scratch::Scratch;
use crate::backend::{Expected, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Holds an object store, seen through its traits.
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) parts: Arc<dyn MultipartStore>,
    pub(super) lists: Arc<dyn PaginatedListStore>,
    /// Signs URLs, where the store serves them.
    pub(super) signer: Option<Arc<dyn Signer>>,
    /// Deletes conditionally, where the store may be able to.
    pub(super) removal: Option<Arc<dyn Removal>>,
}

/// Holds the part of an object store that lies below a prefix.
pub(super) struct Bucket {
    store: Store,
    /// Empty, or with a `/` at its end.
    prefix: String,
    scratch: Scratch,
    sending: Semaphore,
    /// Whether the store was seen to delete conditionally.
    removes: AtomicBool,
}

/// Says what is known of an object without its bytes.
#[derive(Debug)]
pub(super) struct Meta {
    /// In bytes.
    pub(super) size: u64,
    /// Which writing of the object this is.
    pub(super) version: Version,
}

/// Says what came of a conditional write.
#[derive(Debug)]
pub(super) enum Put {
    /// It was done, and this is the version of it.
    Done(Version),
    /// It was not as expected; this is what lies there instead.
    Lost(Option<Meta>),
}

/// The longest key with its prefix, in bytes: the limit of S3.
const KEY_LIMIT: usize = 1024;

/// Parts that are in memory at once: a part is 16 MiB, and all of them shall
/// stay below 128 MiB.
const SENDING: usize = 6;

/// The attribute that tells a writing from all others. A write whose answer
/// was lost is sent again and refused because of itself; by this it is known.
const WRITING: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("wharfwriting"));

impl Bucket {
    pub(super) fn new(store: Store, prefix: &str, scratch: Scratch) -> Self {
        let prefix = prefix.trim_matches('/');
        Self {
            store,
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            scratch,
            sending: Semaphore::new(SENDING),
            removes: AtomicBool::new(false),
        }
    }

    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Gives the path that the store knows.
    fn full(&self, path: &Path) -> Result<Path, Error> {
        let length = self.prefix.len() + path.as_ref().len();
        if length > KEY_LIMIT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "a key has at most {KEY_LIMIT} bytes with its prefix, `{path}` has {length}"
                ),
            ));
        }
        if self.prefix.is_empty() {
            return Ok(path.clone());
        }
        Path::parse(format!("{}{path}", self.prefix)).map_err(|error| {
            Error::caused(
                ErrorKind::Unsupported,
                format!("`{}` can not be a prefix", self.prefix),
                error,
            )
        })
    }

    /// Waits for the turn to have a whole part in memory.
    pub(super) async fn turn_to_send(&self) -> SemaphorePermit<'_> {
        self.sending
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    pub(super) async fn head(&self, path: &Path) -> Result<Option<Meta>, Error> {
        match self.store.objects.head(&self.full(path)?).await {
            Ok(meta) => Meta::of(&meta).map(Some),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look at", path, error)),
        }
    }

    /// Reads an object that is known to be small.
    pub(super) async fn get(
        &self,
        path: &Path,
        limit: u64,
    ) -> Result<Option<(Meta, Bytes)>, Error> {
        let Some((meta, stream)) = self.fetch(path, GetOptions::default()).await? else {
            return Ok(None);
        };
        if meta.size > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "`{path}` has {} bytes, more than the {limit} that are read here",
                    meta.size
                ),
            ));
        }
        Ok(Some((meta, stream.collect(limit).await?)))
    }

    /// Reads the first bytes of an object; an empty one has none.
    pub(super) async fn front(
        &self,
        path: &Path,
        length: u64,
    ) -> Result<Option<(Meta, Bytes)>, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..length)),
            ..GetOptions::default()
        };
        match self.fetch(path, options).await {
            Ok(Some((meta, stream))) => Ok(Some((meta, stream.collect(length).await?))),
            Ok(None) => Ok(None),
            // An empty object has no first byte that could be asked for.
            Err(error) => match self.head(path).await? {
                Some(meta) if meta.size == 0 => Ok(Some((meta, Bytes::new()))),
                Some(_) => Err(error),
                None => Ok(None),
            },
        }
    }

    /// Streams a whole object.
    pub(super) async fn whole(&self, path: &Path) -> Result<Option<(Meta, ByteStream)>, Error> {
        self.fetch(path, GetOptions::default()).await
    }

    /// Streams a part of an object; `None` where the object is not there in
    /// the version that was expected.
    pub(super) async fn stream(
        &self,
        path: &Path,
        range: ByteRange,
        expected: &Expected,
    ) -> Result<Option<ByteStream>, Error> {
        let if_match = match expected {
            Expected::Version(version) => parse_version(version).and_then(|update| update.e_tag),
            Expected::Absent | Expected::Anything => None,
        };
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.start..range.end)),
            if_match,
            ..GetOptions::default()
        };
        let fetched = self.fetch(path, options).await?;
        Ok(fetched.map(|(_, stream)| ByteStream::new(range.length(), stream)))
    }

    async fn fetch(
        &self,
        path: &Path,
        options: GetOptions,
    ) -> Result<Option<(Meta, ByteStream)>, Error> {
        let found = match self
            .store
            .objects
            .get_opts(&self.full(path)?, options)
            .await
        {
            Ok(found) => found,
            Err(StoreError::NotFound { .. } | StoreError::Precondition { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", path, error)),
        };
        let meta = Meta::of(&found.meta)?;
        let length = found.range.end.saturating_sub(found.range.start);
        let path = path.clone();
        let pieces = found
            .into_stream()
            .map_err(move |error| failed("read", &path, error));
        Ok(Some((meta, ByteStream::new(length, pieces.boxed()))))
    }

    /// Writes an object if what lies there is as expected.
    pub(super) async fn put(
        &self,
        path: &Path,
        value: PutPayload,
        expected: &Expected,
    ) -> Result<Put, Error> {
        let mode = match expected {
            Expected::Absent => PutMode::Create,
            Expected::Anything => PutMode::Overwrite,
            Expected::Version(version) => match parse_version(version) {
                Some(version) => PutMode::Update(version),
                None => return self.head(path).await.map(Put::Lost),
            },
        };
        let writing = Id::fresh();
        let options = PutOptions {
            mode,
            attributes: Attributes::from_iter([(WRITING, writing.as_str().to_owned())]),
            ..PutOptions::default()
        };
        let outcome = self
            .store
            .objects
            .put_opts(&self.full(path)?, value, options)
            .await;
        match (outcome, expected) {
            (Ok(put), _) => Ok(Put::Done(encode_version(put.e_tag, put.version))),
            (
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }),
                Expected::Absent | Expected::Version(_),
            )
            | (Err(StoreError::NotFound { .. }), Expected::Version(_)) => {
                self.lost(path, &writing).await
            }
            (Err(error), _) => Err(failed("write", path, error)),
        }
    }

    /// Finds out whether a write that was refused was refused because of
    /// itself.
    async fn lost(&self, path: &Path, writing: &Id) -> Result<Put, Error> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let found = match self
            .store
            .objects
            .get_opts(&self.full(path)?, options)
            .await
        {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(Put::Lost(None)),
            Err(error) => return Err(failed("look at", path, error)),
        };
        let meta = Meta::of(&found.meta)?;
        let is_own = found
            .attributes
            .get(&WRITING)
            .is_some_and(|found| found.as_ref() == writing.as_str());
        Ok(match is_own {
            true => Put::Done(meta.version),
            false => Put::Lost(Some(meta)),
        })
    }

    /// Writes an object, whatever there is.
    pub(super) async fn write(&self, path: &Path, value: Bytes) -> Result<(), Error> {
        self.put(path, value.into(), &Expected::Anything)
            .await
            .map(|_| ())
    }

    pub(super) async fn delete(&self, path: &Path) -> Result<(), Error> {
        match self.store.objects.delete(&self.full(path)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", path, error)),
        }
    }

    /// Removes an object if it is still of this version.
    ///
    /// It becomes a tombstone first: S3 answers a conditional deletion of what
    /// is not there as if it had been done, and of several who delete one
    /// shall know that it was he. All tombstones are alike and read as
    /// absence, so that removing whichever is there is right.
    pub(super) async fn remove(&self, path: &Path, version: &Version) -> Result<Swapped, Error> {
        let expected = Expected::Version(version.clone());
        let Put::Done(tombstone) = self.put(path, PutPayload::new(), &expected).await? else {
            return Ok(Swapped::Lost);
        };
        if self.removes.load(Ordering::Relaxed) {
            // A tombstone that stays is absence as well.
            let _stays = self.remove_exactly(path, &tombstone).await;
        }
        Ok(Swapped::Done)
    }

    /// Asks the store to delete an object if it is still of this version.
    pub(super) async fn remove_exactly(
        &self,
        path: &Path,
        version: &Version,
    ) -> Result<Swapped, Error> {
        let e_tag = parse_version(version).and_then(|version| version.e_tag);
        match (&self.store.removal, e_tag) {
            (Some(removal), Some(e_tag)) => removal.remove(&self.full(path)?, &e_tag).await,
            _ => Ok(Swapped::Lost),
        }
    }

    /// Trusts the store to delete conditionally from now on, or no longer.
    pub(super) fn trust_removal(&self, is_trusted: bool) {
        let has = self.store.removal.is_some();
        self.removes.store(has && is_trusted, Ordering::Relaxed);
    }

    /// Lists what lies below a prefix, by paths without the bucket's own.
    pub(super) async fn list(
        &self,
        prefix: &str,
        mut options: PaginatedListOptions,
    ) -> Result<PaginatedListResult, Error> {
        options.offset = options
            .offset
            .map(|offset| format!("{}{offset}", self.prefix));
        let below = format!("{}{prefix}", self.prefix);
        let mut listed = self
            .store
            .lists
            .list_paginated(Some(&below), options)
            .await
            .map_err(|error| caused(format!("can not list `{prefix}`"), &error))?;
        if !self.prefix.is_empty() {
            let result = &mut listed.result;
            for object in &mut result.objects {
                object.location = self.short(&object.location);
            }
            for directory in &mut result.common_prefixes {
                *directory = self.short(directory);
            }
        }
        Ok(listed)
    }

    fn short(&self, full: &Path) -> Path {
        // What was listed below the prefix begins with it, and every part of
        // a path is a path.
        let short = full.as_ref().strip_prefix(&self.prefix);
        short
            .and_then(|short| Path::parse(short).ok())
            .unwrap_or_else(|| full.clone())
    }

    /// Starts a multipart upload and gives its identifier.
    pub(super) async fn start_parts(&self, path: &Path) -> Result<String, Error> {
        self.store
            .parts
            .create_multipart(&self.full(path)?)
            .await
            .map_err(|error| failed("start", path, error))
    }

    /// Sends one part and gives its identifier.
    pub(super) async fn put_part(
        &self,
        path: &Path,
        upload: &str,
        index: usize,
        part: Bytes,
    ) -> Result<String, Error> {
        self.store
            .parts
            .put_part(&self.full(path)?, &upload.to_owned(), index, part.into())
            .await
            .map(|part| part.content_id)
            .map_err(|error| failed("send a part of", path, error))
    }

    /// Makes an object of the parts, which have `size` bytes together.
    pub(super) async fn complete_parts(
        &self,
        path: &Path,
        upload: &str,
        parts: &[String],
        size: u64,
    ) -> Result<(), Error> {
        let parts = parts
            .iter()
            .map(|part| PartId {
                content_id: part.clone(),
            })
            .collect();
        let outcome = self
            .store
            .parts
            .complete_multipart(&self.full(path)?, &upload.to_owned(), parts)
            .await;
        let Err(error) = outcome else { return Ok(()) };
        // An answer that was lost is asked for again, and then the upload is
        // gone: what counts is whether the object is there.
        match self.head(path).await {
            Ok(Some(meta)) if meta.size == size => Ok(()),
            _ => Err(failed("complete", path, error)),
        }
    }

    pub(super) async fn abort_parts(&self, path: &Path, upload: &str) -> Result<(), Error> {
        let outcome = self
            .store
            .parts
            .abort_multipart(&self.full(path)?, &upload.to_owned())
            .await;
        match outcome {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("abort", path, error)),
        }
    }

    /// Gives a URL under which anybody may read an object for a while.
    pub(super) async fn sign(&self, path: &Path, valid: Duration) -> Result<Option<String>, Error> {
        let Some(signer) = &self.store.signer else {
            return Ok(None);
        };
        let method = reqwest::Method::GET;
        let signed = signer.signed_url(method, &self.full(path)?, valid).await;
        signed
            .map(|url| Some(url.into()))
            .map_err(|error| failed("sign a URL of", path, error))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({}/{})", self.store.objects, self.prefix)
    }
}

impl From<Put> for Swapped {
    fn from(put: Put) -> Self {
        match put {
            Put::Done(_) => Self::Done,
            Put::Lost(_) => Self::Lost,
        }
    }
}

impl Meta {
    fn of(meta: &ObjectMeta) -> Result<Self, Error> {
        if meta.e_tag.is_none() && meta.version.is_none() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the object store gives no entity tags",
            ));
        }
        Ok(Self {
            size: meta.size,
            version: encode_version(meta.e_tag.clone(), meta.version.clone()),
        })
    }
}

/// Writes a version down. The version of a store counts where it has one.
fn encode_version(e_tag: Option<String>, version: Option<String>) -> Version {
    Version(serde_json::json!([e_tag, version]).to_string())
}

/// Reads a version back; `None` where another backend has written it.
fn parse_version(version: &Version) -> Option<UpdateVersion> {
    let (e_tag, version) = serde_json::from_str(&version.0).ok()?;
    Some(UpdateVersion { e_tag, version })
}

/// Gives the path of a key.
pub(super) fn path(key: &Key) -> Result<Path, Error> {
    if key.as_str().len() > KEY_LIMIT {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "a key has at most {KEY_LIMIT} bytes, `{key}` has {}",
                key.as_str().len()
            ),
        ));
    }
    Path::parse(key.as_str()).map_err(|error| {
        Error::caused(
            ErrorKind::Unsupported,
            format!("`{key}` can not be a key here"),
            error,
        )
    })
}

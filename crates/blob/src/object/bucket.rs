//! The object store in our words: paths, versions, errors. It knows nothing
//! of records, tombstones and pointers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutPayload, UpdateVersion,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::scratch::Scratch;
use crate::backend::{Expected, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Holds an object store.
pub(super) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    lists: Arc<dyn PaginatedListStore>,
    scratch: Scratch,
    sending: Semaphore,
}

/// Says what is known of an object without its bytes.
#[derive(Debug)]
pub(super) struct Meta {
    /// In bytes.
    pub(super) size: u64,
    /// Which writing of the object this is.
    pub(super) version: Version,
}

/// The longest key, in bytes: the limit of S3.
const KEY_LIMIT: usize = 1024;

/// Parts that are in memory at once: a part is 16 MiB, and all of them shall
/// stay below 128 MiB.
const SENDING: usize = 4;

impl Bucket {
    pub(super) fn new(
        objects: Arc<dyn ObjectStore>,
        parts: Arc<dyn MultipartStore>,
        lists: Arc<dyn PaginatedListStore>,
        scratch: Scratch,
    ) -> Self {
        Self {
            objects,
            parts,
            lists,
            scratch,
            sending: Semaphore::new(SENDING),
        }
    }

    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Waits for the turn to have a whole part in memory.
    pub(super) async fn turn_to_send(&self) -> SemaphorePermit<'_> {
        self.sending
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    pub(super) async fn head(&self, path: &Path) -> Result<Option<Meta>, Error> {
        match self.objects.head(path).await {
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
        self.get_with(path, GetOptions::default(), limit).await
    }

    /// Reads the first bytes of an object. An empty object is absent here,
    /// because it has no first byte that could be asked for.
    pub(super) async fn front(
        &self,
        path: &Path,
        length: u64,
    ) -> Result<Option<(Meta, Bytes)>, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..length)),
            ..GetOptions::default()
        };
        match self.get_with(path, options, length).await {
            Ok(found) => Ok(found),
            Err(error) => match self.head(path).await? {
                Some(meta) if meta.size > 0 => Err(error),
                _ => Ok(None),
            },
        }
    }

    async fn get_with(
        &self,
        path: &Path,
        options: GetOptions,
        limit: u64,
    ) -> Result<Option<(Meta, Bytes)>, Error> {
        let found = match self.objects.get_opts(path, options).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", path, error)),
        };
        let length = found.range.end.saturating_sub(found.range.start);
        if length > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("`{path}` has {length} bytes, more than the {limit} that are read here"),
            ));
        }
        let meta = Meta::of(&found.meta)?;
        let bytes = found
            .bytes()
            .await
            .map_err(|error| failed("read", path, error))?;
        Ok(Some((meta, bytes)))
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
        let found = match self.objects.get_opts(path, options).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. } | StoreError::Precondition { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", path, error)),
        };
        let path = path.clone();
        let pieces = found
            .into_stream()
            .map_err(move |error| failed("read", &path, error));
        Ok(Some(ByteStream::new(range.length(), pieces.boxed())))
    }

    pub(super) async fn put(
        &self,
        path: &Path,
        value: Bytes,
        expected: &Expected,
    ) -> Result<Swapped, Error> {
        let mode = match expected {
            Expected::Absent => PutMode::Create,
            Expected::Anything => PutMode::Overwrite,
            Expected::Version(version) => match parse_version(version) {
                Some(version) => PutMode::Update(version),
                None => return Ok(Swapped::Lost),
            },
        };
        let outcome = self
            .objects
            .put_opts(path, PutPayload::from(value), mode.into())
            .await;
        match (outcome, expected) {
            (Ok(_), _) => Ok(Swapped::Done),
            (
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }),
                Expected::Absent | Expected::Version(_),
            )
            | (Err(StoreError::NotFound { .. }), Expected::Version(_)) => Ok(Swapped::Lost),
            (Err(error), _) => Err(failed("write", path, error)),
        }
    }

    /// Writes an object, whatever there is.
    pub(super) async fn write(&self, path: &Path, value: Bytes) -> Result<(), Error> {
        self.put(path, value, &Expected::Anything).await.map(|_| ())
    }

    pub(super) async fn delete(&self, path: &Path) -> Result<(), Error> {
        match self.objects.delete(path).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", path, error)),
        }
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult, Error> {
        self.lists
            .list_paginated(Some(prefix), options)
            .await
            .map_err(|error| caused(format!("can not list `{prefix}`"), error))
    }

    /// Starts a multipart upload and gives its identifier.
    pub(super) async fn start_parts(&self, path: &Path) -> Result<String, Error> {
        self.parts
            .create_multipart(path)
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
        self.parts
            .put_part(path, &upload.to_owned(), index, part.into())
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
            .parts
            .complete_multipart(path, &upload.to_owned(), parts)
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
        match self.parts.abort_multipart(path, &upload.to_owned()).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("abort", path, error)),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.objects)
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
        let text = serde_json::json!([meta.e_tag, meta.version]).to_string();
        Ok(Self {
            size: meta.size,
            version: Version(text),
        })
    }
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

fn failed(what: &str, path: &Path, error: StoreError) -> Error {
    caused(format!("can not {what} `{path}`"), error)
}

fn caused(context: String, error: StoreError) -> Error {
    let kind = match &error {
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Unavailable,
    };
    Error::caused(kind, context, error)
}

//! Targets: what a place that can take an image piece by piece is asked for.

use std::sync::Arc;

use async_trait::async_trait;
use client::{BoxError, SourceStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::{Descriptor, Digest, Manifest};

use crate::error::{Error, ErrorKind};
use crate::progress::{Event, Progress};
use crate::source::{Pieces, Source, of_source, verified};

/// Takes one image. What it was given is invisible until [`Target::name`].
#[async_trait]
pub(crate) trait Target: Send + Sync {
    /// Says whether a blob is there already.
    async fn has(&self, blob: &Descriptor) -> Result<bool, Error>;

    /// Takes a blob over from the source without any bytes being moved, where
    /// the target can do that.
    async fn mount(&self, _blob: &Descriptor, _source: &dyn Source) -> Result<bool, Error> {
        Ok(false)
    }

    /// Takes a blob in, and checks it.
    async fn take(&self, feed: Feed) -> Result<(), Error>;

    /// Keeps a manifest whose parts are all there.
    async fn put(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error>;

    /// Keeps the topmost manifest and gives it its name.
    async fn name(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error>;
}

/// Has the bytes of one blob, and tells of them as they pass.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) descriptor: Descriptor,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Feed {
    /// Streams the blob from `offset` on, without checking it.
    pub(crate) async fn unchecked(&self, offset: u64) -> Result<Pieces, Error> {
        let pieces = self.source.open(&self.descriptor, offset).await?;
        let pieces = pieces.ok_or_else(|| {
            of_source(Error::new(
                ErrorKind::NotFound,
                format!("the source has no blob `{}`", self.descriptor.digest),
            ))
        })?;
        let (digest, progress) = (self.descriptor.digest, Arc::clone(&self.progress));
        let mut position = offset;
        Ok(Box::pin(pieces.inspect_ok(move |piece| {
            let bytes = piece.len() as u64;
            position += bytes;
            progress.note(&Event::Advanced {
                digest: &digest,
                position,
                bytes,
            });
        })))
    }

    /// Streams the blob, and fails before its last piece where it is not what
    /// its digest says.
    pub(crate) async fn checked(&self) -> Result<Pieces, Error> {
        let checked = verified(self.unchecked(0).await?, &self.descriptor);
        Ok(Box::pin(checked.map_err(of_source)))
    }
}

#[async_trait]
impl client::Source for Feed {
    async fn open(&self, offset: u64) -> Result<SourceStream, BoxError> {
        // A rest can not be hashed alone; the registry hashes the whole.
        let pieces = if offset == 0 {
            self.checked().await?
        } else {
            self.unchecked(offset).await?
        };
        Ok(Box::pin(pieces.map(|piece| piece.map_err(BoxError::from))))
    }
}

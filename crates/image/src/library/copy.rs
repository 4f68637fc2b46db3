//! The library as source and as target of copies.

use async_trait::async_trait;
use client::{Client, Repository};
use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::{Descriptor, Digest, Hasher, ImageName, Manifest};

use crate::error::Error;
use crate::library::Library;
use crate::registry::check_name;
use crate::source::{Child, Pieces, Source, mismatched, stored_child, stored_top};
use crate::target::{Feed, Target};

/// Has an image of the library.
pub(crate) struct LibrarySource {
    pub(crate) library: Library,
    pub(crate) client: Client,
    pub(crate) name: ImageName,
}

#[async_trait]
impl Source for LibrarySource {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        let named = self.library.resolve(&self.name).await?;
        stored_top(self, &named.descriptor).await
    }

    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error> {
        stored_child(self, descriptor).await
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        if let Some(pieces) = self.library.open_at(descriptor, offset).await? {
            return Ok(Some(pieces));
        }
        let mut failure = None;
        for origin in self.origins(descriptor).await? {
            let repository = origin.mirrored();
            let from = format!("{}/{}", repository.registry(), repository.name());
            let digest = descriptor.digest;
            let context = format!("can not fetch `{digest}` from `{from}`, where it came from");
            match repository.blob_rest(descriptor, offset).await {
                Ok(stream) => {
                    let failed = move |error| Error::remote(context.clone(), error);
                    return Ok(Some(Box::pin(stream.map_err(failed))));
                }
                Err(error) => failure = Some(Error::remote(context, error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    async fn origins(&self, blob: &Descriptor) -> Result<Vec<Repository>, Error> {
        let origins = self.library.origins(&blob.digest).await?;
        let repositories = origins
            .iter()
            .map(|origin| self.client.repository(&origin.registry, &origin.repository));
        Ok(repositories.collect())
    }
}

/// Takes an image into the library.
pub(crate) struct LibraryTarget {
    pub(crate) library: Library,
    pub(crate) name: ImageName,
}

#[async_trait]
impl Target for LibraryTarget {
    async fn has(&self, blob: &Descriptor) -> Result<bool, Error> {
        self.library.has(blob).await
    }

    async fn take(&self, feed: Feed) -> Result<(), Error> {
        let library = &self.library;
        let digest = feed.descriptor.digest;
        // The intake hashes, off the reactor, so the bytes need no other check.
        let mut pieces = feed.unchecked(0).await?;
        let mut incoming = library.begin(Hasher::unbroken(digest.algorithm())).await?;
        let outcome = async {
            while let Some(piece) = pieces.next().await {
                incoming.push(piece?).await?;
            }
            let (expected, actual) = (feed.descriptor.size, incoming.length());
            if expected != actual {
                return Err(mismatched(
                    &digest,
                    oci::Mismatch::Size { expected, actual },
                ));
            }
            incoming.publish(&digest).await
        }
        .await;
        if outcome.is_err() {
            incoming.discard().await;
        }
        outcome
    }

    async fn put(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        self.library.keep_as(digest, manifest.bytes().clone()).await
    }

    async fn name(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        check_name(&self.name, digest)?;
        self.put(digest, manifest).await?;
        let size = manifest.bytes().len() as u64;
        let descriptor = Descriptor::new(manifest.media_type().clone(), *digest, size);
        self.library.set(&self.name, &descriptor).await
    }
}

//! A repository of a registry as source and as target.

use std::sync::Arc;

use async_trait::async_trait;
use client::{Mounted, Repository};
use futures_util::TryStreamExt as _;
use oci::{Descriptor, Digest, ImageName, MANIFEST_LIMIT, Manifest, Reference};

use crate::error::{Error, ErrorKind};
use crate::images::Sending;
use crate::source::{Child, Pieces, Source, is_manifest};
use crate::target::{Feed, Target};

/// Has an image in a repository.
pub(crate) struct RegistrySource {
    pub(crate) repository: Repository,
    pub(crate) name: ImageName,
}

#[async_trait]
impl Source for RegistrySource {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        let fetched = self.repository.manifest(&self.name.reference()).await;
        let fetched = fetched
            .map_err(|error| Error::remote(format!("can not fetch `{}`", self.name), error))?;
        Ok((fetched.digest, fetched.manifest))
    }

    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error> {
        let must = is_manifest(&descriptor.media_type);
        if must || descriptor.size <= MANIFEST_LIMIT {
            let reference = Reference::Digest(descriptor.digest);
            match self.repository.manifest(&reference).await {
                Ok(fetched) => return Ok(Child::Manifest(Box::new(fetched.manifest))),
                Err(error) if error.kind() == client::ErrorKind::NotFound => {}
                // Bytes that are no manifest, and need not be one.
                Err(error) if !must && error.kind() == client::ErrorKind::Protocol => {}
                Err(error) => return Err(self.failed("fetch", &descriptor.digest, error)),
            }
        }
        if must {
            return Ok(Child::Absent);
        }
        match self.repository.blob_size(&descriptor.digest).await {
            Ok(Some(_)) => Ok(Child::Blob),
            Ok(None) => Ok(Child::Absent),
            Err(error) => Err(self.failed("find", &descriptor.digest, error)),
        }
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        let digest = descriptor.digest;
        let stream = match self.repository.blob_rest(descriptor, offset).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == client::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("fetch", &digest, error)),
        };
        let context = format!("can not fetch `{digest}` of `{}`", self.name);
        let pieces = stream.map_err(move |error| Error::remote(context.clone(), error));
        Ok(Some(Box::pin(pieces)))
    }

    async fn origins(&self, _blob: &Descriptor) -> Result<Vec<Repository>, Error> {
        Ok(vec![self.repository.clone()])
    }
}

impl RegistrySource {
    fn failed(&self, what: &str, digest: &Digest, error: client::Error) -> Error {
        Error::remote(
            format!("can not {what} `{digest}` of `{}`", self.name),
            error,
        )
    }
}

/// Takes an image into a repository.
pub(crate) struct RegistryTarget {
    pub(crate) repository: Repository,
    pub(crate) name: ImageName,
    /// What was sent there a moment ago.
    pub(crate) sending: Arc<Sending>,
}

#[async_trait]
impl Target for RegistryTarget {
    async fn has(&self, blob: &Descriptor) -> Result<bool, Error> {
        if self.sending.is_done(&blob.digest, &self.name) {
            return Ok(true);
        }
        let found = self.repository.blob_size(&blob.digest).await;
        let found = found.map_err(|error| self.failed("look for", &blob.digest, error))?;
        Ok(found.is_some())
    }

    async fn mount(&self, blob: &Descriptor, source: &dyn Source) -> Result<bool, Error> {
        for from in source.origins(blob).await? {
            let own = &self.repository;
            if from.registry() != own.registry() || from.name() == own.name() {
                continue;
            }
            let mounted = own.mount_blob(&blob.digest, from.name()).await;
            let mounted = mounted.map_err(|error| self.failed("mount", &blob.digest, error))?;
            if mounted == Mounted::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn take(&self, feed: Feed) -> Result<(), Error> {
        let (digest, size) = (feed.descriptor.digest, feed.descriptor.size);
        let pushed = self.repository.push_blob(&digest, size, &feed).await;
        pushed.map_err(|error| self.failed("push", &digest, error))
    }

    async fn put(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        let reference = Reference::Digest(*digest);
        let put = self.repository.put_manifest(&reference, manifest).await;
        put.map_err(|error| self.failed("push", digest, error))?;
        Ok(())
    }

    async fn name(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        check_name(&self.name, digest)?;
        let sha256 = digest.algorithm() == oci::Algorithm::Sha256;
        // A push by tag lets the registry choose the digest, which is SHA-256.
        if self.name.tag().is_none() || !sha256 {
            self.put(digest, manifest).await?;
        }
        if let Some(tag) = self.name.tag() {
            let reference = Reference::Tag(tag.clone());
            let put = self.repository.put_manifest(&reference, manifest).await;
            put.map_err(|error| Error::remote(format!("can not push `{}`", self.name), error))?;
        }
        Ok(())
    }
}

impl RegistryTarget {
    fn failed(&self, what: &str, digest: &Digest, error: client::Error) -> Error {
        Error::remote(
            format!("can not {what} `{digest}` for `{}`", self.name),
            error,
        )
    }
}

/// Refuses a name that promises another digest.
pub(crate) fn check_name(name: &ImageName, digest: &Digest) -> Result<(), Error> {
    match name.digest() {
        Some(promised) if promised != *digest => Err(Error::new(
            ErrorKind::Mismatch,
            format!("the image is `{digest}`, which `{name}` can not name"),
        )),
        _ => Ok(()),
    }
}

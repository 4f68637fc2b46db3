//! Manifests: published after everything they need, removed before it.
//!
//! The order of the keys is the protocol; [`crate::keys`] draws them.
//!
//! * *Put*: bytes, maybe-keys, then the manifest's own key, then its tags, and
//!   the maybe-keys that somebody removed meanwhile. A crash leaves maybe-keys,
//!   and nothing visible that is not whole.
//! * *Delete*: tags, then the manifest's own key, then tags that were moved
//!   here meanwhile, then the maybe-keys; if the manifest came back meanwhile,
//!   those are written again. A crash leaves a manifest with fewer tags, whose
//!   delete was never acknowledged.

use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, MediaType, Reference, Tag};

use crate::error::Error;
use crate::records::{self, ManifestRecord};
use crate::referrers;
use crate::repository::{Delete, Grant, Pull, Push, Repository, side_by_side};

/// Says what a push has made.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The digest of the manifest, by the algorithm that was asked for.
    pub digest: Digest,
    /// The manifest that this one refers to.
    pub subject: Option<Digest>,
}

/// Holds a manifest as it is stored.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    /// The digest of the bytes.
    pub digest: Digest,
    /// What it was pushed as.
    pub media_type: MediaType,
    /// The exact bytes.
    pub bytes: Bytes,
}

impl Repository<Push> {
    /// Publishes a manifest under its digest and moves tags to it.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ManifestBlobUnknown`] when the config or a
    /// distributable layer is not visible here, and when the storage fails.
    pub async fn put_manifest(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        tags: &[Tag],
    ) -> Result<Pushed, Error> {
        self.check_blobs(manifest).await?;
        let record = ManifestRecord {
            media_type: manifest.media_type().clone(),
            size: manifest.bytes().len() as u64,
            subject: manifest.subject().map(|subject| subject.digest),
            pushed: self.store.now(),
        };
        let backend = self.store.backend();
        let catalog_entry = self.keys.catalog_entry();
        tokio::try_join!(
            self.keep_bytes(manifest, digest),
            self.store.state_fact(&catalog_entry),
            self.state_maybes(manifest, digest),
        )?;
        let value = records::to_bytes(&record);
        let _first = backend
            .swap(&self.keys.manifest(digest), blob::Expected::Anything, value)
            .await?;
        // Whoever deleted it meanwhile may have removed the maybe-keys before
        // it was back.
        tokio::try_join!(
            self.state_maybes(manifest, digest),
            side_by_side(tags.iter().map(|tag| self.move_tag(tag, digest)).collect()),
        )?;
        Ok(Pushed {
            digest: *digest,
            subject: record.subject,
        })
    }
}

impl Repository<Pull> {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ManifestUnknown`] when there is none.
    pub async fn manifest(&self, reference: &Reference) -> Result<StoredManifest, Error> {
        let (digest, record) = self.find(reference).await?;
        let bytes = self.store.manifest_bytes(&digest).await?;
        let bytes = bytes.ok_or_else(|| Error::ManifestUnknown(reference.clone()))?;
        Ok(StoredManifest {
            digest,
            media_type: record.media_type,
            bytes,
        })
    }

    /// Describes a manifest without reading its bytes.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ManifestUnknown`] when there is none.
    pub async fn describe_manifest(&self, reference: &Reference) -> Result<Descriptor, Error> {
        let (digest, record) = self.find(reference).await?;
        Ok(Descriptor::new(record.media_type, digest, record.size))
    }
}

impl Repository<Delete> {
    /// Removes a manifest and every tag of it.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ManifestUnknown`] when there is none.
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<(), Error> {
        let unknown = || Error::ManifestUnknown(Reference::Digest(*digest));
        let record = self.manifest_record(digest).await?.ok_or_else(unknown)?;
        // By the digest alone: somebody else may delete the record before this
        // call does, and the manifest be pushed again before the maybe-keys go.
        let bytes = self.store.manifest_bytes(digest).await;
        self.untag(digest).await?;
        let backend = self.store.backend();
        backend.delete(&self.keys.manifest(digest)).await?;
        self.untag(digest).await?;
        self.forget_holder(digest).await?;
        // Bytes that can not be read leave the other maybe-keys behind, since
        // nobody could write them again. That keeps blobs too long and loses
        // nothing.
        let Ok(Some(bytes)) = bytes else {
            return Ok(());
        };
        let Ok(manifest) = Manifest::parse(bytes, &record.media_type) else {
            return Ok(());
        };
        if let Some(subject) = &record.subject {
            backend.delete(&self.keys.referrer(subject, digest)).await?;
        }
        let keys = manifest
            .references()
            .map(|blob| self.keys.reference(&blob.digest, digest));
        side_by_side(
            keys.map(async |key| Ok(backend.delete(&key).await?))
                .collect(),
        )
        .await?;
        // Whoever pushed it meanwhile may have looked at the maybe-keys before
        // they went.
        if self.manifest_record(digest).await?.is_some() {
            self.state_maybes(&manifest, digest).await?;
        }
        Ok(())
    }
}

impl<G: Grant> Repository<G> {
    /// Reads what a manifest was pushed as; `None` where there is none.
    pub(crate) async fn manifest_record(
        &self,
        digest: &Digest,
    ) -> Result<Option<ManifestRecord>, Error> {
        let found = records::read(self.store.backend(), &self.keys.manifest(digest)).await?;
        Ok(found.map(|(record, _version)| record))
    }

    async fn find(&self, reference: &Reference) -> Result<(Digest, ManifestRecord), Error> {
        let unknown = || Error::ManifestUnknown(reference.clone());
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => self.tag_record(tag).await?.ok_or_else(unknown)?.0.digest,
        };
        let record = self.manifest_record(&digest).await?.ok_or_else(unknown)?;
        Ok((digest, record))
    }

    async fn check_blobs(&self, manifest: &Manifest) -> Result<(), Error> {
        let needed: Vec<Digest> = manifest.required_blobs().map(|blob| blob.digest).collect();
        let present =
            side_by_side(needed.iter().map(|digest| self.has_blob(digest)).collect()).await?;
        let missing: Vec<Digest> = needed
            .iter()
            .zip(present)
            .filter(|(_, present)| !present)
            .map(|(digest, _)| *digest)
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::ManifestBlobUnknown(missing))
        }
    }

    async fn keep_bytes(&self, manifest: &Manifest, digest: &Digest) -> Result<(), Error> {
        let bytes = manifest.bytes().clone();
        let _kept_before = self
            .store
            .backend()
            .create(&blob::blob_key(digest), bytes)
            .await?;
        Ok(())
    }

    /// Writes every key that may have to be found before the manifest is.
    async fn state_maybes(&self, manifest: &Manifest, digest: &Digest) -> Result<(), Error> {
        let holder = self.keys.holder(digest);
        tokio::try_join!(
            self.state_references(manifest, digest),
            self.store.state_fact(&holder),
            referrers::state(self, manifest, digest),
        )?;
        Ok(())
    }

    /// Writes down what the manifest keeps, present or not, so that a
    /// collection can tell from a blob that it is needed.
    async fn state_references(&self, manifest: &Manifest, digest: &Digest) -> Result<(), Error> {
        let keys = manifest
            .references()
            .map(|blob| self.keys.reference(&blob.digest, digest));
        side_by_side(
            keys.map(async |key| self.store.state_fact(&key).await)
                .collect(),
        )
        .await?;
        Ok(())
    }
}

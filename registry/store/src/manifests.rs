//! Manifests: published after everything they need, removed before it.
//!
//! The order of the keys is the protocol; [`crate::keys`] draws them.
//!
//! * *Put*: bytes and maybe-keys, then a look at the blobs that it needs, then
//!   the manifest's own key, then its tags, and last a look at the round of
//!   collection, which may have removed some of it meanwhile. A crash leaves
//!   maybe-keys, and nothing visible that is not whole.
//! * *Delete*: tags, then the manifest's own key, then tags that were moved
//!   here meanwhile. The collector removes the maybe-keys, since it alone can
//!   tell that nobody is about to need them. A crash leaves a manifest with
//!   fewer tags, whose delete was never acknowledged.

use blob::Expected;
use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, MediaType, Reference, Tag};

use crate::collect::round::{ATTEMPTS, Fence, Passed, busy};
use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord, ManifestRecord};
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

/// Lists what a manifest has to do with.
#[derive(Debug, Clone, Default)]
struct Needs {
    references: Vec<Digest>,
    subject: Option<Digest>,
}

impl Needs {
    fn of(manifest: &Manifest) -> Self {
        Self {
            references: manifest.references().map(|blob| blob.digest).collect(),
            subject: manifest.subject().map(|subject| subject.digest),
        }
    }

    /// Lists all of it, and the manifest itself.
    fn with(&self, digest: &Digest) -> Vec<Digest> {
        let mut all = self.references.clone();
        all.extend(self.subject);
        all.push(*digest);
        all
    }
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
        side_by_side(tags.iter().map(|tag| self.check_tag(tag, digest)).collect()).await?;
        let needs = Needs::of(manifest);
        let mine = needs.with(digest);
        let mut fence = Fence::raise(&self.store, &mine).await?;
        let catalog_entry = self.keys.catalog_entry();
        // What a push leaves that comes no further is found by what is due.
        tokio::try_join!(
            self.check_blobs(manifest),
            self.manifest_is_due(digest, &needs)
        )?;
        tokio::try_join!(
            self.store.state_fact(&catalog_entry),
            self.state_maybes(manifest, digest),
        )?;
        let mut nonce = self.show(manifest, digest, tags).await?;
        for _ in 0..ATTEMPTS {
            if fence.pass(&self.store, &mine).await? == Passed::Yes {
                return Ok(Pushed {
                    digest: *digest,
                    subject: manifest.subject().map(|subject| subject.digest),
                });
            }
            // A round of collection may have removed what was found before it.
            self.manifest_is_due(digest, &needs).await?;
            let (missing, ()) = tokio::try_join!(
                self.missing_blobs(manifest),
                self.state_maybes(manifest, digest),
            )?;
            if !missing.is_empty() {
                self.withdraw(digest, &nonce, &needs).await?;
                return Err(Error::ManifestBlobUnknown(missing));
            }
            if self.manifest_record(digest).await?.is_none() {
                nonce = self.show(manifest, digest, tags).await?;
            } else {
                let tags = tags.iter();
                side_by_side(tags.map(|tag| self.restate_tag(tag, digest)).collect()).await?;
            }
        }
        Err(busy())
    }

    /// Makes a manifest visible that has everything it needs, and moves tags
    /// to it. Gives what tells this writing of its record from others.
    async fn show(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        tags: &[Tag],
    ) -> Result<String, Error> {
        let nonce = self.store.nonce();
        let record = ManifestRecord {
            media_type: manifest.media_type().clone(),
            size: manifest.bytes().len() as u64,
            subject: manifest.subject().map(|subject| subject.digest),
            pushed: self.store.now(),
            nonce: nonce.clone(),
        };
        let value = records::to_bytes(&record);
        let backend = self.store.backend();
        let _last_wins = backend
            .swap(&self.keys.manifest(digest), Expected::Anything, value)
            .await?;
        side_by_side(tags.iter().map(|tag| self.move_tag(tag, digest)).collect()).await?;
        Ok(nonce)
    }

    /// Takes back what this call has made visible, unless somebody else has
    /// pushed it since.
    async fn withdraw(&self, digest: &Digest, nonce: &str, needs: &Needs) -> Result<(), Error> {
        let key = self.keys.manifest(digest);
        let backend = self.store.backend();
        if let Some((record, version)) = records::read::<ManifestRecord>(backend, &key).await?
            && record.nonce == nonce
        {
            let _pushed_since = backend.delete_if(&key, &version).await?;
        }
        if self.manifest_record(digest).await?.is_none() {
            self.untag(digest).await?;
        }
        self.manifest_is_due(digest, needs).await
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
        // Of bytes that can not be read nobody knows what they needed: that
        // keeps blobs too long and loses nothing.
        let needs = match self.store.manifest_bytes(digest).await {
            Ok(Some(bytes)) => Manifest::parse(bytes, &record.media_type)
                .map(|manifest| Needs::of(&manifest))
                .unwrap_or_default(),
            _ => Needs::default(),
        };
        let mut fence = Fence::raise(&self.store, &[*digest]).await?;
        self.manifest_is_due(digest, &needs).await?;
        self.untag(digest).await?;
        let backend = self.store.backend();
        backend.delete(&self.keys.manifest(digest)).await?;
        self.untag(digest).await?;
        // A round may have looked before the record was gone.
        if fence.pass(&self.store, &[*digest]).await? == Passed::LookAgain {
            self.manifest_is_due(digest, &needs).await?;
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
        match self.missing_blobs(manifest).await? {
            missing if missing.is_empty() => Ok(()),
            missing => Err(Error::ManifestBlobUnknown(missing)),
        }
    }

    /// Lists the blobs that a manifest needs and that are not here whole.
    async fn missing_blobs(&self, manifest: &Manifest) -> Result<Vec<Digest>, Error> {
        let needed: Vec<Digest> = manifest.required_blobs().map(|blob| blob.digest).collect();
        let present = side_by_side(
            needed
                .iter()
                .map(|digest| self.keeps_blob(digest))
                .collect(),
        )
        .await?;
        Ok(needed
            .iter()
            .zip(present)
            .filter(|(_, present)| !present)
            .map(|(digest, _)| *digest)
            .collect())
    }

    /// Says whether a blob is visible here, with its bytes, and makes sure
    /// that the collector finds this repository by it.
    async fn keeps_blob(&self, digest: &Digest) -> Result<bool, Error> {
        let holder = self.keys.holder(digest);
        let (linked, held, whole) = tokio::try_join!(
            self.has_blob(digest),
            self.store.is_fact(&holder),
            self.has_bytes(digest),
        )?;
        if linked && whole && !held {
            self.store.state_fact(&holder).await?;
            // Another blob may be missing, and the push end here.
            self.content_is_due(digest).await?;
        }
        Ok(linked && whole)
    }

    async fn keep_bytes(&self, manifest: &Manifest, digest: &Digest) -> Result<(), Error> {
        // The holder first: bytes that nobody holds are nobody's.
        self.store.state_lately(&self.keys.holder(digest)).await?;
        if self.has_bytes(digest).await? {
            return Ok(());
        }
        let place = keys::manifest_data(&self.store.nonce());
        let bytes = manifest.bytes().clone();
        let backend = self.store.backend();
        Ok(backend
            .create_blob(&blob::blob_key(digest), &place, bytes)
            .await?)
    }

    /// Makes the collector look at what a manifest has left, or whether it has
    /// come to be.
    async fn manifest_is_due(&self, digest: &Digest, needs: &Needs) -> Result<(), Error> {
        let what = DueRecord::Manifest {
            repository: self.name.clone(),
            digest: *digest,
            since: self.store.now(),
            references: needs.references.clone(),
            subject: needs.subject,
        };
        self.store.make_due(self.store.now(), &what).await
    }

    /// Writes the bytes and every key that may have to be found before the
    /// manifest is.
    async fn state_maybes(&self, manifest: &Manifest, digest: &Digest) -> Result<(), Error> {
        tokio::try_join!(
            self.keep_bytes(manifest, digest),
            self.state_references(manifest, digest),
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

//! Referrers: manifests that say something of another one, found by that one
//! (distribution-spec, "Listing Referrers").

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::{Descriptor, Digest, Manifest, Reference};

use crate::error::Error;
use crate::keys;
use crate::records::{self, ReferrerRecord};
use crate::repository::{AT_ONCE, Grant, Pull, Repository};

/// Lists the referrers of a subject, a page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The referrers, with artifact types and annotations.
    pub descriptors: Vec<Descriptor>,
    /// What to ask for the next page, if there is one.
    pub next: Option<String>,
}

/// The annotations that are kept with a referrer, in bytes; larger ones are
/// read from its manifest.
const ANNOTATIONS_LIMIT: usize = 16 * 1024;

/// The bytes of a descriptor as JSON, without its annotations, at most: two
/// media types, a digest and the field names.
const DESCRIPTOR_SIZE: usize = 1024;

impl Repository<Pull> {
    /// Lists the manifests here whose subject is this digest, whether or not
    /// that is here. The first page comes after the empty text.
    ///
    /// A page ends early when its descriptors have more than `budget` bytes.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn referrers(
        &self,
        subject: &Digest,
        after: &str,
        limit: usize,
        budget: usize,
    ) -> Result<Referrers, Error> {
        let page = self
            .store
            .backend()
            .page(&self.keys.referrers(subject), after, limit)
            .await?;
        let calls: Vec<_> = page
            .names
            .iter()
            .map(|name| self.describe(subject, name))
            .collect();
        // As they are needed: annotations may be megabytes each, and those
        // beyond the budget are not read.
        let mut described = futures_util::stream::iter(calls).buffered(AT_ONCE);
        let mut descriptors = Vec::new();
        let mut bytes = 0;
        for name in &page.names {
            let Some(descriptor) = described.try_next().await?.flatten() else {
                continue;
            };
            bytes += DESCRIPTOR_SIZE + annotations_size(&descriptor);
            descriptors.push(descriptor);
            let is_last = Some(name) == page.names.last();
            if bytes > budget && !is_last {
                return Ok(Referrers {
                    descriptors,
                    next: Some(name.clone()),
                });
            }
        }
        let next = page.names.last().filter(|_| page.more).cloned();
        Ok(Referrers { descriptors, next })
    }

    /// Describes a referrer, if it is there: the key alone is a maybe.
    async fn describe(&self, subject: &Digest, name: &str) -> Result<Option<Descriptor>, Error> {
        let Some(digest) = keys::decode_digest(name) else {
            return Ok(None);
        };
        let key = self.keys.referrer(subject, &digest);
        let (there, found) = tokio::try_join!(
            self.manifest_record(&digest),
            records::read::<ReferrerRecord>(self.store.backend(), &key),
        )?;
        let (Some(_), Some((record, _))) = (there, found) else {
            return Ok(None);
        };
        let mut descriptor = record.descriptor;
        if record.annotations_elsewhere {
            let stored = match self.manifest(&Reference::Digest(digest)).await {
                // It was deleted since.
                Err(Error::ManifestUnknown(_)) => return Ok(None),
                stored => stored?,
            };
            let manifest = Manifest::parse(stored.bytes, &stored.media_type)
                .map_err(Error::ManifestInvalid)?;
            descriptor.annotations = manifest.annotations().clone();
        }
        Ok(Some(descriptor))
    }
}

/// Makes a manifest found by its subject, if it has one.
pub(crate) async fn state<G: Grant>(
    repository: &Repository<G>,
    manifest: &Manifest,
    digest: &Digest,
) -> Result<(), Error> {
    let Some(subject) = manifest.subject() else {
        return Ok(());
    };
    let size = manifest.bytes().len() as u64;
    let mut descriptor = Descriptor::new(manifest.media_type().clone(), *digest, size);
    descriptor.artifact_type = manifest.artifact_type().map(ToOwned::to_owned);
    descriptor.annotations = manifest.annotations().clone();
    let annotations_elsewhere = annotations_size(&descriptor) > ANNOTATIONS_LIMIT;
    if annotations_elsewhere {
        descriptor.annotations.clear();
    }
    let value = records::to_bytes(&ReferrerRecord {
        descriptor,
        annotations_elsewhere,
        nonce: repository.store.nonce(),
    });
    let key = repository.keys.referrer(&subject.digest, digest);
    let _known_before = repository.store.backend().create(&key, value).await?;
    Ok(())
}

fn annotations_size(descriptor: &Descriptor) -> usize {
    descriptor
        .annotations
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

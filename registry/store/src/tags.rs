//! Tags: words that mean a manifest, and may be moved.

use blob::{Expected, Swapped, Version};
use oci::{Digest, Reference, Tag};

use crate::error::Error;
use crate::records::{self, DueRecord, TagRecord};
use crate::repository::{Delete, Grant, Pull, Repository, side_by_side};

/// Lists names, a page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names<T> {
    /// The names, in byte order.
    pub names: Vec<T>,
    /// Says whether there are names beyond the last one.
    pub more: bool,
}

/// Names tags by patterns, in which each `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagPatterns(Vec<String>);

impl TagPatterns {
    /// Names the tags that match one of the patterns.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().collect())
    }

    /// Says whether a tag is named.
    #[must_use]
    pub fn name(&self, tag: &Tag) -> bool {
        self.0.iter().any(|pattern| matches(pattern, tag.as_str()))
    }
}

/// Matches a whole text; each part between stars is taken where it first is.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(end)
}

/// The tags of a manifest that are removed at once with it.
const UNTAG_PAGE: usize = 256;

impl Repository<Pull> {
    /// Lists the tags after one, in byte order (distribution-spec, "Listing
    /// Tags"). The first page comes after the empty text.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::NameUnknown`] when the repository does not exist.
    pub async fn tags(&self, after: &str, limit: usize) -> Result<Names<Tag>, Error> {
        let page = self
            .store
            .backend()
            .page(&self.keys.tags(), after, limit)
            .await?;
        if page.names.is_empty() && !self.exists().await? {
            return Err(Error::NameUnknown(self.name.clone()));
        }
        let names = page
            .names
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        Ok(Names {
            names,
            more: page.more,
        })
    }
}

impl Repository<Delete> {
    /// Removes a tag; the manifest stays.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::ManifestUnknown`] when there is no such tag.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), Error> {
        let unknown = || Error::ManifestUnknown(Reference::Tag(tag.clone()));
        let (record, version) = match self.tag_record(tag).await {
            // It is damaged, and nobody can say what it meant.
            Err(Error::Record { key, .. }) => {
                return Ok(self.store.backend().delete(&key).await?);
            }
            found => found?.ok_or_else(unknown)?,
        };
        // A tag that was moved meanwhile was moved after this delete.
        let _moved = self
            .store
            .backend()
            .delete_if(&self.keys.tag(tag), &version)
            .await?;
        self.forget_tagged(&record.digest, tag).await?;
        self.untagged(&record.digest).await
    }
}

impl<G: Grant> Repository<G> {
    /// Reads what a tag means.
    pub(crate) async fn tag_record(
        &self,
        tag: &Tag,
    ) -> Result<Option<(TagRecord, Version)>, Error> {
        records::read(self.store.backend(), &self.keys.tag(tag)).await
    }

    /// Reads what a tag means, and takes a record that is damaged for none: it
    /// is replaced by the next push, and keeps no manifest from being deleted.
    async fn readable_tag(&self, tag: &Tag) -> Result<Option<(TagRecord, Version)>, Error> {
        match self.tag_record(tag).await {
            Err(Error::Record { .. }) => Ok(None),
            read => read,
        }
    }

    /// Makes sure that a tag may mean a manifest.
    pub(crate) async fn check_tag(&self, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        if !self.store.immutable().name(tag) {
            return Ok(());
        }
        match self.tag_record(tag).await? {
            Some((record, _)) if record.digest != *digest => Err(Error::TagImmutable {
                tag: tag.clone(),
                digest: record.digest,
            }),
            _ => Ok(()),
        }
    }

    /// Makes a tag mean a manifest that was just published.
    pub(crate) async fn move_tag(&self, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let tagged = self.keys.tagged_as(digest, tag);
        self.store.state_fact(&tagged).await?;
        let before = self.readable_tag(tag).await?;
        if let Err(error) = self.write_tag(tag, digest).await {
            self.forget_tagged(digest, tag).await?;
            return Err(error);
        }
        // Whoever moved the tag away meanwhile may have removed the key that
        // finds it before the tag was back.
        self.store.state_fact(&tagged).await?;
        if let Some((before, _)) = before
            && before.digest != *digest
        {
            self.forget_tagged(&before.digest, tag).await?;
            self.untagged(&before.digest).await?;
        }
        // Whoever deleted the manifest meanwhile may have looked for its tags
        // before this one was there.
        if self.manifest_record(digest).await?.is_none() {
            self.forget_tagged(digest, tag).await?;
        }
        Ok(())
    }

    /// Makes a tag mean a manifest again where a round of collection has taken
    /// it, or what finds it, for a leftover of an earlier one.
    pub(crate) async fn restate_tag(&self, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        match self.tag_record(tag).await? {
            None => self.move_tag(tag, digest).await,
            Some((record, _)) if record.digest == *digest => {
                self.store
                    .state_fact(&self.keys.tagged_as(digest, tag))
                    .await
            }
            // Somebody has moved it since.
            Some(_) => Ok(()),
        }
    }

    /// Writes what a tag means. One that is immutable is written once: of
    /// several who try, all but the first lose, unless they mean the same.
    async fn write_tag(&self, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let record = TagRecord {
            digest: *digest,
            moved: self.store.now(),
            nonce: self.store.nonce(),
        };
        let expected = if self.store.immutable().name(tag) {
            Expected::Absent
        } else {
            Expected::Anything
        };
        let key = self.keys.tag(tag);
        loop {
            let value = records::to_bytes(&record);
            let swapped = self.store.backend().swap(&key, expected.clone(), value);
            if swapped.await? == Swapped::Done {
                return Ok(());
            }
            match self.tag_record(tag).await? {
                Some((lies, _)) if lies.digest == *digest => return Ok(()),
                Some((lies, _)) => {
                    return Err(Error::TagImmutable {
                        tag: tag.clone(),
                        digest: lies.digest,
                    });
                }
                // It was deleted since.
                None => {}
            }
        }
    }

    /// Makes the collector look at a manifest that may have lost its last tag.
    async fn untagged(&self, digest: &Digest) -> Result<(), Error> {
        let what = DueRecord::Untagged {
            repository: self.name.clone(),
            digest: *digest,
            since: self.store.now(),
        };
        self.store.make_due(self.store.now(), &what).await
    }

    /// Removes every tag of a manifest.
    pub(crate) async fn untag(&self, digest: &Digest) -> Result<(), Error> {
        loop {
            let tagged = self.keys.tagged(digest);
            let page = self.store.backend().page(&tagged, "", UNTAG_PAGE).await?;
            let tags: Vec<Tag> = page
                .names
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect();
            side_by_side(tags.iter().map(|tag| self.drop_tag(tag, digest)).collect()).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Removes a tag if it still means this manifest.
    async fn drop_tag(&self, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        while let Some((record, version)) = self.readable_tag(tag).await? {
            if record.digest != *digest {
                break;
            }
            if self
                .store
                .backend()
                .delete_if(&self.keys.tag(tag), &version)
                .await?
                == Swapped::Done
            {
                break;
            }
        }
        self.forget_tagged(digest, tag).await
    }

    /// Removes the key that finds a tag by its manifest, unless the tag means
    /// that manifest again, and the tag too if it means a manifest that is gone.
    async fn forget_tagged(&self, digest: &Digest, tag: &Tag) -> Result<(), Error> {
        let backend = self.store.backend();
        let key = self.keys.tagged_as(digest, tag);
        loop {
            backend.delete(&key).await?;
            // A maybe-key may be left over, but never missing: if the tag came
            // back while this key went, it is written again.
            let version = match self.readable_tag(tag).await? {
                Some((record, version)) if record.digest == *digest => version,
                _ => return Ok(()),
            };
            self.store.state_fact(&key).await?;
            // Whoever deleted the manifest meanwhile may have looked for its
            // tags while this key was away. The version is older than this
            // look: a tag that comes with its manifest after it stays.
            if self.manifest_record(digest).await?.is_some() {
                return Ok(());
            }
            let _moved = backend.delete_if(&self.keys.tag(tag), &version).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_tags() {
        for (pattern, text, expected) in [
            ("v1", "v1", true),
            ("v1", "v10", false),
            ("v*", "v1", true),
            ("v*", "w1", false),
            ("*", "anything", true),
            ("*-rc", "1-rc", true),
            ("*-rc", "1-rc2", false),
            ("v*.*", "v1.2", true),
            ("v*.*", "v12", false),
            ("a*a", "a", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "aca", false),
            ("a**a", "aa", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}

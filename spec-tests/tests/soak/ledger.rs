//! What one repository must hold, going by the answers its only writer has got.
//!
//! A request is entered before it is sent and again when it is answered. In between,
//! and for ever when no answer comes, both outcomes are possible.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::Content;
use crate::dice::Dice;
use crate::uploads::IMAGE;
use spec_tests::digest;

/// Whether something is in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Its push was acknowledged, and nothing that removes it was sent since.
    There,
    /// Its removal was acknowledged.
    Gone,
    /// A request was sent and not answered.
    Unsure,
}

/// A blob that was sent to the repository.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) content: Content,
    pub(crate) fact: Fact,
}

/// A manifest that was sent to the repository.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) fact: Fact,
}

/// The account of one repository.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) repository: String,
    pub(crate) blobs: BTreeMap<String, Blob>,
    pub(crate) manifests: BTreeMap<String, Manifest>,
    /// What each tag may point to; `None` stands for nothing.
    pub(crate) tags: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Manifests that were touched since the last verification.
    pub(crate) recent: BTreeSet<String>,
    /// Requests that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Whether what nothing leads to may be removed at any time.
    pub(crate) collected: bool,
}

impl Ledger {
    pub(crate) fn new(repository: String) -> Self {
        Self {
            repository,
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            recent: BTreeSet::new(),
            acknowledged: 0,
            collected: false,
        }
    }

    /// Enters that a blob is about to be sent.
    pub(crate) fn blob_sent(&mut self, digest: &str, content: &Content) {
        let blob = self.blobs.entry(digest.to_owned()).or_insert_with(|| Blob {
            content: content.clone(),
            fact: Fact::Unsure,
        });
        if blob.fact == Fact::Gone {
            blob.fact = Fact::Unsure;
        }
    }

    /// Enters what is now known of a blob.
    pub(crate) fn blob_is(&mut self, digest: &str, fact: Fact) {
        if let Some(blob) = self.blobs.get_mut(digest) {
            blob.fact = fact;
        }
    }

    /// Enters that a manifest is about to be sent, under a tag or its digest alone.
    pub(crate) fn manifest_sent(&mut self, manifest: Manifest, tag: Option<&str>) -> String {
        let digest = digest(&manifest.bytes);
        let known = self.manifests.entry(digest.clone()).or_insert(manifest);
        if known.fact == Fact::Gone {
            known.fact = Fact::Unsure;
        }
        if let Some(tag) = tag {
            self.tag_may(tag, Some(digest.clone()));
        }
        self.recent.insert(digest.clone());
        digest
    }

    /// Enters that a manifest was acknowledged.
    pub(crate) fn manifest_there(&mut self, digest: &str, tag: Option<&str>) {
        if let Some(manifest) = self.manifests.get_mut(digest) {
            manifest.fact = Fact::There;
        }
        if let Some(tag) = tag {
            let only = BTreeSet::from([Some(digest.to_owned())]);
            self.tags.insert(tag.to_owned(), only);
        }
        self.acknowledged += 1;
    }

    /// Enters that the removal of a manifest is about to be asked for; its tags go
    /// with it.
    pub(crate) fn manifest_leaving(&mut self, digest: &str) {
        if let Some(manifest) = self.manifests.get_mut(digest) {
            manifest.fact = Fact::Unsure;
        }
        for values in self.tags.values_mut() {
            if values.contains(&Some(digest.to_owned())) {
                values.insert(None);
            }
        }
    }

    /// Enters that a manifest is gone.
    pub(crate) fn manifest_gone(&mut self, digest: &str) {
        if let Some(manifest) = self.manifests.get_mut(digest) {
            manifest.fact = Fact::Gone;
        }
        for values in self.tags.values_mut() {
            if values.remove(&Some(digest.to_owned())) && values.is_empty() {
                values.insert(None);
            }
        }
    }

    /// Enters that a tag is about to get a value.
    pub(crate) fn tag_may(&mut self, tag: &str, value: Option<String>) {
        let values = self.tags.entry(tag.to_owned());
        let values = values.or_insert_with(|| BTreeSet::from([None]));
        values.insert(value);
    }

    /// Enters that a push was refused: the manifest is there if it was before.
    pub(crate) fn refused(&mut self, digest: &str, tag: Option<&str>) {
        if let Some(values) = tag.and_then(|tag| self.tags.get_mut(tag))
            && values.len() > 1
        {
            values.remove(&Some(digest.to_owned()));
        }
        if self.manifests.get(digest).map(|known| known.fact) == Some(Fact::Unsure) {
            self.manifest_gone(digest);
        }
    }

    /// Says whether a blob stays without being pushed again.
    pub(crate) fn keeps(&self, digest: &str) -> bool {
        let there = self.blobs.get(digest);
        let there = there.is_some_and(|blob| blob.fact == Fact::There);
        let held = || {
            let manifests = self.manifests_there();
            let mut named = manifests.iter().flat_map(|one| &self.manifests[one].blobs);
            named.any(|blob| blob == digest)
        };
        there && (!self.collected || held())
    }

    /// Enters what a tag points to.
    pub(crate) fn tag_is(&mut self, tag: &str, value: Option<String>) {
        self.tags.insert(tag.to_owned(), BTreeSet::from([value]));
    }

    /// Returns the digests of the manifests that must be there.
    pub(crate) fn manifests_there(&self) -> Vec<String> {
        let fragile = self.fragile();
        let there = self.manifests.iter();
        let there = there.filter(|(digest, manifest)| {
            manifest.fact == Fact::There && !fragile.contains(*digest)
        });
        there.map(|(digest, _)| digest.clone()).collect()
    }

    /// Returns the manifests that a collector may take: those without a tag about
    /// something that is gone, or may be.
    pub(crate) fn fragile(&self) -> BTreeSet<String> {
        let mut fragile = BTreeSet::new();
        if !self.collected {
            return fragile;
        }
        let tagged: BTreeSet<String> = self.tags_there().into_iter().map(|(_, to)| to).collect();
        loop {
            let stays = |digest: &String| {
                let known = self.manifests.get(digest);
                known.is_some_and(|known| known.fact == Fact::There) && !fragile.contains(digest)
            };
            let more = self.manifests.iter().filter(|(digest, manifest)| {
                manifest.fact == Fact::There
                    && !fragile.contains(*digest)
                    && !tagged.contains(*digest)
                    && manifest
                        .subject
                        .as_ref()
                        .is_some_and(|subject| !stays(subject))
            });
            let more: Vec<String> = more.map(|(digest, _)| digest.clone()).collect();
            if more.is_empty() {
                return fragile;
            }
            fragile.extend(more);
        }
    }

    /// Returns the tags that must point to something, and to what.
    pub(crate) fn tags_there(&self) -> Vec<(String, String)> {
        let certain = self.tags.iter().filter(|(_, values)| values.len() == 1);
        let named = certain.filter_map(|(tag, values)| {
            let digest = values.first()?.clone()?;
            Some((tag.clone(), digest))
        });
        named.collect()
    }

    /// Returns how many blobs, manifests and tags are uncertain.
    pub(crate) fn in_flight(&self) -> usize {
        let blobs = self.blobs.values().map(|blob| blob.fact);
        let manifests = self.manifests.values().map(|manifest| manifest.fact);
        let facts = blobs.chain(manifests);
        let unsure = facts.filter(|fact| *fact == Fact::Unsure).count();
        unsure + self.tags.values().filter(|values| values.len() > 1).count()
    }

    /// Returns blobs that are there and that no manifest may need.
    pub(crate) fn idle_blobs(&self) -> Vec<String> {
        let needed: BTreeSet<&String> = self
            .manifests
            .values()
            .filter(|manifest| manifest.fact != Fact::Gone)
            .flat_map(|manifest| &manifest.blobs)
            .collect();
        let there = self.blobs.iter();
        let idle =
            there.filter(|(digest, blob)| blob.fact == Fact::There && !needed.contains(digest));
        idle.map(|(digest, _)| digest.clone()).collect()
    }

    /// Makes a manifest over blobs of which the first is the config.
    pub(crate) fn compose(
        &self,
        dice: &mut Dice,
        blobs: Vec<String>,
        subject: Option<String>,
    ) -> Manifest {
        let described: Vec<String> = blobs.iter().map(|digest| self.describe(digest)).collect();
        let about = subject.as_ref().map_or_else(String::new, |digest| {
            let size = self.manifests[digest].bytes.len();
            format!(
                "\"artifactType\":\"application/vnd.example.note\",\"subject\":\
                 {{\"mediaType\":\"{IMAGE}\",\"digest\":\"{digest}\",\"size\":{size}}},"
            )
        });
        let text = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",{about}\"config\":{},\
             \"layers\":[{}],\"annotations\":{{\"number\":\"{}\"}}}}",
            described[0],
            described[1..].join(","),
            dice.next()
        );
        Manifest {
            bytes: text.into_bytes(),
            blobs,
            subject,
            fact: Fact::Unsure,
        }
    }

    fn describe(&self, digest: &str) -> String {
        let (media_type, size) = match &self.blobs[digest].content {
            Content::Noise { length, .. } => ("layer.v1.tar", *length),
            Content::Text(text) => ("config.v1+json", text.len()),
        };
        format!(
            "{{\"mediaType\":\"application/vnd.oci.image.{media_type}\",\
             \"digest\":\"{digest}\",\"size\":{size}}}"
        )
    }
}

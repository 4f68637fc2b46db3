//! Looks at what lies under one key, and at what has to lie elsewhere since it
//! does. Nothing is written here.
//!
//! Others may write meanwhile. What has to be there is looked at first and the
//! key itself once more after it: what is removed in order never looks broken
//! then. What is left over may be the start of a push, so the young is passed
//! over where others have the storage too, and the rest looked at again at the
//! end.

use blob::{Backend, ByteRange, ErrorKind, Key, Version, blob_key};
use futures_util::StreamExt as _;
use oci::{Digest, MANIFEST_LIMIT, Manifest, RepositoryName, Tag};
use serde::de::DeserializeOwned;

use super::meaning::Meaning;
use super::pace::Pace;
use super::problem::{Index, Problem};
use crate::error::Error;
use crate::keys;
use crate::records::{
    DueRecord, FactRecord, ManifestRecord, PlanRecord, ReferrerRecord, TagRecord, UploadRecord,
};
use crate::repository::{Pull, Repository};
use crate::store::Store;
use crate::uploads::UploadId;

/// The repositories that are listed at once to find one that has a blob.
const PAGE: usize = 64;

/// Looks at keys of a store.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) store: &'a Store,
    /// How long something may look left over, in milliseconds.
    pub(crate) grace: u64,
}

/// Says whether the bytes of blobs are read as well.
#[derive(Debug)]
pub(crate) enum Depth<'a> {
    /// They are, at this pace.
    Bytes(&'a mut Pace),
    /// They are not.
    Keys,
}

/// Holds what was found under a key that was looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) problems: Vec<Problem>,
    /// The bytes that were read of a blob.
    pub(crate) bytes: Option<u64>,
}

/// Is a record as it was read, or what is wrong with it.
enum Read<T> {
    There(T, Version),
    Absent,
    Wrong(Version, String),
}

impl Look<'_> {
    /// Looks at a key.
    pub(crate) async fn at(
        &self,
        key: &Key,
        meaning: &Meaning,
        depth: Depth<'_>,
    ) -> Result<Seen, Error> {
        let problems = match meaning {
            Meaning::Directory => Vec::new(),
            Meaning::Blob(digest) => return self.blob(key, digest, depth).await,
            Meaning::Manifest(repository, digest) => self.manifest(key, repository, digest).await?,
            Meaning::Tag(repository, tag) => self.tag(key, repository, tag).await?,
            Meaning::Link(repository, digest) => self.link(key, repository, digest).await?,
            Meaning::Catalog => self.fact(key).await?.err().into_iter().collect(),
            Meaning::Tagged(repository, manifest, _) => {
                self.maybe(key, (repository, manifest), None).await?
            }
            Meaning::Reference {
                repository,
                blob,
                manifest,
            } => self.maybe(key, (repository, manifest), Some(blob)).await?,
            Meaning::Holder(digest, repository) => self.holder(key, repository, digest).await?,
            Meaning::Referrer {
                repository,
                subject,
                manifest,
            } => self.referrer(key, (repository, manifest), subject).await?,
            Meaning::Upload => self.record::<UploadRecord>(key).await?,
            Meaning::Due => self.record::<DueRecord>(key).await?,
            Meaning::Plan => self.record::<PlanRecord>(key).await?,
            Meaning::Data(id) => self.data(id).await?,
            Meaning::Unknown => vec![Problem::Foreign],
        };
        Ok(Seen {
            problems,
            bytes: None,
        })
    }

    fn backend(&self) -> &dyn Backend {
        self.store.backend()
    }

    async fn blob(&self, key: &Key, digest: &Digest, depth: Depth<'_>) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        let Some(version) = self.backend().version(key).await? else {
            return Ok(seen);
        };
        if let Depth::Bytes(pace) = depth {
            let mut read = 0;
            let outcome = self.hash(key, digest, (pace, &mut read)).await;
            seen.bytes = Some(read);
            if let Err(error) = outcome
                // Whoever replaced or removed it meanwhile knew why.
                && self.backend().version(key).await?.as_ref() == Some(&version)
            {
                let why = told(&error);
                seen.problems.push(match error.kind() {
                    ErrorKind::Corrupt => Problem::CorruptBytes {
                        digest: *digest,
                        version: version.clone(),
                        why,
                    },
                    _ => Problem::Unreadable { why },
                });
            }
        }
        if !self.is_held(digest).await?
            && self.backend().version(key).await?.as_ref() == Some(&version)
        {
            seen.problems
                .push(Problem::NobodysBytes { digest: *digest });
        }
        Ok(seen)
    }

    /// Reads a blob to its end. It is hashed between the reads: nobody else
    /// waits for this thread.
    async fn hash(
        &self,
        key: &Key,
        digest: &Digest,
        (pace, read): (&mut Pace, &mut u64),
    ) -> Result<(), blob::Error> {
        let Some(size) = self.backend().head(key).await? else {
            return Ok(());
        };
        let whole = ByteRange::whole(size);
        let Some(stream) = self.backend().open(key, whole).await? else {
            return Ok(());
        };
        let mut stream = stream.verified(*digest);
        while let Some(piece) = stream.next().await {
            let size = piece?.len() as u64;
            *read += size;
            pace.pass(size).await;
        }
        Ok(())
    }

    /// Says whether a repository has a digest, or may be about to.
    async fn is_held(&self, digest: &Digest) -> Result<bool, Error> {
        let mut after = String::new();
        loop {
            let page = self
                .backend()
                .page(&keys::links(digest), &after, PAGE)
                .await?;
            for name in &page.names {
                let Some(repository) = keys::decode_repository(name) else {
                    continue;
                };
                let repository = self.repository(&repository)?;
                if self.has(&repository, digest).await? {
                    return Ok(true);
                }
                let holder = repository.keys.holder(digest);
                if let Read::There(fact, _) = self.read::<FactRecord>(&holder).await?
                    && self.is_young(fact.since)
                {
                    return Ok(true);
                }
            }
            match page.names.into_iter().next_back() {
                Some(last) if page.more => after = last,
                _ => return Ok(false),
            }
        }
    }

    async fn has(&self, repository: &Repository<Pull>, digest: &Digest) -> Result<bool, Error> {
        let keys = &repository.keys;
        Ok(self.store.is_fact(&keys.blob_link(digest)).await?
            || self.store.is_fact(&keys.manifest(digest)).await?)
    }

    async fn manifest(
        &self,
        key: &Key,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Problem>, Error> {
        let (record, version) = match self.read::<ManifestRecord>(key).await? {
            Read::There(record, version) => (record, version),
            Read::Absent => return Ok(Vec::new()),
            Read::Wrong(_, why) => {
                let mut problems = vec![Problem::NoRecord { why }];
                problems.extend(self.lost_holder(name, digest).await?);
                return Ok(problems);
            }
        };
        let repository = self.repository(name)?;
        let mut problems = Vec::new();
        let mut wanted = vec![
            (repository.keys.catalog_entry(), Index::Fact),
            (repository.keys.holder(digest), Index::Fact),
        ];
        match self.manifest_bytes(digest, &record).await? {
            Ok(Some(manifest)) => {
                problems.extend(self.lost_blobs(&repository, &manifest).await?);
                wanted.extend(indices(&repository, manifest, digest));
            }
            // It is told of the bytes themselves.
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        for (key, index) in wanted {
            if !self.store.is_fact(&key).await? {
                problems.push(Problem::Unindexed { key, index });
            }
        }
        self.if_still(key, &version, problems).await
    }

    /// Reads the bytes of a manifest, and what they say.
    async fn manifest_bytes(
        &self,
        digest: &Digest,
        record: &ManifestRecord,
    ) -> Result<Result<Option<Manifest>, Problem>, Error> {
        // Not from a cache: this is about what is stored.
        let bytes = match self.store.blobs().read(digest, MANIFEST_LIMIT).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Err(Problem::LostBytes)),
            Err(error) => match error.kind() {
                ErrorKind::Corrupt => return Ok(Ok(None)),
                ErrorKind::TooLarge => {
                    let why = told(&error);
                    return Ok(Err(Problem::NoManifest { why }));
                }
                _ => return Err(error.into()),
            },
        };
        Ok(match Manifest::parse(bytes, &record.media_type) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => Err(Problem::NoManifest { why: told(&error) }),
        })
    }

    async fn lost_blobs(
        &self,
        repository: &Repository<Pull>,
        manifest: &Manifest,
    ) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        for blob in manifest.required_blobs() {
            let blob = blob.digest;
            if !repository.has_blob(&blob).await? || !self.store.is_fact(&blob_key(&blob)).await? {
                problems.push(Problem::LostBlob { blob });
            }
        }
        Ok(problems)
    }

    async fn tag(
        &self,
        key: &Key,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<Problem>, Error> {
        let (record, version) = match self.read::<TagRecord>(key).await? {
            Read::There(record, version) => (record, version),
            Read::Absent => return Ok(Vec::new()),
            Read::Wrong(_, why) => return Ok(vec![Problem::NoRecord { why }]),
        };
        let keys = &self.repository(name)?.keys;
        let digest = record.digest;
        let mut problems = Vec::new();
        if !self.store.is_fact(&keys.manifest(&digest)).await? {
            problems.push(Problem::LostManifest { digest });
        }
        let tagged = keys.tagged_as(&digest, tag);
        if !self.store.is_fact(&tagged).await? {
            problems.push(Problem::Unindexed {
                key: tagged,
                index: Index::Fact,
            });
        }
        self.if_still(key, &version, problems).await
    }

    async fn link(
        &self,
        key: &Key,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Problem>, Error> {
        let (_, version) = match self.fact(key).await? {
            Ok(Some(fact)) => fact,
            Ok(None) => return Ok(Vec::new()),
            Err(problem) => {
                let mut problems = vec![problem];
                problems.extend(self.lost_holder(name, digest).await?);
                return Ok(problems);
            }
        };
        let mut problems = Vec::new();
        if !self.store.is_fact(&blob_key(digest)).await? {
            problems.push(Problem::LostBytes);
        }
        problems.extend(self.lost_holder(name, digest).await?);
        self.if_still(key, &version, problems).await
    }

    /// Looks for the key by which a repository is found that has a digest.
    async fn lost_holder(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Problem>, Error> {
        let key = self.repository(name)?.keys.holder(digest);
        let there = self.store.is_fact(&key).await?;
        Ok((!there).then_some(Problem::Unindexed {
            key,
            index: Index::Fact,
        }))
    }

    /// Looks at a key that a manifest has written, and that goes after it.
    async fn maybe(
        &self,
        key: &Key,
        (name, manifest): (&RepositoryName, &Digest),
        blob: Option<&Digest>,
    ) -> Result<Vec<Problem>, Error> {
        let since = match self.fact(key).await? {
            Ok(Some((fact, _))) => fact.since,
            Ok(None) => return Ok(Vec::new()),
            Err(problem) => return Ok(vec![problem]),
        };
        let record = self.repository(name)?.keys.manifest(manifest);
        if self.is_young(since) || self.store.is_fact(&record).await? {
            return Ok(Vec::new());
        }
        let due = remains(name, manifest, (blob, None));
        Ok(vec![Problem::Leftover { due }])
    }

    async fn holder(
        &self,
        key: &Key,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Problem>, Error> {
        let since = match self.fact(key).await? {
            Ok(Some((fact, _))) => fact.since,
            Ok(None) => return Ok(Vec::new()),
            Err(problem) => return Ok(vec![problem]),
        };
        if self.is_young(since) || self.has(&self.repository(name)?, digest).await? {
            return Ok(Vec::new());
        }
        let due = DueRecord::Content {
            repository: name.clone(),
            digest: *digest,
        };
        Ok(vec![Problem::Leftover { due }])
    }

    async fn referrer(
        &self,
        key: &Key,
        (name, manifest): (&RepositoryName, &Digest),
        subject: &Digest,
    ) -> Result<Vec<Problem>, Error> {
        match self.read::<ReferrerRecord>(key).await? {
            Read::There(..) => {}
            Read::Absent => return Ok(Vec::new()),
            Read::Wrong(_, why) => return Ok(vec![Problem::NoRecord { why }]),
        }
        let record = self.repository(name)?.keys.manifest(manifest);
        if self.store.is_fact(&record).await? {
            return Ok(Vec::new());
        }
        let due = remains(name, manifest, (None, Some(subject)));
        Ok(vec![Problem::Leftover { due }])
    }

    async fn record<T: DeserializeOwned>(&self, key: &Key) -> Result<Vec<Problem>, Error> {
        Ok(match self.read::<T>(key).await? {
            Read::There(..) | Read::Absent => Vec::new(),
            Read::Wrong(_, why) => vec![Problem::NoRecord { why }],
        })
    }

    async fn data(&self, id: &str) -> Result<Vec<Problem>, Error> {
        let upload: Option<UploadId> = id.parse().ok();
        let known = match &upload {
            Some(id) => self.store.is_fact(&keys::upload(id)).await?,
            None => false,
        };
        // A blob that comes in one request has no record while it comes, nor
        // has a manifest.
        let young = match upload.as_ref().and_then(started) {
            Some(started) => self.is_young(started),
            None => self.backend().is_shared(),
        };
        Ok(match known || young {
            true => Vec::new(),
            false => vec![Problem::NobodysData],
        })
    }

    /// Reads a record whose key says everything but since when.
    async fn fact(
        &self,
        key: &Key,
    ) -> Result<Result<Option<(FactRecord, Version)>, Problem>, Error> {
        Ok(match self.read::<FactRecord>(key).await? {
            Read::There(fact, version) => Ok(Some((fact, version))),
            Read::Absent => Ok(None),
            Read::Wrong(version, why) => Err(Problem::NoFact { version, why }),
        })
    }

    async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Read<T>, Error> {
        let Some(record) = self.backend().read(key).await? else {
            return Ok(Read::Absent);
        };
        Ok(match serde_json::from_slice(&record.value) {
            Ok(value) => Read::There(value, record.version),
            Err(error) => Read::Wrong(record.version, error.to_string()),
        })
    }

    /// Keeps what was found if the key is still as it was read.
    async fn if_still(
        &self,
        key: &Key,
        version: &Version,
        problems: Vec<Problem>,
    ) -> Result<Vec<Problem>, Error> {
        if problems.is_empty() {
            return Ok(problems);
        }
        let record = self.backend().read(key).await?;
        Ok(match record {
            Some(record) if record.version == *version => problems,
            _ => Vec::new(),
        })
    }

    fn repository(&self, name: &RepositoryName) -> Result<Repository<Pull>, Error> {
        self.store.repository(name, Pull)
    }

    /// Says whether something may be the start of a push. Where a check has
    /// the storage alone, nobody pushes: what looks so was left by a kill.
    fn is_young(&self, since: u64) -> bool {
        if !self.backend().is_shared() {
            return false;
        }
        let now = self.store.now();
        since.min(now).saturating_add(self.grace) > now
    }
}

/// Says what the collector has to look at of a manifest that is gone. It may
/// never have been here, so that nothing else goes for it.
fn remains(
    repository: &RepositoryName,
    manifest: &Digest,
    (blob, subject): (Option<&Digest>, Option<&Digest>),
) -> DueRecord {
    DueRecord::Manifest {
        repository: repository.clone(),
        digest: *manifest,
        since: 0,
        references: blob.into_iter().copied().collect(),
        subject: subject.copied(),
    }
}

/// Lists the keys by which the parts of a manifest are found.
fn indices(
    repository: &Repository<Pull>,
    manifest: Manifest,
    digest: &Digest,
) -> Vec<(Key, Index)> {
    let keys = &repository.keys;
    let mut wanted: Vec<(Key, Index)> = manifest
        .references()
        .map(|blob| (keys.reference(&blob.digest, digest), Index::Fact))
        .collect();
    let subject = manifest.subject().map(|subject| subject.digest);
    if let Some(subject) = subject {
        let index = Index::Referrer {
            repository: repository.name.clone(),
            manifest: Box::new(manifest),
            digest: *digest,
        };
        wanted.push((keys.referrer(&subject, digest), index));
    }
    wanted
}

/// Reads when an upload was started, in milliseconds since 1970.
fn started(id: &UploadId) -> Option<u64> {
    let digits = id.as_str().get(..UploadId::TIME_DIGITS)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Tells an error with its causes in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}

//! Says what to look at for each entry that is due: one digest in one
//! repository each, so many that one round can not hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oci::{Digest, RepositoryName};

use super::judge::Why;
use super::look::Home;
use super::queue::{Entry, What};
use crate::error::Error;
use crate::keys::{self, RepositoryKeys};
use crate::records::{self, DueRecord, ManifestRecord};
use crate::repository::side_by_side;
use crate::store::Store;

/// The referrers that are listed at once.
const PAGE: usize = 1024;

/// Names something to be judged.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The place of its entry in the batch.
    pub(crate) entry: usize,
    pub(crate) home: Arc<Home>,
    pub(crate) digest: Digest,
    pub(crate) kind: Kind,
}

/// Says what is asked of a candidate.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Whether it is needed.
    Content {
        /// A manifest that is gone, and referenced it.
        of: Option<Digest>,
    },
    /// What it has left, since it was a manifest.
    Remains {
        /// What it referred to.
        subject: Option<Digest>,
    },
    /// Whether it is a manifest, as it was a moment ago.
    Present,
    /// Whether it goes, as a manifest.
    Manifest {
        why: Why,
        /// The manifest that it refers to.
        subject: Option<Digest>,
    },
}

/// Holds what to look at for a batch of entries.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) list: Vec<Candidate>,
    /// The entries that can not be judged: no key could be made of them.
    pub(crate) unreadable: BTreeSet<usize>,
}

impl Candidate {
    /// Lists the digests that a writer takes out of the round if this may
    /// concern it.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        let subject = match &self.kind {
            Kind::Manifest { subject, .. } => *subject,
            _ => None,
        };
        std::iter::once(self.digest).chain(subject)
    }
}

/// Says what to look at for these entries.
pub(crate) async fn expand(
    store: &Store,
    entries: &[Entry],
    untagged_after: Option<u64>,
) -> Result<Candidates, Error> {
    let mut homes = Homes::default();
    let mut found = Candidates::default();
    let mut known = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let What::Due(due) = &entry.what else {
            continue;
        };
        match homes.find(name(due)) {
            Some(home) => known.push((number, home, due)),
            None => {
                found.unreadable.insert(number);
            }
        }
    }
    let calls = known.into_iter();
    let lists = side_by_side(
        calls
            .map(|(entry, home, due)| candidates(store, (entry, home), due, untagged_after))
            .collect(),
    );
    found.list = lists.await?.into_iter().flatten().collect();
    Ok(found)
}

/// Says what to look at for one entry.
async fn candidates(
    store: &Store,
    (entry, home): (usize, Arc<Home>),
    due: &DueRecord,
    untagged_after: Option<u64>,
) -> Result<Vec<Candidate>, Error> {
    let candidate = |digest: Digest, kind: Kind| Candidate {
        entry,
        home: Arc::clone(&home),
        digest,
        kind,
    };
    match due {
        DueRecord::Content { digest, .. } => {
            Ok(vec![candidate(*digest, Kind::Content { of: None })])
        }
        DueRecord::Manifest {
            digest,
            since,
            references,
            subject,
            ..
        } => {
            if store.is_fact(&home.keys.manifest(digest)).await? {
                let mut list = vec![candidate(*digest, Kind::Present)];
                // It may have lost its tags at any time since.
                let now = store.now();
                list.extend(untagged_after.map(|after| {
                    let why = Why::Untagged { since: now, after };
                    let subject = *subject;
                    candidate(*digest, Kind::Manifest { why, subject })
                }));
                return Ok(list);
            }
            let itself = candidate(*digest, Kind::Remains { subject: *subject });
            gone(store, itself, (*since, references), untagged_after).await
        }
        DueRecord::Untagged { digest, since, .. } => {
            let Some(after) = untagged_after else {
                return Ok(Vec::new());
            };
            let why = Why::Untagged {
                since: *since,
                after,
            };
            let key = home.keys.manifest(digest);
            let record = records::read::<ManifestRecord>(store.backend(), &key).await?;
            let subject = record.and_then(|(record, _)| record.subject);
            Ok(vec![candidate(*digest, Kind::Manifest { why, subject })])
        }
        DueRecord::Referrer {
            digest, subject, ..
        } => {
            // Whoever wrote it knows that the subject went after it was pushed.
            let why = Why::SubjectGone { since: u64::MAX };
            let subject = Some(*subject);
            Ok(vec![candidate(*digest, Kind::Manifest { why, subject })])
        }
    }
}

fn name(due: &DueRecord) -> &RepositoryName {
    match due {
        DueRecord::Content { repository, .. }
        | DueRecord::Manifest { repository, .. }
        | DueRecord::Untagged { repository, .. }
        | DueRecord::Referrer { repository, .. } => repository,
    }
}

/// Keeps one handle to each repository of a batch.
#[derive(Debug, Default)]
struct Homes(BTreeMap<RepositoryName, Arc<Home>>);

impl Homes {
    fn find(&mut self, name: &RepositoryName) -> Option<Arc<Home>> {
        if let Some(home) = self.0.get(name) {
            return Some(Arc::clone(home));
        }
        let home = Arc::new(Home {
            name: name.clone(),
            keys: RepositoryKeys::new(name).ok()?,
        });
        self.0.insert(name.clone(), Arc::clone(&home));
        Some(home)
    }
}

/// Says what to look at where a manifest is gone.
async fn gone(
    store: &Store,
    itself: Candidate,
    (since, references): (u64, &[Digest]),
    untagged_after: Option<u64>,
) -> Result<Vec<Candidate>, Error> {
    let home = Arc::clone(&itself.home);
    let manifest = itself.digest;
    let another = |digest: Digest, kind: Kind| Candidate {
        entry: itself.entry,
        home: Arc::clone(&home),
        digest,
        kind,
    };
    let of = Some(manifest);
    let contents = references.iter();
    let mut list: Vec<Candidate> = contents
        .map(|digest| another(*digest, Kind::Content { of }))
        .collect();
    if let Some(after) = untagged_after {
        let children = untagged_children(store, &home, references).await?;
        let since = store.now();
        let why = Why::Untagged { since, after };
        let children = children.into_iter();
        list.extend(
            children.map(|(child, subject)| another(child, Kind::Manifest { why, subject })),
        );
    }
    let referrers = referrers(store, &home.keys, &manifest).await?.into_iter();
    let why = Why::SubjectGone { since };
    let subject = Some(manifest);
    list.extend(referrers.map(|digest| another(digest, Kind::Manifest { why, subject })));
    list.push(itself);
    Ok(list)
}

/// Lists what an index that is gone has referenced and is a manifest here,
/// with what that refers to.
async fn untagged_children(
    store: &Store,
    home: &Home,
    references: &[Digest],
) -> Result<Vec<(Digest, Option<Digest>)>, Error> {
    let reads = references.iter().map(async |child| {
        let key = home.keys.manifest(child);
        let found = records::read::<ManifestRecord>(store.backend(), &key).await?;
        Ok(found.map(|(record, _)| (*child, record.subject)))
    });
    let children = side_by_side(reads.collect()).await?;
    Ok(children.into_iter().flatten().collect())
}

/// Lists what may refer to a manifest.
async fn referrers(
    store: &Store,
    keys: &RepositoryKeys,
    subject: &Digest,
) -> Result<Vec<Digest>, Error> {
    let mut list = Vec::new();
    let mut after = String::new();
    loop {
        let page = store
            .backend()
            .page(&keys.referrers(subject), &after, PAGE)
            .await?;
        let names = page.names.iter();
        list.extend(names.filter_map(|name| keys::decode_digest(name)));
        match page.names.into_iter().next_back() {
            Some(last) if page.more => after = last,
            _ => return Ok(list),
        }
    }
}

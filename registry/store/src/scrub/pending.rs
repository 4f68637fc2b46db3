//! What the collector will look at anyway: nothing of that is a finding.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::{Digest, RepositoryName};

use super::problem::Problem;
use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord};
use crate::repository::AT_ONCE;
use crate::store::Store;

/// The names that are listed at once: a directory is read whole for each page.
const PAGE: usize = 4096;

/// The most that is remembered, of eight bytes each. A collector that is
/// further behind has to come first: nothing is called left over then.
const LIMIT: usize = 4 * 1024 * 1024;

/// Remembers what is due, by hashes: what is taken for known by mistake is
/// found by the next check.
#[derive(Debug)]
pub(crate) struct Pending {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Pending {
    /// Reads everything that is due, now or later.
    pub(crate) async fn read(store: &Store) -> Result<Self, Error> {
        let mut pending = Self {
            hashes: HashSet::new(),
            hasher: RandomState::new(),
        };
        let backend = store.backend();
        let mut after = String::new();
        while pending.hashes.len() < LIMIT {
            let page = backend.page(&keys::dues(), &after, PAGE).await?;
            let calls: Vec<_> = page.names.iter().map(|name| read(store, name)).collect();
            let mut reads = futures_util::stream::iter(calls).buffered(AT_ONCE);
            while let Some(due) = reads.try_next().await? {
                due.iter().for_each(|due| pending.add(due));
            }
            drop(reads);
            match page.names.into_iter().next_back() {
                Some(last) if page.more => after = last,
                _ => break,
            }
        }
        Ok(pending)
    }

    fn add(&mut self, due: &DueRecord) {
        let (repository, digest) = about(due);
        self.hashes.insert(self.hash(Some(repository), digest));
        self.hashes.insert(self.hash(None, digest));
    }

    /// Says whether the collector will look at a problem.
    pub(crate) fn knows(&self, problem: &Problem) -> bool {
        if self.hashes.len() >= LIMIT {
            return true;
        }
        match problem {
            Problem::NobodysBytes { digest } => self.has(None, digest),
            Problem::Leftover { due } => {
                let (repository, digest) = about(due);
                self.has(Some(repository), digest)
            }
            _ => false,
        }
    }

    fn has(&self, repository: Option<&RepositoryName>, digest: &Digest) -> bool {
        self.hashes.contains(&self.hash(repository, digest))
    }

    fn hash(&self, repository: Option<&RepositoryName>, digest: &Digest) -> u64 {
        let repository = repository.map(RepositoryName::as_str);
        self.hasher.hash_one((repository, digest))
    }
}

/// Says what is to be looked at.
fn about(due: &DueRecord) -> (&RepositoryName, &Digest) {
    let (DueRecord::Content {
        repository, digest, ..
    }
    | DueRecord::Manifest {
        repository, digest, ..
    }
    | DueRecord::Untagged {
        repository, digest, ..
    }
    | DueRecord::Referrer {
        repository, digest, ..
    }) = due;
    (repository, digest)
}

/// Reads what is due; nothing where it is done or can not be read.
async fn read(store: &Store, name: &str) -> Result<Option<DueRecord>, Error> {
    match records::read(store.backend(), &keys::due(name)).await {
        Ok(found) => Ok(found.map(|(due, _version)| due)),
        Err(Error::Record { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

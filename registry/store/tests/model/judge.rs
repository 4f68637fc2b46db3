//! What goes: a pure function from what a collector has found.

use super::process::Process;
use super::world::{
    BLOB, DIGESTS, Digests, Keys, MANIFESTS, REPOSITORIES, bytes, holder, holders, link, record,
    reference,
};

/// Digests in repositories: the question of a round.
pub(crate) type Pairs = [Digests; REPOSITORIES];

/// Gives each digest that is asked for, with its repository.
pub(crate) fn each(pairs: &Pairs) -> impl Iterator<Item = (usize, usize)> {
    let all = (0..REPOSITORIES).flat_map(|repository| (0..DIGESTS).map(move |d| (repository, d)));
    all.filter(|&(repository, digest)| pairs[repository] & (1 << digest) != 0)
}

/// Adds the records that decide about the references that were listed.
pub(crate) fn records_of(names: Keys) -> Keys {
    let mut reads = 0;
    for repository in 0..REPOSITORIES {
        for manifest in MANIFESTS {
            if names & reference(repository, manifest) != 0 {
                reads |= record(repository, manifest);
            }
        }
    }
    reads
}

/// Gives the keys that go, as long as the digests are in the round.
pub(crate) fn judge(collector: &Process, pairs: &Pairs) -> Keys {
    let found = collector.found;
    let mut goes = 0;
    let mut stays: Digests = !collector.digests;
    let mut looked_at = 0;
    for (repository, digest) in each(pairs) {
        looked_at |= holder(digest, repository);
        if collector.digests & (1 << digest) == 0 {
            continue;
        }
        if lives(found, repository, digest) {
            stays |= 1 << digest;
            continue;
        }
        goes |= holder(digest, repository);
        if digest == BLOB {
            goes |= link(repository);
        }
    }
    for (repository, _) in each(pairs).filter(|&(_, digest)| digest == BLOB) {
        for manifest in MANIFESTS {
            if found & record(repository, manifest) == 0 && collector.digests & (1 << BLOB) != 0 {
                goes |= reference(repository, manifest);
            }
        }
    }
    for (_, digest) in each(pairs) {
        let elsewhere = collector.names & holders(digest) & !looked_at != 0;
        if stays & (1 << digest) == 0 && !elsewhere {
            goes |= bytes(digest);
        }
    }
    goes & found
}

fn lives(found: Keys, repository: usize, digest: usize) -> bool {
    if digest != BLOB {
        return found & record(repository, digest) != 0;
    }
    found & link(repository) != 0
        && MANIFESTS.iter().any(|&manifest| {
            found & reference(repository, manifest) != 0
                && found & record(repository, manifest) != 0
        })
}

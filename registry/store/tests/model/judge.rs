//! What goes: a pure function from what a collector has found.

use super::process::Process;
use super::world::{
    BLOB, DIGESTS, Digests, Keys, MANIFESTS, REPOSITORIES, bytes, holder, holders, link, record,
    reference, references,
};

/// Digests in repositories: the question of a round.
pub(crate) type Pairs = [Digests; REPOSITORIES];

/// Gives what is to be listed, and what is to be read in any case.
pub(crate) fn questions(pairs: &Pairs) -> (Keys, Keys) {
    let (mut lists, mut reads) = (0, 0);
    for (repository, digests) in pairs.iter().enumerate() {
        for digest in 0..DIGESTS {
            if digests & (1 << digest) == 0 {
                continue;
            }
            lists |= holders(digest);
            reads |= bytes(digest);
            if digest == BLOB {
                lists |= references(repository);
                reads |= link(repository);
            } else {
                reads |= record(repository, digest) | reference(repository, digest);
            }
        }
    }
    (lists, reads)
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

/// Gives the keys that go and the digests that lose something.
pub(crate) fn judge(collector: &Process, pairs: &Pairs) -> (Keys, Digests) {
    let found = collector.found;
    let (mut goes, mut losing) = (0, 0);
    for (repository, digests) in pairs.iter().enumerate() {
        for digest in 0..DIGESTS {
            if digests & collector.digests & (1 << digest) == 0 || lives(found, repository, digest)
            {
                continue;
            }
            let mut here = holder(digest, repository);
            if digest == BLOB {
                here |= link(repository);
                for manifest in MANIFESTS {
                    if found & record(repository, manifest) == 0 {
                        here |= reference(repository, manifest);
                    }
                }
            } else {
                here |= reference(repository, digest);
            }
            goes |= here;
            if found & here != 0 {
                losing |= 1 << digest;
            }
        }
    }
    for digest in 0..DIGESTS {
        let asked = pairs.iter().any(|digests| digests & (1 << digest) != 0);
        if asked
            && collector.digests & (1 << digest) != 0
            && found & holders(digest) & !goes == 0
            && !(0..REPOSITORIES).any(|repository| {
                pairs[repository] & (1 << digest) != 0 && lives(found, repository, digest)
            })
        {
            goes |= bytes(digest);
            if found & bytes(digest) != 0 {
                losing |= 1 << digest;
            }
        }
    }
    (goes & found, losing)
}

fn lives(found: Keys, repository: usize, digest: usize) -> bool {
    if digest != BLOB {
        return found & record(repository, digest) != 0;
    }
    found & link(repository) != 0
        && MANIFESTS.iter().any(|&manifest| {
            found & reference(repository, manifest) != 0 && found & record(repository, manifest) != 0
        })
}

//! The shared store as the model sees it: which keys there are, and which of
//! them a process still knows by their version.
//!
//! Versions are unique for ever, so what a process has read of a key either is
//! what lies there or never will be again. A set of keys that are *still as
//! read* therefore says exactly as much as the versions themselves, and makes
//! runs equal that differ in nothing else.

/// A set of keys.
pub(crate) type Keys = u32;

/// A set of digests.
pub(crate) type Digests = u8;

/// The blob.
pub(crate) const BLOB: usize = 0;
/// Both manifests reference the blob.
pub(crate) const MANIFESTS: [usize; 2] = [1, 2];
pub(crate) const DIGESTS: usize = 3;
pub(crate) const REPOSITORIES: usize = 2;

/// Processes at most, collectors among them, and the one that comes last.
pub(crate) const PROCESSES: usize = 6;
/// Tasks that one process does, one after the other.
pub(crate) const TASKS: usize = 2;
/// Rounds that all collectors together can begin.
pub(crate) const ROUNDS: usize = 8;

const LINK: usize = DIGESTS;
const HOLDER: usize = LINK + REPOSITORIES;
const REFERENCE: usize = HOLDER + DIGESTS * REPOSITORIES;
const RECORD: usize = REFERENCE + MANIFESTS.len() * REPOSITORIES;
const DUE: usize = RECORD + MANIFESTS.len() * REPOSITORIES;

/// `blobs/<digest>`
pub(crate) fn bytes(digest: usize) -> Keys {
    1 << digest
}

/// `repositories/<r>/blobs/<blob>/link`
pub(crate) fn link(repository: usize) -> Keys {
    1 << (LINK + repository)
}

/// `links/<digest>/<r>`
pub(crate) fn holder(digest: usize, repository: usize) -> Keys {
    1 << (HOLDER + digest * REPOSITORIES + repository)
}

/// `links/<digest>/`
pub(crate) fn holders(digest: usize) -> Keys {
    holder(digest, 0) | holder(digest, 1)
}

/// `repositories/<r>/blobs/<blob>/<manifest>`
pub(crate) fn reference(repository: usize, manifest: usize) -> Keys {
    1 << (REFERENCE + (manifest - 1) * REPOSITORIES + repository)
}

/// `repositories/<r>/blobs/<blob>/`, but the link
pub(crate) fn references(repository: usize) -> Keys {
    reference(repository, 1) | reference(repository, 2)
}

/// `repositories/<r>/manifests/<manifest>`
pub(crate) fn record(repository: usize, manifest: usize) -> Keys {
    1 << (RECORD + (manifest - 1) * REPOSITORIES + repository)
}

/// `due/<id>`; every task writes one, under a name of its own.
pub(crate) fn due(process: usize, task: usize) -> Keys {
    1 << (DUE + process * TASKS + task)
}

/// All due entries.
pub(crate) fn dues() -> Keys {
    !0 << DUE
}

/// Spells keys for a trace.
pub(crate) fn spell(keys: Keys) -> String {
    let mut words = Vec::new();
    let mut say = |key: Keys, word: String| {
        if keys & key != 0 {
            words.push(word);
        }
    };
    for digest in 0..DIGESTS {
        say(bytes(digest), format!("bytes({})", name(digest)));
        for repository in 0..REPOSITORIES {
            say(
                holder(digest, repository),
                format!("holder({},r{repository})", name(digest)),
            );
        }
    }
    for repository in 0..REPOSITORIES {
        say(link(repository), format!("link(r{repository},d)"));
        for manifest in MANIFESTS {
            let its = format!("(r{repository},{})", name(manifest));
            say(reference(repository, manifest), format!("ref{its}"));
            say(record(repository, manifest), format!("record{its}"));
        }
    }
    for process in 0..PROCESSES {
        for task in 0..TASKS {
            say(due(process, task), format!("due(p{process}.{task})"));
        }
    }
    words.join(" ")
}

fn name(digest: usize) -> &'static str {
    ["d", "m", "n"][digest]
}

/// What `round` holds. It never holds the same thing twice, so comparing it
/// is comparing versions.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) number: u8,
    pub(crate) phase: Phase,
    /// The nonce of the owner, and of its plan.
    pub(crate) nonce: u8,
    pub(crate) digests: Digests,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Judging,
    Removing,
}

impl Round {
    pub(crate) const FIRST: Self = Self {
        number: 0,
        phase: Phase::Idle,
        nonce: 0,
        digests: 0,
    };

    pub(crate) fn packed(self) -> u32 {
        u32::from_le_bytes([self.number, self.phase as u8, self.nonce, self.digests])
    }

    pub(crate) fn ended(self) -> Self {
        Self {
            number: self.number,
            ..Self::FIRST
        }
    }
}

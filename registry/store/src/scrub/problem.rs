//! What was found wrong with a key, and what would heal it: a function from
//! the one to the other.

use blob::{Key, Version};
use oci::{Digest, Manifest, RepositoryName};

use super::finding::Damage;
use crate::records::DueRecord;

/// Says what is wrong with a key.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// Bytes that are not those of their digest.
    CorruptBytes {
        digest: Digest,
        version: Version,
        why: String,
    },
    /// Bytes or a record that the storage does not give.
    Unreadable { why: String },
    /// A record that is no JSON, or says something else.
    NoRecord { why: String },
    /// The same of a record whose key says everything that matters.
    NoFact { version: Version, why: String },
    /// A blob or manifest whose bytes are gone.
    LostBytes,
    /// A manifest that needs a blob which is not visible beside it, or has no
    /// bytes.
    LostBlob { blob: Digest },
    /// A manifest whose bytes are none.
    NoManifest { why: String },
    /// A tag of a manifest that is not there.
    LostManifest { digest: Digest },
    /// A key that has to be there since this one is.
    Unindexed { key: Key, index: Index },
    /// Bytes that no repository has.
    NobodysBytes { digest: Digest },
    /// A key that is left of what is gone.
    Leftover { due: DueRecord },
    /// Bytes of an upload that nobody knows.
    NobodysData,
    /// A name that this program does not write.
    Foreign,
}

/// Says what is written under a key that has to be there.
#[derive(Debug, Clone)]
pub(crate) enum Index {
    /// That it is so.
    Fact,
    /// What a referrer is.
    Referrer {
        repository: RepositoryName,
        manifest: Box<Manifest>,
        digest: Digest,
    },
}

/// Says what heals a problem.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    /// Nothing that a program could know.
    Keep,
    /// Write what is missing.
    Write(&'a Key, &'a Index),
    /// Write a fact anew, in the place of this version.
    Restate(&'a Version),
    /// Put bytes aside, and remove this version of them.
    Quarantine(&'a Digest, &'a Version),
    /// Have the collector look.
    Queue(DueRecord),
    /// Remove the bytes of an upload.
    Discard,
}

/// The repository that the collector is told of where bytes have none. Whether
/// there is one of the name does not matter: it looks at every holder.
const NOBODY: &str = "nobody";

/// Decides what heals a problem. What can not be told from the storage itself
/// stays as it is.
pub(crate) fn action(problem: &Problem) -> Action<'_> {
    match problem {
        Problem::CorruptBytes {
            digest, version, ..
        } => Action::Quarantine(digest, version),
        Problem::NoFact { version, .. } => Action::Restate(version),
        Problem::Unindexed { key, index } => Action::Write(key, index),
        Problem::NobodysBytes { digest } => match NOBODY.parse() {
            Ok(repository) => Action::Queue(DueRecord::Content {
                repository,
                digest: *digest,
            }),
            Err(_) => Action::Keep,
        },
        Problem::Leftover { due } => Action::Queue(due.clone()),
        Problem::NobodysData => Action::Discard,
        Problem::Unreadable { .. }
        | Problem::NoRecord { .. }
        | Problem::LostBytes
        | Problem::LostBlob { .. }
        | Problem::NoManifest { .. }
        | Problem::LostManifest { .. }
        | Problem::Foreign => Action::Keep,
    }
}

impl Problem {
    /// Says of what kind it is.
    pub(crate) fn damage(&self) -> Damage {
        match self {
            Self::CorruptBytes { .. } => Damage::Corrupt,
            Self::Unreadable { .. }
            | Self::NoRecord { .. }
            | Self::NoFact { .. }
            | Self::NoManifest { .. } => Damage::Unreadable,
            Self::LostBytes | Self::LostBlob { .. } | Self::LostManifest { .. } => Damage::Missing,
            Self::Unindexed { .. } => Damage::Unindexed,
            Self::NobodysBytes { .. } | Self::Leftover { .. } | Self::NobodysData => {
                Damage::Orphaned
            }
            Self::Foreign => Damage::Unknown,
        }
    }

    /// Says whether it may be a moment in the life of a healthy store, so that
    /// one has to look again later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::LostManifest { .. }
                | Self::NobodysBytes { .. }
                | Self::Leftover { .. }
                | Self::NobodysData
        )
    }

    /// Tells it in words.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::CorruptBytes { why, .. } => why.clone(),
            Self::Unreadable { why } => format!("it can not be read: {why}"),
            Self::NoRecord { why } | Self::NoFact { why, .. } => {
                format!("it is no record: {why}")
            }
            Self::LostBytes => "its bytes are gone".to_owned(),
            Self::LostBlob { blob } => format!("it needs the blob `{blob}`, which is not there"),
            Self::NoManifest { why } => format!("its bytes are no manifest: {why}"),
            Self::LostManifest { digest } => {
                format!("it means the manifest `{digest}`, which is not there")
            }
            Self::Unindexed { key, .. } => format!("`{key}` is not there, by which it is found"),
            Self::NobodysBytes { .. } => "no repository has these bytes".to_owned(),
            Self::Leftover { .. } => "it is left of something that is gone".to_owned(),
            Self::NobodysData => "no upload leads to these bytes".to_owned(),
            Self::Foreign => "nothing that this program writes has this name".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_understands_is_kept() {
        let why = String::new;
        let digest = Digest::sha256(b"");
        for problem in [
            Problem::Unreadable { why: why() },
            Problem::NoRecord { why: why() },
            Problem::NoManifest { why: why() },
            Problem::LostBytes,
            Problem::LostBlob { blob: digest },
            Problem::LostManifest { digest },
            Problem::Foreign,
        ] {
            assert!(
                matches!(action(&problem), Action::Keep),
                "{}",
                problem.told()
            );
        }
    }

    #[test]
    fn the_collector_is_told_of_orphans() {
        let digest = Digest::sha256(b"");
        let problem = Problem::NobodysBytes { digest };
        let Action::Queue(due) = action(&problem) else {
            panic!("it is queued");
        };
        let repository = NOBODY.parse().expect("a name");
        assert_eq!(due, DueRecord::Content { repository, digest });
    }
}

//! What a check has found, in words for whoever reads the report.

use blob::Key;
use serde::{Deserialize, Serialize};

/// Tells one thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where it was found.
    pub key: Key,
    /// What is wrong.
    pub kind: Damage,
    /// The same in words.
    pub what: String,
    /// What was done about it.
    pub done: Done,
}

/// Says what is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// Something is named here that is not there.
    Missing,
    /// The bytes are not those of the digest: others, or fewer.
    Corrupt,
    /// It can not be read, or says nothing that this program understands.
    Unreadable,
    /// A key is not there by which this one is found.
    Unindexed,
    /// Nobody needs it, and the collector does not know of it.
    Orphaned,
    /// The program has written nothing under this name.
    Unknown,
}

/// Says what was done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Nothing.
    Nothing,
    /// What was missing was written.
    Rewritten,
    /// The collector was told to look at it, and removes it if nobody needs
    /// it then.
    Queued,
    /// The bytes were put aside under `quarantine/`, so that they can be
    /// pushed again.
    Quarantined,
    /// Bytes that no record leads to were removed.
    Removed,
}

impl Damage {
    /// Every kind, in the order of a report.
    pub const ALL: [Self; 6] = [
        Self::Missing,
        Self::Corrupt,
        Self::Unreadable,
        Self::Unindexed,
        Self::Orphaned,
        Self::Unknown,
    ];

    /// Names the kind in one word, as JSON does.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::Unindexed => "unindexed",
            Self::Orphaned => "orphaned",
            Self::Unknown => "unknown",
        }
    }
}

impl Done {
    /// Names it in one word, as JSON does.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Rewritten => "rewritten",
            Self::Queued => "queued",
            Self::Quarantined => "quarantined",
            Self::Removed => "removed",
        }
    }

    /// Says whether the finding is one no more. What was put aside is still
    /// missing where it was.
    #[must_use]
    pub fn heals(self) -> bool {
        match self {
            Self::Rewritten | Self::Queued | Self::Removed => true,
            Self::Nothing | Self::Quarantined => false,
        }
    }
}

/// Tells what a check has looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scrubbed {
    /// The keys that were looked at.
    pub keys: u64,
    /// The blobs whose bytes were read, manifests among them.
    pub blobs: u64,
    /// Those bytes.
    pub bytes: u64,
    /// The manifests that were looked at, in each repository.
    pub manifests: u64,
    /// The tags likewise.
    pub tags: u64,
    /// What is not as it should be: at most [`Scrubbed::LISTED`].
    pub findings: Vec<Finding>,
    /// What was found beyond those.
    pub unlisted: u64,
    /// What was found and is as it was.
    pub remaining: u64,
}

impl Scrubbed {
    /// The findings that are listed.
    pub const LISTED: usize = 1000;

    /// Counts everything that was found.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.findings.len() as u64 + self.unlisted
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.remaining += u64::from(!finding.done.heals());
        if self.findings.len() < Self::LISTED {
            self.findings.push(finding);
        } else {
            self.unlisted += 1;
        }
    }
}

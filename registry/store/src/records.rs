//! What is written in the records, and how it is read.
//!
//! Records are JSON. A field that a later version adds must have a default,
//! so that both versions can serve one storage while it is upgraded.

use std::collections::BTreeSet;

use blob::{Backend, Key, Record, Saved, Version};
use bytes::Bytes;
use oci::{Algorithm, Descriptor, Digest, HashState, MediaType, RepositoryName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Names the version of the tree of keys.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FormatRecord {
    pub(crate) format: u32,
}

/// Says that a repository exists, a blob is visible, or another fact whose
/// key says everything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FactRecord {
    /// When it became so or was last found to matter, in milliseconds since
    /// 1970.
    pub(crate) since: u64,
    /// Tells this writing from every other one.
    #[serde(default)]
    pub(crate) nonce: String,
}

/// Says what a manifest is; its bytes are a blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: MediaType,
    /// In bytes.
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Digest>,
    /// When it was pushed, in milliseconds since 1970.
    pub(crate) pushed: u64,
    /// Tells this writing from every other one.
    #[serde(default)]
    pub(crate) nonce: String,
}

/// Says what a tag means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) digest: Digest,
    /// When it was moved here, in milliseconds since 1970.
    pub(crate) moved: u64,
    /// Tells this writing from every other one.
    #[serde(default)]
    pub(crate) nonce: String,
}

/// Describes a referrer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReferrerRecord {
    /// With the annotations, if they are small.
    pub(crate) descriptor: Descriptor,
    /// Says that the annotations are too large for here, and have to be read
    /// from the manifest.
    #[serde(default)]
    pub(crate) annotations_elsewhere: bool,
    /// Tells this writing from every other one.
    #[serde(default)]
    pub(crate) nonce: String,
}

/// Says how an upload continues.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadRecord {
    pub(crate) repository: RepositoryName,
    pub(crate) algorithm: Algorithm,
    /// When it was started, in milliseconds since 1970.
    pub(crate) started: u64,
    /// When it was last written to, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) touched: u64,
    /// What was acknowledged, in bytes.
    pub(crate) length: u64,
    /// Where the bytes are; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) saved: Option<Saved>,
    /// The hasher over the bytes, if its state could be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<HashState>,
    /// The digest of the bytes, if the hasher's state could not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Digest>,
    /// Tells who writes to it, where several processes may.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) turn: String,
    /// Whether it was given up; its bytes may not have been removed yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) expired: bool,
}

/// Says what is being collected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RoundRecord {
    /// Grows by one with every round that begins.
    pub(crate) number: u64,
    pub(crate) phase: Phase,
}

/// Says how far a round has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Phase {
    /// The round has ended, or none ever began.
    #[default]
    Idle,
    /// The collector looks at what has to do with these digests. Whoever
    /// takes one out keeps everything of it.
    Judging {
        /// Tells the collector.
        owner: String,
        digests: BTreeSet<Digest>,
    },
    /// What the plan says goes, and it has to do with these digests.
    Removing {
        /// The nonce of the plan.
        plan: String,
        digests: BTreeSet<Digest>,
    },
}

/// Lists what a round removes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct PlanRecord {
    /// The round that it is for.
    pub(crate) number: u64,
    pub(crate) removals: Vec<Removal>,
}

/// Names one writing of a record or blob that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removal {
    pub(crate) key: Key,
    pub(crate) version: Version,
}

/// Says what the collector has to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DueRecord {
    /// Whether a blob is needed in a repository.
    Content {
        repository: RepositoryName,
        digest: Digest,
    },
    /// What a manifest has left that was deleted or never came to be.
    Manifest {
        repository: RepositoryName,
        digest: Digest,
        /// When that happened, in milliseconds since 1970.
        #[serde(default)]
        since: u64,
        /// What it references: its bytes may go before this is looked at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        references: Vec<Digest>,
        /// What it refers to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Digest>,
    },
    /// Whether a manifest that lost its last tag, or had none, is to go.
    Untagged {
        repository: RepositoryName,
        digest: Digest,
        /// When that happened, in milliseconds since 1970.
        #[serde(default)]
        since: u64,
    },
    /// Whether a manifest is to go since its subject went.
    Referrer {
        repository: RepositoryName,
        digest: Digest,
        subject: Digest,
    },
}

/// Writes a record's value.
pub(crate) fn to_bytes<T: Serialize>(record: &T) -> Bytes {
    // Maps with string keys, strings and numbers always serialise.
    serde_json::to_vec(record).unwrap_or_default().into()
}

/// Reads a record that may be absent.
pub(crate) async fn read<T: DeserializeOwned>(
    backend: &dyn Backend,
    key: &Key,
) -> Result<Option<(T, Version)>, Error> {
    let Some(Record { value, version }) = backend.read(key).await? else {
        return Ok(None);
    };
    match serde_json::from_slice(&value) {
        Ok(record) => Ok(Some((record, version))),
        Err(source) => Err(Error::Record {
            key: key.clone(),
            source,
        }),
    }
}

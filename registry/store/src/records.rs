//! What is written in the records, and how it is read.
//!
//! Records are JSON. A field that a later version adds must have a default,
//! so that both versions can serve one storage while it is upgraded.

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
    /// When it became so, in milliseconds since 1970.
    pub(crate) since: u64,
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
}

/// Says what a tag means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) digest: Digest,
    /// When it was moved here, in milliseconds since 1970.
    pub(crate) moved: u64,
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
}

/// Says how an upload continues.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadRecord {
    pub(crate) repository: RepositoryName,
    pub(crate) algorithm: Algorithm,
    /// When it was started, in milliseconds since 1970.
    pub(crate) started: u64,
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

//! The errors of a registry, in a registry's language.

use oci::{Digest, ManifestError, Reference, RepositoryName};

/// Says why the store did not do what was asked.
///
/// Each kind is a branch in the tables of the OCI and the ECR API.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository's name does not fit into a key.
    #[error(
        "repository name `{name}` is too long: with two bytes for each `/` it may have {limit}"
    )]
    NameTooLong {
        /// The name.
        name: RepositoryName,
        /// The most bytes.
        limit: usize,
    },
    /// There is no such repository.
    #[error("repository `{0}` does not exist")]
    NameUnknown(RepositoryName),
    /// The blob is not visible in this repository.
    #[error("blob `{0}` does not exist in this repository")]
    BlobUnknown(Digest),
    /// There is no such upload in this repository.
    #[error("upload does not exist; it was finished, cancelled or never started")]
    UploadUnknown,
    /// Another request is writing to the upload.
    #[error("another request is writing to this upload")]
    UploadBusy,
    /// The bytes do not continue where the upload ended.
    #[error("upload has {length} bytes; the next must start at {length}, not {start}")]
    UploadOffset {
        /// How many bytes there are.
        length: u64,
        /// Where the bytes were said to start.
        start: u64,
    },
    /// Content is not what its digest says.
    #[error("content does not have the digest `{expected}`")]
    DigestMismatch {
        /// What was promised.
        expected: Digest,
    },
    /// There is no such manifest in this repository.
    #[error("manifest `{0}` does not exist in this repository")]
    ManifestUnknown(Reference),
    /// The manifest needs blobs that are not visible in this repository.
    #[error("manifest references blobs that do not exist in this repository")]
    ManifestBlobUnknown(Vec<Digest>),
    /// The tag means another manifest, and may not be moved.
    #[error("tag `{tag}` is immutable and means `{digest}`")]
    TagImmutable {
        /// The tag.
        tag: oci::Tag,
        /// What it means.
        digest: Digest,
    },
    /// The bytes are no manifest of their media type.
    #[error("manifest is invalid")]
    ManifestInvalid(#[source] ManifestError),
    /// The disk, quota or bucket is full.
    #[error("storage is full")]
    Full(#[source] blob::Error),
    /// The storage failed.
    #[error("storage failed")]
    Storage(#[source] blob::Error),
    /// What is stored can not be read.
    #[error("record `{key}` can not be read")]
    Record {
        /// Where it lies.
        key: blob::Key,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The storage was written by another version of wharf.
    #[error("storage has format {found}, this program reads and writes format {known}")]
    Format {
        /// What the storage says.
        found: u32,
        /// What this program knows.
        known: u32,
    },
}

impl From<blob::Error> for Error {
    fn from(error: blob::Error) -> Self {
        match error.kind() {
            blob::ErrorKind::Full => Self::Full(error),
            _ => Self::Storage(error),
        }
    }
}

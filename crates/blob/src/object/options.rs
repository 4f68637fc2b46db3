//! Where a bucket is and how one gets in, as plain values. Nothing here reads
//! the environment: whoever makes the options has.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Says where a bucket of S3 is, or of a store that speaks its protocol.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The name of the bucket.
    pub bucket: String,
    /// What comes before every key, without a `/` at its ends; may be empty.
    pub prefix: String,
    /// The URL of the store, such as `https://s3.example.org`. Where there is
    /// none, `AWS_ENDPOINT_URL_S3` counts, then `AWS_ENDPOINT_URL`, then
    /// Amazon's own of the region.
    pub endpoint: Option<String>,
    /// The region. Where there is none, `AWS_REGION` counts, then
    /// `AWS_DEFAULT_REGION`; a store at an endpoint may do without.
    pub region: Option<String>,
    /// How the bucket is named in URLs.
    pub addressing: S3Addressing,
    /// How to get in.
    pub credentials: S3Credentials,
    /// How the store encrypts what it keeps.
    pub encryption: S3Encryption,
    /// Permits an endpoint without TLS.
    pub allow_http: bool,
    /// The variables of the environment whose names begin with `AWS_`.
    pub variables: Variables,
    /// The directory for parts that are not sent yet; it must exist. Files in
    /// it have no names, and are gone with the process.
    pub scratch: PathBuf,
}

/// Says how a bucket is named in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum S3Addressing {
    /// In the path where there is an endpoint or the name has dots, otherwise
    /// in the host.
    #[default]
    Automatic,
    /// In the path: `https://host/bucket/key`.
    Path,
    /// In the host: `https://bucket.host/key`.
    Host,
}

/// Says how to get into a bucket.
#[derive(Clone, Default)]
pub enum S3Credentials {
    /// With what the variables say: keys, a web identity, a task of ECS or a
    /// pod of EKS; where they say nothing, with the role of the machine
    /// (IMDSv2).
    #[default]
    Environment,
    /// With these keys.
    Keys {
        /// The identifier of the access key.
        id: String,
        /// The secret access key.
        secret: String,
        /// The session token of temporary keys.
        token: Option<String>,
    },
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Keys { .. } => f.write_str("Keys([redacted])"),
        }
    }
}

/// Says how a store encrypts what it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum S3Encryption {
    /// As the bucket is configured.
    #[default]
    Bucket,
    /// With keys of the store (SSE-S3).
    Store,
    /// With a key of the key management service (SSE-KMS).
    Kms {
        /// The identifier or ARN of the key.
        key: String,
    },
}

/// Says where a bucket of Google Cloud Storage is. Not tested against the
/// real service.
#[derive(Debug, Clone)]
pub struct GcsOptions {
    /// The name of the bucket.
    pub bucket: String,
    /// What comes before every key, without a `/` at its ends; may be empty.
    pub prefix: String,
    /// The variables of the environment whose names begin with `GOOGLE_`.
    pub variables: Variables,
    /// The directory for parts that are not sent yet; it must exist.
    pub scratch: PathBuf,
}

/// Says where a container of Azure Blob Storage is. Not tested against the
/// real service.
#[derive(Debug, Clone)]
pub struct AzureOptions {
    /// The name of the container.
    pub container: String,
    /// What comes before every key, without a `/` at its ends; may be empty.
    pub prefix: String,
    /// The variables of the environment whose names begin with `AZURE_`; one
    /// of them names the account.
    pub variables: Variables,
    /// The directory for parts that are not sent yet; it must exist.
    pub scratch: PathBuf,
}

/// Holds variables of the environment, some of which are secrets: its `Debug`
/// shows names alone.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Gives the value of a variable that is set and not empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(_, value)| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

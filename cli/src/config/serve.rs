//! What configures `wharf serve`, and the storage that `wharf gc` and `wharf
//! check` look at as well.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Secret, Span};

/// Configures `wharf serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Serve {
    /// The address and port to listen on; port 0 takes a free one.
    pub(crate) listen: String,
    /// Where everything is kept: a directory, or a bucket as
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    pub(crate) storage: String,
    /// A file of users and bcrypt hashes, as `htpasswd -B` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) htpasswd: Option<PathBuf>,
    /// What a caller without credentials may do: `pull` or `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) anonymous: Option<Anonymous>,
    /// More names by which it may be called where everybody on this machine may
    /// push, without ports; `*` lets any name and any web page. Addresses,
    /// `localhost` and the name of this machine need not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow_hosts: Vec<String>,
    /// A certificate chain in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whether to serve unencrypted beyond this machine.
    pub(crate) plain_http: bool,
    /// The tags that mean one manifest for ever once they mean one: patterns
    /// in which `*` stands for any text, such as `v*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) immutable_tags: Vec<String>,
    /// Whether what nobody needs is removed while serving: `on` or `off`.
    /// `SIGUSR1` starts a collection either way.
    pub(crate) gc: Switch,
    /// How long after a collection the next one starts.
    pub(crate) gc_interval: Span,
    /// How long a blob that no manifest names is kept: twice what any client
    /// takes from its first blob to its manifest.
    pub(crate) gc_grace: Span,
    /// After what time a manifest goes that has no tag and belongs to nothing
    /// that has one. Where it is not set none goes: people pin digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) untagged_after: Option<Span>,
    /// After what time without a byte an upload is given up.
    pub(crate) upload_expiry: Span,
    /// Whether clients fetch blobs from the object store itself, by URLs that
    /// are valid for some minutes. They have to reach it then.
    pub(crate) redirect: bool,
    /// The most connections that are served at once; more wait.
    pub(crate) max_connections: u32,
    /// Where `/metrics` is: `beside` the registry, `off`, or an address and
    /// port of its own.
    pub(crate) metrics: Metrics,
    /// Whether each request has its line in the log.
    pub(crate) access_log: bool,
    /// Where traces are sent by OTLP over HTTP: a URL such as
    /// `http://localhost:4318/v1/traces`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_endpoint: Option<String>,
    /// The directory in which parts gather before they are sent to an object
    /// store; the system's for temporary files where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scratch: Option<PathBuf>,
    /// Whether to acknowledge what is not on the disk yet: a power cut loses
    /// it. For tests.
    pub(crate) unsafe_no_sync: bool,
    /// How log lines look: `human` or `json`.
    pub(crate) log: Log,
    /// How a bucket is reached.
    pub(crate) s3: S3,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:5000".to_owned(),
            storage: "./wharf-data".to_owned(),
            htpasswd: None,
            anonymous: None,
            allow_hosts: Vec::new(),
            tls_cert: None,
            tls_key: None,
            plain_http: false,
            immutable_tags: Vec::new(),
            gc: Switch::On,
            gc_interval: Span::minutes(10),
            gc_grace: Span::hours(24),
            untagged_after: None,
            upload_expiry: Span::hours(24),
            redirect: false,
            max_connections: 4096,
            metrics: Metrics::Beside,
            access_log: false,
            trace_endpoint: None,
            scratch: None,
            unsafe_no_sync: false,
            log: Log::Human,
            s3: S3::default(),
        }
    }
}

/// Configures how a bucket of S3, or of a service that speaks as S3 does, is
/// reached. What is not set comes from the variables that other programs for
/// S3 read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct S3 {
    /// The URL of the service; that of AWS in the region where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The region of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// Whether the bucket is in the path of URLs, and not in the name of the
    /// host; where it is not set, whenever an endpoint is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_style: Option<bool>,
    /// The name of the key that requests are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_key_id: Option<Secret>,
    /// The secret half of that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_access_key: Option<Secret>,
    /// The token that belongs to a key for a while only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_token: Option<Secret>,
    /// How the service encrypts what it keeps: `s3` by its own keys (AES-256),
    /// `kms` by one of its key service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sse: Option<Sse>,
    /// Which key of the key service encrypts; its default where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key: Option<String>,
    /// Whether an endpoint may be one that does not encrypt what is sent.
    pub(crate) allow_http: bool,
}

/// Says how a bucket encrypts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sse {
    /// By keys of the service
    S3,
    /// By a key of its key service
    Kms,
}

/// Says whether something is done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}

/// Says where metrics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// Beside the registry, for whoever reaches it.
    Beside,
    /// Nowhere.
    Off,
    /// On an address of their own.
    At(SocketAddr),
}

impl FromStr for Metrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beside" => Ok(Self::Beside),
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_shape| {
                format!(
                    "`{text}` is neither `beside` nor `off` nor an address and port such as `127.0.0.1:9090`"
                )
            }),
        }
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Beside => serializer.serialize_str("beside"),
            Self::Off => serializer.serialize_str("off"),
            Self::At(address) => serializer.collect_str(address),
        }
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Metrics {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metrics".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Says what a caller without credentials may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Anonymous {
    /// Read
    Pull,
    /// Read, write and delete
    Push,
}

/// Says how log lines look.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Log {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

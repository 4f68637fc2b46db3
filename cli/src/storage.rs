//! The storage of a registry, as `wharf serve`, `wharf gc` and `wharf check`
//! open it: what the configuration, the flags and the environment say becomes
//! a backend.

mod credentials;
mod place;

use std::path::PathBuf;
use std::sync::Arc;

use blob::{
    AzureOptions, Backend, GcsOptions, Key, Local, Object, S3Addressing, S3Encryption, S3Options,
    Sharing, Sync,
};
use clap::ValueEnum as _;
use registry::{Options, Settings, Store, TagPatterns};
use toml::Value;

use crate::config::{Config, FlagValue, S3, Sources, Sse};
use crate::environment::{self, Environment};
use crate::report::{WithHint as _, hinted, missing, usage, usage_of};

use place::Bucket;
pub(crate) use place::{Provider, StoragePlace};

/// Says where the storage is. The options of every command that opens it.
#[derive(Debug, clap::Args)]
pub(crate) struct StorageFlags {
    /// Where everything is kept: a directory, or a bucket as s3://BUCKET/PREFIX [default: ./wharf-data]
    #[arg(long, value_name = "PLACE")]
    pub(crate) storage: Option<String>,

    /// The URL of a service that speaks as S3 does
    #[arg(long, value_name = "URL", help_heading = BUCKETS)]
    s3_endpoint: Option<String>,

    /// The region of the bucket
    #[arg(long, value_name = "REGION", help_heading = BUCKETS)]
    s3_region: Option<String>,

    /// Whether the bucket is in the path of URLs [default: true, with an endpoint]
    #[arg(long, value_name = "BOOL", help_heading = BUCKETS)]
    s3_path_style: Option<bool>,

    /// How the service encrypts what it keeps
    #[arg(long, value_name = "HOW", help_heading = BUCKETS)]
    s3_sse: Option<Sse>,

    /// Which key of the key service encrypts
    #[arg(long, value_name = "KEY", help_heading = BUCKETS)]
    s3_kms_key: Option<String>,

    /// Take an endpoint that does not encrypt what is sent
    #[arg(long, help_heading = BUCKETS)]
    s3_allow_http: bool,

    /// The directory in which parts gather before they are sent [default: that of temporary files]
    #[arg(long, value_name = "DIR", help_heading = BUCKETS)]
    scratch: Option<PathBuf>,
}

/// The heading of what is about buckets alone. Keys are no flags: everybody on
/// the machine sees those.
const BUCKETS: &str = "Buckets";

impl StorageFlags {
    /// Gives what was typed.
    pub(crate) fn flags(&self) -> Vec<FlagValue> {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let scratch = self
            .scratch
            .as_ref()
            .map(|path| Value::from(path.to_string_lossy().as_ref()));
        let sse = self.s3_sse.and_then(|sse| sse.to_possible_value());
        [
            ("serve.storage", "--storage", text(&self.storage)),
            (
                "serve.s3.endpoint",
                "--s3-endpoint",
                text(&self.s3_endpoint),
            ),
            ("serve.s3.region", "--s3-region", text(&self.s3_region)),
            (
                "serve.s3.path-style",
                "--s3-path-style",
                self.s3_path_style.map(Value::from),
            ),
            (
                "serve.s3.sse",
                "--s3-sse",
                sse.map(|sse| Value::from(sse.get_name())),
            ),
            ("serve.s3.kms-key", "--s3-kms-key", text(&self.s3_kms_key)),
            (
                "serve.s3.allow-http",
                "--s3-allow-http",
                self.s3_allow_http.then_some(Value::Boolean(true)),
            ),
            ("serve.scratch", "--scratch", scratch),
        ]
        .into_iter()
        .filter_map(|(key, flag, value)| Some((key, flag, value?)))
        .collect()
    }
}

/// Is a storage that is open.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// A directory, which no other process has as long as this one does.
    Directory(Local),
    /// A bucket, which others may write to.
    Bucket(Object),
}

impl Storage {
    /// Opens the storage that is configured. Nothing is asked of a bucket yet.
    pub(crate) fn open(
        environment: &Environment,
        config: &Config,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        match place(config, sources)? {
            StoragePlace::Directory(root) => {
                refuse_bucket_settings(sources)?;
                let sync = match config.serve.unsafe_no_sync {
                    true => Sync::Never,
                    false => Sync::Always,
                };
                let opened = Local::open(&root, &Settings::MARK, Sharing::Exclusive, sync);
                let foreign = opened.as_ref().err().map(blob::Error::kind)
                    == Some(blob::ErrorKind::Unsupported);
                match foreign {
                    true => opened.map(Self::Directory).hint(
                        "name a directory that is empty, or that `wharf serve` made, by `--storage`",
                    ),
                    false => Ok(opened.map(Self::Directory)?),
                }
            }
            StoragePlace::Bucket(bucket) => {
                let scratch = scratch(environment, config, sources)?;
                let object = open_bucket(environment, config, sources, (bucket, scratch))?;
                Ok(Self::Bucket(object))
            }
        }
    }

    /// Makes sure that a bucket can do what is needed, and lets the program in.
    pub(crate) async fn probe(&self, config: &Config) -> anyhow::Result<()> {
        let Self::Bucket(object) = self else {
            return Ok(());
        };
        let probed = object.probe().await;
        let hint = match probed.as_ref().map_err(blob::Error::kind) {
            Err(blob::ErrorKind::Unsupported) => {
                "wharf needs a service that puts objects conditionally (`If-Match`, `If-None-Match`)"
            }
            Err(_) => "look at the endpoint, the region, the bucket and the credentials",
            Ok(()) => return Ok(()),
        };
        let failed = probed.map_err(|error| {
            anyhow::Error::new(error)
                .context(format!("can not use the bucket `{}`", config.serve.storage))
        });
        failed.hint(hint)
    }

    /// Gives it as the libraries take it.
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Directory(local) => Arc::new(local.clone()),
            Self::Bucket(object) => Arc::new(object.clone()),
        }
    }
}

/// Reads where the storage is.
pub(crate) fn place(config: &Config, sources: &Sources) -> anyhow::Result<StoragePlace> {
    config.serve.storage.parse().map_err(|why| {
        usage(format!(
            "{}: `{}` {why}",
            sources.name("serve.storage"),
            config.serve.storage
        ))
    })
}

/// What could be said of a bucket, and means nothing for a directory. What
/// stands in a file may be for another command.
fn refuse_bucket_settings(sources: &Sources) -> anyhow::Result<()> {
    match sources.flag_below("serve.s3.") {
        Some(name) => Err(usage(format!(
            "{name} is about buckets, and the storage is a directory"
        )))
        .hint("a bucket is named by `--storage s3://BUCKET/PREFIX`"),
        None => Ok(()),
    }
}

/// Gives the directory for parts, which has to be there.
fn scratch(
    environment: &Environment,
    config: &Config,
    sources: &Sources,
) -> anyhow::Result<PathBuf> {
    let Some(named) = &config.serve.scratch else {
        return Ok(environment.temporary_directory());
    };
    match named.is_dir() {
        true => Ok(named.clone()),
        false => Err(usage(format!(
            "{}: `{}` is no directory",
            sources.name("serve.scratch"),
            named.display()
        ))),
    }
}

fn open_bucket(
    environment: &Environment,
    config: &Config,
    sources: &Sources,
    (bucket, scratch): (Bucket, PathBuf),
) -> anyhow::Result<Object> {
    let Bucket {
        provider,
        name,
        prefix,
    } = bucket;
    // What a client of an object store encrypts with. It is one for the whole
    // program, and this is the only place that sets it.
    let _set_before = rustls::crypto::ring::default_provider().install_default();
    let opened = match provider {
        Provider::S3 => {
            let s3 = &config.serve.s3;
            Object::s3(S3Options {
                bucket: name,
                prefix,
                endpoint: s3.endpoint.clone(),
                region: s3.region.clone(),
                addressing: addressing(s3),
                credentials: credentials::choose(environment, s3, sources)?,
                encryption: encryption(s3, sources)?,
                allow_http: s3.allow_http || environment.variable("AWS_ALLOW_HTTP") == Some("true"),
                variables: environment.starting("AWS_"),
                scratch,
            })
        }
        Provider::Google => Object::gcs(GcsOptions {
            bucket: name,
            prefix,
            variables: environment.starting("GOOGLE_"),
            scratch,
        }),
        Provider::Azure => Object::azure(AzureOptions {
            container: name,
            prefix,
            variables: environment.starting("AZURE_"),
            scratch,
        }),
    };
    opened.map_err(|error| advise(error, config))
}

/// Says that the settings are to blame: nothing was asked yet.
fn advise(error: blob::Error, config: &Config) -> anyhow::Error {
    let about_region = error.to_string().contains("region");
    let error = usage_of(
        error,
        format!("can not use the bucket `{}`", config.serve.storage),
    );
    match about_region {
        true => hinted(error, "set `AWS_REGION`, or name it by `--s3-region`"),
        false => error,
    }
}

fn addressing(s3: &S3) -> S3Addressing {
    match s3.path_style {
        None => S3Addressing::Automatic,
        Some(true) => S3Addressing::Path,
        Some(false) => S3Addressing::Host,
    }
}

fn encryption(s3: &S3, sources: &Sources) -> anyhow::Result<S3Encryption> {
    match (s3.sse, &s3.kms_key) {
        (None, None) => Ok(S3Encryption::Bucket),
        (Some(Sse::S3), None) => Ok(S3Encryption::Store),
        (Some(Sse::Kms), Some(key)) => Ok(S3Encryption::Kms { key: key.clone() }),
        (Some(Sse::Kms), None) => Err(usage(format!(
            "{} is `kms`, and `serve.s3.kms-key` is not set",
            sources.name("serve.s3.sse")
        ))),
        (_, Some(_)) => Err(usage(format!(
            "{} is set, and `serve.s3.sse` is not `kms`",
            sources.name("serve.s3.kms-key")
        ))),
    }
}

/// Says whether another process has the directory.
pub(crate) fn is_busy(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref().map(blob::Error::kind);
    kind == Some(blob::ErrorKind::Busy)
}

/// Opens the storage of a registry that is there already, to work on it
/// without serving.
pub(crate) async fn store(
    environment: &Environment,
    (config, sources): (&Config, &Sources),
    busy: &str,
) -> anyhow::Result<Store> {
    let place = place(config, sources)?;
    let nothing = || {
        hinted(
            missing(format!("there is no registry's storage in `{place}`")),
            "`wharf serve --storage PLACE` makes one",
        )
    };
    // Looking does not make it.
    if let StoragePlace::Directory(root) = &place
        && !root.join(Settings::MARK.name).is_file()
    {
        return Err(nothing());
    }
    let opened = Storage::open(environment, config, sources);
    let storage = opened.map_err(|error| match is_busy(&error) {
        true => hinted(error, busy),
        false => error,
    })?;
    storage.probe(config).await?;
    let backend = storage.backend();
    if backend
        .head(&Key::top(Settings::MARK.name))
        .await?
        .is_none()
    {
        return Err(nothing());
    }
    let options = Options {
        backend,
        clock: registry::Clock::new(environment::now),
        seed: environment::random(),
        immutable: TagPatterns::default(),
        grace: config.serve.gc_grace.duration(),
    };
    Ok(Store::open(options).await?)
}

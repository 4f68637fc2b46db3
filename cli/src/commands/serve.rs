//! `wharf serve`.

mod log;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use registry::{
    Access, AccessLog, Certificate, Collection, Exposure, Hosts, Htpasswd, Limits, Policy, Random,
    Redirects, Schedule, Server, Settings, TagPatterns, Trigger,
};
use toml::Value;

use crate::arguments::Global;
use crate::config::{self, Config, FlagValue, Sources};
use crate::environment::{self, Environment};
use crate::report::{self, WithHint as _, hinted, usage};
use crate::storage::{self, Storage};

/// Serves a registry from one directory or one bucket.
///
/// Images are pushed and pulled over the OCI distribution API. When it is
/// ready, one line on standard output says where: `listening http://ADDR:PORT`.
/// Any number of servers may share a bucket; a directory has one. Garbage is
/// collected while serving, and at once on `SIGUSR1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The address and port to listen on; port 0 takes a free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    storage: storage::StorageFlags,

    /// A file of users and bcrypt hashes, as `htpasswd -B` writes it
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,

    /// What a caller without credentials may do [default: push, on loopback and without --htpasswd]
    #[arg(long, value_name = "WHAT")]
    anonymous: Option<config::Anonymous>,

    /// Another name by which it may be called where everybody on this machine may push; `*` lets any name and any web page
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow_hosts: Vec<String>,

    /// A certificate chain in PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Serve unencrypted beyond this machine, as behind a proxy that ends TLS
    #[arg(long)]
    plain_http: bool,

    /// A pattern of tags that mean one manifest for ever, as `v*`
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    immutable_tags: Vec<String>,

    /// Whether what nobody needs is removed while serving [default: on]
    #[arg(long, value_name = "SWITCH")]
    gc: Option<config::Switch>,

    /// How long after a collection the next one starts [default: 10m]
    #[arg(long, value_name = "SPAN")]
    gc_interval: Option<config::Span>,

    /// How long a blob that no manifest names is kept [default: 24h]
    #[arg(long, value_name = "SPAN")]
    gc_grace: Option<config::Span>,

    /// After what time a manifest without a tag goes [default: never]
    #[arg(long, value_name = "SPAN")]
    untagged_after: Option<config::Span>,

    /// After what time without a byte an upload is given up [default: 24h]
    #[arg(long, value_name = "SPAN")]
    upload_expiry: Option<config::Span>,

    /// Send clients to the bucket for blobs
    #[arg(long, help_heading = "Buckets")]
    redirect: bool,

    /// The most connections that are served at once; more wait [default: 4096]
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<u32>,

    /// Where `/metrics` is: `beside` the registry, `off`, or an address and port [default: beside]
    #[arg(long, value_name = "WHERE")]
    metrics: Option<config::Metrics>,

    /// Write a line into the log for each request
    #[arg(long)]
    access_log: bool,

    /// Where traces are sent by OTLP over HTTP
    #[arg(long, value_name = "URL")]
    trace_endpoint: Option<String>,

    /// Acknowledge what is not on the disk yet: a power cut loses it; for tests
    #[arg(long)]
    unsafe_no_sync: bool,

    /// How log lines look [default: human]
    #[arg(long, value_name = "FORM")]
    log: Option<config::Log>,
}

/// Serves until a signal says to stop.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let (config, sources) = config::load(environment, global.config.as_deref(), arguments.flags())?;
    let _traces = log::start(environment, global, (&config, &sources))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let storage = open(environment, &config, &sources)?;
        storage.probe(&config).await?;
        let server = Server::bind(settings(&config, &sources, &storage)?).await?;
        let stop = stop_signal()?;
        let collecting = on_signal(server.trigger())?;
        report::result(&format!("listening {}", server.url()))?;
        tokio::select! {
            () = server.run(stop) => {}
            () = collecting => {}
        }
        Ok(())
    })
}

/// Opens the storage, which may be somebody else's.
fn open(environment: &Environment, config: &Config, sources: &Sources) -> anyhow::Result<Storage> {
    if config.serve.unsafe_no_sync {
        tracing::warn!("what is acknowledged is not on the disk yet: a power cut loses it");
    }
    Storage::open(environment, config, sources).map_err(|error| match storage::is_busy(&error) {
        true => hinted(
            error,
            "one process serves a directory; stop the other one, or name another by `--storage`",
        ),
        false => error,
    })
}

impl Arguments {
    fn flags(&self) -> Vec<FlagValue> {
        let flags = [
            ("serve.listen", "--listen", text(self.listen.as_ref())),
            ("serve.htpasswd", "--htpasswd", path(self.htpasswd.as_ref())),
            ("serve.anonymous", "--anonymous", word(self.anonymous)),
            (
                "serve.allow-hosts",
                "--allow-hosts",
                list(&self.allow_hosts),
            ),
            ("serve.tls-cert", "--tls-cert", path(self.tls_cert.as_ref())),
            ("serve.tls-key", "--tls-key", path(self.tls_key.as_ref())),
            ("serve.plain-http", "--plain-http", truth(self.plain_http)),
            (
                "serve.immutable-tags",
                "--immutable-tags",
                list(&self.immutable_tags),
            ),
            ("serve.gc", "--gc", word(self.gc)),
            ("serve.gc-interval", "--gc-interval", span(self.gc_interval)),
            ("serve.gc-grace", "--gc-grace", span(self.gc_grace)),
            (
                "serve.untagged-after",
                "--untagged-after",
                span(self.untagged_after),
            ),
            (
                "serve.upload-expiry",
                "--upload-expiry",
                span(self.upload_expiry),
            ),
            ("serve.redirect", "--redirect", truth(self.redirect)),
            (
                "serve.max-connections",
                "--max-connections",
                self.max_connections
                    .map(|number| Value::Integer(i64::from(number))),
            ),
            (
                "serve.metrics",
                "--metrics",
                self.metrics
                    .and_then(|metrics| Value::try_from(metrics).ok()),
            ),
            ("serve.access-log", "--access-log", truth(self.access_log)),
            (
                "serve.trace-endpoint",
                "--trace-endpoint",
                text(self.trace_endpoint.as_ref()),
            ),
            (
                "serve.unsafe-no-sync",
                "--unsafe-no-sync",
                truth(self.unsafe_no_sync),
            ),
            ("serve.log", "--log", word(self.log)),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(key, flag, value)| Some((key, flag, value?)));
        given.chain(self.storage.flags()).collect()
    }
}

fn text(value: Option<&String>) -> Option<Value> {
    value.map(|text| Value::from(text.as_str()))
}

fn path(value: Option<&PathBuf>) -> Option<Value> {
    value.map(|path| Value::from(path.to_string_lossy().as_ref()))
}

fn truth(value: bool) -> Option<Value> {
    value.then_some(Value::Boolean(true))
}

fn list(values: &[String]) -> Option<Value> {
    (!values.is_empty()).then(|| values.to_vec().into())
}

fn span(value: Option<config::Span>) -> Option<Value> {
    value.map(|span| Value::from(span.to_string()))
}

fn word(value: Option<impl ValueEnum>) -> Option<Value> {
    let name = value?.to_possible_value()?;
    Some(Value::from(name.get_name()))
}

fn settings(config: &Config, sources: &Sources, storage: &Storage) -> anyhow::Result<Settings> {
    let serve = &config.serve;
    let listen: SocketAddr = serve.listen.parse().map_err(|_shape| {
        usage(format!(
            "{}: `{}` is not an address and port such as `127.0.0.1:5000` or `[::1]:5000`",
            sources.name("serve.listen"),
            serve.listen
        ))
    })?;
    let access = access(config, listen, sources)?;
    let certificate = certificate(config, listen)?;
    Ok(Settings {
        listen,
        backend: storage.backend(),
        hosts: hosts(config, (listen, &access, certificate.as_ref()), sources)?,
        access,
        certificate,
        immutable: immutable(config, sources)?,
        clock: registry::Clock::new(environment::now),
        random: Random::new(environment::random),
        collection: collection(config, sources)?,
        redirects: redirects(config, sources, storage)?,
        limits: limits(config, sources)?,
        metrics: match serve.metrics {
            config::Metrics::Off => Exposure::Off,
            config::Metrics::Beside => Exposure::Beside,
            config::Metrics::At(address) => Exposure::At(address),
        },
        access_log: match serve.access_log {
            true => AccessLog::On,
            false => AccessLog::Off,
        },
    })
}

/// Reads which tags stay as they are. What matches no tag is a mistake.
fn immutable(config: &Config, sources: &Sources) -> anyhow::Result<TagPatterns> {
    let patterns = &config.serve.immutable_tags;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*._-".contains(&byte);
    let wrong = |pattern: &&String| pattern.is_empty() || !pattern.bytes().all(plain);
    match patterns.iter().find(wrong) {
        Some(wrong) => Err(usage(format!(
            "{}: `{wrong}` is no pattern of tags, such as `v*`",
            sources.name("serve.immutable-tags")
        ))),
        None => Ok(TagPatterns::new(patterns.iter().cloned())),
    }
}

/// Decides what is garbage, and when it is collected.
fn collection(config: &Config, sources: &Sources) -> anyhow::Result<Collection> {
    let serve = &config.serve;
    let interval = serve.gc_interval.duration();
    if interval.is_zero() {
        return Err(usage(format!(
            "{}: collections need a time between them",
            sources.name("serve.gc-interval")
        )))
        .hint("`--gc off` leaves garbage where it is");
    }
    Ok(Collection {
        schedule: match serve.gc {
            config::Switch::On => Schedule::Every(interval),
            config::Switch::Off => Schedule::Off,
        },
        policy: policy(config),
    })
}

/// Decides what is garbage.
pub(super) fn policy(config: &Config) -> Policy {
    Policy {
        grace: config.serve.gc_grace.duration(),
        untagged_after: config.serve.untagged_after.map(config::Span::duration),
        upload_expiry: config.serve.upload_expiry.duration(),
    }
}

fn redirects(config: &Config, sources: &Sources, storage: &Storage) -> anyhow::Result<Redirects> {
    match (config.serve.redirect, storage) {
        (false, _) => Ok(Redirects::Off),
        (true, Storage::Bucket(_)) => Ok(Redirects::On),
        (true, Storage::Directory(_)) => Err(usage(format!(
            "{}: clients can not be sent to a directory",
            sources.name("serve.redirect")
        ))),
    }
}

fn limits(config: &Config, sources: &Sources) -> anyhow::Result<Limits> {
    let connections = usize::try_from(config.serve.max_connections).unwrap_or(usize::MAX);
    if connections == 0 {
        return Err(usage(format!(
            "{}: nobody could be served",
            sources.name("serve.max-connections")
        )));
    }
    Ok(Limits {
        connections,
        ..Limits::default()
    })
}

/// Decides who may do what, and refuses to serve the world by accident.
fn access(config: &Config, listen: SocketAddr, sources: &Sources) -> anyhow::Result<Access> {
    let serve = &config.serve;
    match (&serve.htpasswd, serve.anonymous) {
        (Some(_), Some(_)) => Err(usage(format!(
            "{} and {} exclude each other: anonymous pulls beside passwords are not supported yet",
            sources.name("serve.htpasswd"),
            sources.name("serve.anonymous"),
        ))),
        (Some(path), None) => {
            let text = fs_err::read_to_string(path).context("can not read the password file")?;
            let htpasswd = Htpasswd::parse(&text)
                .with_context(|| format!("can not use the password file `{}`", path.display()))?;
            Ok(Access::Passwords(htpasswd))
        }
        (None, Some(config::Anonymous::Pull)) => Ok(Access::Anonymous(registry::Anonymous::Pull)),
        (None, Some(config::Anonymous::Push)) => Ok(Access::Anonymous(registry::Anonymous::Push)),
        (None, None) if listen.ip().is_loopback() => {
            Ok(Access::Anonymous(registry::Anonymous::Push))
        }
        (None, None) => Err(usage(format!(
            "`{listen}` can be reached from other machines, and nothing says who may do what"
        )))
        .hint(
            "add `--htpasswd FILE`, or `--anonymous=pull` or `--anonymous=push` if everybody may",
        ),
    }
}

/// Decides by which names the registry may be called. A page in a browser on
/// this machine reaches loopback, and must not push there.
fn hosts(
    config: &Config,
    (listen, access, certificate): (SocketAddr, &Access, Option<&Certificate>),
    sources: &Sources,
) -> anyhow::Result<Hosts> {
    let names = &config.serve.allow_hosts;
    let wrong = |name: &&String| name.is_empty() || name.contains(['/', ':', '@', ' ']);
    if let Some(wrong) = names.iter().find(wrong) {
        return Err(usage(format!(
            "{}: `{wrong}` is not the name of a host, such as `registry.example.com` without a port",
            sources.name("serve.allow-hosts")
        )));
    }
    let open = matches!(access, Access::Anonymous(registry::Anonymous::Push));
    // Who calls by a name that the certificate lacks is told by TLS; and from
    // other machines everybody may push who finds the address.
    let guarded = open && listen.ip().is_loopback() && certificate.is_none();
    if !guarded || names.iter().any(|name| name == "*") {
        return Ok(Hosts::Any);
    }
    Ok(Hosts::Named(
        names
            .iter()
            .cloned()
            .chain(environment::machine())
            .collect(),
    ))
}

fn certificate(config: &Config, listen: SocketAddr) -> anyhow::Result<Option<Certificate>> {
    let serve = &config.serve;
    match (&serve.tls_cert, &serve.tls_key) {
        (Some(chain), Some(key)) => {
            let chain = fs_err::read(chain).context("can not read the certificate")?;
            let key = fs_err::read(key).context("can not read the private key")?;
            Ok(Some(Certificate::from_pem(&chain, &key)?))
        }
        (None, None) if listen.ip().is_loopback() || serve.plain_http => Ok(None),
        (None, None) => Err(usage(format!("`{listen}` can be reached from other machines, and nothing encrypts what is sent")))
            .hint("add `--tls-cert FILE` and `--tls-key FILE`, or `--plain-http` behind a proxy that ends TLS"),
        _ => Err(usage("`serve.tls-cert` and `serve.tls-key` belong together, and one of them is missing")),
    }
}

/// Waits for the signals by which a server is asked to stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Starts a collection each time that `SIGUSR1` asks for one, for ever.
fn on_signal(trigger: Trigger) -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::user_defined1())?;
    Ok(async move {
        while asked.recv().await.is_some() {
            trigger.fire();
        }
        std::future::pending::<()>().await;
    })
}

//! `wharf serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use blob::{Backend, Local, Sharing, Sync};
use registry::{Access, Certificate, Hosts, Htpasswd, Random, Server, Settings};
use toml::Value;

use crate::arguments::Global;
use crate::config::{self, Config, FlagValue, Sources};
use crate::environment::{self, Environment};
use crate::report::{self, WithHint as _, usage};

/// Serves a registry from one directory.
///
/// Images are pushed and pulled over the OCI distribution API. When it is
/// ready, one line on standard output says where: `listening http://ADDR:PORT`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The address and port to listen on; port 0 takes a free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,

    /// Where everything is kept [default: ./wharf-data]
    #[arg(long, value_name = "DIR")]
    storage: Option<String>,

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
    start_log(environment, global, config.serve.log)?;
    let settings = settings(&config, &sources)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::bind(settings).await?;
        let stop = stop_signal()?;
        report::result(&format!("listening {}", server.url()))?;
        server.run(stop).await;
        Ok(())
    })
}

impl Arguments {
    fn flags(&self) -> Vec<FlagValue> {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let path = |value: &Option<PathBuf>| {
            value
                .as_ref()
                .map(|path| Value::from(path.to_string_lossy().as_ref()))
        };
        let truth = |value: bool| value.then_some(Value::Boolean(true));
        let word = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| Value::from(value.get_name()))
        };
        [
            ("listen", "--listen", text(&self.listen)),
            ("storage", "--storage", text(&self.storage)),
            ("htpasswd", "--htpasswd", path(&self.htpasswd)),
            (
                "anonymous",
                "--anonymous",
                word(
                    self.anonymous
                        .and_then(|value| clap::ValueEnum::to_possible_value(&value)),
                ),
            ),
            (
                "allow-hosts",
                "--allow-hosts",
                (!self.allow_hosts.is_empty()).then(|| self.allow_hosts.clone().into()),
            ),
            ("tls-cert", "--tls-cert", path(&self.tls_cert)),
            ("tls-key", "--tls-key", path(&self.tls_key)),
            ("plain-http", "--plain-http", truth(self.plain_http)),
            (
                "unsafe-no-sync",
                "--unsafe-no-sync",
                truth(self.unsafe_no_sync),
            ),
            (
                "log",
                "--log",
                word(
                    self.log
                        .and_then(|value| clap::ValueEnum::to_possible_value(&value)),
                ),
            ),
        ]
        .into_iter()
        .filter_map(|(key, flag, value)| Some((key, flag, value?)))
        .collect()
    }
}

fn settings(config: &Config, sources: &Sources) -> anyhow::Result<Settings> {
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
        backend: backend(config, sources)?,
        hosts: hosts(config, (listen, &access, certificate.as_ref()), sources)?,
        access,
        certificate,
        clock: registry::Clock::new(environment::now),
        random: Random::new(environment::random),
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

fn backend(config: &Config, sources: &Sources) -> anyhow::Result<Arc<dyn Backend>> {
    let serve = &config.serve;
    if let Some((scheme, _)) = serve.storage.split_once("://") {
        return Err(usage(format!(
            "{}: storage by `{scheme}://` is not supported yet; name a directory",
            sources.name("serve.storage")
        )));
    }
    let sync = if serve.unsafe_no_sync {
        Sync::Never
    } else {
        Sync::Always
    };
    if sync == Sync::Never {
        tracing::warn!("what is acknowledged is not on the disk yet: a power cut loses it");
    }
    let root = Path::new(&serve.storage);
    let opened = Local::open(root, &Settings::MARK, Sharing::Exclusive, sync);
    let hint = match opened.as_ref().map_err(blob::Error::kind) {
        Err(blob::ErrorKind::Busy) => {
            "one process serves a directory; stop the other one, or name another by `--storage`"
        }
        Err(blob::ErrorKind::Unsupported) => {
            "name a directory that is empty, or that `wharf serve` made, by `--storage`"
        }
        _ => return Ok(Arc::new(opened?)),
    };
    opened
        .map(|local| Arc::new(local) as Arc<dyn Backend>)
        .hint(hint)
}

/// Starts the log, on standard error.
fn start_log(environment: &Environment, global: &Global, form: config::Log) -> anyhow::Result<()> {
    let default = if global.quiet { "error" } else { "info" };
    let filter = environment.variable("WHARF_LOG_FILTER").unwrap_or(default);
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
        usage(format!(
            "the environment variable `WHARF_LOG_FILTER`: {error}"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(environment::stderr_is_terminal() && environment.variable("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    match form {
        config::Log::Human => builder.init(),
        config::Log::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
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

//! What a client is told when it is made: who it is, whom it trusts, and how
//! each registry is reached. Plain data; nothing here acts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use oci::{RegistryHost, RepositoryName};

use crate::credentials::{Anonymous, Credentials};
use crate::error::BoxError;
use crate::roots::Roots;

/// Says everything a [`crate::Client`] has to know.
#[derive(Clone)]
pub struct Options {
    /// What is sent as `User-Agent`.
    pub user_agent: String,
    /// Who knows the credentials.
    pub credentials: Arc<dyn Credentials>,
    /// How single registries are reached; a registry without a rule is spoken
    /// to in [`HostRule::new`]'s way.
    pub hosts: Vec<HostRule>,
    /// Where content of registries may be had from besides; the rule with the
    /// longest matching namespace counts.
    pub mirrors: Vec<MirrorRule>,
    /// The proxies on the way.
    pub proxies: Proxies,
    /// The certificates that are trusted everywhere.
    pub roots: Roots,
    /// How failures that may pass are met.
    pub retries: Retries,
}

impl Options {
    /// Starts without credentials, rules, mirrors, proxies and certificates.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            credentials: Arc::new(Anonymous),
            hosts: Vec::new(),
            mirrors: Vec::new(),
            proxies: Proxies::default(),
            roots: Roots::default(),
            retries: Retries::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("user_agent", &self.user_agent)
            .field("hosts", &self.hosts)
            .field("mirrors", &self.mirrors)
            .field("proxies", &self.proxies)
            .field("roots", &self.roots)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// Says how one registry is reached.
///
/// What Docker calls an insecure registry is [`Scheme::HttpsElseHttp`] with
/// [`Verification::Skip`].
#[derive(Debug, Clone)]
pub struct HostRule {
    /// The registry, with its port where it has one.
    pub registry: RegistryHost,
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// Whether the registry has to prove who it is.
    pub verification: Verification,
    /// Certificates that are trusted for this registry besides the general
    /// ones, each in DER: of an authority, or the registry's own.
    pub certificates: Vec<Vec<u8>>,
}

impl HostRule {
    /// Starts with the rule of every registry that has none: HTTPS with a
    /// checked certificate, and for this machine itself plain HTTP where it
    /// does not speak HTTPS.
    #[must_use]
    pub fn new(registry: RegistryHost) -> Self {
        let scheme = if registry.is_loopback() {
            Scheme::HttpsElseHttp
        } else {
            Scheme::Https
        };
        Self {
            registry,
            scheme,
            verification: Verification::Full,
            certificates: Vec::new(),
        }
    }
}

/// Says whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Always.
    Https,
    /// Where the registry can do it; found out once, then remembered.
    HttpsElseHttp,
    /// Never.
    Http,
}

/// Says whether a registry has to prove by its certificate who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// It has to.
    Full,
    /// Any certificate will do: everyone on the way can read and change all,
    /// credentials included.
    Skip,
}

/// Says where content of a registry may be had from besides.
///
/// Mirrors are asked only through [`crate::Repository::mirrored`], and only
/// for reading.
#[derive(Debug, Clone)]
pub struct MirrorRule {
    /// The registry whose content it is.
    pub registry: RegistryHost,
    /// The repositories it is about: those below this one, and itself. `None`
    /// is all of them.
    pub namespace: Option<RepositoryName>,
    /// The mirrors, in the order they are asked.
    pub mirrors: Vec<Mirror>,
    /// Whether the registry itself is asked in the end.
    pub fallback: Fallback,
}

/// Names a registry that holds copies of another's content.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The registry that is asked.
    pub registry: RegistryHost,
    /// What stands before the repository's name there, as in
    /// `mirror.example/docker.io/library/busybox`.
    pub prefix: Option<RepositoryName>,
}

/// Says whether the registry itself is asked when no mirror helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It is.
    Registry,
    /// It is not: there may be no way to it.
    Never,
}

/// Names the proxies on the way, as URLs; an empty text is none.
///
/// Connections to this machine itself never go through a proxy.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: String,
    /// For HTTPS.
    pub https: String,
    /// Hosts, domains and networks that are reached directly, separated by
    /// commas.
    pub no_proxy: String,
}

/// What never goes through a proxy: this machine itself.
pub(crate) const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

impl Proxies {
    /// Finds the proxy that a URL is asked for through, without its password;
    /// `None` where the way is direct, or this is no URL.
    #[must_use]
    pub fn between(&self, url: &str) -> Option<String> {
        let matcher = Matcher::builder()
            .http(self.http.clone())
            .https(self.https.clone())
            .no(format!("{},{LOOPBACK}", self.no_proxy))
            .build();
        let proxy = matcher.intercept(&url.parse().ok()?)?;
        Some(proxy.uri().to_string())
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs of proxies often hold a password.
        f.debug_struct("Proxies")
            .field("http", &!self.http.is_empty())
            .field("https", &!self.https.is_empty())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// Says how failures that may pass are met: broken connections, 408, 429 and
/// most of 5xx.
#[derive(Debug, Clone)]
pub struct Retries {
    /// How often a request is sent in all, at least once.
    pub attempts: u32,
    /// The wait before the second attempt; each further one doubles.
    pub first: Duration,
    /// The longest wait, before the random part is taken off.
    pub longest: Duration,
    /// Where the randomness of the waits starts, so that clients that failed
    /// together do not come back together.
    pub seed: u64,
}

impl Retries {
    /// Attempts in all: enough for a registry that restarts, and a typing
    /// error in its name is reported within four seconds.
    pub const ATTEMPTS: u32 = 4;
    /// The wait before the second attempt.
    pub const FIRST: Duration = Duration::from_millis(500);
    /// The longest wait that is not asked for by the registry.
    pub const LONGEST: Duration = Duration::from_secs(20);
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: Self::ATTEMPTS,
            first: Self::FIRST,
            longest: Self::LONGEST,
            seed: 0,
        }
    }
}

/// Reports options that no client can be made of.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A proxy is no URL that can be used.
    #[error("the `{0}` proxy is no usable `http://` or `https://` URL")]
    Proxy(&'static str),
    /// A certificate of a host's rule can not be read.
    #[error("a certificate for `{registry}` can not be read")]
    Certificate {
        /// The registry that the rule is about.
        registry: RegistryHost,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The HTTP machinery refused to start.
    #[error("the HTTP client can not be set up")]
    Setup(#[source] BoxError),
}

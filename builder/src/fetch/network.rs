//! How what is elsewhere is reached. Plain data that the caller hands in, and
//! the client that is made of it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::{Proxies, Roots};
use reqwest::{NoProxy, Proxy};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, ErrorKind};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// What never goes through a proxy: this machine itself.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Where programs are looked for unless the caller says otherwise.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Says how URLs and repositories of git are reached.
#[derive(Clone)]
pub struct Network {
    /// What is sent as `User-Agent`.
    pub user_agent: String,
    /// The proxies on the way.
    pub proxies: Proxies,
    /// The certificates that are trusted.
    pub roots: Roots,
    /// Where `git`, and what it needs, is looked for: directories with colons
    /// between them, as in `PATH`.
    pub search_path: OsString,
    /// The socket of the agent that has the keys for SSH, where there is one.
    pub ssh_agent: Option<PathBuf>,
    pub(super) limits: Limits,
    pub(super) repositories: Repositories,
}

/// Says when a fetch is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How often a file is asked for before its failure is reported.
    pub(super) attempts: u32,
    /// The wait before the second attempt; each further one is twice as long.
    pub(super) first_wait: Duration,
    /// How long nothing, or next to nothing, may come.
    pub(super) stall: Duration,
    /// The size of the largest file, in bytes.
    pub(super) size: u64,
    /// The most files of a commit.
    pub(super) files: u64,
    /// The most bytes of all files of a commit.
    pub(super) bytes: u64,
    /// How long git may say nothing while it asks somebody.
    pub(super) quiet: Duration,
    /// How long one command of git that asks nobody may take.
    pub(super) local: Duration,
}

impl Limits {
    const USUAL: Self = Self {
        attempts: 4,
        first_wait: Duration::from_millis(500),
        stall: Duration::from_secs(60),
        // As large as the largest layers that registries take.
        size: 32 * 1024 * 1024 * 1024,
        // As many as an archive may have, and as large as a context may be.
        files: 2_000_000,
        bytes: 256 * 1024 * 1024 * 1024,
        // A server that packs a large repository is silent for a while.
        quiet: Duration::from_secs(5 * 60),
        local: Duration::from_secs(15 * 60),
    };
}

/// Says which repositories git may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repositories {
    /// Those that are elsewhere.
    Remote,
    /// Those in directories of this machine too, which a Dockerfile may never.
    #[cfg(test)]
    Local,
}

impl Network {
    /// Starts without proxies, certificates and agent.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            proxies: Proxies::default(),
            roots: Roots::default(),
            search_path: SEARCH_PATH.into(),
            ssh_agent: None,
            limits: Limits::USUAL,
            repositories: Repositories::Remote,
        }
    }

    /// Makes the client that asks for files.
    pub(super) fn client(&self) -> Result<reqwest::Client, Error> {
        let failed = |error: client::BoxError| {
            Error::caused(ErrorKind::Fetch, "no connection can be set up", error)
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(
            self.roots
                .get()
                .map_err(failed)?
                .iter()
                .map(|certificate| CertificateDer::from(certificate.as_slice())),
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            // Only what is handed in counts, never the environment.
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .user_agent(&self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT);
        for proxy in self.clients_proxies()? {
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| failed(error.into()))
    }

    fn clients_proxies(&self) -> Result<Vec<Proxy>, Error> {
        let direct = NoProxy::from_string(&format!("{},{LOOPBACK}", self.proxies.no_proxy));
        let mut proxies = Vec::new();
        type Make = fn(&str) -> reqwest::Result<Proxy>;
        let makes: [(&str, &String, Make); 2] = [
            ("http", &self.proxies.http, |url| Proxy::http(url)),
            ("https", &self.proxies.https, |url| Proxy::https(url)),
        ];
        for (scheme, url, make) in makes {
            if url.is_empty() {
                continue;
            }
            // The cause would show the password of the proxy.
            let proxy = make(url).map_err(|_with_its_password| {
                let message = format!("the proxy for `{scheme}` is no URL");
                Error::new(ErrorKind::Fetch, message)
            })?;
            proxies.push(proxy.no_proxy(direct.clone()));
        }
        Ok(proxies)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("user_agent", &self.user_agent)
            .field("proxies", &self.proxies)
            .field("roots", &self.roots)
            .field("search_path", &self.search_path)
            .field("ssh_agent", &self.ssh_agent)
            .finish_non_exhaustive()
    }
}

//! Building the HTTP clients: one for registries without a rule, one for each
//! registry that has its own idea of trust.

use std::collections::HashMap;
use std::time::Duration;

use oci::RegistryHost;
use reqwest::{NoProxy, Proxy};
use rustls::ClientConfig;

use super::tls;
use crate::error::BoxError;
use crate::options::{LOOPBACK, Options, OptionsError, Proxies, Verification};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// How much one stream of HTTP/2 may send ahead, in bytes. The usual 64 KiB
/// make every layer wait for the way there and back.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How much all streams of a connection may send ahead, in bytes.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Builds the client for registries without a rule, and those for the others.
pub(super) fn clients(
    options: &Options,
) -> Result<(reqwest::Client, HashMap<RegistryHost, reqwest::Client>), OptionsError> {
    let roots = &options.roots;
    let default = tls::config(roots, &[], Verification::Full)
        .map_err(OptionsError::Setup)
        .and_then(|tls| build(options, tls))?;
    let mut special = HashMap::new();
    for rule in &options.hosts {
        if rule.certificates.is_empty() && rule.verification == Verification::Full {
            continue;
        }
        let tls = tls::config(roots, &rule.certificates, rule.verification).map_err(|source| {
            OptionsError::Certificate {
                registry: rule.registry.clone(),
                source,
            }
        })?;
        let client = build(options, tls)?;
        // Of several rules for one registry the first counts.
        special.entry(rule.registry.clone()).or_insert(client);
    }
    Ok((default, special))
}

fn build(options: &Options, tls: ClientConfig) -> Result<reqwest::Client, OptionsError> {
    let mut builder = reqwest::Client::builder()
        // Only what is handed in counts, never the environment.
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        // Counted and waited for by ourselves.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW);
    for proxy in proxies(&options.proxies)? {
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| OptionsError::Setup(BoxError::from(error)))
}

fn proxies(proxies: &Proxies) -> Result<Vec<Proxy>, OptionsError> {
    let Proxies {
        http,
        https,
        no_proxy,
    } = proxies;
    let direct = NoProxy::from_string(&format!("{no_proxy},{LOOPBACK}"));
    let mut all = Vec::new();
    for (name, url) in [("http", http), ("https", https)] {
        if url.is_empty() {
            continue;
        }
        // Programs commonly take a proxy without scheme for one of HTTP.
        let url = if url.contains("://") {
            url.clone()
        } else {
            format!("http://{url}")
        };
        let usable = url::Url::parse(&url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
        let proxy = match name {
            "http" => Proxy::http(&url),
            _ => Proxy::https(&url),
        };
        let proxy = proxy.ok().filter(|_| usable);
        let proxy = proxy.ok_or(OptionsError::Proxy(name))?;
        all.push(proxy.no_proxy(direct.clone()));
    }
    Ok(all)
}

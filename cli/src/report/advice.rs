//! Hints for failures of registries: what a person can do about them. Other
//! hints are added where the failure is.

use std::error::Error as StdError;
use std::io;

use client::{ErrorKind, Proxies};
use oci::{DEFAULT_REGISTRY, RegistryHost};

use super::hinted;

/// The status of a refusal that other credentials may change.
const FORBIDDEN: u16 = 403;

/// Where the registry `docker.io` really answers.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// Adds what would help against a failure of one of these registries, which
/// are reached through these proxies. The first is the one that was named.
pub(crate) fn advise(
    error: anyhow::Error,
    registries: &[RegistryHost],
    proxies: &Proxies,
) -> anyhow::Error {
    match advice(&error, registries, proxies) {
        Some(hint) => hinted(error, hint),
        None => error,
    }
}

fn advice(error: &anyhow::Error, registries: &[RegistryHost], proxies: &Proxies) -> Option<String> {
    let failed = error.chain().find_map(|level| {
        let failed = level.downcast_ref::<client::Error>()?;
        // What was read from may be a registry too, and is the one to blame.
        (failed.kind() != ErrorKind::Source).then_some(failed)
    })?;
    let registry = blamed(failed, registries);
    let named = match &registry {
        Some(host) => format!("`{host}`"),
        None => "the registry".to_owned(),
    };
    let place = registry.as_ref().map_or("HOST", RegistryHost::as_str);
    match failed.kind() {
        ErrorKind::Denied if failed.status().is_some_and(|s| s.as_u16() == FORBIDDEN) => {
            Some(format!(
                "the credentials for {named} do not permit this; `wharf login {place}` takes others"
            ))
        }
        // Places of credentials that can not be read are said by name.
        ErrorKind::Denied if failed.status().is_none() && failed.source().is_some() => None,
        ErrorKind::Denied => Some(format!(
            "give credentials for {named}: `wharf login {place}`"
        )),
        ErrorKind::NotFound => Some(
            "check the name; `wharf list docker://HOST/REPOSITORY` lists the tags of a repository"
                .to_owned(),
        ),
        ErrorKind::Unavailable if failed.status().is_none() => unreachable(failed, &named, proxies),
        ErrorKind::Tls if caused_by::<rustls::Error>(failed, is_plain) => Some(format!(
            "{named} seems to speak plain HTTP; if it may, configure `[[registry]]` with `prefix = \"{place}\"` and `insecure = true`"
        )),
        ErrorKind::Tls if caused_by::<rustls::Error>(failed, is_untrusted) => Some(format!(
            "to trust its certificate, put it into `/etc/docker/certs.d/{place}/ca.crt`, or configure `[[registry]]` with `prefix = \"{place}\"` and `ca = \"FILE\"`"
        )),
        _ => None,
    }
}

/// Finds the registry that failed: the one that the message names, or else the
/// first.
fn blamed(failed: &client::Error, registries: &[RegistryHost]) -> Option<RegistryHost> {
    let asked = url_of(&failed.to_string()).and_then(|url| asked(&url));
    asked.or_else(|| registries.first().cloned())
}

/// Finds the registry that a URL is of (distribution-spec, "Endpoints"). Those
/// where tokens are had, and where content is kept, are of none.
fn asked(url: &str) -> Option<RegistryHost> {
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    match authority {
        _ if !path.starts_with("v2/") => None,
        DOCKER_HUB => DEFAULT_REGISTRY.parse().ok(),
        _ => authority.parse().ok(),
    }
}

/// Finds the URL that was asked for, in backticks after its method. What
/// failed before that is named later.
fn url_of(message: &str) -> Option<String> {
    let (_, asked) = message.split_once('`')?;
    let (asked, _) = asked.split_once('`')?;
    let (_, url) = asked.split_once(' ')?;
    Some(url.to_owned())
}

/// Says what to look at where no answer came: the proxy, if there is one
/// between.
fn unreachable(failed: &client::Error, named: &str, proxies: &Proxies) -> Option<String> {
    let refused = caused_by::<io::Error>(failed, is_refused);
    let url = url_of(&failed.to_string());
    if let Some(proxy) = url.and_then(|url| proxies.between(&url)) {
        let why = if refused {
            "where nothing listens"
        } else {
            "which may be to blame"
        };
        return Some(format!(
            "{named} is reached through the proxy `{proxy}`, {why}; check `https_proxy` and `http_proxy`, or add the host to `no_proxy`"
        ));
    }
    refused.then(|| format!("nothing listens there; check that {named} is running, and its port"))
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

fn is_plain(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(_))
}

fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_))
}

/// Says whether such an error is among the causes. An `io::Error` does not
/// give what it wraps as its source, so it is opened.
fn caused_by<E: StdError + 'static>(
    error: &(dyn StdError + 'static),
    wanted: fn(&E) -> bool,
) -> bool {
    let found = error.downcast_ref::<E>().is_some_and(wanted);
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .map(|wrapped| wrapped as &(dyn StdError + 'static));
    found
        || wrapped.is_some_and(|wrapped| caused_by(wrapped, wanted))
        || error.source().is_some_and(|cause| caused_by(cause, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_known_by_their_urls() {
        for (url, expected) in [
            ("https://h.test/v2/a/manifests/1", Some("h.test")),
            ("http://127.0.0.1:5000/v2/", Some("127.0.0.1:5000")),
            ("https://[::1]:5000/v2/", Some("[::1]:5000")),
            ("https://registry-1.docker.io/v2/", Some("docker.io")),
            ("https://auth.docker.io/token", None),
            ("https://cdn.test/blobs/v2/", None),
            ("https://h.test", None),
            ("h.test/v2/", None),
        ] {
            let found = asked(url);
            assert_eq!(found.as_ref().map(RegistryHost::as_str), expected, "{url}");
        }
    }
}

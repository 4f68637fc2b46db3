//! Names by which the registry may be called, and pages of browsers that may
//! not call it at all.
//!
//! Where whoever reaches this machine from within may push, a page in a
//! browser on it must not: it reaches loopback too, by sending requests there
//! outright, or by a name of its own that suddenly means `127.0.0.1` (DNS
//! rebinding). The browser tells the server both: where the page is from in
//! `Origin`, the name in `Host`. This is no authentication: other programs
//! send what they like.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::body::Body;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Request, Version};

use crate::api::{ApiError, Code};
use crate::app::App;

/// How much of a name that was sent is told back, in characters.
const EXCERPT: usize = 80;

/// Says by which names a registry may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// By any, and by pages of any origin.
    Any,
    /// By addresses, by `localhost` and what is below it, and by these names,
    /// without ports; and by no page of another origin.
    Named(Vec<String>),
}

/// Refuses requests by other names and of other origins.
pub(crate) fn guard(app: &App, request: &Request<Body>) -> Result<(), ApiError> {
    check(app.hosts(), request)
}

fn check(hosts: &Hosts, request: &Request<Body>) -> Result<(), ApiError> {
    check_host(request)?;
    let Hosts::Named(names) = hosts else {
        return Ok(());
    };
    // HTTP/2 has the name in the URI, HTTP/1.1 may have it in both places.
    let called = called(request);
    for authority in &called {
        if !is_local(authority, names) {
            return Err(ApiError::denied(&format!(
                "this registry is not called `{}`; `allow-hosts` of `wharf serve` lists the names that it may be called by",
                excerpt(authority)
            )));
        }
    }
    for origin in request.headers().get_all(ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let own = |authority: &String| is_of(&origin, authority);
        if !called.iter().any(own) {
            return Err(ApiError::denied(&format!(
                "pages of `{}` may not use this registry; `allow-hosts = [\"*\"]` of `wharf serve` lets any",
                excerpt(&origin)
            )));
        }
    }
    Ok(())
}

/// Refuses a request of HTTP/1.1 without exactly one `Host` (RFC 9112, section
/// 3.2): proxies before us may have read another one than we would.
fn check_host(request: &Request<Body>) -> Result<(), ApiError> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let message = format!("a request has one `Host`, this one has {hosts}");
        return Err(ApiError::new(400, Code::Unsupported, message));
    }
    Ok(())
}

/// Lists the names, with their ports, by which a request calls the server.
fn called(request: &Request<Body>) -> Vec<String> {
    let hosts = hosts_of(request.headers());
    let authority = request.uri().authority();
    authority
        .map(ToString::to_string)
        .into_iter()
        .chain(hosts)
        .collect()
}

fn hosts_of(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let hosts = headers.get_all(HOST).into_iter();
    hosts.map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
}

/// Says whether nobody else can have a name: an address is none, and
/// `localhost` is this machine everywhere (RFC 6761, section 6.3).
fn is_local(authority: &str, names: &[String]) -> bool {
    let Some(host) = host_of(authority) else {
        return false;
    };
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || host.parse::<Ipv4Addr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

/// Takes the port away; nothing where that is no host and port.
fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => "",
        None => return None,
    };
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty() && !host.contains('@')).then_some(host)
}

/// Says whether a page was served under this name and port.
fn is_of(origin: &str, authority: &str) -> bool {
    let own = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| own.eq_ignore_ascii_case(authority))
}

fn excerpt(text: &str) -> String {
    let cut: String = text.chars().take(EXCERPT).collect();
    cut.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_else_can_have() {
        let names = ["registry.test".to_owned()];
        for (authority, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("LocalHost.:5000", true),
            ("registry.localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("10.0.0.1", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("Registry.test:443", true),
            ("evil.test", false),
            ("evil.test:5000", false),
            ("localhost.evil.test", false),
            ("notlocalhost", false),
            ("sub.registry.test", false),
            ("127.0.0.1.evil.test", false),
            ("localhost:x", false),
            ("localhost@evil.test", false),
            ("user@localhost", false),
            ("[::1]evil.test", false),
            ("[evil.test]", false),
            ("::1", false),
            (":5000", false),
            ("", false),
        ] {
            assert_eq!(is_local(authority, &names), local, "`{authority}`");
        }
    }

    #[test]
    fn origins_have_a_port_too() {
        for (origin, own) in [
            ("http://localhost:5000", true),
            ("https://LOCALHOST:5000", true),
            ("http://localhost:3000", false),
            ("http://localhost", false),
            ("http://localhost:5000.evil.test", false),
            ("file://localhost:5000", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_of(origin, "localhost:5000"), own, "`{origin}`");
        }
    }
}

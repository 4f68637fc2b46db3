//! Ports as `EXPOSE` names them (Dockerfile reference, "EXPOSE").

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// Is some ports of one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) numbers: RangeInclusive<u16>,
    /// `tcp`, `udp` or `sctp`.
    pub(crate) protocol: String,
}

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Reads `80`, `80-90` or either with a protocol behind a slash. An address
/// and a port of the host may stand before a colon, as in `127.0.0.1:8080:80`:
/// for an image they mean nothing, and a check says so.
pub(crate) fn parse(word: &str) -> Result<Ports, Error> {
    ports(word).ok_or_else(|| {
        Error::new(ErrorKind::Step, format!("`{}` is no port", excerpt(word)))
            .with_hint("a port is as in `80`, `53/udp` or `8000-8010/tcp`")
    })
}

fn ports(word: &str) -> Option<Ports> {
    let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return None;
    }
    let ports = match ports.rsplit_once(':') {
        Some((host, ports)) => {
            let host_ports = match host.rsplit_once(':') {
                Some((address, ports)) => {
                    address.trim_matches(['[', ']']).parse::<IpAddr>().ok()?;
                    ports
                }
                None => host,
            };
            range(host_ports)?;
            ports
        }
        None => ports,
    };
    let numbers = range(ports)?;
    Some(Ports { numbers, protocol })
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_protocols() {
        for (word, numbers, protocol) in [
            ("80", 80..=80, "tcp"),
            ("53/UDP", 53..=53, "udp"),
            ("8000-8010/sctp", 8000..=8010, "sctp"),
            ("0", 0..=0, "tcp"),
            ("8080:80", 80..=80, "tcp"),
            ("127.0.0.1:8080:80/udp", 80..=80, "udp"),
            ("[::1]:8000-8001:80-81", 80..=81, "tcp"),
        ] {
            let protocol = protocol.to_owned();
            assert_eq!(parse(word).expect(word), Ports { numbers, protocol });
        }
        for word in [
            "",
            "x",
            "70000",
            "80/icmp",
            "80/",
            "9-8",
            "+80",
            "1-2-3",
            "x:80",
            "80:",
            ":80",
            "host:80:80",
        ] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}

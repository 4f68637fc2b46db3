//! Ports as `EXPOSE` names them (Dockerfile reference, "EXPOSE").

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

/// Reads `80`, `80-90` or either with a protocol behind a slash.
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
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(ports)?, number(ports)?),
    };
    (first <= last).then_some(Ports {
        numbers: first..=last,
        protocol,
    })
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
        ] {
            let protocol = protocol.to_owned();
            assert_eq!(parse(word).expect(word), Ports { numbers, protocol });
        }
        for word in ["", "x", "70000", "80/icmp", "80/", "9-8", "+80", "1-2-3"] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}

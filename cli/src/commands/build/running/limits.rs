//! How much a command may take: `--ulimit`, `--pids-limit`, `--run-timeout`.

use std::time::Duration;

use builder::Limits;

/// The resources by docker's names, with the kernel's numbers (Linux,
/// `asm-generic/resource.h`).
const RESOURCES: [(&str, u32); 16] = [
    ("cpu", 0),
    ("fsize", 1),
    ("data", 2),
    ("stack", 3),
    ("core", 4),
    ("rss", 5),
    ("nproc", 6),
    ("nofile", 7),
    ("memlock", 8),
    ("as", 9),
    ("locks", 10),
    ("sigpending", 11),
    ("msgqueue", 12),
    ("nice", 13),
    ("rtprio", 14),
    ("rttime", 15),
];

/// No limit, to the kernel.
const UNLIMITED: u64 = u64::MAX;

/// Is a limit of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resource {
    number: u32,
    soft: u64,
    hard: u64,
}

/// Gathers limits; of two for one resource the later counts.
pub(super) fn all(
    resources: &[Resource],
    processes: Option<u64>,
    time: Option<Duration>,
) -> Limits {
    let each = |one: &Resource| (one.number, (one.soft, one.hard));
    Limits {
        resources: resources.iter().map(each).collect(),
        processes,
        milliseconds: time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Reads `NAME=SOFT[:HARD]`.
pub(super) fn resource(text: &str) -> Result<Resource, String> {
    let (name, limits) = text
        .split_once('=')
        .ok_or("it is as in `nofile=1024:4096`")?;
    let Some((_, number)) = RESOURCES.into_iter().find(|(known, _)| *known == name) else {
        let names: Vec<String> = RESOURCES
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        return Err(format!("there are {}", names.join(", ")));
    };
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard) = (limit(soft)?, limit(hard)?);
    match soft > hard {
        true => Err("the first limit is the lower one".to_owned()),
        false => Ok(Resource { number, soft, hard }),
    }
}

fn limit(text: &str) -> Result<u64, String> {
    match text {
        "-1" | "unlimited" => Ok(UNLIMITED),
        text => number(text).ok_or_else(|| format!("`{text}` is no number, and not `unlimited`")),
    }
}

/// Reads digits alone.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Reads a number of processes.
pub(super) fn processes(text: &str) -> Result<u64, String> {
    let found = number(text).filter(|number| *number > 0);
    found.ok_or_else(|| "it is a number from 1".to_owned())
}

/// The units of time, from the longest, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a time as in `1h30m`: numbers with units, each shorter than the one
/// before.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it is as in `30s`, `5m` or `1h30m`".to_owned();
    let mut rest = text;
    let mut total = 0_u64;
    let mut units = &UNITS[..];
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let at = units.iter().position(|(name, _)| *name == unit);
        let at = at.ok_or_else(wrong)?;
        let (_, milliseconds) = units.get(at).ok_or_else(wrong)?;
        let part = number(digits).and_then(|number| number.checked_mul(*milliseconds));
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        units = units.get(at + 1..).unwrap_or_default();
        rest = behind;
    }
    match total {
        0 => Err(wrong()),
        total => Ok(Duration::from_millis(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_those_of_docker() {
        for (text, expected) in [
            ("nofile=1024:4096", (7, 1024, 4096)),
            ("core=0", (4, 0, 0)),
            ("core=-1", (4, UNLIMITED, UNLIMITED)),
            ("stack=8388608:unlimited", (3, 8_388_608, UNLIMITED)),
        ] {
            let (number, soft, hard) = expected;
            assert_eq!(
                resource(text),
                Ok(Resource { number, soft, hard }),
                "{text}"
            );
        }
        for text in [
            "",
            "nofile",
            "nofile=",
            "files=1",
            "nofile=2:1",
            "nofile=-1:1",
            "nofile=+1",
            "nofile=1:2:3",
            "nofile=1k",
        ] {
            assert!(resource(text).is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn the_later_limit_counts() {
        let given = ["core=1", "nofile=5", "core=2:3"].map(|text| resource(text).expect(text));
        let limits = all(&given, Some(9), Some(Duration::from_secs(2)));
        let found: Vec<_> = limits.resources.into_iter().collect();
        assert_eq!(found, [(4, (2, 3)), (7, (5, 5))]);
        assert_eq!(
            (limits.processes, limits.milliseconds),
            (Some(9), Some(2000))
        );
    }

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1m1s1ms", 61_001),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "0s",
            "s",
            "5x",
            "1m1h",
            "1s1s",
            "-1s",
            "1.5s",
            "99999999999999999h",
        ] {
            assert!(duration(text).is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn processes_are_counted_from_one() {
        assert_eq!(processes("1"), Ok(1));
        for text in ["", "0", "-1", "x"] {
            assert!(processes(text).is_err(), "accepted `{text}`");
        }
    }
}

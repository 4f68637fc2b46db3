//! What the flags of instructions say. The parser leaves only those that are
//! valid; what stands in the value of a text is not expanded.

use std::time::Duration;

use crate::ast::{Copy, Flag, Healthcheck, Run};
use crate::parse::parse_duration;
use crate::text::Text;

/// Says which network the command of a `RUN` sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// The one of the build.
    #[default]
    Default,
    /// Only itself.
    None,
    /// The one of the machine.
    Host,
}

/// Says what keeps the command of a `RUN` from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Everything that can.
    #[default]
    Sandbox,
    /// Nothing: it has all rights.
    Insecure,
}

/// Is how a `HEALTHCHECK` is done; what is not said, or said as 0, is left to
/// whoever runs the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthOptions {
    /// How much time is between two checks.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// How long after the start no failure counts.
    pub start_period: Option<Duration>,
    /// How much time is between two checks while that lasts.
    pub start_interval: Option<Duration>,
    /// How many failures in a row there must be.
    pub retries: Option<u32>,
}

impl Run {
    /// Gives the values of `--mount`, before expansion, for
    /// [`expand_mount`](crate::expand_mount).
    pub fn mounts(&self) -> impl Iterator<Item = &Text> {
        values(&self.flags, "mount")
    }

    /// Gives what `--network` says.
    #[must_use]
    pub fn network(&self) -> Network {
        match value(&self.flags, "network") {
            Some("none") => Network::None,
            Some("host") => Network::Host,
            _ => Network::Default,
        }
    }

    /// Gives what `--security` says.
    #[must_use]
    pub fn security(&self) -> Security {
        match value(&self.flags, "security") {
            Some("insecure") => Security::Insecure,
            _ => Security::Sandbox,
        }
    }
}

impl Copy {
    /// Says whether `--link` is set: what is copied does not look at what is
    /// there.
    #[must_use]
    pub fn is_link(&self) -> bool {
        switch(&self.flags, "link").unwrap_or(false)
    }

    /// Says whether `--parents` is set: sources keep their directories.
    #[must_use]
    pub fn keeps_parents(&self) -> bool {
        switch(&self.flags, "parents").unwrap_or(false)
    }

    /// Gives the patterns of `--exclude`, before expansion.
    pub fn excludes(&self) -> impl Iterator<Item = &Text> {
        values(&self.flags, "exclude")
    }

    /// Gives `--checksum`, before expansion.
    #[must_use]
    pub fn checksum(&self) -> Option<&Text> {
        values(&self.flags, "checksum").next()
    }

    /// Gives what `--unpack` says; without it local archives are unpacked, and
    /// what is fetched is not.
    #[must_use]
    pub fn unpack(&self) -> Option<bool> {
        switch(&self.flags, "unpack")
    }

    /// Gives what `--keep-git-dir` says; without it a source's own words decide.
    #[must_use]
    pub fn keep_git_dir(&self) -> Option<bool> {
        switch(&self.flags, "keep-git-dir")
    }
}

impl Healthcheck {
    /// Gives what its flags say; `NONE` has nothing.
    #[must_use]
    pub fn options(&self) -> HealthOptions {
        let Self::Command { flags, .. } = self else {
            return HealthOptions::default();
        };
        let time = |name| {
            let time = value(flags, name).and_then(parse_duration);
            time.filter(|time| !time.is_zero())
        };
        let retries = value(flags, "retries").and_then(|text| text.parse().ok());
        HealthOptions {
            interval: time("interval"),
            timeout: time("timeout"),
            start_period: time("start-period"),
            start_interval: time("start-interval"),
            retries: retries.filter(|retries| *retries != 0),
        }
    }
}

/// Gives the values of a flag in their order.
fn values<'a>(flags: &'a [Flag], name: &'static str) -> impl Iterator<Item = &'a Text> {
    let named = flags.iter().filter(move |flag| flag.name == name);
    named.filter_map(|flag| flag.value.as_ref())
}

fn value<'a>(flags: &'a [Flag], name: &'static str) -> Option<&'a str> {
    values(flags, name).next().map(Text::as_str)
}

/// Gives what a switch says, which needs no value to be set.
fn switch(flags: &[Flag], name: &'static str) -> Option<bool> {
    let flag = flags.iter().find(|flag| flag.name == name)?;
    let value = flag.value.as_ref().map(Text::as_str);
    Some(value.is_none_or(|value| value.eq_ignore_ascii_case("true")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{Instruction, Kind};
    use crate::parse;

    /// Gives what one line says below a `FROM`.
    fn kind(line: &str) -> Kind {
        let (mut file, _) = parse(format!("FROM a\n{line}\n").as_bytes());
        let Instruction { kind, .. } = file.stages.remove(0).instructions.remove(0);
        kind
    }

    fn copy(line: &str) -> Copy {
        match kind(line) {
            Kind::Copy(copy) | Kind::Add(copy) => copy,
            other => panic!("{other:?}"),
        }
    }

    fn options(flags: &str) -> HealthOptions {
        match kind(&format!("HEALTHCHECK {flags}")) {
            Kind::Healthcheck(check) => check.options(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn switches_are_on_off_or_not_given() {
        let plain = copy("COPY a b");
        assert!(!plain.is_link() && !plain.keeps_parents());
        assert_eq!((plain.unpack(), plain.keep_git_dir()), (None, None));
        let set = copy("COPY --link --parents=TRUE a b");
        assert!(set.is_link() && set.keeps_parents());
        let unset = copy("COPY --link=false --parents=False a b");
        assert!(!unset.is_link() && !unset.keeps_parents());
        let add = copy("ADD --unpack=false --keep-git-dir --checksum=sha256:$A a b");
        assert_eq!(
            (add.unpack(), add.keep_git_dir()),
            (Some(false), Some(true))
        );
        assert_eq!(add.checksum().map(Text::as_str), Some("sha256:$A"));
        assert!(plain.checksum().is_none());
    }

    #[test]
    fn every_exclude_is_given_in_its_order() {
        let copy = copy("COPY --exclude=*.md --chown=1 --exclude=$A a b");
        let excludes: Vec<&str> = copy.excludes().map(Text::as_str).collect();
        assert_eq!(excludes, ["*.md", "$A"]);
    }

    #[test]
    fn a_run_is_for_itself_unless_it_says_otherwise() {
        let run = |line: &str| match kind(line) {
            Kind::Run(run) => (run.network(), run.security(), run.mounts().count()),
            other => panic!("{other:?}"),
        };
        assert_eq!(run("RUN a"), (Network::Default, Security::Sandbox, 0));
        assert_eq!(
            run("RUN --network=none --security=insecure --mount=target=/a --mount=type=ssh a"),
            (Network::None, Security::Insecure, 2)
        );
        assert_eq!(
            run("RUN --network=host --security=sandbox a"),
            (Network::Host, Security::Sandbox, 0)
        );
    }

    #[test]
    fn times_are_read_and_zero_is_none() {
        assert_eq!(options("NONE"), HealthOptions::default());
        assert_eq!(
            options("--interval=0 --timeout=0s --retries=0 CMD a"),
            HealthOptions::default()
        );
        let all = "--interval=1m30s --timeout=1.5s --start-period=500ms --start-interval=1ms --retries=3 CMD a";
        let wanted = HealthOptions {
            interval: Some(Duration::from_secs(90)),
            timeout: Some(Duration::from_millis(1_500)),
            start_period: Some(Duration::from_millis(500)),
            start_interval: Some(Duration::from_millis(1)),
            retries: Some(3),
        };
        assert_eq!(options(all), wanted);
    }

    #[test]
    fn a_time_is_a_millisecond_or_none_at_all() {
        let largest = Duration::from_nanos(9_223_372_036_854_775_807);
        for (text, time) in [
            ("0", Some(Duration::ZERO)),
            ("-0", Some(Duration::ZERO)),
            ("+1s", Some(Duration::from_secs(1))),
            ("1h1m1s1ms1us1ns", Some(Duration::new(3_661, 1_001_001))),
            ("1000µs", Some(Duration::from_millis(1))),
            ("9223372036854775807ns", Some(largest)),
            ("9223372036854775808ns", None),
            ("999us", None),
            ("-1s", None),
            ("", None),
            ("1", None),
            ("1d", None),
            ("1 s", None),
            (".s", None),
        ] {
            assert_eq!(parse_duration(text), time, "{text}");
        }
    }
}

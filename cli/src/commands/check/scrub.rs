//! `wharf check --storage`: the storage of a registry.

use std::num::NonZeroU64;
use std::str::FromStr;

use registry::{Damage, Mode, Rate, Scrub, Scrubbed};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::{serve, wait};
use crate::config;
use crate::diagnostics::Form;
use crate::environment::Environment;
use crate::progress::{Counting, bytes};
use crate::report::{self, Exit, count, ended, say, table, usage};
use crate::storage;

/// Says what is checked of a storage, and how. Without `--storage` a
/// Dockerfile is checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Scrubbing {
    /// Heal what can be healed: write keys again that follow from others, put damaged bytes aside, have the collector look at what nobody needs
    #[arg(long, requires = "storage", help_heading = "Storage")]
    repair: bool,

    /// How many bytes are read in a second, as in 64MiB, or `unlimited`
    #[arg(
        long,
        requires = "storage",
        value_name = "BYTES",
        default_value = "64MiB",
        help_heading = "Storage"
    )]
    rate: Speed,

    #[command(flatten)]
    pub(super) storage: storage::StorageFlags,
}

/// Says how fast bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Speed(Rate);

/// The units of a speed; those with an `i` are powers of 1024.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("", 1),
];

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(Rate::Unlimited));
        }
        let wrong = || "a speed is as `64MiB`, `10000000` or `unlimited`".to_owned();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let (_, each) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_shape| wrong())?;
        let rate = number.checked_mul(*each).and_then(NonZeroU64::new);
        rate.map(|rate| Self(Rate::BytesPerSecond(rate)))
            .ok_or_else(wrong)
    }
}

/// What helps where a server has the directory.
const BUSY: &str =
    "one process has a directory; stop the server for as long as the check takes, or check a copy";

/// Checks a storage.
pub(super) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Scrubbing,
    form: Form,
) -> anyhow::Result<()> {
    if matches!(form, Form::Sarif | Form::Github) {
        return Err(usage(
            "a storage is told of by `--format human` or `--format json`",
        ));
    }
    let flags = arguments.storage.flags();
    let (config, sources) = config::load(environment, global.config.as_deref(), flags)?;
    let mode = match arguments.repair {
        true => Mode::Repair,
        false => Mode::Report,
    };
    let progress = Counting::choose(environment, global);
    let scrubbed = wait(async {
        let store = storage::store(environment, (&config, &sources), BUSY).await?;
        let policy = serve::policy(&config);
        let scrub = Scrub::new(store, &policy, mode, arguments.rate.0);
        Ok(scrub.run(&|seen| progress.note(&looked(seen))).await?)
    });
    progress.clear();
    let scrubbed = scrubbed?;
    let written = match form {
        Form::Json => json(&scrubbed)?,
        _ => human(&scrubbed),
    };
    report::result_bytes(written.as_bytes())?;
    if !global.quiet {
        say(&summary(&scrubbed));
    }
    match scrubbed.remaining {
        0 => Ok(()),
        _ => Err(ended(Exit::Failure)),
    }
}

fn json(scrubbed: &Scrubbed) -> anyhow::Result<String> {
    let findings: Vec<_> = scrubbed
        .findings
        .iter()
        .map(|finding| {
            json!({
                "key": finding.key.as_str(),
                "kind": finding.kind.as_str(),
                "what": finding.what,
                "done": finding.done.as_str(),
            })
        })
        .collect();
    let written = json!({
        "keys": scrubbed.keys,
        "blobs": scrubbed.blobs,
        "bytes": scrubbed.bytes,
        "manifests": scrubbed.manifests,
        "tags": scrubbed.tags,
        "findings": findings,
        "unlisted": scrubbed.unlisted,
        "remaining": scrubbed.remaining,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&written)?))
}

/// Lists what was found, by its kind, and nothing where that is nothing.
fn human(scrubbed: &Scrubbed) -> String {
    if scrubbed.findings.is_empty() {
        return String::new();
    }
    let of_kind = |kind| {
        let findings = scrubbed.findings.iter();
        findings.filter(move |finding| finding.kind == kind)
    };
    let rows = Damage::ALL.into_iter().flat_map(of_kind).map(|finding| {
        vec![
            finding.kind.as_str().to_owned(),
            finding.done.as_str().to_owned(),
            report::one_line(finding.key.as_str()),
            report::one_line(&finding.what),
        ]
    });
    table(&["KIND", "DONE", "KEY", "WHAT"], rows)
}

/// Tells how far a check has come.
fn looked(scrubbed: &Scrubbed) -> String {
    let found = match scrubbed.found() {
        0 => String::new(),
        found => format!(", {} found", number(found, "problem")),
    };
    format!(
        "looked at {}, read {}{found}",
        number(scrubbed.keys, "key"),
        bytes(scrubbed.bytes)
    )
}

fn summary(scrubbed: &Scrubbed) -> String {
    let mut told = format!(
        "read {} of {}, {} and {}: ",
        number(scrubbed.blobs, "blob"),
        bytes(scrubbed.bytes),
        number(scrubbed.manifests, "manifest"),
        number(scrubbed.tags, "tag"),
    );
    match (scrubbed.found(), scrubbed.remaining) {
        (0, _) => told.push_str("nothing is wrong"),
        (found, 0) => told.push_str(&format!("{} healed", number(found, "problem"))),
        (found, remaining) => {
            let found = number(found, "problem");
            told.push_str(&format!("{found} found, {remaining} of them remain"));
        }
    }
    if scrubbed.unlisted > 0 {
        told.push_str(&format!("; {} are not listed", scrubbed.unlisted));
    }
    told
}

fn number(number: u64, thing: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64MiB", Some(64 << 20)),
            ("10MB", Some(10_000_000)),
            ("0", None),
            ("", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("10mb", None),
            ("18446744073709551615GiB", None),
        ] {
            let expected = expected
                .and_then(NonZeroU64::new)
                .map(|rate| Speed(Rate::BytesPerSecond(rate)));
            assert_eq!(text.parse::<Speed>().ok(), expected, "{text}");
        }
        assert_eq!("unlimited".parse(), Ok(Speed(Rate::Unlimited)));
    }
}

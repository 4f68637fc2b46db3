//! `wharf gc`.

use registry::{Collected, Collector, Foreseen, Policy};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::commands::{serve, wait};
use crate::config::{self, Span};
use crate::environment::Environment;
use crate::progress::{Counting, bytes};
use crate::report::{self, count};
use crate::storage;

/// Removes what nobody needs from the storage of a registry.
///
/// That is what `wharf serve` does from time to time. Only what became garbage
/// since is looked at, and nothing that a manifest needs is touched. Beside a
/// bucket that is served this is safe; a directory that is served is collected
/// by its server alone, at once on `SIGUSR1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Tell what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Form,

    /// How long a blob that no manifest names is kept [default: 24h]
    #[arg(long, value_name = "SPAN")]
    gc_grace: Option<Span>,

    /// After what time a manifest without a tag goes [default: never]
    #[arg(long, value_name = "SPAN")]
    untagged_after: Option<Span>,

    /// After what time without a byte an upload is given up [default: 24h]
    #[arg(long, value_name = "SPAN")]
    upload_expiry: Option<Span>,

    #[command(flatten)]
    storage: storage::StorageFlags,
}

/// Names a form in which results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    Human,
    /// One JSON object
    Json,
}

/// What helps where a server has the directory.
const BUSY: &str = "a server that has a directory collects there by itself; `kill -USR1 PID` asks it to do so now, and without it `wharf gc` does";

/// Collects once, or looks what that would do.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let mut flags = arguments.storage.flags();
    let spans = [
        ("serve.gc-grace", "--gc-grace", arguments.gc_grace),
        (
            "serve.untagged-after",
            "--untagged-after",
            arguments.untagged_after,
        ),
        (
            "serve.upload-expiry",
            "--upload-expiry",
            arguments.upload_expiry,
        ),
    ];
    flags.extend(
        spans.into_iter().filter_map(|(key, flag, span)| {
            Some((key, flag, toml::Value::from(span?.to_string())))
        }),
    );
    let (config, sources) = config::load(environment, global.config.as_deref(), flags)?;
    let policy: Policy = serve::policy(&config);
    let progress = Counting::choose(environment, global);
    let written = wait(async {
        let store = storage::store(environment, (&config, &sources), BUSY).await?;
        let collector = Collector::new(store, policy);
        if arguments.dry_run {
            return foreseen(arguments.format, &collector.foresee().await?);
        }
        let collected = collector
            .collect(&|collected| progress.note(&going(collected)))
            .await?;
        collected_as(arguments.format, &collected)
    });
    progress.clear();
    report::result(&written?)
}

fn collected_as(form: Form, collected: &Collected) -> anyhow::Result<String> {
    match form {
        Form::Human => Ok(told("removed", collected)),
        Form::Json => Ok(serde_json::to_string_pretty(&counts(collected))?),
    }
}

fn foreseen(form: Form, foreseen: &Foreseen) -> anyhow::Result<String> {
    let keys = foreseen.keys.iter().map(ToString::to_string);
    match form {
        Form::Human => {
            let lines = keys.chain([told("would remove", &foreseen.counts)]);
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        Form::Json => {
            let mut written = counts(&foreseen.counts);
            written["dryRun"] = Value::Bool(true);
            written["keys"] = keys.collect();
            Ok(serde_json::to_string_pretty(&written)?)
        }
    }
}

fn counts(collected: &Collected) -> Value {
    json!({
        "dryRun": false,
        "entries": collected.entries,
        "rounds": collected.rounds,
        "manifests": collected.manifests,
        "links": collected.links,
        "blobs": collected.blobs,
        "bytes": collected.bytes,
        "uploads": collected.uploads,
        "kept": collected.kept,
    })
}

/// Tells how far a collection has come.
fn going(collected: &Collected) -> String {
    format!(
        "looked at {}, {}",
        number(collected.entries, "change"),
        told("removed", collected)
    )
}

/// Tells what went, in one line.
fn told(verb: &str, collected: &Collected) -> String {
    let mut parts = Vec::new();
    if collected.manifests > 0 {
        parts.push(number(collected.manifests, "manifest"));
    }
    if collected.links > 0 {
        let links = number(collected.links, "blob");
        parts.push(format!("{links} from repositories"));
    }
    if collected.blobs > 0 {
        let blobs = number(collected.blobs, "content");
        parts.push(format!("{blobs} of {}", bytes(collected.bytes)));
    }
    if collected.uploads > 0 {
        parts.push(number(collected.uploads, "upload"));
    }
    let mut told = match parts.is_empty() {
        true => format!("{verb} nothing"),
        false => format!("{verb} {}", parts.join(", ")),
    };
    if collected.kept > 0 {
        told.push_str(&format!("; {} stays for now", collected.kept));
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
    fn what_went_is_told_in_one_line() {
        let nothing = Collected::default();
        assert_eq!(told("removed", &nothing), "removed nothing");
        let some = Collected {
            entries: 9,
            rounds: 1,
            manifests: 1,
            links: 3,
            blobs: 2,
            bytes: 2048,
            uploads: 1,
            kept: 4,
        };
        assert_eq!(
            told("would remove", &some),
            "would remove 1 manifest, 3 blobs from repositories, 2 contents of 2.00 KiB, 1 upload; 4 stays for now"
        );
        assert_eq!(going(&nothing), "looked at 0 changes, removed nothing");
    }
}

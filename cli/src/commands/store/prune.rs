//! `wharf prune`.

use builder::{Prune, Pruned, Store};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::build;
use crate::environment::Environment;
use crate::progress::bytes;
use crate::report::{self, count, say};

/// Takes away what builds keep for each other and do not use just now.
///
/// Unpacked layers are unpacked again by the next build that needs them, and
/// what cache mounts had is fetched again by its commands. Images stay: `wharf
/// delete` removes their names.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Take away cache mounts too
    #[arg(short, long)]
    all: bool,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Takes away.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let directory = environment.store_directory()?;
    let what = match arguments.all {
        true => Prune::All,
        false => Prune::Layers,
    };
    let store = Store::new(directory, build::launch());
    let pruned = store.prune(what).map_err(crate::diagnostics::plain)?;
    if arguments.json {
        let written = json!({
            "layers": pruned.layers,
            "caches": pruned.caches,
            "bytes": pruned.bytes,
            "inUse": pruned.in_use,
        });
        return report::result(&serde_json::to_string_pretty(&written)?);
    }
    if !global.quiet {
        say(&told(&pruned));
    }
    Ok(())
}

fn told(pruned: &Pruned) -> String {
    let mut taken = Vec::new();
    if pruned.layers > 0 {
        taken.push(count(pruned.layers, "layer"));
    }
    if pruned.caches > 0 {
        taken.push(count(pruned.caches, "cache mount"));
    }
    let mut told = match taken.is_empty() {
        true if pruned.bytes == 0 => "nothing to take away".to_owned(),
        true => format!("took away {} of notes on contexts", bytes(pruned.bytes)),
        false => format!("took away {}: {}", taken.join(" and "), bytes(pruned.bytes)),
    };
    if pruned.in_use > 0 {
        told.push_str(&format!("; {} in use stayed", pruned.in_use));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_is_told() {
        let pruned = |layers, caches, bytes, in_use| Pruned {
            layers,
            caches,
            bytes,
            in_use,
        };
        for (pruned, expected) in [
            (pruned(0, 0, 0, 0), "nothing to take away"),
            (pruned(0, 0, 0, 2), "nothing to take away; 2 in use stayed"),
            (pruned(1, 0, 1024, 0), "took away 1 layer: 1.00 KiB"),
            (
                pruned(3, 2, 1024, 1),
                "took away 3 layers and 2 cache mounts: 1.00 KiB; 1 in use stayed",
            ),
        ] {
            assert_eq!(told(&pruned), expected);
        }
    }
}

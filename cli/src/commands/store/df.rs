//! `wharf df`.

use builder::{Store, Usage};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::build;
use crate::environment::Environment;
use crate::progress::bytes;
use crate::report::{self, count, table};

/// Tells how much builds keep for each other: unpacked layers and cache mounts.
///
/// All of it can be made again, and `wharf prune` takes it away. Images are
/// not counted: `wharf list` lists their names.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Tells.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let directory = environment.store_directory()?;
    let store = Store::new(directory.clone(), build::launch());
    let usage = store.usage().map_err(crate::diagnostics::plain)?;
    if arguments.json {
        let written = json!({
            "directory": directory,
            "layers": {
                "count": usage.layers,
                "inUse": usage.layers_in_use,
                "bytes": usage.layer_bytes,
            },
            "caches": {
                "count": usage.caches,
                "bytes": usage.cache_bytes,
            },
        });
        return report::result(&serde_json::to_string_pretty(&written)?);
    }
    report::result_bytes(rows(&usage).as_bytes())?;
    if !global.quiet {
        report::say(&format!("in `{}`", directory.display()));
        let taken = usage.layers.saturating_sub(usage.layers_in_use);
        if taken > 0 {
            let layers = count(taken, "layer");
            report::say(&format!("`wharf prune` takes away {layers}"));
        }
    }
    Ok(())
}

fn rows(usage: &Usage) -> String {
    let row = |what: &str, number: usize, in_use: String, size: u64| {
        vec![what.to_owned(), number.to_string(), in_use, bytes(size)]
    };
    let rows = [
        row(
            "layers",
            usage.layers,
            usage.layers_in_use.to_string(),
            usage.layer_bytes,
        ),
        row(
            "cache mounts",
            usage.caches,
            String::new(),
            usage.cache_bytes,
        ),
    ];
    table(&["WHAT", "NUMBER", "IN USE", "SIZE"], rows.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_stands_in_a_table() {
        let usage = Usage {
            layers: 12,
            layer_bytes: 3 << 30,
            layers_in_use: 2,
            caches: 1,
            cache_bytes: 2048,
        };
        assert_eq!(
            rows(&usage),
            "\
WHAT           NUMBER   IN USE   SIZE
layers         12       2        3.00 GiB
cache mounts   1                 2.00 KiB
"
        );
    }
}

//! `wharf version`.

use crate::report;

/// Prints the version of the program.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the version.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    if arguments.json {
        let all = serde_json::json!({
            "version": version,
            "os": os,
            "architecture": architecture,
        });
        return report::result(&all.to_string());
    }
    report::result(&format!("wharf {version} ({os}/{architecture})"))
}

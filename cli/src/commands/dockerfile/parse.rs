//! `wharf dockerfile parse`.

use std::path::PathBuf;

use builder::Severity;

use crate::diagnostics;
use crate::report::{self, Exit, ended, usage};

/// Shows how a Dockerfile is understood.
///
/// Each instruction is one line, with its lines joined and its comments left
/// out; nothing is expanded. Mistakes are told on standard error; with --json
/// they are part of the result.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The Dockerfile, or - for standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    file: PathBuf,

    /// Print the syntax tree as a JSON object, each piece with its place in the file
    #[arg(long)]
    json: bool,
}

/// Reads and prints it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let source = super::read(&arguments.file)?;
    let (file, found) = builder::parse(&source.bytes);
    let is_error = |one: &builder::Diagnostic| one.severity == Severity::Error;
    let errors = found.iter().filter(|one| is_error(one)).count();
    if arguments.json {
        let json = builder::to_json(&source.bytes, &file, &found);
        let json: serde_json::Value = serde_json::from_str(&json)?;
        report::result(&serde_json::to_string_pretty(&json)?)?;
        return match errors {
            0 => Ok(()),
            _ => Err(ended(Exit::Usage)),
        };
    }
    diagnostics::show(&source, &found);
    if errors > 0 {
        let mistakes = report::count(errors, "mistake");
        return Err(usage(format!("`{}` has {mistakes}", source.name)));
    }
    report::result_bytes(builder::to_dockerfile(&file).as_bytes())
}

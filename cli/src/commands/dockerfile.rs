//! `wharf dockerfile`: what can be done with the text of a Dockerfile alone.

mod fmt;
mod parse;

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use builder::SourceText;
use clap::Subcommand;

use crate::arguments::Global;
use crate::commands::build;
use crate::places::is_standard;
use crate::report::{WithHint as _, missing, usage};

/// Reads, shows and formats Dockerfiles.
///
/// Nothing is built, and neither a context nor a base is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Parse(parse::Arguments),
    Fmt(fmt::Arguments),
}

/// Does it.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Parse(arguments) => parse::run(arguments),
        Command::Fmt(arguments) => fmt::run(global, arguments),
    }
}

/// Reads a Dockerfile, or standard input for `-`.
fn read(path: &Path) -> anyhow::Result<SourceText> {
    if is_standard(path) {
        let bytes = build::read_stdin()?;
        let name = "-".to_owned();
        return Ok(SourceText { name, bytes });
    }
    let name = path.display().to_string();
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing(format!("there is no Dockerfile `{name}`")))
                .hint("name a file, or `-` for standard input");
        }
        Err(error) => return Err(error).context("can not open the Dockerfile"),
    };
    let limit = build::DOCKERFILE_LIMIT;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .context("can not read the Dockerfile")?;
    if bytes.len() as u64 > limit {
        let message = format!("`{name}` has more than {limit} bytes");
        return Err(usage(message)).hint("a Dockerfile is a text");
    }
    Ok(SourceText { name, bytes })
}

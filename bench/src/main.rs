//! wharf beside its peers. `registry`, and without a word: beside docker-registry and
//! nginx, the same requests to all three in one run. `builds`: beside buildah and
//! docker, the same builds by all. `steps`: what one `RUN` costs beside BuildKit's and runc's.
//! `dockerfile`: a long Dockerfile and what it takes to understand it.
//!
//! Numbers of two runs, or of two machines, must not be compared; ratios within one run
//! may. This program measures and prints. It judges nothing and keeps nothing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what it is for; progress goes to the other stream"
)]

mod arguments;
mod builds;
mod error;
mod language;
mod registry;
mod sample;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::Error;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let outcome = if words.next_if_eq("builds").is_some() {
        builds::arguments::Arguments::parse(words).and_then(|arguments| builds::run(&arguments))
    } else if words.next_if_eq("steps").is_some() {
        builds::steps::Arguments::parse(words).and_then(|arguments| builds::steps::run(&arguments))
    } else if words.next_if_eq("dockerfile").is_some() {
        language::Arguments::parse(words).and_then(|arguments| language::run(&arguments))
    } else {
        let _ = words.next_if_eq("registry");
        registry::arguments::Arguments::parse(words).and_then(|arguments| registry::run(&arguments))
    };
    match outcome {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns where files may be: beside the build, so that it is on a disk; a temporary
/// directory often is not. Without `..`, since a program may take that out of a path that
/// has links.
fn target() -> Result<PathBuf, Error> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    Ok(fs_err::canonicalize(target)?)
}

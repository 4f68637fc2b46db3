//! wharf beside docker-registry and nginx: the same requests to all three in one run,
//! round by round, and the medians as a table. With the word `builds` first, wharf beside
//! buildah: the same builds by both. With `steps` first, what one `RUN` costs beside
//! BuildKit's and runc's. With `dockerfile` first, a long Dockerfile and what
//! it takes to understand it.
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
mod connection;
mod error;
mod language;
mod load;
mod measure;
mod peer;
mod sample;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::error::Error;
use crate::measure::{Measure, Work};
use crate::peer::Peer;
use crate::sample::Sample;
use crate::table::Table;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let outcome = if words.next_if_eq("builds").is_some() {
        builds::arguments::Arguments::parse(words).and_then(|arguments| builds::run(&arguments))
    } else if words.next_if_eq("steps").is_some() {
        builds::steps::Arguments::parse(words).and_then(|arguments| builds::steps::run(&arguments))
    } else if words.next_if_eq("dockerfile").is_some() {
        language::Arguments::parse(words).and_then(|arguments| language::run(&arguments))
    } else {
        let arguments = Arguments::parse(words);
        arguments.and_then(|arguments| Ok(run(&arguments)?.to_string()))
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

fn run(arguments: &Arguments) -> Result<Table, Error> {
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target()?)?;
    let sample = Sample::make();
    let peers = Peer::start_all(directory.path(), &sample)?;
    for peer in &peers {
        sample.push(peer)?;
    }
    let mut work = Work::new(arguments.seconds);
    let mut table = Table::new(&peers);
    for round in 0..arguments.rounds {
        for measure in Measure::ALL {
            if !arguments.wants(measure.name()) {
                continue;
            }
            for turn in 0..peers.len() {
                // Whoever comes first finds the disk idle; so everybody does, in turn.
                let peer = &peers[(turn + round) % peers.len()];
                if let Some(value) = work.run(measure, peer, &sample)? {
                    eprintln!(
                        "round {}: {} of {}: {value:.1} {}",
                        round + 1,
                        measure.name(),
                        peer.name(),
                        measure.unit()
                    );
                    table.add(measure, peer, value);
                }
            }
        }
    }
    for peer in &peers {
        table.add_memory(peer, peer.memory()?);
    }
    Ok(table)
}

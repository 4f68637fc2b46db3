//! The repository's own commands: `cargo xtask check`, `ci`, `soak` and
//! `fuzz`.
//!
//! Everything that is promised about the shape of this repository is a function
//! under `checks` from data to findings, and so both a test and a command. This
//! crate imports none of the other crates: it reads their text and `cargo
//! metadata`, and runs their tests as a person would. It is no build system, and
//! nothing here is needed to build or to run wharf.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers: what it prints is what it is for"
)]

mod arguments;
mod checks;
mod ci;
mod command;
mod error;
mod exemptions;
mod finding;
mod fuzz;
mod repository;
mod soak;
mod source;

use std::process::ExitCode;

use crate::arguments::{Request, USAGE};
use crate::error::Error;
use crate::repository::Repository;

fn main() -> ExitCode {
    let outcome = Request::parse(std::env::args().skip(1)).and_then(|request| obey(&request));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn obey(request: &Request) -> Result<(), Error> {
    match request {
        Request::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Request::Check => check(),
        Request::Ci(parts) => ci::run(parts),
        Request::Soak { rounds } => soak::run(*rounds),
        Request::Fuzz { seconds } => fuzz::run(*seconds),
    }
}

/// Runs every check of the house on this checkout and prints what it finds.
fn check() -> Result<(), Error> {
    let repository = Repository::read()?;
    let findings = exemptions::settle(checks::all(&repository), exemptions::LIST);
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "{} files and {} crates checked, {} findings",
        repository.files.len(),
        repository.packages.len(),
        findings.len()
    );
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Findings(findings.len()))
    }
}

fn report(error: &Error) {
    eprintln!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        eprintln!("caused by: {inner}");
        cause = inner.source();
    }
}

//! `cargo xtask soak`: the long versions of the black-box tests. They are marked
//! `#[ignore]` and have `soak` in their names, so that no other run meets them.

use std::path::Path;

use crate::ci::{Part, released_program};
use crate::command::Task;
use crate::error::Error;

/// Builds the program as it is released and runs every long test on it.
///
/// # Errors
/// [`Error::Part`] when the build fails, else whatever ended the test runner,
/// which also fails when there is no long test at all.
pub(crate) fn run(rounds: u32) -> Result<(), Error> {
    let program = released_program()?;
    crate::ci::run(&[Part::Build, Part::S3])?;
    let store = store().run();
    task(&program, rounds).run().and(store)
}

/// Explores the larger scenes of the model of collection, and runs the store
/// under many more seeds than a test does.
fn store() -> Task {
    let arguments = [
        "nextest",
        "run",
        "--locked",
        "--package",
        "store",
        "--no-fail-fast",
        "--success-output",
        "immediate",
        "-E",
        "binary(model) or test(races::)",
    ];
    Task::new("cargo", &arguments)
        .with("WHARF_MODEL", "full")
        .with("WHARF_SEEDS", format!("0..{SEEDS}"))
}

/// The seeds of each race.
const SEEDS: u32 = 5000;

fn task(program: &Path, rounds: u32) -> Task {
    let arguments = [
        "nextest",
        "run",
        "--locked",
        "--package",
        "spec-tests",
        "--run-ignored",
        "only",
        "--no-fail-fast",
        "--success-output",
        "immediate",
        "-E",
        "test(soak)",
    ];
    Task::new("cargo", &arguments)
        .with("WHARF_BIN", program)
        .with("WHARF_SOAK", rounds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_tests_run() {
        let line = task(Path::new("/wharf"), 5).line().to_owned();
        assert!(line.contains("--run-ignored only"), "{line}");
        assert!(line.ends_with("-E test(soak)"), "{line}");
    }
}

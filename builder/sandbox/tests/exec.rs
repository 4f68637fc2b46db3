//! Real commands in a root made of busybox, in every tier that this machine
//! has. It has its own `main`, because the tests start this program again as
//! worker and keeper.
//!
//! `--cost` measures instead what it takes to run a command that does nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed, as one of `#[test]` has"
)]

#[path = "exec/bench.rs"]
mod bench;
#[path = "exec/chroot.rs"]
mod chroot;
#[path = "exec/ends.rs"]
mod ends;
#[path = "exec/mounts.rs"]
mod mounts;
#[path = "exec/programs.rs"]
mod programs;
#[path = "exec/tiers.rs"]
mod tiers;
#[path = "exec/view.rs"]
mod view;

use std::io::Write;
use std::process::ExitCode;

/// Is a test: a name, and what it does. It panics where something is wrong,
/// and says why where it can not be tried here.
type Test = (&'static str, fn() -> Outcome);

/// Says whether a test was tried.
pub(crate) enum Outcome {
    Done,
    Skipped(String),
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = sandbox::dispatch(&arguments, bench::serve) {
        return code;
    }
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let all = [
        view::TESTS,
        mounts::TESTS,
        ends::TESTS,
        chroot::TESTS,
        tiers::TESTS,
        programs::TESTS,
    ];
    let tests: Vec<Test> = all.concat();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let mut out = std::io::stdout();
    if has("--list") {
        // None of them is ignored, which is what else can be asked for.
        let shown = tests.iter().filter(|_| !has("--ignored"));
        shown.for_each(|(name, _)| writeln!(out, "{name}: test").unwrap());
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    if has("--cost") {
        bench::cost(&mut out);
        return ExitCode::SUCCESS;
    }
    let mut failed = 0_u32;
    for (name, test) in tests {
        let chosen = match has("--exact") {
            true => wanted.iter().any(|word| word.as_str() == name),
            false => wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())),
        };
        if !chosen {
            continue;
        }
        match std::panic::catch_unwind(test) {
            Ok(Outcome::Done) => writeln!(out, "test {name} ... ok").unwrap(),
            Ok(Outcome::Skipped(why)) => writeln!(out, "test {name} ... skipped: {why}").unwrap(),
            Err(_) => {
                failed += 1;
                writeln!(out, "test {name} ... FAILED").unwrap();
            }
        }
    }
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

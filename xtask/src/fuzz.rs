//! `cargo xtask fuzz`: every fuzz target for some time, from the seeds of the
//! corpora. The targets stand in `fuzz/`, outside of the workspace, since they
//! need a nightly compiler.

use crate::command::{Task, root};
use crate::error::Error;

/// The targets, and the folders of their seeds.
const TARGETS: [(&str, &str); 4] = [
    ("dockerfile_parse", "builder/dockerfile/corpus/parse"),
    ("dockerfile_expand", "builder/dockerfile/corpus/expand"),
    ("dockerfile_format", "builder/dockerfile/corpus/format"),
    ("dockerfile_ignore", "builder/dockerfile/corpus/ignore"),
];

/// Feeds each target for this many seconds.
///
/// # Errors
/// Whatever ended the first target that found something, or could not be built, and
/// [`Error::Write`] when there can be no folder for what is found.
pub(crate) fn run(seconds: u32) -> Result<(), Error> {
    for (target, seeds) in TARGETS {
        // It is no part of the checkout, and has to be there.
        let found = root().join(found(target));
        fs_err::create_dir_all(found).map_err(Error::Write)?;
        task(target, seeds, seconds).run()?;
    }
    Ok(())
}

/// Names the folder of what is found, beside the seeds.
fn found(target: &str) -> String {
    format!("fuzz/corpus/{target}")
}

fn task(target: &str, seeds: &str, seconds: u32) -> Task {
    let found = found(target);
    let time = format!("-max_total_time={seconds}");
    Task::new(
        "rustup",
        &[
            "run",
            "nightly",
            "cargo",
            "fuzz",
            "run",
            target,
            &found,
            seeds,
            "--",
            &time,
            "-dict=fuzz/dockerfile.dict",
            "-print_final_stats=1",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_fed() {
        let root = root();
        for (target, seeds) in TARGETS {
            let file = root.join(format!("fuzz/fuzz_targets/{target}.rs"));
            assert!(file.is_file(), "{target}");
            assert!(root.join(seeds).is_dir(), "{seeds}");
            let line = task(target, seeds, 7).line().to_owned();
            assert!(line.contains("-max_total_time=7"), "{line}");
        }
        let there = fs_err::read_dir(root.join("fuzz/fuzz_targets")).expect("a folder");
        assert_eq!(there.count(), TARGETS.len(), "a target is not in the list");
    }
}

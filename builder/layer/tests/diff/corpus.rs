//! One folder for each case: what was there, what is done, and what the layer
//! has to say. See `corpus/diff/README.md`.

use std::path::{Path, PathBuf};

use layer::Marks;

use crate::stage::{Overlay, Stage, has_overlays, has_owners, lines, scratch};

/// Gives the folders of the cases, in the order of their names.
fn cases() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/diff");
    let entries = fs_err::read_dir(corpus).expect("as the test made it");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("as the test made it").path())
        .collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    cases
}

/// Checks all cases, and names all that are not as they should be.
fn check(work: impl Fn(&Path, &str, &str) -> String, expected: &[&str]) {
    let mut failures = Vec::new();
    let mut count = 0;
    for case in cases() {
        let read =
            |name: &str| fs_err::read_to_string(case.join(name)).expect("as the test made it");
        let scratch = scratch();
        let found = work(scratch.path(), &read("before"), &read("commands"));
        let expected = expected.iter().map(|name| case.join(name));
        let expected = expected.clone().find(|path| path.exists());
        // A new case says what it gave, for somebody to read.
        let expected = expected.map_or_else(String::new, |path| {
            fs_err::read_to_string(path).expect("as the test made it")
        });
        count += 1;
        if found != expected {
            let name = case
                .file_name()
                .expect("as the test made it")
                .to_string_lossy()
                .into_owned();
            failures.push(format!(
                "{name}\n--- expected\n{expected}--- found\n{found}"
            ));
        }
    }
    assert!(count > 80, "only {count} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_case_in_a_directory_with_all() {
    if !has_owners() {
        return;
    }
    let work = |scratch: &Path, before: &str, commands: &str| {
        let mut stage = Stage::new(scratch.join("plain"), before);
        stage.check();
        match stage.try_run(commands) {
            Ok(diff) => {
                stage.check();
                stage.check_extracted(&scratch.join("extracted"));
                lines(&diff.changed)
            }
            Err(error) => format!("error: {error}\n"),
        }
    };
    check(work, &["expected"]);
}

#[test]
fn every_case_over_others() {
    over_others(Marks::Trusted);
}

#[test]
fn every_case_over_others_with_the_marks_of_users() {
    over_others(Marks::User);
}

fn over_others(marks: Marks) {
    if !has_overlays() {
        return;
    }
    let work = |scratch: &Path, before: &str, commands: &str| {
        let lower = Stage::new(scratch.join("lower"), before);
        match Overlay::try_run(lower, commands, marks) {
            Ok((mut overlay, diff)) => {
                overlay.check();
                overlay.check_extracted();
                lines(&diff.changed)
            }
            Err(error) => format!("error: {error}\n"),
        }
    };
    check(work, &["expected.overlay", "expected"]);
}

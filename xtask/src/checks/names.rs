//! Names that say nothing, and modules that do not say what they are.

use crate::finding::{Finding, Rule};
use crate::repository::TextFile;

/// Names under which anything could be put, and so everything would be.
const BANNED: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "service", "types", "util", "utils",
];

/// Finds files and folders of Rust with a name that says nothing, and `mod.rs`.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let path = file.path.trim_end_matches(".rs");
        for part in path.split('/') {
            if BANNED.contains(&part) {
                let message = format!("`{part}` says nothing; name it for what it holds");
                findings.push(Finding::whole(Rule::Name, &file.path, message));
            }
        }
        if path.ends_with("/mod") {
            let message = "a folder's front page is beside it: `foo.rs` and `foo/`".to_owned();
            findings.push(Finding::whole(Rule::Name, &file.path, message));
        }
    }
    findings
}

/// Finds Rust files that do not begin with a word on what they are. A file of
/// tests is described by what it tests.
pub(crate) fn check_docs(files: &[TextFile]) -> Vec<Finding> {
    let silent = files.iter().filter(|file| {
        file.path.ends_with(".rs")
            && !is_tests(&file.path)
            && !file.text.trim_start().starts_with("//!")
    });
    silent
        .map(|file| {
            let message = "must begin with a `//!` line that says what it is".to_owned();
            Finding::whole(Rule::Doc, &file.path, message)
        })
        .collect()
}

fn is_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::file;

    #[test]
    fn names_that_say_nothing_are_found() {
        for path in [
            "a/src/utils.rs",
            "a/src/api/helpers.rs",
            "a/src/common/names.rs",
            "a/tests/common/start.rs",
            "a/src/types.rs",
            "a/src/api/mod.rs",
        ] {
            assert_eq!(check(&[file(path, "")]).len(), 1, "{path}");
        }
    }

    #[test]
    fn names_that_say_something_are_fine() {
        for path in [
            "a/src/media_types.rs",
            "a/src/model.rs",
            "docs/common/readme.md",
            "a/src/commonplace.rs",
        ] {
            assert_eq!(check(&[file(path, "")]), [], "{path}");
        }
    }

    #[test]
    fn silent_files_are_found() {
        let silent = file("a/src/lib.rs", "use b;\n//! Too late.\n");
        let spoken = file("b/src/lib.rs", "//! What it is.\nuse b;\n");
        let tests = file("b/src/front/tests.rs", "use super::*;\n");
        let found = check_docs(&[silent, spoken, tests, file("c.md", "words")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "a/src/lib.rs");
    }
}

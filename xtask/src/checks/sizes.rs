//! How large things may grow. Length of functions is clippy's.

use std::collections::BTreeMap;

use crate::finding::{Finding, Rule};
use crate::repository::TextFile;
use crate::source::Source;

/// Lines of code in a file, inline tests not counted.
const FILE_LIMIT: usize = 500;
/// Lines of code in a file of tests: a list of cases reads well at length.
const TEST_FILE_LIMIT: usize = 1000;
/// Lines of code in the front page of a crate.
const LIB_LIMIT: usize = 150;
/// Modules in a folder, its front page not counted.
const FOLDER_LIMIT: usize = 16;
/// Documents that stay short enough to be read, with their limit in lines.
const DOCUMENTS: &[(&str, usize)] = &[("docs/architecture.md", 400)];

/// Finds files with too much code.
pub(crate) fn check(sources: &[Source<'_>]) -> Vec<Finding> {
    let long = sources.iter().filter_map(|source| {
        let limit = limit(source);
        let size = source.size();
        (size > limit).then(|| {
            let message = format!("{size} lines of code, at most {limit}");
            Finding::whole(Rule::Size, source.path, message)
        })
    });
    long.collect()
}

fn limit(source: &Source<'_>) -> usize {
    if source.is_test() {
        TEST_FILE_LIMIT
    } else if source.path.ends_with("src/lib.rs") {
        LIB_LIMIT
    } else {
        FILE_LIMIT
    }
}

/// Finds folders with too many modules.
pub(crate) fn check_folders(files: &[TextFile]) -> Vec<Finding> {
    let mut modules: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let Some((folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        let front = matches!(name, "lib.rs" | "main.rs" | "tests.rs");
        if name.ends_with(".rs") && !front && format!("{folder}/").contains("/src/") {
            *modules.entry(folder).or_default() += 1;
        }
    }
    let full = modules
        .into_iter()
        .filter(|(_, count)| *count > FOLDER_LIMIT);
    full.map(|(folder, count)| {
        let message = format!("{count} modules in one folder, at most {FOLDER_LIMIT}");
        Finding::whole(Rule::Size, folder, message)
    })
    .collect()
}

/// Finds documents that have grown past reading.
pub(crate) fn check_documents(files: &[TextFile]) -> Vec<Finding> {
    let long = files.iter().filter_map(|file| {
        let (_, limit) = DOCUMENTS.iter().find(|(path, _)| *path == file.path)?;
        let lines = file.text.lines().count();
        (lines > *limit).then(|| {
            let message = format!("{lines} lines, at most {limit}");
            Finding::whole(Rule::Size, &file.path, message)
        })
    });
    long.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::file;

    #[track_caller]
    fn size_of(path: &str, lines: usize, text: &str) -> usize {
        let file = file(path, &format!("//! Doc.\n{}{text}", "x();\n".repeat(lines)));
        check(&[Source::scan(&file).expect("rust")]).len()
    }

    #[test]
    fn files_stop_at_their_limit() {
        for (path, limit) in [
            ("registry/src/api.rs", 500),
            ("registry/src/lib.rs", 150),
            ("registry/src/api/tests.rs", 1000),
            ("cli/src/main.rs", 500),
        ] {
            assert_eq!(size_of(path, limit, ""), 0, "{path}");
            assert_eq!(size_of(path, limit + 1, ""), 1, "{path}");
        }
    }

    #[test]
    fn comments_and_inline_tests_do_not_count() {
        assert_eq!(size_of("a/src/b.rs", 500, "// one more\n\n"), 0);
        assert_eq!(
            size_of("a/src/b.rs", 500, "#[cfg(test)]\nmod t {\nx();\n}\n"),
            0
        );
        assert_eq!(size_of("a/src/b.rs", 500, "#[cfg(test)]\nmod t;\n"), 1);
    }

    #[test]
    fn folders_stop_at_their_limit() {
        let folder = |count: usize| -> Vec<TextFile> {
            let modules = (0..count).map(|n| file(&format!("a/src/m{n}.rs"), ""));
            let front = [file("a/src/lib.rs", ""), file("a/src/deep/n.rs", "")];
            modules.chain(front).collect()
        };
        assert_eq!(check_folders(&folder(16)), []);
        let found = check_folders(&folder(17));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "a/src");
    }

    #[test]
    fn the_architecture_stays_readable() {
        let document = |lines| [file("docs/architecture.md", &"word\n".repeat(lines))];
        assert_eq!(check_documents(&document(400)), []);
        assert_eq!(check_documents(&document(401)).len(), 1);
        assert_eq!(
            check_documents(&[file("docs/guide.md", &"a\n".repeat(500))]),
            []
        );
    }
}

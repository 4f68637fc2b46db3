//! `requirements.toml` and the tests must agree: every test that is named is there, and
//! every test of the two specifications is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

/// What a requirement may be called.
const LEVELS: &[&str] = &[
    "MUST",
    "MUST NOT",
    "REQUIRED",
    "SHOULD",
    "SHOULD NOT",
    "MAY",
    "RELIED",
    "PROMISED",
];

/// Binaries whose every test stands for a requirement.
const COVERED: &[&str] = &["distribution::", "image::"];

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirements {
    requirement: Vec<Requirement>,
}

/// One requirement, with its tests or its reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    section: String,
    level: String,
    text: String,
    #[serde(default)]
    tests: Vec<String>,
    reason: Option<String>,
}

fn requirements() -> Vec<Requirement> {
    let text = include_str!("../requirements.toml");
    let file: Requirements = toml::from_str(text).expect("the file can be read");
    file.requirement
}

/// Finds every test of the sources by the name that the runner gives it, with its binary
/// in front.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = BTreeSet::new();
    let mut open = vec![(root, String::new())];
    while let Some((folder, module)) = open.pop() {
        for entry in fs_err::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = match (module.as_str(), stem(&path).as_str()) {
                ("", name) => name.to_owned(),
                (module, "main") => module.to_owned(),
                (module, name) => format!("{module}::{name}"),
            };
            if path.is_dir() {
                open.push((path, name));
            } else {
                found.extend(tests_in(&path, &name));
            }
        }
    }
    found
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// Finds the functions behind `#[test]` in one file.
fn tests_in(path: &Path, module: &str) -> Vec<String> {
    let text = fs_err::read_to_string(path).expect("a source");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut names = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        if *line != "#[test]" {
            continue;
        }
        let function = lines[place..]
            .iter()
            .find_map(|line| line.strip_prefix("fn "));
        let name = function.and_then(|rest| rest.split('(').next());
        names.push(format!("{module}::{}", name.expect("a function")));
    }
    names
}

#[test]
fn each_is_complete_and_says_one_thing() {
    let mut ids = BTreeSet::new();
    for requirement in requirements() {
        let Requirement {
            id,
            section,
            level,
            text,
            tests,
            reason,
        } = requirement;
        assert!(ids.insert(id.clone()), "`{id}` is there twice");
        assert!(
            !section.is_empty() && text.ends_with('.'),
            "`{id}` is not said"
        );
        assert!(
            LEVELS.contains(&level.as_str()),
            "`{id}`: `{level}` is no level"
        );
        assert!(
            tests.is_empty() != reason.is_none(),
            "`{id}` needs tests or a reason, not both"
        );
        assert!(
            reason.is_none_or(|reason| reason.len() > 10),
            "`{id}`: no reason"
        );
        let once: BTreeSet<&String> = tests.iter().collect();
        assert_eq!(once.len(), tests.len(), "`{id}` names a test twice");
    }
    assert!(ids.len() > 100, "{} requirements", ids.len());
}

#[test]
fn every_named_test_is_there() {
    let there = tests();
    let mut missing = Vec::new();
    for requirement in requirements() {
        let named = requirement
            .tests
            .into_iter()
            .filter(|test| !there.contains(test));
        missing.extend(named.map(|test| format!("{}: {test}", requirement.id)));
    }
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn every_test_of_a_specification_is_named() {
    let named: BTreeSet<String> = requirements()
        .into_iter()
        .flat_map(|one| one.tests)
        .collect();
    let unnamed: Vec<String> = tests()
        .into_iter()
        .filter(|test| COVERED.iter().any(|binary| test.starts_with(binary)))
        .filter(|test| !named.contains(test))
        .collect();
    assert!(
        unnamed.is_empty(),
        "tests without a requirement:\n{}",
        unnamed.join("\n")
    );
}

#[test]
fn the_sums() {
    let mut sums: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for requirement in requirements() {
        let (tested, reasoned) = sums.entry(requirement.level).or_default();
        if requirement.tests.is_empty() {
            *reasoned += 1;
        } else {
            *tested += 1;
        }
    }
    for (level, (tested, reasoned)) in &sums {
        println!("{level:<12}{tested:>4} tested {reasoned:>4} with a reason");
    }
    let untested = sums["PROMISED"].1 + sums["RELIED"].1;
    assert_eq!(untested, 0, "what wharf promises has its test");
}

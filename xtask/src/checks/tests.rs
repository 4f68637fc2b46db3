//! The checks on this very checkout: one test for each rule, so that a breach
//! shows under the name of the rule that was broken.

use crate::checks::all;
use crate::exemptions::{LIST, settle};
use crate::finding::Rule;
use crate::repository::{Dependency, Package, Purpose, Repository, TextFile};

/// A made-up file.
pub(super) fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// A made-up crate that depends on others.
pub(super) fn package(name: &str, dependencies: &[(&str, Purpose)]) -> Package {
    let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
        name: (*name).to_owned(),
        kind: *kind,
    });
    Package {
        name: name.to_owned(),
        dependencies: dependencies.collect(),
    }
}

#[track_caller]
fn holds(rules: &[Rule]) {
    let repository = Repository::read().expect("git and cargo are here");
    let breaches: Vec<String> = settle(all(&repository), LIST)
        .iter()
        .filter(|finding| rules.contains(&finding.rule))
        .map(ToString::to_string)
        .collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn no_new_edge_between_our_crates() {
    holds(&[Rule::Edge]);
}

#[test]
fn external_crates_stay_with_their_importers() {
    holds(&[Rule::Import, Rule::Lints]);
}

#[test]
fn files_and_folders_keep_their_size() {
    holds(&[Rule::Size]);
}

#[test]
fn files_are_named_for_what_they_hold() {
    holds(&[Rule::Name, Rule::Doc]);
}

#[test]
fn tasks_clock_and_environment_stay_where_they_belong() {
    holds(&[Rule::Call]);
}

#[test]
fn nothing_names_the_place_where_it_was_written() {
    holds(&[Rule::Place]);
}

#[test]
fn every_exemption_is_needed() {
    holds(&[Rule::Exemption]);
}

#[test]
fn all_runs_every_check() {
    let repository = Repository {
        files: vec![
            file("x/src/lib.rs", "unsafe {}\n"),
            file("x/src/utils.rs", "//! Doc.\n"),
            file("x/Cargo.toml", "[package]\n"),
            file(
                "x/src/long.rs",
                &format!("//! Doc.\n{}", "x;\n".repeat(501)),
            ),
            file("notes.md", concat!("/ro", "ot/.rustup/x")),
        ],
        packages: vec![package(
            "oci",
            &[("blob", Purpose::Code), ("tokio", Purpose::Code)],
        )],
    };
    let found: Vec<Rule> = all(&repository)
        .iter()
        .map(|finding| finding.rule)
        .collect();
    let rules = [
        Rule::Edge,
        Rule::Import,
        Rule::Lints,
        Rule::Size,
        Rule::Name,
        Rule::Doc,
        Rule::Call,
        Rule::Place,
    ];
    for rule in rules {
        assert!(found.contains(&rule), "{rule:?} was not found in {found:?}");
    }
}

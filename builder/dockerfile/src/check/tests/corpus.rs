//! Every folder of `corpus/check` is one case: a `Dockerfile`, and what is
//! `expected` to be said of it. A `.dockerignore` is the ignore file of its
//! context. A file `facts` says in each line what is known from outside:
//!
//! ```text
//! target PLATFORM
//! argument NAME=VALUE
//! base STAGE platform PLATFORM
//! base STAGE directory PATH
//! base STAGE variables NAME...
//! families dockerfile
//! ```
//!
//! With `WHARF_UPDATE_CORPUS=1` in the environment what is found is written in
//! place of what is expected, to be read before it is kept.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::{BaseFacts, Diagnostic, Facts, Families, Ignore, RULES, Severity, Span, check, parse};

/// Is one case.
pub(super) struct Case {
    pub(super) name: String,
    folder: PathBuf,
    pub(super) source: Vec<u8>,
    ignore: Option<Ignore>,
    facts: String,
}

impl Case {
    fn facts(&self) -> Facts<'_> {
        let mut facts = Facts {
            ignore: self.ignore.as_ref(),
            ..Facts::default()
        };
        for line in self.facts.lines() {
            let (key, value) = line.split_once(' ').unwrap();
            match key {
                "target" => facts.target_platform = value.to_owned(),
                "argument" => {
                    let (name, value) = value.split_once('=').unwrap();
                    facts.arguments.insert(name.to_owned(), value.to_owned());
                }
                "families" => facts.families = Families::Dockerfile,
                "base" => base(value, &mut facts),
                other => panic!("{}: {other}", self.name),
            }
        }
        facts
    }

    /// Gives what is said of it.
    pub(super) fn check(&self) -> Vec<Diagnostic> {
        let (file, parsed) = parse(&self.source);
        check(&file, &self.source, parsed, &self.facts())
    }
}

fn base(line: &str, facts: &mut Facts<'_>) {
    let mut words = line.split(' ');
    let stage = words.next().unwrap().parse().unwrap();
    let base = facts.bases.entry(stage).or_insert_with(|| BaseFacts {
        working_directory: "/".to_owned(),
        ..BaseFacts::default()
    });
    match words.next().unwrap() {
        "platform" => base.platform = words.next().unwrap().to_owned(),
        "directory" => base.working_directory = words.next().unwrap().to_owned(),
        "variables" => base.variables = words.map(str::to_owned).collect(),
        other => panic!("{other}"),
    }
}

/// Reads all cases, in the order of their names.
pub(super) fn cases() -> Vec<Case> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/check");
    let entries = fs_err::read_dir(corpus).unwrap();
    let mut cases: Vec<Case> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let folder = entry.path();
            let ignore = fs_err::read(folder.join(".dockerignore")).ok();
            Case {
                name: entry.file_name().into_string().unwrap(),
                source: fs_err::read(folder.join("Dockerfile")).unwrap(),
                ignore: ignore.map(|bytes| Ignore::parse(&bytes).0),
                facts: fs_err::read_to_string(folder.join("facts")).unwrap_or_default(),
                folder,
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn render(source: &[u8], said: &[Diagnostic]) -> String {
    let mut page = String::new();
    for Diagnostic {
        severity,
        code,
        message,
        span,
        hint,
    } in said
    {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Span { start, end } = *span;
        let (start, end) = (place(source, start), place(source, end));
        writeln!(page, "{start}-{end} {severity} {code} {message}").unwrap();
        writeln!(page, "  hint: {}", hint.as_deref().unwrap_or("-")).unwrap();
    }
    page
}

fn place(source: &[u8], at: usize) -> String {
    let before = String::from_utf8_lossy(&source[..at]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    format!("{line}:{column}")
}

#[test]
fn each_case_says_what_is_expected() {
    #[expect(clippy::disallowed_methods, reason = "the tests' only switch")]
    let update = std::env::var_os("WHARF_UPDATE_CORPUS").is_some();
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found = render(&case.source, &case.check());
        let expected = case.folder.join("expected");
        if update {
            fs_err::write(&expected, &found).unwrap();
        } else if fs_err::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {}\n{found}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A folder is named after a rule in lower case, and either what is wrong or
/// `silent` and why nothing is.
#[test]
fn each_rule_speaks_and_is_silent() {
    let cases = cases();
    for rule in RULES {
        let prefix = format!("{}-", rule.name.to_ascii_lowercase());
        let silent = format!("{prefix}silent");
        let own: Vec<&Case> = cases
            .iter()
            .filter(|case| case.name.starts_with(&prefix))
            .collect();
        let (quiet, loud): (Vec<&Case>, Vec<&Case>) = own
            .into_iter()
            .partition(|case| case.name.starts_with(&silent));
        assert!(!quiet.is_empty() && !loud.is_empty(), "{prefix}");
        let speaks = |case: &Case| case.check().iter().any(|said| said.code == rule.name);
        for case in quiet {
            assert!(!speaks(case), "{}", case.name);
        }
        for case in loud {
            assert!(speaks(case), "{}", case.name);
        }
    }
}

#[test]
fn each_finding_says_what_would_be_right() {
    for case in cases() {
        for said in case.check() {
            assert!(said.hint.is_some(), "{}: {said}", case.name);
            let first = said.message.chars().next().unwrap();
            assert!(!first.is_uppercase(), "{said}");
            assert!(!said.message.ends_with('.'), "{said}");
            assert!(!said.message.contains('\n'), "{said}");
        }
    }
}

#[test]
fn the_page_lists_the_rules() {
    let page = include_str!("../../../../../docs/reference/checks.md");
    let titles: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(titles, names);
    for rule in RULES {
        let title = format!("### {}\n", rule.name);
        let section = page.split(&title).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let section = section.split("\n### ").next().unwrap();
        assert!(section.contains(rule.summary), "{}", rule.name);
        assert!(
            section.matches("```dockerfile").count() >= 2,
            "{}",
            rule.name
        );
        assert!(rule.document().ends_with(&rule.name.to_ascii_lowercase()));
    }
}

/// What stands in the page as a bad example is found, and what stands there as
/// a good one is not.
#[test]
fn the_examples_of_the_page_are_what_it_says() {
    let page = include_str!("../../../../../docs/reference/checks.md");
    for rule in RULES {
        let title = format!("### {}\n", rule.name);
        let section = page.split(&title).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        let examples = section.split("```dockerfile\n").skip(1);
        let examples = examples.map(|rest| rest.split("```").next().unwrap());
        let (ignore, _) = Ignore::parse(b"*.md\n");
        for (number, example) in examples.enumerate() {
            let bytes = example.as_bytes();
            let (file, parsed) = parse(bytes);
            let base = BaseFacts {
                platform: "linux/arm64".to_owned(),
                ..BaseFacts::default()
            };
            let foreign = rule.name == "InvalidBaseImagePlatform" && number == 0;
            let facts = Facts {
                ignore: Some(&ignore),
                bases: foreign.then_some((0, base)).into_iter().collect(),
                target_platform: "linux/amd64".to_owned(),
                ..Facts::default()
            };
            let said = check(&file, bytes, parsed, &facts);
            let found = said.iter().any(|said| said.code == rule.name);
            assert_eq!(found, number == 0, "{}\n{example}", rule.name);
        }
    }
}

/// The files of `corpus/styles` are written as users write theirs.
#[test]
fn files_of_many_styles_are_only_told_to_pin_their_images() {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/styles");
    let mut count = 0;
    for entry in fs_err::read_dir(styles).unwrap() {
        let source = fs_err::read(entry.unwrap().path().join("Dockerfile")).unwrap();
        let (file, parsed) = parse(&source);
        let facts = Facts {
            target_platform: "linux/amd64".to_owned(),
            ..Facts::default()
        };
        for said in check(&file, &source, parsed, &facts) {
            let is_pin = matches!(said.code, "UnpinnedBase" | "LatestTag");
            assert!(is_pin, "{}", render(&source, &[said]));
        }
        count += 1;
    }
    assert!(count >= 30, "{count} files");
}

//! Each row of `corpus/expand/cases.tsv` is one case; how they are written
//! stands at its top. With `WHARF_UPDATE_CORPUS=1` in the environment what is
//! found is written in place of what is expected, to be read before it is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Escape, ExpandError, Expanded, expand_heredoc, expand_word, expand_words};

/// Is one row of the table.
#[derive(Debug)]
pub(super) struct Case {
    mode: String,
    pub(super) text: String,
    written: String,
    pub(super) variables: BTreeMap<String, String>,
    expected: String,
}

impl Case {
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [mode, text, written, expected] = columns.as_slice() else {
            panic!("{} columns in {line:?}", columns.len());
        };
        let pairs = written.split(';').filter(|pair| !pair.is_empty());
        let variables = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), hidden(value))
        });
        Self {
            mode: (*mode).to_owned(),
            text: hidden(text),
            variables: variables.collect(),
            written: (*written).to_owned(),
            expected: (*expected).to_owned(),
        }
    }

    pub(super) fn escape(&self) -> Escape {
        if self.mode.ends_with('`') {
            Escape::Backtick
        } else {
            Escape::Backslash
        }
    }

    pub(super) fn word(&self) -> Result<Expanded, ExpandError> {
        expand_word(&self.text, self.escape(), &self.variables)
    }

    fn found(&self) -> String {
        let found = match self.mode.trim_end_matches('`') {
            "word" => self.word().map(|expanded| expansion(&expanded)),
            "heredoc" => expand_heredoc(&self.text, self.escape(), &self.variables)
                .map(|expanded| expansion(&expanded)),
            "words" => expand_words(&self.text, self.escape(), &self.variables).map(|words| {
                words
                    .iter()
                    .fold("=".to_owned(), |all, word| format!("{all}[{word}]"))
            }),
            other => panic!("nothing is expanded as `{other}`"),
        };
        shown(&found.unwrap_or_else(|error| {
            format!("error {}..{} {error}", error.range.start, error.range.end)
        }))
    }
}

fn expansion(expanded: &Expanded) -> String {
    let mut shown = format!("={}", expanded.value);
    if !expanded.unset.is_empty() {
        shown.push_str(" unset ");
        shown.push_str(&expanded.unset.join(" "));
    }
    shown
}

fn shown(text: &str) -> String {
    text.replace('\n', "⏎").replace('\t', "⇥")
}

fn hidden(text: &str) -> String {
    text.replace('⏎', "\n").replace('⇥', "\t")
}

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/expand/cases.tsv")
}

/// Reads all cases.
pub(super) fn cases() -> Vec<Case> {
    let table = fs_err::read_to_string(table()).unwrap();
    table
        .lines()
        .filter(|line| line.contains('\t'))
        .map(Case::parse)
        .collect()
}

#[test]
fn each_case_becomes_what_is_expected() {
    #[expect(clippy::disallowed_methods, reason = "the tests' only switch")]
    let update = std::env::var_os("WHARF_UPDATE_CORPUS").is_some();
    let before = fs_err::read_to_string(table()).unwrap();
    let mut after = String::new();
    let mut wrong = Vec::new();
    for line in before.lines() {
        if line.contains('\t') {
            let case = Case::parse(line);
            let found = case.found();
            if found != case.expected {
                wrong.push(format!("{line}\n  found {found}"));
            }
            let columns = [&case.mode, &shown(&case.text), &case.written, &found];
            after.push_str(&columns.map(String::as_str).join("\t"));
        } else {
            after.push_str(line);
        }
        after.push('\n');
    }
    if update {
        fs_err::write(table(), after).unwrap();
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn there_are_cases_for_everything() {
    let cases = cases();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    for mode in ["word", "word`", "words", "words`", "heredoc", "heredoc`"] {
        assert!(cases.iter().any(|case| case.mode == mode), "{mode}");
    }
}

#[test]
fn each_error_says_where_and_what_would_be_right() {
    let mut count = 0;
    for case in cases() {
        let Err(error) = case.word() else { continue };
        count += 1;
        let message = error.to_string();
        assert!(error.hint.is_some(), "{message}");
        assert!(
            case.text
                .get(error.range.clone())
                .is_some_and(|part| !part.is_empty()),
            "{error:?}"
        );
        assert!(
            !message.contains('\n') && !message.ends_with('.'),
            "{message}"
        );
    }
    assert!(count > 40, "{count}");
}

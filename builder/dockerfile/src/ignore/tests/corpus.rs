//! Every folder of `corpus/ignore` is one case: a `.dockerignore`, and what is
//! `expected` of it: paths with what becomes of each, and then what is said
//! about the file. Bytes of paths that are no plain ASCII are written as `\xff`.
//! A file `repeat` says how often the `.dockerignore` is put behind itself
//! first. With `WHARF_UPDATE_CORPUS=1` in the environment what is found is
//! written in place of what is expected, to be read before it is kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::{Diagnostic, Ignore, Severity};

/// Is how many diagnostics are expected of a file.
const SHOWN: usize = 20;

/// Is one case.
pub(super) struct Case {
    pub(super) name: String,
    folder: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) paths: Vec<Vec<u8>>,
    expected: String,
}

/// Reads all cases, in the order of their names.
pub(super) fn cases() -> Vec<Case> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/ignore");
    let entries = fs_err::read_dir(corpus).unwrap();
    let mut cases: Vec<Case> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let folder = entry.path();
            let mut bytes = fs_err::read(folder.join(".dockerignore")).unwrap();
            if let Ok(count) = fs_err::read_to_string(folder.join("repeat")) {
                bytes = bytes.repeat(count.trim().parse().unwrap());
            }
            let expected = fs_err::read_to_string(folder.join("expected")).unwrap();
            let lines = expected.lines().filter_map(|line| line.rsplit_once(" -> "));
            Case {
                name: entry.file_name().into_string().unwrap(),
                folder,
                bytes,
                paths: lines.map(|(path, _)| plain(path)).collect(),
                expected,
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Gives the bytes of a path that was written with escapes.
fn plain(written: &str) -> Vec<u8> {
    let mut path = Vec::new();
    let mut bytes = written.bytes();
    while let Some(byte) = bytes.next() {
        path.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next().unwrap() {
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b'n' => b'\n',
                b't' => b'\t',
                escaped => escaped,
            },
            (byte, false) => byte,
        });
    }
    path
}

fn found(case: &Case) -> String {
    let (ignore, diagnostics) = Ignore::parse(&case.bytes);
    let mut found = String::new();
    for path in &case.paths {
        let verdict = if ignore.matches(path) {
            "excluded"
        } else {
            "kept"
        };
        writeln!(found, "{} -> {verdict}", path.escape_ascii()).unwrap();
    }
    if !diagnostics.is_empty() {
        found.push('\n');
    }
    for said in diagnostics.iter().take(SHOWN) {
        let Diagnostic {
            code,
            message,
            span,
            ..
        } = said;
        let severity = match said.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (start, end) = (place(&case.bytes, span.start), place(&case.bytes, span.end));
        writeln!(found, "{start}-{end} {severity} {code} {message}").unwrap();
    }
    found
}

/// Gives a place as line and column, both in bytes from 1.
fn place(bytes: &[u8], offset: usize) -> String {
    let before = &bytes[..offset];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    format!("{line}:{}", offset - start + 1)
}

#[test]
fn each_case_says_what_is_expected() {
    #[expect(clippy::disallowed_methods, reason = "the tests' only switch")]
    let update = std::env::var_os("WHARF_UPDATE_CORPUS").is_some();
    let cases = cases();
    assert!(cases.len() >= 65, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let found = found(case);
        if update {
            fs_err::write(case.folder.join("expected"), &found).unwrap();
        } else if case.expected != found {
            wrong.push(format!("--- {}\n{found}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_case_has_paths_and_each_verdict_occurs() {
    let cases = cases();
    let count: usize = cases.iter().map(|case| case.paths.len()).sum();
    assert!(count >= 300, "{count} paths");
    let kept = cases
        .iter()
        .map(|case| case.expected.matches(" -> kept").count())
        .sum::<usize>();
    assert!(kept > 80 && count - kept > 80, "{kept} of {count} kept");
}

#[test]
fn each_code_occurs() {
    let codes: Vec<&str> = include_str!("../../ignore.rs")
        .lines()
        .filter(|line| line.contains(": &str = "))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert_eq!(codes.len(), 8);
    let said: Vec<Diagnostic> = cases()
        .iter()
        .flat_map(|case| Ignore::parse(&case.bytes).1)
        .collect();
    let reference = include_str!("../../../../../docs/reference/dockerfile.md");
    for code in &codes {
        assert!(
            said.iter().any(|said| said.code == *code),
            "no case says `{code}`"
        );
        assert!(reference.contains(&format!("\n| `{code}` |")), "{code}");
    }
    assert!(said.iter().all(|said| codes.contains(&said.code)));
}

#[test]
fn each_diagnostic_says_what_would_be_right() {
    for case in cases() {
        for said in Ignore::parse(&case.bytes).1 {
            assert!(said.hint.is_some(), "{}: {said}", case.name);
            assert!(
                !said.message.ends_with('.') && !said.message.contains('\n'),
                "{said}"
            );
            assert!(
                said.span.end <= case.bytes.len() && said.span.start < said.span.end,
                "{said}"
            );
        }
    }
}

//! Every folder of `corpus/parse` is one case: a `Dockerfile`, and what is
//! `expected` of it. A file `repeat` says how often the `Dockerfile` is put
//! behind itself first. With `WHARF_UPDATE_CORPUS=1` in the environment what is
//! found is written in place of what is expected, to be read before it is kept.

use std::path::{Path, PathBuf};

use crate::parse::tests::render::render;
use crate::{Diagnostic, Dockerfile, parse};

/// Is how many diagnostics are expected of a repeated file.
const REPEATED_SHOWN: usize = 2;

/// Is one case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// It is one small piece many times: only the end of what is said about
    /// it is expected.
    repeated: bool,
}

/// Reads all cases, in the order of their names.
pub(crate) fn cases() -> Vec<Case> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/parse");
    let mut cases: Vec<Case> = fs_err::read_dir(corpus)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let folder = entry.path();
            let mut bytes = fs_err::read(folder.join("Dockerfile")).unwrap();
            let repeat = fs_err::read_to_string(folder.join("repeat"));
            if let Ok(count) = &repeat {
                bytes = bytes.repeat(count.trim().parse().unwrap());
            }
            Case {
                name: entry.file_name().into_string().unwrap(),
                folder,
                bytes,
                repeated: repeat.is_ok(),
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

#[test]
fn each_case_says_what_is_expected() {
    #[expect(clippy::disallowed_methods, reason = "the tests' only switch")]
    let update = std::env::var_os("WHARF_UPDATE_CORPUS").is_some();
    let cases = cases();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (mut file, mut diagnostics) = parse(&case.bytes);
        if case.repeated {
            file = Dockerfile::default();
            diagnostics.drain(..diagnostics.len().saturating_sub(REPEATED_SHOWN));
        }
        let found = render(&case.bytes, &file, &diagnostics);
        let expected = case.folder.join("expected");
        if update {
            fs_err::write(&expected, &found).unwrap();
        } else if fs_err::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {}\n{found}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_code_occurs() {
    let codes = include_str!("../code.rs")
        .lines()
        .filter_map(|line| line.split('"').nth(1));
    let codes: Vec<&str> = codes.collect();
    assert!(codes.len() > 30);
    let said: Vec<Diagnostic> = cases()
        .iter()
        .flat_map(|case| parse(&case.bytes).1)
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
fn each_error_says_what_would_be_right() {
    for case in cases() {
        for said in parse(&case.bytes).1 {
            assert!(said.hint.is_some(), "{}: {said}", case.name);
            let first = said.message.chars().next().unwrap();
            assert!(
                !first.is_uppercase() && !said.message.ends_with('.'),
                "{said}"
            );
            assert!(!said.message.contains('\n'), "{said}");
        }
    }
}

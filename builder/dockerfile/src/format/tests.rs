//! Every folder of `corpus/format` is one case: a `Dockerfile`, and what it is
//! written as. `WHARF_UPDATE_CORPUS=1` in the environment has what is found
//! written in place of what is expected, to be read before it is kept.

use std::path::Path;

use proptest::prelude::*;

use crate::ast::{Command, Dockerfile, Instruction, Kind, Pair};
use crate::format::meaning::same_value;
use crate::parse::tests::corpus::cases;
use crate::parse::tests::properties::valid_file;
use crate::parse::tests::render::render_plain;
use crate::{Severity, format, parse};

/// Is the least number of cases.
const MIN_CASES: usize = 30;

fn is_valid(text: &str) -> bool {
    let (_, said) = parse(text.as_bytes());
    said.iter().all(|said| said.severity == Severity::Warning)
}

/// Writes a file anew, and checks what holds of every file.
fn formatted(text: &str) -> String {
    let out = format(text.as_bytes()).expect("a file without mistakes");
    let out = String::from_utf8(out).expect("text");
    let again = format(out.as_bytes()).expect("a file without mistakes");
    assert_eq!(String::from_utf8_lossy(&again), out, "from {text:?}");
    let (file, _) = parse(text.as_bytes());
    let (mut found, _) = parse(out.as_bytes());
    take_pairs(&file, &mut found);
    assert_eq!(
        render_plain(&file),
        render_plain(&found),
        "{text}\n->\n{out}"
    );
    let texts = |file: &Dockerfile| texts(file).concat();
    if !has_old_pairs(text) {
        assert_eq!(texts(&file), texts(&found), "{text}\n->\n{out}");
    }
    assert_eq!(comments(text, &file), comments(&out, &found), "{text:?}");
    assert!(!out.starts_with('\n') || out.starts_with("\n#"), "{out:?}");
    assert!(out.ends_with('\n') && !out.ends_with("\n\n"), "{out:?}");
    out
}

/// Lists the instructions as they are written, without blanks and in capitals.
fn texts(file: &Dockerfile) -> Vec<String> {
    let stages = file.stages.iter().flat_map(|stage| {
        let steps = stage.instructions.iter().map(|step| &step.text);
        std::iter::once(&stage.from.text).chain(steps)
    });
    stages
        .map(|text| {
            let letters = text.chars().filter(|letter| !letter.is_whitespace());
            let text: String = letters.collect();
            // What is dropped at the end of pairs.
            text.trim_end_matches(['\\', '`']).to_uppercase() + "\n"
        })
        .collect()
}

fn pairs_of(instruction: &mut Instruction) -> Option<&mut Vec<Pair>> {
    match &mut instruction.kind {
        Kind::Env(pairs) | Kind::Label(pairs) => Some(pairs),
        Kind::Onbuild(inner) => pairs_of(inner),
        _ => None,
    }
}

fn has_old_pairs(text: &str) -> bool {
    let (_, said) = parse(text.as_bytes());
    said.iter().any(|said| said.code == "LegacyKeyValueFormat")
}

/// Takes the values of pairs that are written otherwise and mean the same.
fn take_pairs(file: &Dockerfile, found: &mut Dockerfile) {
    let mut file = file.clone();
    let escape = file.escape;
    for (stage, other) in file.stages.iter_mut().zip(&mut found.stages) {
        for (one, other) in stage.instructions.iter_mut().zip(&mut other.instructions) {
            let (Some(pairs), Some(others)) = (pairs_of(one), pairs_of(other)) else {
                continue;
            };
            for (pair, other) in pairs.iter().zip(others) {
                let (value, new) = (pair.value.as_str(), other.value.as_str());
                if value != new && same_value(value, new, escape) {
                    other.value = pair.value.clone();
                }
            }
        }
    }
}

/// Lists the comments, without blanks.
fn comments(text: &str, file: &Dockerfile) -> Vec<String> {
    let mut bodies = Vec::new();
    for stage in &file.stages {
        for step in &stage.instructions {
            bodies.extend(super::heredocs(step).iter().map(|heredoc| heredoc.body));
        }
    }
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let inside = bodies.iter().any(|body| body.range().contains(&start));
        start += line.len();
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.starts_with('#') && !inside {
            let letters = line.chars().filter(|letter| !letter.is_whitespace());
            found.push(letters.collect::<String>().to_lowercase());
        }
    }
    found
}

#[test]
fn each_case_is_written_as_expected() {
    #[expect(clippy::disallowed_methods, reason = "the tests' only switch")]
    let update = std::env::var_os("WHARF_UPDATE_CORPUS").is_some();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/format");
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in fs_err::read_dir(corpus).unwrap() {
        let folder = entry.unwrap().path();
        let text = fs_err::read_to_string(folder.join("Dockerfile")).unwrap();
        let found = formatted(&text);
        let expected = folder.join("expected");
        if update {
            fs_err::write(&expected, &found).unwrap();
        } else if fs_err::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {}\n{found}", folder.display()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= MIN_CASES, "{count} cases");
}

#[test]
fn files_of_the_parser_keep_their_meaning() {
    let mut count = 0;
    for case in cases() {
        let text = str::from_utf8(&case.bytes).unwrap_or("nothing");
        if is_valid(text) {
            formatted(text);
            formatted(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
            count += 1;
        } else {
            let said = format(&case.bytes).expect_err("a file with mistakes");
            assert!(said.iter().any(|said| said.severity == Severity::Error));
        }
    }
    assert!(count > 50, "{count} valid files");
}

/// Writes keywords in small letters, with blanks around them.
fn roughened(text: &str) -> String {
    let (file, _) = parse(text.as_bytes());
    let mut starts = Vec::new();
    for stage in &file.stages {
        starts.push(stage.from.span.start);
        starts.extend(stage.instructions.iter().map(|step| step.span.start));
    }
    let mut out = text.to_owned();
    for start in starts.into_iter().rev() {
        let length = text[start..].find(char::is_whitespace).unwrap();
        let keyword = format!(" {}  ", text[start..start + length].to_lowercase());
        out.replace_range(start..start + length, &keyword);
    }
    out
}

#[test]
fn rough_files_become_smooth_again() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut count = 0;
    for folder in ["format", "parse", "styles"] {
        for entry in fs_err::read_dir(corpus.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = if path.is_dir() {
                path.join("Dockerfile")
            } else {
                path
            };
            let text = fs_err::read_to_string(&file).unwrap_or_default();
            // What can not be written otherwise is as it is.
            if !is_valid(&text) || text.contains(['\u{b}', '\u{c}', '\u{a0}']) {
                continue;
            }
            let smooth = formatted(&text);
            assert_eq!(formatted(&roughened(&smooth)), smooth, "{}", file.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count} files");
}

#[test]
fn commands_for_shells_keep_each_byte() {
    let text = "FROM a\nrun  --network=none  \\\n x   'a \\\n   # c\n  b'  \\ \n && c  \\\n\t  d\n";
    let out = formatted(text);
    let line = "RUN --network=none \\\n    x   'a \\\n   # c\n  b'  \\\n && c  \\\n\t  d\n";
    assert_eq!(out, format!("FROM a\n{line}"));
    let (file, _) = parse(out.as_bytes());
    let Kind::Run(run) = &file.stages[0].instructions[0].kind else {
        panic!("a run");
    };
    let Command::Shell(command) = &run.command else {
        panic!("text");
    };
    assert_eq!(command.as_str(), "x   'a   b'   && c  \t  d");
}

/// Lines that can stand between any two, and change what is read or nothing.
const NOISE: [&str; 10] = [
    "\n",
    " \t\n",
    "# note\n",
    "   #  x \n",
    "#!x\n",
    "  #!y\n",
    "# escape=`\n",
    "#Syntax = a\n",
    " \\\n",
    "`\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_valid_file_keeps_its_meaning(
        text in valid_file(),
        noise in prop::collection::vec((0_usize..40, prop::sample::select(&NOISE[..])), 0..6),
    ) {
        formatted(&text);
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        for (at, line) in noise {
            lines.insert(at % (lines.len() + 1), line);
        }
        let text = lines.concat();
        if is_valid(&text) {
            formatted(&text);
        }
    }
}

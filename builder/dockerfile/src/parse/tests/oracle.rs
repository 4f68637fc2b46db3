//! The corpus in the eyes of another parser, which knows the same grammar and
//! checks less of it.

use parse_dockerfile::{Instruction as Theirs, Source as TheirSource};

use crate::ast::{Instruction, Kind, Source};
use crate::parse::code;
use crate::parse::tests::corpus::cases;
use crate::{Dockerfile, Severity, parse};

/// Kinds of mistakes that they do not look for: they know no flag by its name or
/// values, and do not split pairs.
const THEY_DO_NOT_CHECK: &[&str] = &[
    code::DUPLICATE_FLAG,
    code::EMPTY_NAME,
    code::INVALID_FLAG_VALUE,
    code::INVALID_MOUNT,
    code::INVALID_STAGE_NAME,
    code::MISSING_EQUALS,
    code::MISSING_FLAG_VALUE,
    code::UNKNOWN_FLAG,
];
/// Other files that they accept and we do not.
const ONLY_THEY_ACCEPT: &[(&str, &str)] = &[
    (
        "copy-heredoc-quote-not-closed-body",
        "they read quotes apart from the line's",
    ),
    ("directive-duplicate", "they take the last one"),
    ("file-nul", "they take any text"),
    ("file-too-many-instructions", "they have no limit"),
    ("flags-escape-at-end", "they take a `RUN` of flags alone"),
    (
        "flags-quoted-not-closed",
        "they end a flag at a blank, even in quotes",
    ),
    ("json-empty-strings", "they take a volume without a path"),
    ("json-nested", "they take what holds no strings as text"),
    ("json-numbers", "they take what holds no strings as text"),
    ("line-continuation-nothing", "they skip it"),
];
/// Files that we accept and they do not.
const ONLY_WE_ACCEPT: &[(&str, &str)] = &[
    ("cmd-empty", "`BuildKit` takes an `ENTRYPOINT` of nothing"),
    ("copy-every-flag", "`--` ends the flags"),
    ("copy-here-string", "a `<` in the name makes it no heredoc"),
    (
        "copy-heredoc-digits",
        "a heredoc may have a number before it",
    ),
    ("copy-heredoc-empty", "a name may be empty"),
    ("directive-empty-escape", "without a value it is a comment"),
    ("directive-indented", "blanks may stand before a directive"),
    (
        "entrypoint-forms",
        "`ENTRYPOINT []` takes away what the base has",
    ),
    (
        "heredoc-interpreter",
        "a heredoc may stand behind other words",
    ),
    ("heredoc-pipe", "a heredoc may stand behind other words"),
    (
        "heredoc-same-end-nested",
        "a heredoc may stand behind other words",
    ),
    (
        "json-test-command",
        "`ENTRYPOINT []` takes away what the base has",
    ),
    (
        "onbuild-run-heredoc-several",
        "`ONBUILD RUN` has heredocs too",
    ),
    ("run-exec", "`ENTRYPOINT []` takes away what the base has"),
    (
        "run-heredoc-continued",
        "a heredoc may stand on any line of a `RUN`",
    ),
    ("run-heredoc-glued", "a name ends at a blank only"),
    (
        "run-heredoc-in-expansion",
        "a heredoc may stand behind other words",
    ),
    (
        "run-heredoc-several",
        "a heredoc may stand behind other words",
    ),
];
/// Files that both accept, and read differently.
const READ_DIFFERENTLY: &[(&str, &str)] = &[
    (
        "line-continuation-double",
        "an escaped escape character continues nothing",
    ),
    (
        "line-continuation-triple",
        "an escaped escape character continues nothing",
    ),
    (
        "windows-continued",
        "an escaped escape character continues nothing",
    ),
    (
        "windows-env",
        "an escaped escape character continues nothing",
    ),
    (
        "windows-paths-without-directive",
        "an escaped escape character continues nothing",
    ),
];

/// Is an instruction, as far as both know it.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    keyword: &'static str,
    /// What its heredocs say.
    heredocs: Vec<String>,
}

fn shape(keyword: &'static str) -> Shape {
    let heredocs = Vec::new();
    Shape { keyword, heredocs }
}

fn ours(file: &Dockerfile) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for stage in &file.stages {
        shapes.push(shape("FROM"));
        shapes.extend(stage.instructions.iter().map(our_shape));
    }
    shapes
}

fn our_shape(instruction: &Instruction) -> Shape {
    let copy = |keyword, sources: &[Source]| {
        let heredocs = sources.iter().filter_map(|source| match source {
            Source::Heredoc(heredoc) => Some(heredoc.content.clone()),
            Source::Path(_) => None,
        });
        let heredocs = heredocs.collect();
        Shape { keyword, heredocs }
    };
    match &instruction.kind {
        Kind::Add(add) => copy("ADD", &add.sources),
        Kind::Copy(add) => copy("COPY", &add.sources),
        Kind::Run(run) => Shape {
            keyword: "RUN",
            heredocs: run
                .heredocs
                .iter()
                .map(|heredoc| heredoc.content.clone())
                .collect(),
        },
        Kind::Arg(_) => shape("ARG"),
        Kind::Cmd(_) => shape("CMD"),
        Kind::Entrypoint(_) => shape("ENTRYPOINT"),
        Kind::Env(_) => shape("ENV"),
        Kind::Expose(_) => shape("EXPOSE"),
        Kind::Healthcheck(_) => shape("HEALTHCHECK"),
        Kind::Label(_) => shape("LABEL"),
        Kind::Maintainer(_) => shape("MAINTAINER"),
        Kind::Onbuild(inner) => Shape {
            keyword: "ONBUILD",
            heredocs: our_shape(inner).heredocs,
        },
        Kind::Shell(_) => shape("SHELL"),
        Kind::StopSignal(_) => shape("STOPSIGNAL"),
        Kind::User(_) => shape("USER"),
        Kind::Volume(_) => shape("VOLUME"),
        Kind::Workdir(_) => shape("WORKDIR"),
    }
}

fn theirs(file: &parse_dockerfile::Dockerfile<'_>) -> Vec<Shape> {
    let is_from = |instruction: &&Theirs<'_>| matches!(instruction, Theirs::From(_));
    // `ARG`s above the first stage are merged in ours.
    let instructions = file
        .instructions
        .iter()
        .skip_while(|instruction| !is_from(instruction));
    instructions.map(their_shape).collect()
}

fn their_shape(instruction: &Theirs<'_>) -> Shape {
    let copy = |keyword, sources: &[TheirSource<'_>]| {
        let heredocs = sources.iter().filter_map(|source| match source {
            TheirSource::HereDoc(heredoc) => Some(heredoc.value.to_string()),
            _ => None,
        });
        let heredocs = heredocs.collect();
        Shape { keyword, heredocs }
    };
    match instruction {
        Theirs::Add(add) => copy("ADD", &add.src),
        Theirs::Copy(add) => copy("COPY", &add.src),
        Theirs::Run(run) => Shape {
            keyword: "RUN",
            heredocs: run
                .here_docs
                .iter()
                .map(|heredoc| heredoc.value.to_string())
                .collect(),
        },
        Theirs::Arg(_) => shape("ARG"),
        Theirs::Cmd(_) => shape("CMD"),
        Theirs::Entrypoint(_) => shape("ENTRYPOINT"),
        Theirs::Env(_) => shape("ENV"),
        Theirs::Expose(_) => shape("EXPOSE"),
        Theirs::From(_) => shape("FROM"),
        Theirs::Healthcheck(_) => shape("HEALTHCHECK"),
        Theirs::Label(_) => shape("LABEL"),
        Theirs::Maintainer(_) => shape("MAINTAINER"),
        Theirs::Onbuild(inner) => Shape {
            keyword: "ONBUILD",
            heredocs: their_shape(&inner.instruction).heredocs,
        },
        Theirs::Shell(_) => shape("SHELL"),
        Theirs::Stopsignal(_) => shape("STOPSIGNAL"),
        Theirs::User(_) => shape("USER"),
        Theirs::Volume(_) => shape("VOLUME"),
        Theirs::Workdir(_) => shape("WORKDIR"),
        _ => shape("unknown"),
    }
}

#[test]
fn both_agree_but_for_what_is_listed() {
    let mut found: [Vec<(String, String)>; 3] = Default::default();
    let mut agreed = 0;
    for case in cases() {
        let (file, diagnostics) = parse(&case.bytes);
        let error = diagnostics
            .iter()
            .find(|said| said.severity == Severity::Error);
        let text = str::from_utf8(&case.bytes);
        let read = text
            .map_err(|error| error.to_string())
            .and_then(|text| parse_dockerfile::parse(text).map_err(|error| error.to_string()));
        let unchecked = diagnostics
            .iter()
            .filter(|said| said.severity == Severity::Error)
            .all(|said| THEY_DO_NOT_CHECK.contains(&said.code));
        let (list, reason) = match (error, read) {
            (Some(_), Ok(_)) if unchecked => continue,
            (Some(error), Ok(_)) => (0, error.to_string()),
            (None, Err(error)) => (1, error),
            (Some(_), Err(_)) => {
                agreed += 1;
                continue;
            }
            (None, Ok(read)) => {
                let (ours, theirs) = (ours(&file), theirs(&read));
                if ours == theirs {
                    agreed += 1;
                    continue;
                }
                (2, format!("{ours:?}\n{theirs:?}"))
            }
        };
        found[list].push((case.name, reason));
    }
    let listed = [ONLY_THEY_ACCEPT, ONLY_WE_ACCEPT, READ_DIFFERENTLY];
    let names = found.each_ref().map(|list| {
        list.iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<&str>>()
    });
    let listed = listed.map(|list| list.iter().map(|(name, _)| *name).collect::<Vec<&str>>());
    assert_eq!(names, listed, "{found:#?}");
    assert!(agreed > 250, "{agreed} agreed");
}

//! What holds of every file.

use proptest::prelude::*;

use crate::ast::{Command, Copy, Dockerfile, Healthcheck, Instruction, Kind, Source};
use crate::parse::tests::corpus::cases;
use crate::parse::tests::render::render_plain;
use crate::{Severity, Span, parse, to_dockerfile};

/// Lists every span of a file.
fn spans(file: &Dockerfile) -> Vec<Span> {
    let mut spans = Vec::new();
    for directive in &file.directives {
        spans.extend([directive.name.span(), directive.value.span()]);
    }
    for argument in &file.arguments {
        spans.push(argument.name.span());
        spans.extend(argument.default.as_ref().map(crate::Text::span));
    }
    for stage in &file.stages {
        spans.extend([stage.from.span, stage.from.base.span()]);
        let optional = [&stage.from.platform, &stage.from.name];
        spans.extend(optional.into_iter().flatten().map(crate::Text::span));
        for instruction in &stage.instructions {
            instruction_spans(instruction, &mut spans);
        }
    }
    spans
}

fn instruction_spans(instruction: &Instruction, spans: &mut Vec<Span>) {
    spans.push(instruction.span);
    match &instruction.kind {
        Kind::Add(copy) | Kind::Copy(copy) => copy_spans(copy, spans),
        Kind::Arg(arguments) => {
            for argument in arguments {
                spans.push(argument.name.span());
                spans.extend(argument.default.as_ref().map(crate::Text::span));
            }
        }
        Kind::Env(pairs) | Kind::Label(pairs) => {
            spans.extend(
                pairs
                    .iter()
                    .flat_map(|pair| [pair.key.span(), pair.value.span()]),
            );
        }
        Kind::Cmd(command) | Kind::Entrypoint(command) => command_spans(command, spans),
        Kind::Expose(texts) | Kind::Volume(texts) => {
            spans.extend(texts.iter().map(crate::Text::span));
        }
        Kind::Maintainer(text)
        | Kind::StopSignal(text)
        | Kind::User(text)
        | Kind::Workdir(text) => spans.push(text.span()),
        Kind::Onbuild(inner) => instruction_spans(inner, spans),
        Kind::Shell(_) | Kind::Healthcheck(Healthcheck::None) => {}
        Kind::Healthcheck(Healthcheck::Command { flags, command }) => {
            spans.extend(flags.iter().map(|flag| flag.span));
            command_spans(command, spans);
        }
        Kind::Run(run) => {
            spans.extend(run.flags.iter().map(|flag| flag.span));
            let heredocs = run.heredocs.iter();
            spans.extend(heredocs.flat_map(|heredoc| [heredoc.span, heredoc.body]));
            command_spans(&run.command, spans);
        }
    }
}

fn copy_spans(copy: &Copy, spans: &mut Vec<Span>) {
    let optional = [&copy.from, &copy.chown, &copy.chmod];
    spans.extend(optional.into_iter().flatten().map(crate::Text::span));
    for flag in &copy.flags {
        spans.push(flag.span);
        spans.extend(flag.value.as_ref().map(crate::Text::span));
    }
    for source in &copy.sources {
        match source {
            Source::Path(path) => spans.push(path.span()),
            Source::Heredoc(heredoc) => spans.extend([heredoc.span, heredoc.body]),
        }
    }
    spans.push(copy.destination.span());
}

fn command_spans(command: &Command, spans: &mut Vec<Span>) {
    if let Command::Shell(text) = command {
        spans.push(text.span());
    }
}

/// Checks what holds of any bytes.
fn check(bytes: &[u8]) {
    let (file, diagnostics) = parse(bytes);
    let text = str::from_utf8(bytes);
    let said = diagnostics.iter().map(|diagnostic| diagnostic.span);
    for span in spans(&file).into_iter().chain(said) {
        assert!(
            span.start <= span.end && span.end <= bytes.len(),
            "{span:?}"
        );
        if let Ok(text) = text {
            assert!(
                text.get(span.range()).is_some(),
                "{span:?} cuts a character"
            );
        }
    }
    let starts: Vec<usize> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.span.start)
        .collect();
    assert!(starts.is_sorted());
    // Nothing is dropped without a word.
    let wrong = diagnostics
        .iter()
        .any(|said| said.severity == Severity::Error);
    assert!(wrong || !file.stages.is_empty());
}

/// Checks that a file without mistakes is the same once it is written anew.
pub(crate) fn check_print(text: &str) {
    let (file, diagnostics) = parse(text.as_bytes());
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{text}\n{errors:?}");
    let printed = to_dockerfile(&file);
    let (again, _) = parse(printed.as_bytes());
    assert_eq!(
        render_plain(&file),
        render_plain(&again),
        "{text}\n->\n{printed}"
    );
}

#[test]
fn corpus_holds_what_every_file_holds() {
    for case in cases() {
        check(&case.bytes);
        // Cut short anywhere, and with a byte changed anywhere.
        let length = case.bytes.len().min(400);
        for at in 0..length {
            check(&case.bytes[..at]);
            let mut changed = case.bytes[..length].to_vec();
            changed[at] ^= 0x2a;
            check(&changed);
        }
    }
}

#[test]
fn valid_files_of_the_corpus_are_printed_and_read_again() {
    let mut count = 0;
    for case in cases() {
        let (_, diagnostics) = parse(&case.bytes);
        if diagnostics
            .iter()
            .all(|said| said.severity == Severity::Warning)
        {
            check_print(str::from_utf8(&case.bytes).unwrap());
            count += 1;
        }
    }
    assert!(count > 50, "{count} valid files");
}

/// Makes a word without meaning to the grammar, apart from quotes in it.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9./_$é猫-]{1,8}",
        "[a-z]{1,3}\"[a-z =\\\\$']{0,6}\\\\?[a-z]\"",
        "'[a-z \"$]{0,6}'",
        "[a-z]\\\\ [a-z]",
        "\\$\\{[A-Z]{1,3}:-[a-z\"]{0}[a-z]{0,4}\\}",
    ]
    .prop_filter("a flag", |word| !word.starts_with("--"))
}

fn words(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(word(), count)
}

fn json() -> impl Strategy<Value = String> {
    let string = "([ -!#-\\[\\]-~é猫]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}){0,6}";
    let strings = prop::collection::vec(string, 2..5);
    strings.prop_map(|strings| format!("[ \"{}\" ]", strings.join("\" , \"")))
}

/// Makes an instruction in pieces, between which a line may be broken, and
/// what stands below it.
fn instruction() -> impl Strategy<Value = (Vec<String>, String)> {
    let line = |keyword: &'static str, words: BoxedStrategy<Vec<String>>| {
        words
            .prop_map(move |words| {
                let pieces = [keyword.to_owned()].into_iter().chain(words);
                (pieces.collect::<Vec<String>>(), String::new())
            })
            .boxed()
    };
    let json = || json().prop_map(|json| vec![json]).boxed();
    let pairs = || {
        let pair = ("[A-Za-z_.]{1,5}", word()).prop_map(|(key, value)| format!("{key}={value}"));
        prop::collection::vec(pair, 1..4).boxed()
    };
    let flags = prop::sample::subsequence(
        vec![
            "--chown=1:2",
            "--chmod=\"75 5\"",
            "--link",
            "--from=x",
            "--exclude='*'",
            "--exclude=é",
        ],
        0..6,
    );
    let copy = (flags, words(2..4)).prop_map(|(flags, words)| {
        let flags = flags.into_iter().map(str::to_owned);
        flags
            .chain(words.iter().map(|word| word.replace(' ', "")))
            .collect::<Vec<String>>()
    });
    let heredoc = ("<<-?['\"]?", "[A-Z]{1,4}", "([\ta-z $]{0,9}\n){0,4}");
    let heredoc = heredoc.prop_map(|(mark, name, body)| {
        let quote = mark.trim_start_matches(['<', '-']).to_owned();
        let pieces = vec![
            "COPY".to_owned(),
            format!("{mark}{name}{quote}"),
            "/x".to_owned(),
        ];
        (pieces, format!("{body}{name}\n"))
    });
    prop_oneof![
        line("RUN", words(1..6).boxed()),
        line("cmd", words(1..4).boxed()),
        line("Entrypoint", json()),
        line("RUN --network=none", json()),
        line("COPY", copy.boxed()),
        line("ADD", json()),
        line("VOLUME", json()).prop_filter("no empty path", |(pieces, _)| {
            parse(format!("FROM a\n{}", pieces.join(" ")).as_bytes())
                .1
                .is_empty()
        }),
        line("ENV", pairs()),
        line("LABEL", pairs()),
        line("ARG", pairs()),
        line("ENV KEY", words(1..4).boxed()),
        line("EXPOSE", words(1..4).boxed()),
        line("WORKDIR", words(1..3).boxed()),
        line("USER", words(1..2).boxed()),
        line("HEALTHCHECK --retries=2 CMD", words(1..3).boxed()),
        line("ONBUILD RUN", words(1..3).boxed()),
        line("SHELL", json()),
        heredoc,
    ]
}

prop_compose! {
    /// Makes a file without mistakes.
    pub(crate) fn valid_file()(
        instructions in prop::collection::vec(instruction(), 0..8),
        breaks in prop::collection::vec(0_usize..6, 64),
        backtick in any::<bool>(),
        crlf in any::<bool>(),
    ) -> String {
        let escape = if backtick { "`" } else { "\\" };
        let mut text = if backtick { "# escape=`\n".to_owned() } else { String::new() };
        text.push_str("FROM --platform=$P alpine:3 AS base\n");
        let mut breaks = breaks.into_iter().cycle();
        for (pieces, below) in instructions {
            for (number, piece) in pieces.iter().enumerate() {
                if number > 0 {
                    match breaks.next() {
                        Some(0) => text.push_str(&format!(" {escape}\n  ")),
                        Some(1) => text.push_str(&format!(" {escape} \t\n # note\n")),
                        Some(2) => text.push_str("  \t "),
                        _ => text.push(' '),
                    }
                }
                // An array in JSON keeps its backslashes.
                if piece.starts_with('[') {
                    text.push_str(piece);
                } else {
                    text.push_str(&piece.replace('\\', escape));
                }
            }
            text.push('\n');
            text.push_str(&below);
        }
        if crlf { text.replace('\n', "\r\n") } else { text }
    }
}

/// Makes text that is nearly a Dockerfile.
fn near_valid() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "FROM ",
            "RUN ",
            "COPY ",
            "ENV ",
            "ONBUILD ",
            "HEALTHCHECK ",
            "ARG ",
            "SHELL ",
            "VOLUME ",
            "ADD ",
            "LABEL ",
            "CMD ",
            "\n",
            "\n",
            "\\\n",
            "`\n",
            "\r\n",
            "<<EOF",
            "EOF\n",
            "<<-",
            "\nEOF",
            "--from=",
            "--link",
            "--",
            "[\"a\"",
            "]",
            "[",
            "\"",
            "'",
            "\\",
            "$",
            "${",
            "}",
            "#",
            "# escape=`\n",
            "=",
            " ",
            "\t",
            "\u{a0}",
            "\u{feff}",
            "é",
            "\0",
            "AS ",
            "NONE",
            "\\u00e9",
            ",",
            "{",
            ":",
            "1",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,5}",
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn any_text_has_an_answer(text in near_valid()) {
        check(text.as_bytes());
    }

    #[test]
    fn a_valid_file_is_printed_and_read_again(text in valid_file()) {
        check(text.as_bytes());
        check_print(&text);
    }
}

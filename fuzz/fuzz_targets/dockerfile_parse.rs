//! Any bytes have an answer, whose spans lie in them, and so have any mounts.

#![no_main]

use dockerfile::{
    Diagnostic, Dockerfile, Escape, Instruction, Kind, Run, Severity, Span, expand_mount, parse,
    parse_mount,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes)
        && let Err(error) = parse_mount(text)
    {
        assert!(text.get(error.range).is_some() && !error.hint.is_empty());
    }
    let (file, diagnostics) = parse(bytes);
    let text = str::from_utf8(bytes).ok();
    for span in spans(&file, &diagnostics) {
        assert!(span.start <= span.end && span.end <= bytes.len());
        assert!(text.is_none_or(|text| text.get(span.range()).is_some()));
    }
    assert!(diagnostics.is_sorted_by_key(|said| said.span.start));
    assert!(
        diagnostics
            .iter()
            .all(|said| said.hint.is_some() && !said.message.contains('\n'))
    );
    let wrong = diagnostics
        .iter()
        .any(|said| said.severity == Severity::Error);
    assert!(wrong || !file.stages.is_empty());
});

fn spans(file: &Dockerfile, diagnostics: &[Diagnostic]) -> Vec<Span> {
    let mut spans: Vec<Span> = diagnostics.iter().map(|said| said.span).collect();
    for stage in &file.stages {
        spans.extend([stage.from.span, stage.from.base.span()]);
        spans.extend(stage.from.name.as_ref().map(|name| name.span()));
        for instruction in &stage.instructions {
            instruction_spans(instruction, &mut spans);
        }
    }
    spans
}

fn instruction_spans(instruction: &Instruction, spans: &mut Vec<Span>) {
    spans.push(instruction.span);
    match &instruction.kind {
        Kind::Add(copy) | Kind::Copy(copy) => {
            spans.push(copy.destination.span());
            spans.extend(copy.flags.iter().map(|flag| flag.span));
            spans.extend(copy.chown.iter().chain(&copy.from).map(|text| text.span()));
        }
        Kind::Arg(arguments) => spans.extend(arguments.iter().map(|argument| argument.name.span())),
        Kind::Env(pairs) | Kind::Label(pairs) => {
            spans.extend(
                pairs
                    .iter()
                    .flat_map(|pair| [pair.key.span(), pair.value.span()]),
            );
        }
        Kind::Expose(texts) | Kind::Volume(texts) => {
            spans.extend(texts.iter().map(|text| text.span()));
        }
        Kind::Onbuild(inner) => instruction_spans(inner, spans),
        Kind::Run(run) => {
            let heredocs = run.heredocs.iter();
            spans.extend(heredocs.flat_map(|heredoc| [heredoc.span, heredoc.body]));
            mounts(run, spans);
        }
        _ => {}
    }
}

fn mounts(run: &Run, spans: &mut Vec<Span>) {
    let variables = [("A", "a,b=\"c"), ("B", "")];
    for text in run.mounts() {
        let value = text.as_str();
        let expanded = expand_mount(value, Escape::Backslash, &variables);
        for error in [parse_mount(value).err(), expanded.err()].into_iter().flatten() {
            assert!(value.get(error.range.clone()).is_some() && !error.hint.is_empty());
            spans.push(text.span_of(error.range));
        }
    }
}

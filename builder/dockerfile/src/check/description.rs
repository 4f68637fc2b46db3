//! Comments that describe the argument or stage below them.

use crate::ast::{Argument, Dockerfile, Kind};
use crate::check::finding::Findings;
use crate::check::rules;
use crate::diagnostic::excerpt;
use crate::span::Span;

/// Checks the comments right above arguments and named stages.
pub(super) fn check(file: &Dockerfile, source: &[u8], findings: &mut Findings<'_>) {
    if !findings.asks_for(rules::INVALID_DEFINITION_DESCRIPTION) {
        return;
    }
    for group in groups(&file.arguments, source) {
        let names: Vec<&str> = group.iter().map(|it| it.name.as_str()).collect();
        if let Some(first) = group.first() {
            check_above(first.name.span().start, &names, file, source, findings);
        }
    }
    for stage in &file.stages {
        if let Some(name) = &stage.from.name {
            let start = stage.from.span.start;
            check_above(start, &[name.as_str()], file, source, findings);
        }
        for instruction in &stage.instructions {
            if let Kind::Arg(arguments) = &instruction.kind {
                let names: Vec<&str> = arguments.iter().map(|it| it.name.as_str()).collect();
                check_above(instruction.span.start, &names, file, source, findings);
            }
        }
    }
}

/// Splits the arguments above the first stage by their instructions.
fn groups<'a>(arguments: &'a [Argument], source: &[u8]) -> Vec<&'a [Argument]> {
    let begins = |argument: &Argument| {
        let start = argument.name.span().start;
        let before = line_before(source, start);
        before.trim_ascii().eq_ignore_ascii_case(b"arg")
    };
    arguments.chunk_by(|_, next| !begins(next)).collect()
}

/// Gives what stands before a place in its line.
fn line_before(source: &[u8], at: usize) -> &[u8] {
    let before = source.get(..at).unwrap_or_default();
    before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
}

/// Checks the comment above the line that holds `at`.
fn check_above(
    at: usize,
    names: &[&str],
    file: &Dockerfile,
    source: &[u8],
    findings: &mut Findings<'_>,
) {
    let start = at.saturating_sub(line_before(source, at).len());
    let Some(end) = start.checked_sub(1) else {
        return;
    };
    let line = line_before(source, end);
    let span = Span::new(end - line.len(), end);
    let Ok(text) = str::from_utf8(line) else {
        return;
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    let Some(comment) = text.strip_prefix('#') else {
        return;
    };
    let is_directive = file
        .directives
        .iter()
        .any(|it| span.range().contains(&it.name.span().start));
    let comment = comment.trim();
    let first = comment.split(' ').next().unwrap_or_default();
    if comment.is_empty() || comment.starts_with('!') || is_directive || names.contains(&first) {
        return;
    }
    let shown = match names {
        [name] => excerpt(name),
        _ => "NAME".to_owned(),
    };
    let message = format!(
        "this comment describes `{}` and does not begin with its name",
        excerpt(&names.join("` or `"))
    );
    let hint = format!("write `# {shown} ...`, or put an empty line below the comment");
    let length = text.len();
    let lead = String::from_utf8_lossy(line).find('#').unwrap_or_default();
    let span = Span::new(span.start + lead, span.start + lead + length);
    findings.say(rules::INVALID_DEFINITION_DESCRIPTION, span, message, hint);
}

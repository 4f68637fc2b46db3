//! Mistakes in Dockerfiles, shown where they are: file, line, excerpt, caret
//! and hint.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use builder::{Built, Diagnostic, ErrorKind, Mistaken, Prepared, Severity, SourceText, Span};

use crate::report::{hinted, placed, say, usage};

/// Gives an error that no place in a file is known of.
pub(crate) fn plain(error: builder::Error) -> anyhow::Error {
    with_hint(error)
}

/// Shows where a build failed, and gives the error to end with.
pub(crate) fn failed(prepared: &Prepared, error: builder::Error) -> anyhow::Error {
    if let Some((file, diagnostics)) = error.diagnostics() {
        let source = match (file, prepared.ignore_file()) {
            (Mistaken::IgnoreFile, Some(source)) => source,
            _ => prepared.dockerfile(),
        };
        show(source, diagnostics);
        return usage(error.to_string());
    }
    let excerpt = error
        .span()
        .map(|span| excerpt(prepared.dockerfile(), span));
    let error = with_hint(error);
    match excerpt {
        Some(excerpt) => placed(error, excerpt),
        None => error,
    }
}

/// Shows what there is to say of files that could be built of.
pub(crate) fn warn(prepared: &Prepared, built: &Built) {
    show(prepared.dockerfile(), &built.warnings);
    if let Some(ignore_file) = prepared.ignore_file() {
        show(ignore_file, &built.ignore_warnings);
    }
}

fn with_hint(error: builder::Error) -> anyhow::Error {
    let hint = error.hint().map(str::to_owned);
    let is_usage = matches!(error.kind(), ErrorKind::Mistakes);
    let error = anyhow::Error::new(error);
    let error = if is_usage {
        usage(error.to_string())
    } else {
        error
    };
    match hint {
        Some(hint) => hinted(error, hint),
        None => error,
    }
}

/// How many mistakes and warnings of a file are shown; more would hide the
/// first ones.
const SHOWN: usize = 50;

fn show(source: &SourceText, diagnostics: &[Diagnostic]) {
    let (shown, more) = choose(diagnostics);
    for diagnostic in shown {
        say(&render(source, diagnostic));
    }
    if more > 0 {
        say(&format!("... and {more} more"));
    }
}

/// Chooses what is shown, in the order of the file, and counts what is not.
/// What is wrong comes before what is only odd.
fn choose(diagnostics: &[Diagnostic]) -> (Vec<&Diagnostic>, usize) {
    let of = |severity| {
        let numbered = diagnostics.iter().enumerate();
        numbered.filter(move |(_, diagnostic)| diagnostic.severity == severity)
    };
    let mut chosen: Vec<_> = of(Severity::Error)
        .chain(of(Severity::Warning))
        .take(SHOWN)
        .collect();
    chosen.sort_by_key(|(number, _)| *number);
    let more = diagnostics.len().saturating_sub(chosen.len());
    let shown = chosen.into_iter().map(|(_, diagnostic)| diagnostic);
    (shown.collect(), more)
}

fn render(source: &SourceText, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let text = text(source);
    let range = within(&text, diagnostic.span);
    let snippet = Snippet::source(text)
        .path(source.name.clone())
        .annotation(AnnotationKind::Primary.span(range));
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let mut group: Group<'_> = title.element(snippet);
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// Shows a place without saying what is wrong there.
fn excerpt(source: &SourceText, span: Span) -> String {
    let text = text(source);
    let range = within(&text, span);
    let snippet = Snippet::source(text)
        .path(source.name.clone())
        .annotation(AnnotationKind::Primary.span(range));
    Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)])
}

/// Gives a file as text in which every byte stands where it did: what is no
/// text becomes question marks.
fn text(source: &SourceText) -> String {
    let mut text = String::with_capacity(source.bytes.len());
    for chunk in source.bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// Keeps a span within a text, and at the bounds of its characters.
fn within(text: &str, span: Span) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> SourceText {
        SourceText {
            name: "Dockerfile".to_owned(),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let source = source(b"FROM scratch\nCOPY --chwon=1 a /\n");
        let diagnostic =
            Diagnostic::error("unknown-flag", Span::new(18, 25), "unknown flag `--chwon`")
                .hint("did you mean `--chown`?");
        let expected = "error[unknown-flag]: unknown flag `--chwon`\n \
             --> Dockerfile:2:6\n  |\n2 | COPY --chwon=1 a /\n  |      ^^^^^^^\n  |\n  = hint: did you mean `--chown`?";
        assert_eq!(render(&source, &diagnostic), expected);
    }

    #[test]
    fn mistakes_are_not_hidden_by_warnings() {
        let at = |start| Span::new(start, start);
        let mut all: Vec<_> = (0..SHOWN + 9)
            .map(|start| Diagnostic::warning("odd", at(start), "odd"))
            .collect();
        assert_eq!(choose(&all[..SHOWN]).1, 0);
        all.push(Diagnostic::error("wrong", at(SHOWN + 9), "wrong"));
        let (shown, more) = choose(&all);
        let starts: Vec<_> = shown.iter().map(|shown| shown.span.start).collect();
        let expected: Vec<_> = (0..SHOWN - 1).chain([SHOWN + 9]).collect();
        assert_eq!((starts, more), (expected, 10));
    }

    #[test]
    fn any_span_in_any_bytes_can_be_shown() {
        let source = source(b"FROM \xff\xfe a\xc3\xa9\n\x1b[31m");
        for start in 0..20 {
            for end in start..22 {
                let shown = excerpt(&source, Span::new(start, end));
                assert!(!shown.contains('\u{1b}'), "{shown}");
            }
        }
    }
}

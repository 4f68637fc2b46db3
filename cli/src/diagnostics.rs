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

/// How many mistakes are shown; more would hide the first ones.
const SHOWN: usize = 50;

fn show(source: &SourceText, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics.iter().take(SHOWN) {
        say(&render(source, diagnostic));
    }
    if let Some(more) = diagnostics
        .len()
        .checked_sub(SHOWN)
        .filter(|more| *more > 0)
    {
        say(&format!("... and {more} more"));
    }
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

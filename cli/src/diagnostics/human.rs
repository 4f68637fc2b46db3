//! Diagnostics for people: the line, a caret under what is meant, the reason
//! and a hint.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use builder::{Diagnostic, Severity, Span};

use super::position::{text, within};
use crate::report::one_line;

/// Shows one diagnostic, of a file with this name and content.
pub(super) fn render(
    renderer: &Renderer,
    (name, bytes): (&str, &[u8]),
    diagnostic: &Diagnostic,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let text = text(bytes);
    let range = within(&text, diagnostic.span);
    let snippet = Snippet::source(text)
        .path(one_line(name))
        .annotation(AnnotationKind::Primary.span(range));
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let mut group: Group<'_> = title.element(snippet);
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// Shows a place without saying what is wrong there.
pub(super) fn excerpt((name, bytes): (&str, &[u8]), span: Span) -> String {
    let text = text(bytes);
    let range = within(&text, span);
    let snippet = Snippet::source(text)
        .path(one_line(name))
        .annotation(AnnotationKind::Primary.span(range));
    Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let file = ("Dockerfile", &b"FROM scratch\nCOPY --chwon=1 a /\n"[..]);
        let diagnostic =
            Diagnostic::error("unknown-flag", Span::new(18, 25), "unknown flag `--chwon`")
                .hint("did you mean `--chown`?");
        let expected = "error[unknown-flag]: unknown flag `--chwon`\n \
             --> Dockerfile:2:6\n  |\n2 | COPY --chwon=1 a /\n  |      ^^^^^^^\n  |\n  = hint: did you mean `--chown`?";
        assert_eq!(render(&Renderer::plain(), file, &diagnostic), expected);
        let styled = render(&Renderer::styled(), file, &diagnostic);
        assert!(styled.contains("\u{1b}["), "{styled}");
    }

    #[test]
    fn any_span_in_any_bytes_can_be_shown() {
        let file = ("Dockerfile", &b"FROM \xff\xfe a\xc3\xa9\n\x1b[31m"[..]);
        for start in 0..20 {
            for end in start..22 {
                let shown = excerpt(file, Span::new(start, end));
                assert!(!shown.contains('\u{1b}'), "{shown}");
            }
        }
    }
}

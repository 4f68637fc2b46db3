//! The lines of a file, and the lines that an instruction is continued on.
//! What they say is not looked at here.

use crate::ast::Escape;
use crate::parse::code;
use crate::parse::report::Report;
use crate::span::Span;
use crate::text::{Builder, Text};

/// Is one line of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// What it says, without its line break.
    pub(crate) text: &'a str,
    /// What it says, with its line break.
    pub(crate) raw: &'a str,
    /// Where it begins.
    pub(crate) start: usize,
}

impl Line<'_> {
    /// Gives where it stands, without its line break.
    pub(crate) fn span(&self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }

    /// Says whether it is a comment, wherever it stands.
    pub(crate) fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with('#')
    }
}

/// Walks over the lines of a file.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    source: &'a str,
    next: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    /// Begins at a place of a file.
    pub(crate) fn new(source: &'a str, start: usize) -> Self {
        Self {
            source,
            next: start,
            end: start,
        }
    }

    /// Gives where the next line begins.
    pub(crate) fn offset(&self) -> usize {
        self.next
    }

    /// Gives where the last line ended, without its line break.
    pub(crate) fn end(&self) -> usize {
        self.end
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.source.get(self.next..)?;
        let length = match rest.find('\n') {
            Some(at) => at + 1,
            None if rest.is_empty() => return None,
            None => rest.len(),
        };
        let raw = rest.get(..length)?;
        let start = self.next;
        self.next += length;
        let text = raw.trim_end_matches(['\r', '\n']);
        self.end = start + text.len();
        Some(Line { text, raw, start })
    }
}

/// Joins a first line with those it is continued on.
pub(crate) fn join(
    first: Line<'_>,
    lines: &mut Lines<'_>,
    escape: Escape,
    report: &mut Report,
) -> Text {
    let text = first.text.trim_start();
    let start = first.start + first.text.len() - text.len();
    let mut joined = Builder::new(start);
    let (content, mut continues) = cut_continuation(text, escape);
    joined.push(content, start);
    let mut empty = None;
    while continues {
        let Some(line) = lines.next() else {
            break;
        };
        if line.is_comment() {
            continue;
        }
        if line.text.trim_start().is_empty() {
            empty.get_or_insert(line);
            continue;
        }
        let (content, more) = cut_continuation(line.text, escape);
        joined.push(content, line.start);
        continues = more;
    }
    let joined = joined.finish();
    if let (Some(line), false) = (empty, joined.as_str().trim().is_empty()) {
        let message = "an empty line stands inside of the instruction".to_owned();
        report
            .warning(code::EMPTY_CONTINUATION, line.span(), message)
            .hint("delete it, or put a `#` there: one day it may end the instruction");
    }
    joined
}

/// Takes the mark from the end of a line that is continued, and says whether
/// there was one.
pub(crate) fn cut_continuation(line: &str, escape: Escape) -> (&str, bool) {
    let mark = escape.character();
    let Some(content) = line.trim_end_matches([' ', '\t']).strip_suffix(mark) else {
        return (line, false);
    };
    // Two of them are an escaped one; three are read as two and one are not.
    if content.ends_with(mark) {
        return (line, false);
    }
    (content, true)
}

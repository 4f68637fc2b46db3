//! The lines of an ignore file, without what is no pattern.

use crate::diagnostic::Diagnostic;
use crate::ignore::code;
use crate::ignore::symbol::trimmed;
use crate::span::Span;

/// Is how many bytes one line may have, without its line break.
pub(super) const MAX_LINE: usize = 65_535;
/// Stands before the text of some files.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Is one line with something on it.
#[derive(Debug)]
pub(super) enum Read<'a> {
    Pattern(Line<'a>),
    TooLong(Diagnostic),
}

/// Is a line with a pattern.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// What it says, without blanks at its ends; never empty.
    pub(super) text: &'a [u8],
    /// Where that stands.
    pub(super) span: Span,
}

/// Walks over the lines.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    start: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the first line.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => Self {
                rest,
                start: BYTE_ORDER_MARK.len(),
            },
            None => Self {
                rest: bytes,
                start: 0,
            },
        }
    }

    fn take(&mut self) -> Option<(&'a [u8], usize)> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.start;
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, width) = match end {
            Some(end) => (self.rest.get(..end), end + 1),
            None => (Some(self.rest), self.rest.len()),
        };
        self.rest = self.rest.get(width..).unwrap_or_default();
        self.start += width;
        Some((line.unwrap_or_default(), start))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Read<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, start) = self.take()?;
            if line.len() > MAX_LINE {
                return Some(Read::TooLong(too_long(line.len(), start)));
            }
            if line.first() == Some(&b'#') {
                continue;
            }
            let inside = trimmed(line);
            if inside.is_empty() {
                continue;
            }
            return Some(Read::Pattern(Line {
                text: line.get(inside.clone()).unwrap_or_default(),
                span: Span::new(start + inside.start, start + inside.end),
            }));
        }
    }
}

fn too_long(length: usize, start: usize) -> Diagnostic {
    let message = format!("the line has {length} bytes, more than {MAX_LINE}");
    Diagnostic::error(
        code::LINE_TOO_LONG,
        Span::new(start, start + length),
        message,
    )
    .hint("each pattern has a line of its own")
}

//! Lines and columns, as editors count them: from 1, columns in characters.

use builder::Span;

/// Is where something stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column, from 1, in Unicode code points.
    pub(crate) column: usize,
}

/// What some editors write before a text, and none shows.
const MARK: char = '\u{feff}';

/// Is a text whose lines are known.
pub(crate) struct Lines {
    text: String,
    /// Where each line starts, in bytes. Never empty.
    starts: Vec<usize>,
}

impl Lines {
    /// Takes the bytes of a file.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let text = text(bytes);
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(end, _)| end + 1));
        Self {
            starts: starts.collect(),
            text,
        }
    }

    /// Gives the first place of a span, and that behind its last byte.
    pub(crate) fn range(&self, span: Span) -> (Position, Position) {
        let range = within(&self.text, span);
        (self.position(range.start), self.position(range.end))
    }

    /// Finds an offset; it lies between two characters.
    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        let before = match line {
            1 => before.strip_prefix(MARK).unwrap_or(before),
            _ => before,
        };
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// Gives a file as text in which every byte stands where it did: what is no
/// text becomes question marks.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        match chunk.valid() {
            // A file is shown once for each thing that is said of it.
            ascii if ascii.is_ascii() => text.push_str(ascii),
            other => text.extend(other.chars().map(harmless)),
        }
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// Gives a character of as many bytes in the place of one that steers a
/// terminal or breaks a line and is none of ASCII, which the renderer shows.
fn harmless(character: char) -> char {
    match character {
        '\u{80}'..='\u{9f}' => '\u{b7}',
        '\u{2028}' | '\u{2029}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// Keeps a span within a text, and at the bounds of its characters.
pub(super) fn within(text: &str, span: Span) -> std::ops::Range<usize> {
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

    #[test]
    fn places_are_counted_from_one_and_in_characters() {
        let lines = Lines::of("FROM a\r\nRUN \u{e9}\u{1f40b} b\n\n".as_bytes());
        for (offset, line, column) in [
            (0, 1, 1),
            (6, 1, 7),
            (7, 1, 8),
            (8, 2, 1),
            (12, 2, 5),
            (14, 2, 6),
            // Inside of a character: its start.
            (16, 2, 6),
            (18, 2, 7),
            (20, 2, 9),
            (21, 3, 1),
            (22, 4, 1),
            (99, 4, 1),
        ] {
            let (start, end) = lines.range(Span::new(offset, offset));
            assert_eq!(start, Position { line, column }, "{offset}");
            assert_eq!(end, start);
        }
        let (start, _) = Lines::of("\u{feff}FROM".as_bytes()).range(Span::new(3, 7));
        assert_eq!(start, Position { line: 1, column: 1 });
        let (_, end) = Lines::of(b"").range(Span::new(5, 9));
        assert_eq!(end, Position { line: 1, column: 1 });
    }
}

//! A piece of a file's text that knows where it stands.

use std::fmt;
use std::ops::Range;

use crate::span::Span;

/// Is a piece of an instruction: what it says once its lines are joined, and
/// where each byte of it stands in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    value: String,
    /// Pairs of an offset in `value` and the offset in the file of the byte
    /// there; between two pairs both run alike. Never empty; the first is for 0.
    anchors: Vec<(usize, usize)>,
    /// Where it ends in the file.
    end: usize,
}

impl Text {
    /// Makes a text that stands in the file as it is said, in one piece.
    #[must_use]
    pub fn new(value: impl Into<String>, start: usize) -> Self {
        let value = value.into();
        Self {
            end: start + value.len(),
            anchors: vec![(0, start)],
            value,
        }
    }

    /// Gives what it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Says whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Gives where it stands, from its first to its last byte.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.position(0), self.end)
    }

    /// Gives where a part of it stands; `range` counts bytes of the value.
    #[must_use]
    pub fn span_of(&self, range: Range<usize>) -> Span {
        let start = self.position(range.start);
        if range.end >= self.value.len() {
            return Span::new(start, self.end);
        }
        if range.end <= range.start {
            return Span::new(start, start);
        }
        // By its last byte: the byte after it may stand lines below.
        Span::new(start, self.position(range.end - 1) + 1)
    }

    /// Gives a part of it; `range` counts bytes of the value. A range that
    /// does not lie in it on boundaries of characters gives an empty text.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let Some(value) = self.value.get(range.clone()) else {
            return Self::new("", self.position(range.start.min(self.value.len())));
        };
        let first = self.anchors.partition_point(|(at, _)| *at <= range.start);
        let last = self.anchors.partition_point(|(at, _)| *at < range.end);
        let mut anchors = vec![(0, self.position(range.start))];
        let inside = self.anchors.get(first..last).unwrap_or_default();
        anchors.extend(inside.iter().map(|(at, start)| (at - range.start, *start)));
        Self {
            value: value.to_owned(),
            anchors,
            end: self.span_of(range).end,
        }
    }

    /// Gives it without blanks at its ends.
    pub(crate) fn trim(&self) -> Self {
        let start = self.value.len() - self.value.trim_start().len();
        self.slice(start..start + self.value.trim().len())
    }

    /// Gives it in lower case, where that is as long as it is; only ASCII
    /// letters change.
    pub(crate) fn to_lowercase(&self) -> Self {
        Self {
            value: self.value.to_ascii_lowercase(),
            ..self.clone()
        }
    }

    /// Has it stand elsewhere, where the file says something else.
    pub(crate) fn place(&mut self, at: Span) {
        self.anchors = vec![(0, at.start)];
        self.end = at.end;
    }

    /// Finds a byte of the value in the file.
    fn position(&self, offset: usize) -> usize {
        let after = self.anchors.partition_point(|(at, _)| *at <= offset);
        let (at, start) = self.anchors[after.saturating_sub(1)];
        (start + (offset - at)).min(self.end.max(start))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { start, end } = self.span();
        write!(f, "{:?}@{start}..{end}", self.value)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

/// Makes a [`Text`] from pieces that do not stand side by side.
#[derive(Debug)]
pub(crate) struct Builder {
    text: Text,
}

impl Builder {
    /// Makes one; an empty text stands at `start`.
    pub(crate) fn new(start: usize) -> Self {
        Self {
            text: Text::new("", start),
        }
    }

    /// Adds what the file says at `start` in as many bytes.
    pub(crate) fn push(&mut self, value: &str, start: usize) {
        self.push_as(value, Span::new(start, start + value.len()));
    }

    /// Adds what the file says at `span` in other bytes.
    pub(crate) fn push_as(&mut self, value: &str, span: Span) {
        let offset = self.text.value.len();
        if offset == 0 {
            self.text.anchors = vec![(0, span.start)];
        } else if self.runs_to() != span.start {
            self.text.anchors.push((offset, span.start));
        }
        self.text.value.push_str(value);
        self.text.end = span.end;
    }

    /// Adds a text with what it knows about where it stands.
    pub(crate) fn push_text(&mut self, text: &Text) {
        let offset = self.text.value.len();
        if offset == 0 {
            self.text = text.clone();
            return;
        }
        let runs_on = self.runs_to() == text.position(0);
        let anchors = text.anchors.iter().skip(usize::from(runs_on));
        self.text
            .anchors
            .extend(anchors.map(|(at, start)| (at + offset, *start)));
        self.text.value.push_str(&text.value);
        self.text.end = text.end;
    }

    /// Gives the text.
    pub(crate) fn finish(self) -> Text {
        self.text
    }

    /// Gives where a next byte would stand by the last anchor alone.
    fn runs_to(&self) -> usize {
        let last = self.text.anchors.last().copied();
        last.map_or(0, |(at, start)| start + (self.text.value.len() - at))
    }
}

//! Lines and columns of a file's bytes.

use serde_json::{Value, json};

use crate::span::Span;

/// Is how many bytes lie between two places whose characters are counted
/// beforehand, so that a long line is not counted anew for each place in it.
const STRIDE: usize = 256;

/// Knows the lines and characters of a file.
#[derive(Debug)]
pub(crate) struct Places {
    /// The file's bytes; what is no UTF-8 is one character for each byte.
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each place of [`STRIDE`] bytes.
    counts: Vec<usize>,
}

impl Places {
    /// Reads a file's bytes.
    pub(crate) fn new(source: &[u8]) -> Self {
        let mut text = String::with_capacity(source.len());
        for chunk in source.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| '?'));
        }
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0]
            .into_iter()
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        let mut counts = vec![0];
        let mut count = 0;
        for block in text.as_bytes().chunks(STRIDE) {
            count += count_characters(block);
            counts.push(count);
        }
        Self {
            text,
            lines,
            counts,
        }
    }

    /// Writes where something stands.
    pub(crate) fn span(&self, span: Span) -> Value {
        json!({ "start": self.place(span.start), "end": self.place(span.end) })
    }

    fn place(&self, at: usize) -> Value {
        let at = at.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.characters(at).saturating_sub(self.characters(start)) + 1;
        json!({ "byte": at, "line": line, "column": column })
    }

    /// Counts the characters that begin before a byte.
    fn characters(&self, at: usize) -> usize {
        let block = at / STRIDE;
        let before = self.counts.get(block).copied().unwrap_or_default();
        let rest = self.text.as_bytes().get(block * STRIDE..at);
        before + rest.map_or(0, count_characters)
    }
}

fn count_characters(bytes: &[u8]) -> usize {
    let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(begins).count()
}

//! Words of an instruction, split at blanks. Quotes and escapes stay in them:
//! they are taken away when variables are expanded.

use crate::ast::Escape;
use crate::text::Text;

/// Says whether a character divides the words of instructions without quotes.
/// Other blanks that Unicode has are parts of words.
pub(crate) fn is_blank(letter: char) -> bool {
    matches!(letter, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Splits a text at its first blanks, which belong to neither part.
pub(crate) fn split_first(text: &Text) -> (Text, Text) {
    let value = text.as_str();
    let end = value.find(is_blank).unwrap_or(value.len());
    let rest = value.get(end..).unwrap_or_default();
    let start = value.len() - rest.trim_start_matches(is_blank).len();
    (text.slice(0..end), text.slice(start..value.len()))
}

/// Splits a text at its blanks, whatever quotes are in it.
pub(crate) fn split(text: &Text) -> Vec<Text> {
    let value = text.as_str();
    let mut words = Vec::new();
    let mut start = 0;
    for (at, letter) in value.char_indices() {
        if is_blank(letter) {
            if start < at {
                words.push(text.slice(start..at));
            }
            start = at + letter.len_utf8();
        }
    }
    if start < value.len() {
        words.push(text.slice(start..value.len()));
    }
    words
}

/// Splits a text at the blanks that no quotes or escapes hold. An escape
/// character at the end of the text is dropped.
pub(crate) fn split_quoted(text: &Text, escape: Escape) -> Vec<Text> {
    let value = text.as_str();
    let mut words = Vec::new();
    let mut start = None;
    let mut end = 0;
    let mut quote = None;
    let mut letters = value.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            push(&mut words, text, start.take(), end);
            continue;
        }
        start.get_or_insert(at);
        end = at + letter.len_utf8();
        if letter == escape.character() && quote != Some('\'') {
            match letters.next() {
                Some((at, escaped)) => end = at + escaped.len_utf8(),
                None => end = at,
            }
        } else if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && matches!(letter, '\'' | '"') {
            quote = Some(letter);
        }
    }
    push(&mut words, text, start, end);
    words
}

fn push(words: &mut Vec<Text>, text: &Text, start: Option<usize>, end: usize) {
    if let Some(start) = start.filter(|start| *start < end) {
        words.push(text.slice(start..end));
    }
}

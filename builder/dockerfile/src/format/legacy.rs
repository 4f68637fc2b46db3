//! The old form of a pair, `ENV NAME VALUE`, as the form of today.

use crate::ast::Escape;
use crate::format::joined::Joined;
use crate::format::meaning::same_value;
use crate::format::token::{Shown, Token};
use crate::parse::words;
use crate::text::Text;

/// Reads a pair. It stays as it is where it can not be said to mean the same in
/// the other form.
pub(super) fn pair(text: &Text, joined: &Joined, escape: Escape, tokens: &mut Vec<Token>) {
    let (key, value) = words::split_first(text);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    let (end, start) = (key.span().end, value.span().start);
    // A comment may stand there.
    let is_near = !joined.breaks_in(end, start);
    let is_fit = is_near && key.as_str().chars().all(is_plain);
    if is_fit && let Some(token) = quoted(&key, &value, joined, escape) {
        tokens.push(token);
        return;
    }
    tokens.extend([Token::new(&key), Token::new(&value)]);
}

/// Writes a pair in the form of today.
fn quoted(key: &Text, value: &Text, joined: &Joined, escape: Escape) -> Option<Token> {
    let text = value.as_str();
    let fits = |written: &str| {
        let word = Text::new(format!("{key}={written}"), 0);
        words::split_quoted(&word, escape) == [word] && same_value(text, written, escape)
    };
    if fits(text) {
        return Some(Token {
            lead: format!("{key}="),
            ..Token::new(value)
        });
    }
    let has_quotes = text.contains(['"', '\'', '\\', escape.character()]);
    if !has_quotes && fits(&format!("\"{text}\"")) {
        return Some(Token {
            lead: format!("{key}=\""),
            trail: "\"".to_owned(),
            ..Token::new(value)
        });
    }
    let span = value.span();
    let escaped = escape_blanks(text, escape.character());
    let is_one_line = !joined.breaks_in(span.start, span.end);
    (is_one_line && fits(&escaped)).then(|| Token {
        lead: format!("{key}="),
        shown: Shown::Word(escaped),
        ..Token::new(value)
    })
}

/// Puts an escape before each blank that stands outside of quotes.
fn escape_blanks(text: &str, escape: char) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == escape && quote != Some('\'') {
            escaped.push(letter);
            escaped.extend(letters.next());
            continue;
        }
        if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && matches!(letter, '\'' | '"') {
            quote = Some(letter);
        } else if quote.is_none() && letter.is_whitespace() {
            escaped.push(escape);
        }
        escaped.push(letter);
    }
    escaped
}

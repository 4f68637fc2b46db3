//! The old form of a pair, `ENV NAME VALUE`, as the form of today.

use crate::ast::Escape;
use crate::format::joined::Joined;
use crate::format::meaning::same_value;
use crate::format::token::Token;
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
    if is_fit && let Some(token) = quoted(&key, &value, escape) {
        tokens.push(token);
        return;
    }
    tokens.extend([Token::new(&key), Token::new(&value)]);
}

/// Writes a pair in the form of today; what has quotes and blanks both would
/// only be harder to read.
fn quoted(key: &Text, value: &Text, escape: Escape) -> Option<Token> {
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
    None
}

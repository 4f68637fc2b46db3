//! One pattern of an ignore file: from a line to what it matches.
//!
//! A line is made tidy twice, as where these rules come from, because that
//! shows: `/!name` is an exception, and `! /` is none.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::excerpt;
use crate::ignore::class::Invalid;
use crate::ignore::clean::clean;
use crate::ignore::code;
use crate::ignore::lines::Line;
use crate::ignore::program::State;
use crate::ignore::symbol::{Symbol, symbols, trim};
use crate::ignore::translate::{Translated, translate};
use crate::span::Span;

/// Says what a bracket may hold.
const BRACKET_HINT: &str =
    "a class is as in `[a-z]` or `[^a-z]`; write `\\[` for the letter itself";

/// Is what one pattern says.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Whether what matches is kept, not left out.
    pub(super) exception: bool,
    /// What it matches.
    pub(super) states: Vec<State>,
}

impl Pattern {
    /// Reads a pattern; `None` is one that matches nothing or is wrong.
    pub(super) fn parse(line: &Line<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let shown = excerpt(&String::from_utf8_lossy(line.text));
        diagnostics.extend(late_comment(line, &shown));
        let tidied = tidy(line.text);
        let pattern = clean(trim(&tidied));
        let (exception, pattern) = match pattern.strip_prefix(b"!") {
            Some(pattern) => (true, pattern),
            None => (false, pattern.as_slice()),
        };
        if pattern.is_empty() {
            diagnostics.push(empty_exception(line.span));
            return None;
        }
        let letters: Vec<Symbol> = symbols(pattern).map(|(_, symbol)| symbol).collect();
        match check(&letters).and_then(|()| translate(&letters)) {
            Ok(_) if is_outside(pattern) => {
                diagnostics.push(unused(line.span, &shown));
                None
            }
            Ok(translated) => {
                diagnostics.extend(escaped_letter(&translated, line.span, &shown));
                let states = translated.states?;
                Some(Self { exception, states })
            }
            Err(invalid) => {
                diagnostics.push(wrong(&invalid, line.span, &shown));
                None
            }
        }
    }
}

/// Makes a line tidy: a `!`, and a path without `/` at its front.
fn tidy(text: &[u8]) -> Vec<u8> {
    let (mark, path): (&[u8], &[u8]) = match text.strip_prefix(b"!") {
        Some(path) => (b"!", trim(path)),
        None => (b"", text),
    };
    if path.is_empty() {
        return mark.to_vec();
    }
    let path = clean(path);
    let path = match path.strip_prefix(b"/") {
        Some(inside) if !inside.is_empty() => inside,
        _ => &path,
    };
    [mark, path].concat()
}

/// Says whether a pattern is for something that is not in a context.
fn is_outside(pattern: &[u8]) -> bool {
    pattern == b"." || pattern == b".." || pattern.starts_with(b"../") || pattern.starts_with(b"/")
}

/// Checks the classes and the last escape of a pattern.
fn check(pattern: &[Symbol]) -> Result<(), Invalid> {
    let mut letters = pattern.iter().copied();
    while let Some(symbol) = letters.next() {
        match symbol.as_letter() {
            '\\' if letters.next().is_none() => return Err(Invalid::LastEscape),
            '[' => check_class(&mut letters)?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks a class behind its `[`: it has something in it, `-` only between two
/// letters, and an end.
fn check_class(symbols: &mut impl Iterator<Item = Symbol>) -> Result<(), Invalid> {
    let mut next = symbols.next();
    if next == Some(Symbol::letter('^')) {
        next = symbols.next();
    }
    let mut first = true;
    loop {
        if next == Some(Symbol::letter(']')) && !first {
            return Ok(());
        }
        first = false;
        next = check_letter(next, symbols)?;
        if next == Some(Symbol::letter('-')) {
            let end = symbols.next();
            next = check_letter(end, symbols)?;
        }
    }
}

/// Checks one letter of a class, and gives what stands behind it.
fn check_letter(
    symbol: Option<Symbol>,
    symbols: &mut impl Iterator<Item = Symbol>,
) -> Result<Option<Symbol>, Invalid> {
    let symbol = match symbol {
        Some(escape) if escape == Symbol::letter('\\') => symbols.next(),
        Some(dash) if dash == Symbol::letter('-') => None,
        Some(end) if end == Symbol::letter(']') => None,
        other => other,
    };
    match (symbol, symbols.next()) {
        (Some(symbol), Some(next)) if symbol.is_letter() => Ok(Some(next)),
        _ => Err(Invalid::Class),
    }
}

fn empty_exception(span: Span) -> Diagnostic {
    Diagnostic::error(
        code::EMPTY_EXCEPTION,
        span,
        "there is nothing behind the `!`",
    )
    .hint(
        "`!` and a pattern keep what earlier patterns leave out; write `\\!` for the letter itself",
    )
}

fn unused(span: Span, shown: &str) -> Diagnostic {
    let message = format!("the pattern `{shown}` matches nothing");
    Diagnostic::warning(code::UNUSED_PATTERN, span, message)
        .hint("patterns are for what is in the context; `*` is all of it")
}

fn late_comment(line: &Line<'_>, shown: &str) -> Option<Diagnostic> {
    let marks = line
        .text
        .windows(2)
        .any(|pair| matches!(pair, [b' ' | b'\t', b'#']));
    if line.text.first() != Some(&b'#') && !marks {
        return None;
    }
    let message = format!("the `#` in `{shown}` begins no comment");
    let hint = "a comment is a line with `#` as its very first letter";
    Some(Diagnostic::warning(code::LATE_COMMENT, line.span, message).hint(hint))
}

fn escaped_letter(translated: &Translated, span: Span, shown: &str) -> Option<Diagnostic> {
    let escape = translated.escape.as_ref()?;
    let message = format!(
        "`{}` in the pattern `{shown}` is not that letter",
        excerpt(escape)
    );
    let hint = "names are separated by `/`, and only `* ? [ ] \\` need a `\\` before them";
    Some(Diagnostic::warning(code::ESCAPED_LETTER, span, message).hint(hint))
}

fn wrong(invalid: &Invalid, span: Span, shown: &str) -> Diagnostic {
    let (message, hint) = match invalid {
        Invalid::LastEscape => (
            format!("the `\\` at the end of the pattern `{shown}` escapes nothing"),
            "names are separated by `/`; write `\\\\` for the letter itself",
        ),
        Invalid::Class => (
            format!("the pattern `{shown}` has a class that is not whole"),
            BRACKET_HINT,
        ),
        Invalid::Range(range) => (
            format!(
                "the range `{}` in the pattern `{shown}` is empty",
                excerpt(range)
            ),
            "a range goes up, as in `[a-z]`",
        ),
        Invalid::NamedClass(name) => (
            format!(
                "the class `{}` in the pattern `{shown}` is not known",
                excerpt(name)
            ),
            "classes with names are as in `[[:alpha:]]`, `[[:digit:]]` or `[[:upper:]]`",
        ),
        Invalid::Escape(escape) => (
            format!(
                "`{}` in the pattern `{shown}` is no escape",
                excerpt(escape)
            ),
            "names are separated by `/`, and only `* ? [ ] \\` need a `\\` before them",
        ),
    };
    Diagnostic::error(code::INVALID_PATTERN, span, message).hint(hint)
}

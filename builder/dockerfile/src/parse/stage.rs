//! `FROM`. Whether there is such an image is not looked at.

use std::collections::BTreeSet;

use crate::ast::From;
use crate::diagnostic::excerpt;
use crate::parse::code;
use crate::parse::instruction::Body;
use crate::parse::report::Report;
use crate::parse::words;
use crate::span::Span;
use crate::text::{Builder, Text};

/// Names that a stage can have and that are then hidden by what they mean.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Reads a `FROM`. A wrong one gives a stage too, so that what follows it is
/// not said to stand outside of one.
pub(super) fn from(body: Body, report: &mut Report) -> From {
    let words = words::split(&body.arguments);
    let base = words.first().cloned().unwrap_or_else(|| {
        let message = "`FROM` lacks the name of an image or stage".to_owned();
        report
            .error(code::MISSING_ARGUMENT, body.word, message)
            .hint("write `FROM IMAGE`, or `FROM scratch` to start from nothing");
        let mut base = Builder::new(body.word.end);
        base.push_as("scratch", Span::new(body.word.end, body.word.end));
        base.finish()
    });
    let name = name(&words, report);
    let mut flags = body.flags;
    From {
        span: body.span,
        text: body.text,
        base,
        platform: flags.pop().and_then(|flag| flag.value),
        name,
    }
}

fn name(words: &[Text], report: &mut Report) -> Option<Text> {
    let second = words.get(1)?;
    let is_as = second.as_str().eq_ignore_ascii_case("as");
    let surplus = words.get(if is_as { 3 } else { 1 }..).unwrap_or_default();
    if let (Some(first), Some(last)) = (surplus.first(), surplus.last()) {
        let message = format!("`FROM` does not take `{}`", excerpt(first.as_str()));
        let hint = match (is_as, surplus.len()) {
            _ if first.as_str().starts_with('#') => "a comment has its own line".to_owned(),
            _ if first.as_str().starts_with("--") => "flags stand right behind `FROM`".to_owned(),
            (false, 1) => format!("did you mean `AS {}`?", excerpt(first.as_str())),
            (false, 2) => format!("did you mean `AS {}`?", excerpt(last.as_str())),
            _ => "it takes `IMAGE`, or `IMAGE AS NAME`".to_owned(),
        };
        let span = first.span().to(last.span());
        report
            .error(code::TOO_MANY_ARGUMENTS, span, message)
            .hint(hint);
    }
    let as_word = is_as.then_some(second)?;
    let Some(name) = words.get(2) else {
        let message = "`AS` lacks a name".to_owned();
        report
            .error(code::MISSING_ARGUMENT, as_word.span(), message)
            .hint("write `AS NAME`, or delete `AS`");
        return None;
    };
    let lower = name.to_lowercase();
    check(&lower, report);
    Some(lower)
}

fn check(name: &Text, report: &mut Report) {
    let text = name.as_str();
    if RESERVED.contains(&text) {
        let message = format!("a stage named `{text}` hides what `{text}` means");
        report
            .warning(code::RESERVED_STAGE_NAME, name.span(), message)
            .hint("choose another name");
        return;
    }
    let is_valid = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter)
    };
    if text.starts_with(|first: char| first.is_ascii_lowercase()) && text.chars().all(is_valid) {
        return;
    }
    let message = format!("`{}` is not the name of a stage", excerpt(text));
    report
        .error(code::INVALID_STAGE_NAME, name.span(), message)
        .hint("a letter, then letters, digits, `-`, `_` and `.`");
}

/// Warns of a name that a stage above has, and adds it to the names.
pub(super) fn check_duplicate(from: &From, names: &mut BTreeSet<String>, report: &mut Report) {
    let Some(name) = &from.name else {
        return;
    };
    if !names.insert(name.as_str().to_owned()) {
        let message = format!("a stage above is named `{}` too", excerpt(name.as_str()));
        report
            .warning(code::DUPLICATE_STAGE_NAME, name.span(), message)
            .hint("the name means the last one above the place where it is used");
    }
}

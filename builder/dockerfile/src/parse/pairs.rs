//! `ENV`, `LABEL` and `ARG`. Names and values keep their quotes.

use crate::ast::{Argument, Pair};
use crate::diagnostic::excerpt;
use crate::parse::instruction::{Body, missing};
use crate::parse::report::Report;
use crate::parse::{code, words};
use crate::text::Text;

/// Reads the pairs of an `ENV` or `LABEL`.
pub(super) fn pairs(body: &Body, report: &mut Report) -> Option<Vec<Pair>> {
    let name = body.keyword.name();
    let words = words::split_quoted(&body.arguments, body.escape);
    let Some(first) = words.first() else {
        missing(body, &format!("pairs: `{name} NAME=VALUE`"), report);
        return None;
    };
    if !first.as_str().contains('=') {
        return legacy(body, report).map(|pair| vec![pair]);
    }
    let mut pairs = Vec::with_capacity(words.len());
    for word in &words {
        let Some((key, value)) = split(word, name, report) else {
            continue;
        };
        let Some(value) = value else {
            let shown = excerpt(word.as_str());
            let message = format!("`{shown}` has no `=`");
            report
                .error(code::MISSING_EQUALS, word.span(), message)
                .hint("write `NAME=VALUE`; a value with blanks needs quotes");
            continue;
        };
        pairs.push(Pair { key, value });
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// Reads the old form: a name, a blank, and all that follows.
fn legacy(body: &Body, report: &mut Report) -> Option<Pair> {
    let name = body.keyword.name();
    let (key, value) = words::split_first(&body.arguments);
    let shown = excerpt(key.as_str());
    if value.is_empty() {
        let message = format!("`{shown}` has no value");
        report
            .error(code::MISSING_EQUALS, key.span(), message)
            .hint(format!("write `{name} {shown}=VALUE`"));
        return None;
    }
    let message = format!("`{name} {shown} ...` is the old form of a pair");
    report
        .warning(code::LEGACY_PAIR, body.arguments.span(), message)
        .hint(format!(
            "write `{name} {shown}=VALUE`; a value with blanks needs quotes"
        ));
    Some(Pair { key, value })
}

/// Reads the arguments of an `ARG`.
pub(super) fn arguments(body: &Body, report: &mut Report) -> Option<Vec<Argument>> {
    let words = words::split_quoted(&body.arguments, body.escape);
    if words.is_empty() {
        missing(body, "a name: `ARG NAME` or `ARG NAME=DEFAULT`", report);
        return None;
    }
    let mut arguments = Vec::with_capacity(words.len());
    for word in &words {
        if let Some((name, default)) = split(word, "ARG", report) {
            arguments.push(Argument { name, default });
        }
    }
    (!arguments.is_empty()).then_some(arguments)
}

/// Splits a word at its first `=`.
fn split(word: &Text, keyword: &str, report: &mut Report) -> Option<(Text, Option<Text>)> {
    let length = word.as_str().len();
    let Some(equals) = word.as_str().find('=') else {
        return Some((word.clone(), None));
    };
    if equals == 0 {
        let message = format!("`{}` has no name", excerpt(word.as_str()));
        report
            .error(code::EMPTY_NAME, word.span(), message)
            .hint(format!(
                "write `{keyword} NAME=VALUE`, without blanks around the `=`"
            ));
        return None;
    }
    let value = word.slice(equals + 1..length);
    Some((word.slice(0..equals), Some(value)))
}

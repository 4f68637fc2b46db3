//! `COPY`, `ADD` and `VOLUME`. Whether a path is one is not looked at.

use std::collections::VecDeque;

use crate::ast::{Copy, Flag, Heredoc, Source};
use crate::diagnostic::excerpt;
use crate::parse::instruction::{Body, missing};
use crate::parse::json::Array;
use crate::parse::keyword::Keyword;
use crate::parse::report::Report;
use crate::parse::{code, command, heredoc, words};
use crate::span::Span;
use crate::text::Text;

/// Reads a `COPY` or `ADD`.
pub(super) fn copy(body: Body, report: &mut Report) -> Option<Copy> {
    let (mut paths, json) = paths(&body, report)?;
    let name = body.keyword.name();
    let Some(destination) = paths.pop() else {
        missing(
            &body,
            &format!("paths: `{name} SOURCE... DESTINATION`"),
            report,
        );
        return None;
    };
    if paths.is_empty() {
        let message = format!("`{name}` lacks a destination");
        report
            .error(code::MISSING_ARGUMENT, destination.span(), message)
            .hint(format!("write `{name} SOURCE... DESTINATION`"));
        return None;
    }
    if !json && !body.ended {
        check_late_flags(&paths, &destination, body.keyword, report);
    }
    let sources = if json {
        paths.into_iter().map(Source::Path).collect()
    } else {
        check_destination(&destination, name, report)?;
        sources(paths, body.heredocs, report)
    };
    let mut flags = body.flags;
    Some(Copy {
        from: take(&mut flags, "from"),
        chown: take(&mut flags, "chown"),
        chmod: take(&mut flags, "chmod"),
        flags,
        sources,
        destination,
    })
}

/// Reads a `VOLUME`.
pub(super) fn volume(body: &Body, report: &mut Report) -> Option<Vec<Text>> {
    let (paths, _) = paths(body, report)?;
    if paths.is_empty() {
        missing(body, "a path: `VOLUME /data`", report);
        return None;
    }
    let mut trimmed = Vec::with_capacity(paths.len());
    for path in paths {
        let (path, whole) = (path.trim(), path.span());
        if !path.is_empty() {
            trimmed.push(path);
            continue;
        }
        let message = "the path of a volume is empty".to_owned();
        // With its quotes: it may have no bytes of its own.
        let span = Span::new(whole.start.saturating_sub(1), whole.end + 1);
        report
            .error(code::EMPTY_PATH, span, message)
            .hint("write a path, or delete it");
    }
    (!trimmed.is_empty()).then_some(trimmed)
}

/// Reads paths, and says whether they stood in an array.
fn paths(body: &Body, report: &mut Report) -> Option<(Vec<Text>, bool)> {
    match Array::read(&body.arguments) {
        Array::Strings(paths) => Some((paths, true)),
        Array::Others(spans) => {
            command::not_strings(spans, report);
            None
        }
        Array::No => {
            command::check_malformed(&body.arguments, report);
            Some((words::split(&body.arguments), false))
        }
    }
}

fn take(flags: &mut Vec<Flag>, name: &str) -> Option<Text> {
    let at = flags.iter().position(|flag| flag.name == name)?;
    flags.remove(at).value
}

/// Warns of a flag that stands where paths stand.
fn check_late_flags(paths: &[Text], destination: &Text, keyword: Keyword, report: &mut Report) {
    for path in paths.iter().chain([destination]) {
        let word = path.as_str().strip_prefix("--").unwrap_or_default();
        let name = word.split('=').next().unwrap_or_default();
        if keyword.flags().iter().any(|rule| rule.name == name) {
            let message = format!("`{}` is a path here", excerpt(path.as_str()));
            report
                .warning(code::LATE_FLAG, path.span(), message)
                .hint(format!("flags stand right behind `{}`", keyword.name()));
        }
    }
}

fn check_destination(destination: &Text, name: &str, report: &mut Report) -> Option<()> {
    if heredoc::mark(destination).is_none() {
        return Some(());
    }
    let message = "a heredoc can not be the destination".to_owned();
    report
        .error(code::HEREDOC_DESTINATION, destination.span(), message)
        .hint(format!("write `{name} {destination} PATH`"));
    None
}

/// Joins words that announce heredocs with what stands below.
fn sources(paths: Vec<Text>, heredocs: Vec<Heredoc>, report: &mut Report) -> Vec<Source> {
    let mut heredocs = VecDeque::from(heredocs);
    let mut sources = Vec::with_capacity(paths.len());
    for path in paths {
        let Some(mark) = heredoc::mark(&path) else {
            sources.push(Source::Path(path));
            continue;
        };
        if heredocs
            .front()
            .is_some_and(|heredoc| heredoc.name == mark.name)
        {
            sources.extend(heredocs.pop_front().map(Source::Heredoc));
            continue;
        }
        let message = format!("`{}` is not read as a heredoc", excerpt(path.as_str()));
        report
            .error(code::HEREDOC_NAME, path.span(), message)
            .hint("it stands in quotes, or a quote or `${` before it is not closed");
    }
    for heredoc in heredocs {
        let message = "the name of this heredoc is not one word".to_owned();
        report
            .error(code::HEREDOC_NAME, heredoc.span, message)
            .hint("a path can not have blanks here: choose a name without them, right behind `<<`");
    }
    sources
}

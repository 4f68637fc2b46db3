//! Documents that stand in a file below the instruction that uses them.
//!
//! The line of an instruction is split into words as a shell would split it;
//! a line that no shell could read has no heredocs.

use std::collections::BTreeMap;

use crate::ast::Heredoc;
use crate::diagnostic::excerpt;
use crate::parse::lines::Lines;
use crate::parse::report::Report;
use crate::parse::{code, shell_words, words};
use crate::span::Span;
use crate::text::Text;

/// Is how many heredocs of a wrong instruction are skipped.
const SEARCHED_MARKS: usize = 4;
/// Is how far below a wrong instruction the end of its heredoc is looked for.
const SEARCHED_BYTES: usize = 64 << 10;

/// Is a `<<NAME` in a line.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) name: String,
    span: Span,
    pub(crate) expands: bool,
    /// It is `<<-`: tabs at the starts of lines are dropped.
    chomps: bool,
}

impl Mark {
    fn chomped<'a>(&self, line: &'a str) -> &'a str {
        if self.chomps {
            line.trim_start_matches('\t')
        } else {
            line
        }
    }
}

/// Finds the marks in a whole instruction.
pub(crate) fn marks(line: &Text) -> Vec<Mark> {
    if !line.as_str().contains("<<") {
        return Vec::new();
    }
    let ranges = shell_words::split(line.as_str()).unwrap_or_default();
    let words = ranges.into_iter().map(|range| line.slice(range));
    words.filter_map(|word| mark(&word)).collect()
}

/// Reads a word as a mark: digits, `<<`, maybe `-`, blanks, and a name.
pub(crate) fn mark(word: &Text) -> Option<Mark> {
    let text = word
        .as_str()
        .trim_start_matches(|letter: char| letter.is_ascii_digit());
    let text = text.strip_prefix("<<")?;
    let (chomps, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let text = text.trim_start();
    if text.is_empty() || text.contains('<') {
        return None;
    }
    let (name, expands) = shell_words::unquote(text)?;
    Some(Mark {
        name,
        span: word.span(),
        expands,
        chomps,
    })
}

/// Reads the documents that marks announce from the lines below them.
pub(crate) fn read<'a>(
    marks: Vec<Mark>,
    lines: &mut Lines<'a>,
    ends: &mut Ends<'a>,
    report: &mut Report,
) -> Vec<Heredoc> {
    let mut heredocs = Vec::with_capacity(marks.len());
    for mark in marks {
        if report.is_full() {
            break;
        }
        heredocs.push(body(mark, lines, ends, report));
    }
    heredocs
}

fn body<'a>(
    mark: Mark,
    lines: &mut Lines<'a>,
    ends: &mut Ends<'a>,
    report: &mut Report,
) -> Heredoc {
    let first = lines.clone();
    let start = lines.offset();
    let mut end = None;
    if ends.may_be_below(&mark, start) {
        end = find(lines, |line| mark.chomped(line) == mark.name);
    }
    if end.is_none() {
        *lines = first.clone();
        ends.learn(lines);
        // A line that would end it, were it not for blanks.
        let near = find(lines, |line| line.trim() == mark.name);
        say_endless(&mark, near.is_some(), ends, report);
        end = near;
    }
    let end = end.unwrap_or(lines.offset());
    let body = first.take_while(|line| line.start < end);
    Heredoc {
        content: body.map(|line| mark.chomped(line.raw)).collect(),
        body: Span::new(start, end),
        name: mark.name,
        span: mark.span,
        expands: mark.expands,
    }
}

/// Says that a heredoc has no end; the first one of those that reach to the
/// end of the file speaks for the others.
fn say_endless(mark: &Mark, near: bool, ends: &mut Ends<'_>, report: &mut Report) {
    if ends.lost {
        return;
    }
    ends.lost = !near;
    let name = excerpt(&mark.name);
    let message = format!("the heredoc `{name}` has no end");
    let hint = if near {
        format!("a line below has blanks around `{name}`: delete them")
    } else {
        format!("a line below that is only `{name}` ends it")
    };
    report
        .error(code::UNTERMINATED_HEREDOC, mark.span, message)
        .hint(hint);
}

/// Takes lines up to the one that is looked for, and gives where it begins.
fn find(lines: &mut Lines<'_>, is_end: impl Fn(&str) -> bool) -> Option<usize> {
    let end = lines.find(|line| is_end(line.text))?;
    Some(end.start)
}

/// Knows where lines stand last, so that a file is not searched from end to
/// end for each of its heredocs that has no end. It learns so when the first
/// of those is found.
#[derive(Debug, Default)]
pub(crate) struct Ends<'a> {
    /// By what lines say without (`true`) or with their tabs.
    last: Option<BTreeMap<(bool, &'a str), usize>>,
    /// It was said of a heredoc that it reaches to the end of the file.
    lost: bool,
}

impl<'a> Ends<'a> {
    fn may_be_below(&self, mark: &Mark, start: usize) -> bool {
        let key = (mark.chomps, mark.name.as_str());
        let last = self.last.as_ref().map(|last| last.get(&key));
        last.is_none_or(|last| last.is_some_and(|last| *last >= start))
    }

    /// Takes note of all lines from a place on.
    fn learn(&mut self, lines: &Lines<'a>) {
        if self.last.is_some() {
            return;
        }
        let mut last = BTreeMap::new();
        for line in lines.clone() {
            last.insert((false, line.text), line.start);
            last.insert((true, line.text.trim_start_matches('\t')), line.start);
        }
        self.last = Some(last);
    }
}

/// Skips what words announce that is wrong: what stands below them would be
/// taken for instructions.
pub(crate) fn skip(text: &Text, lines: &mut Lines<'_>) {
    if !text.as_str().contains("<<") {
        return;
    }
    let words = words::split(text);
    for mark in words.iter().filter_map(mark).take(SEARCHED_MARKS) {
        let mut ahead = lines.clone();
        let limit = lines.offset() + SEARCHED_BYTES;
        let mut near = ahead.by_ref().take_while(|line| line.start < limit);
        if near.any(|line| line.text.trim() == mark.name) {
            *lines = ahead;
        }
    }
}

//! One instruction with its lines, without its heredocs.

use std::ops::Range;

use crate::ast::Escape;
use crate::format::joined::{Break, Joined};
use crate::format::meaning::means_same;
use crate::format::token::{self, Shown, Token};
use crate::parse::keyword::Keyword;
use crate::parse::lines::{Line, Lines};

/// Stands before a line that continues another one.
const INDENT: &str = "    ";

/// Is an instruction as it stands in a file.
#[derive(Debug)]
pub(super) struct Block {
    joined: Joined,
    escape: Escape,
    /// Its lines in the file.
    range: Range<usize>,
}

/// Is an instruction as it is written anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The comments between its first line and its first word.
    pub(super) above: Vec<String>,
    /// Its lines, each with its line break.
    pub(super) text: String,
    /// The comments behind its last word.
    pub(super) below: Vec<String>,
}

impl Block {
    /// Takes the lines of an instruction.
    pub(super) fn read(first: Line<'_>, lines: &mut Lines<'_>, escape: Escape) -> Self {
        let start = first.start;
        let joined = Joined::read(first, lines, escape);
        Self {
            joined,
            escape,
            range: start..lines.offset(),
        }
    }

    /// Says whether it begins a stage.
    pub(super) fn is_from(&self) -> bool {
        token::keyword(&self.joined.text) == Some(Keyword::From)
    }

    /// Writes it anew; as it is, where that would mean something else or be
    /// written differently the next time. `below` are its heredocs.
    pub(super) fn write(&self, source: &str, below: &str) -> Written {
        let as_is = source.get(self.range.clone()).unwrap_or_default();
        if let Some(written) = self.render() {
            let is_same = means_same(as_is, &written.text, below, self.escape);
            if is_same && is_stable(&written, self.escape) {
                return written;
            }
        }
        let end = if as_is.ends_with('\n') { "" } else { "\n" };
        Written {
            text: format!("{as_is}{end}"),
            ..Written::default()
        }
    }

    fn render(&self) -> Option<Written> {
        let tokens = token::read(&self.joined, self.escape)?;
        let mut page = Page {
            source: self.joined.text.as_str(),
            mark: self.escape.character(),
            breaks: &self.joined.breaks,
            out: String::new(),
        };
        let mut above = Vec::new();
        for (number, token) in tokens.iter().enumerate() {
            let gap = page.breaks_to(token.range.start);
            if number == 0 {
                above = comments(gap);
            } else {
                page.gap(gap, token);
            }
            page.token(token);
        }
        let below = comments(page.breaks).into_iter();
        let last = self.joined.below.iter().map(|line| line.trim().to_owned());
        let below = below.chain(last).collect();
        let mut text = page.out;
        text.push('\n');
        Some(Written { above, text, below })
    }
}

/// Says whether what is written would be written so again.
fn is_stable(written: &Written, escape: Escape) -> bool {
    let mut lines = Lines::new(&written.text, 0);
    let Some(first) = lines.next() else {
        return false;
    };
    let again = Block::read(first, &mut lines, escape).render();
    let is_same = |again: Written| {
        again.text == written.text && again.above.is_empty() && again.below.is_empty()
    };
    again.is_some_and(is_same) && lines.next().is_none()
}

fn comments(breaks: &[Break]) -> Vec<String> {
    let comments = breaks.iter().flat_map(|one| &one.comments);
    comments.map(|line| line.trim().to_owned()).collect()
}

/// Writes words, and the breaks between them.
struct Page<'a> {
    source: &'a str,
    mark: char,
    /// The breaks that are not written yet.
    breaks: &'a [Break],
    out: String,
}

impl<'a> Page<'a> {
    /// Takes the breaks up to a place, itself included.
    fn breaks_to(&mut self, place: usize) -> &'a [Break] {
        let count = self.breaks.partition_point(|one| one.at <= place);
        let (taken, rest) = self.breaks.split_at(count);
        self.breaks = rest;
        taken
    }

    fn gap(&mut self, breaks: &[Break], token: &Token) {
        if breaks.is_empty() {
            if !token.is_glued {
                self.out.push(' ');
            }
            return;
        }
        self.out.push(' ');
        self.out.push(self.mark);
        self.out.push('\n');
        for comment in comments(breaks) {
            self.out.push_str(INDENT);
            self.out.push_str(&comment);
            self.out.push('\n');
        }
        if !token.is_closing {
            self.out.push_str(INDENT);
        }
    }

    fn token(&mut self, token: &Token) {
        self.out.push_str(&token.lead);
        match &token.shown {
            Shown::Word(word) => self.out.push_str(word),
            Shown::Source => self.source(token.range.clone()),
        }
        self.out.push_str(&token.trail);
    }

    /// Writes what stands in the file, with the breaks in it.
    fn source(&mut self, range: Range<usize>) {
        let mut start = range.start;
        for one in self.breaks_to(range.end.saturating_sub(1)) {
            self.out
                .push_str(self.source.get(start..one.at).unwrap_or_default());
            self.out.push(self.mark);
            self.out.push('\n');
            for comment in &one.comments {
                self.out.push_str(comment);
                self.out.push('\n');
            }
            start = one.at;
        }
        self.out
            .push_str(self.source.get(start..range.end).unwrap_or_default());
    }
}

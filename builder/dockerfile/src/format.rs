//! A file in the one form that files have here, with the same meaning.
//!
//! It is worked on as text, line by line, since comments and the lines that
//! instructions are written on are to stay. What is in the text of a command,
//! in a value or in a heredoc is not touched: nothing but a shell knows which
//! blanks in it mean something.

mod block;
mod joined;
mod legacy;
mod meaning;
mod token;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Directive, Dockerfile, Escape, Heredoc, Instruction, Kind, Source};
use crate::diagnostic::{Diagnostic, Severity};
use crate::format::block::Block;
use crate::parse::lines::{Line, Lines};
use crate::parse::{BYTE_ORDER_MARK, MAX_FILE, directive, parse};
use crate::print;

/// Writes a file in its one form.
///
/// Keywords are in capitals; words that blanks divide are divided by one, or by
/// a line that is continued where they were before, which is indented by four
/// blanks. `ENV NAME VALUE` becomes `ENV NAME=VALUE` where that means the same.
/// Comments stay where they are. There is no blank line at the ends of the file,
/// no more than one elsewhere, and one above each `FROM` and its comments. Line
/// breaks are `\n` but for those in heredocs, which are content.
///
/// What comes out reads as the same AST, apart from where things stand, how
/// they were written and the quotes of such an `ENV`; written anew it is the
/// same again.
///
/// # Errors
///
/// Gives all there is to say about a file that has mistakes.
pub fn format(source: &[u8]) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let (file, said) = parse(source);
    let is_wrong = said.iter().any(|said| said.severity == Severity::Error);
    let Some(text) = str::from_utf8(source).ok().filter(|_| !is_wrong) else {
        return Err(said);
    };
    let out = write(&Scanner::new(text, &file).scan());
    if out.len() > MAX_FILE {
        // It would be no file any more.
        return Ok(source.to_vec());
    }
    Ok(out.into_bytes())
}

/// Is a part of a file.
#[derive(Debug)]
enum Element {
    /// One or more blank lines.
    Blank,
    /// A line among the directives.
    Head(String),
    /// A comment that stands alone.
    Comment(String),
    /// A `FROM`.
    From(String),
    /// Any other instruction.
    Instruction(String),
}

/// Takes a file apart.
struct Scanner<'a> {
    source: &'a str,
    lines: Lines<'a>,
    escape: Escape,
    directives: &'a [Directive],
    /// Where the bodies of heredocs begin and end.
    bodies: BTreeMap<usize, usize>,
    elements: Vec<Element>,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a str, file: &'a Dockerfile) -> Self {
        let start = source.len() - source.trim_start_matches(BYTE_ORDER_MARK).len();
        let steps = file.stages.iter().flat_map(|stage| &stage.instructions);
        let bodies = steps.flat_map(heredocs).map(|heredoc| heredoc.body);
        Self {
            source,
            // No more than one: a second one would be a mistake.
            lines: Lines::new(source, start.min(BYTE_ORDER_MARK.len())),
            escape: file.escape,
            directives: &file.directives,
            bodies: bodies.map(|body| (body.start, body.end)).collect(),
            elements: Vec::new(),
        }
    }

    fn scan(mut self) -> Vec<Element> {
        let last = self.directives.last();
        let head = last.map_or(0, |directive| directive.value.span().end);
        let mut is_first = true;
        while let Some(line) = self.lines.next() {
            let is_shebang = is_first && line.text.starts_with("#!");
            is_first = false;
            if line.text.trim().is_empty() {
                self.elements.push(Element::Blank);
            } else if !line.is_comment() {
                self.instruction(line);
            } else if is_shebang || line.start < head {
                let text = self.head(line);
                self.elements.push(Element::Head(text));
            } else {
                let comment = line.text.trim().to_owned();
                self.elements.push(Element::Comment(comment));
            }
        }
        self.elements
    }

    fn head(&self, line: Line<'_>) -> String {
        let range = line.span().range();
        let mut directives = self.directives.iter();
        let here = directives.find(|one| range.contains(&one.name.span().start));
        match here {
            Some(directive) => print::directive(directive),
            None => format!("{}\n", line.text.trim()),
        }
    }

    fn instruction(&mut self, line: Line<'a>) {
        let block = Block::read(line, &mut self.lines, self.escape);
        let below = self.heredocs();
        let written = block.write(self.source, &below);
        let comments = |comments: Vec<String>| comments.into_iter().map(Element::Comment);
        self.elements.extend(comments(written.above));
        let text = format!("{}{below}", written.text);
        self.elements.push(if block.is_from() {
            Element::From(text)
        } else {
            Element::Instruction(text)
        });
        self.elements.extend(comments(written.below));
    }

    /// Takes the heredocs that stand here, with their last lines.
    fn heredocs(&mut self) -> String {
        let mut below = String::new();
        while let Some(end) = self.bodies.remove(&self.lines.offset()) {
            let content = self.source.get(self.lines.offset()..end);
            below.push_str(content.unwrap_or_default());
            self.lines = Lines::new(self.source, end);
            let last = self.lines.next().map(|line| line.text);
            below.push_str(last.unwrap_or_default());
            below.push('\n');
        }
        below
    }
}

/// Lists the heredocs of an instruction.
fn heredocs<'h>(instruction: &'h Instruction) -> Vec<&'h Heredoc> {
    match &instruction.kind {
        Kind::Run(run) => run.heredocs.iter().collect(),
        Kind::Add(copy) | Kind::Copy(copy) => {
            let heredoc = |source: &'h Source| match source {
                Source::Heredoc(heredoc) => Some(heredoc),
                Source::Path(_) => None,
            };
            copy.sources.iter().filter_map(heredoc).collect()
        }
        Kind::Onbuild(inner) => heredocs(inner),
        _ => Vec::new(),
    }
}

/// Puts a file together.
fn write(elements: &[Element]) -> String {
    let starts = starts(elements);
    let mut out = String::new();
    let mut blank = false;
    // Only directives stand above.
    let mut is_head = true;
    for (number, element) in elements.iter().enumerate() {
        let (Element::Head(text)
        | Element::Comment(text)
        | Element::From(text)
        | Element::Instruction(text)) = element
        else {
            blank = true;
            continue;
        };
        blank |= starts.contains(&number);
        blank &= !out.is_empty();
        if let (true, Element::Comment(comment)) = (is_head, element) {
            // Without a line above it, it would be more than a comment.
            let is_shebang = out.is_empty() && comment.starts_with("#!");
            blank |= is_shebang || directive::is_directive(comment);
        }
        if blank {
            out.push('\n');
        }
        blank = false;
        is_head &= matches!(element, Element::Head(_));
        out.push_str(text);
        if matches!(element, Element::Comment(_)) {
            out.push('\n');
        }
    }
    out
}

/// Lists the elements that begin a stage: each `FROM`, or the first of the
/// comments right above it.
fn starts(elements: &[Element]) -> BTreeSet<usize> {
    let mut starts = BTreeSet::new();
    let mut first = None;
    for (number, element) in elements.iter().enumerate() {
        match element {
            Element::Comment(_) => {
                first.get_or_insert(number);
                continue;
            }
            Element::From(_) => {
                starts.insert(first.unwrap_or(number));
            }
            _ => {}
        }
        first = None;
    }
    starts
}

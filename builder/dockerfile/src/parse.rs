//! From bytes to a file's instructions and all of its mistakes.
//!
//! The rules are those of `BuildKit`'s stable syntax. A mistake never ends the
//! reading: what it spoils is left out, and the next instruction is read. What
//! variables, images and paths are is not looked at here.

mod code;
mod command;
pub(crate) mod directive;
pub(crate) mod flags;
pub(crate) mod heredoc;
mod instruction;
pub(crate) mod json;
pub(crate) mod keyword;
pub(crate) mod lines;
mod pairs;
mod paths;
mod report;
mod shell_words;
mod stage;
pub(crate) mod words;

pub use flags::parse_duration;
pub use report::nearest;

#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::ast::{Dockerfile, Kind, Stage};
use crate::diagnostic::Diagnostic;
use crate::parse::directive::Directives;
use crate::parse::heredoc::Ends;
use crate::parse::instruction::{Body, Head};
use crate::parse::keyword::Keyword;
use crate::parse::lines::{Line, Lines};
use crate::parse::report::Report;
use crate::span::Span;
use crate::text::Text;

/// Is how many bytes a file may have: 4 MiB.
pub(crate) const MAX_FILE: usize = 4 << 20;
/// Is how many bytes one line may have, without its line break.
pub(crate) const MAX_LINE: usize = 65_535;
/// Is how many instructions a file may have.
const MAX_INSTRUCTIONS: usize = 10_000;
/// Stands before the text of some files.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Takes the place of a byte that is no text; as long as it is.
const REPLACEMENT: u8 = b'?';

/// Reads a Dockerfile.
///
/// Any bytes have an answer: what could be read, and all that is wrong with
/// the rest, in the order of the file. Spans count bytes of what was given. A
/// file without a diagnostic of [`Severity::Error`](crate::Severity::Error)
/// was read whole; of another one, instructions may be missing, and a `FROM`
/// without an image reads as `FROM scratch`.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Dockerfile, Vec<Diagnostic>) {
    let mut report = Report::default();
    let Some(source) = decode(bytes, &mut report) else {
        return (Dockerfile::default(), report.finish());
    };
    let start = if source.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let mut parser = Parser {
        lines: Lines::new(&source, start),
        ends: Ends::default(),
        report,
        file: Dockerfile::default(),
        directives: Directives::default(),
        instructions: 0,
        homeless: false,
        names: BTreeSet::new(),
        once: Vec::new(),
    };
    parser.run();
    parser.check_stages(source.len());
    (parser.file, parser.report.finish())
}

/// Reads bytes as text of the same length; what is no text is said and
/// replaced.
fn decode<'a>(bytes: &'a [u8], report: &mut Report) -> Option<Cow<'a, str>> {
    if bytes.len() > MAX_FILE {
        let message = format!(
            "the file has {} bytes, and {MAX_FILE} are allowed",
            bytes.len()
        );
        report
            .error(code::FILE_TOO_LARGE, Span::default(), message)
            .hint("keep large content in files of the context, and copy them");
        return None;
    }
    // A mark, or what an ASCII letter is in it.
    if matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..]
    ) {
        let message = "the file is text in UTF-16".to_owned();
        report
            .error(code::NOT_UTF_8, Span::new(0, 2), message)
            .hint("save it as UTF-8");
        return None;
    }
    let text = replace_invalid(bytes, report);
    for line in Lines::new(&text, 0) {
        check_line(line, report);
    }
    Some(text)
}

/// Says what is wrong with a line wherever it stands.
fn check_line(line: Line<'_>, report: &mut Report) {
    let length = line.text.len();
    if length > MAX_LINE {
        let message = format!("the line has {length} bytes, and {MAX_LINE} are allowed");
        report
            .error(code::LINE_TOO_LONG, line.span(), message)
            .hint("break it into lines that end in the escape character");
    }
    if let Some(first) = line.text.find('\0') {
        let at = line.start + first;
        let message = "a byte of the line is 0, which no text has".to_owned();
        report
            .error(code::NUL_BYTE, Span::new(at, at + 1), message)
            .hint("delete it; a file with many of them is no text at all");
    }
}

fn replace_invalid<'a>(bytes: &'a [u8], report: &mut Report) -> Cow<'a, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut said = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // One of each line: text in another encoding has many.
        said &= !chunk.valid().contains('\n');
        let invalid = chunk.invalid();
        let span = Span::new(text.len(), text.len() + invalid.len());
        text.extend(invalid.iter().map(|_| char::from(REPLACEMENT)));
        if said || invalid.is_empty() {
            continue;
        }
        said = true;
        let message = format!("`\\x{}` is not UTF-8", hex(invalid));
        report
            .error(code::NOT_UTF_8, span, message)
            .hint("save the file as UTF-8");
    }
    Cow::Owned(text)
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join("\\x")
}

/// Reads one file.
struct Parser<'a> {
    lines: Lines<'a>,
    ends: Ends<'a>,
    report: Report,
    file: Dockerfile,
    directives: Directives,
    /// How many instructions were begun.
    instructions: usize,
    /// It was said that an instruction stands above the first stage.
    homeless: bool,
    /// The names of the stages so far.
    names: BTreeSet<String>,
    /// Instructions of this stage of which only the last one counts.
    once: Vec<(Keyword, Span)>,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(line) = self.next_instruction() {
            if self.instructions == MAX_INSTRUCTIONS {
                let message = format!("the file has more than {MAX_INSTRUCTIONS} instructions");
                let span = line.trim().span();
                self.report
                    .error(code::TOO_MANY_INSTRUCTIONS, span, message)
                    .hint("what follows was not read");
                return;
            }
            self.instructions += 1;
            let Some(head) = Head::read(&line, &mut self.report) else {
                heredoc::skip(&line, &mut self.lines);
                continue;
            };
            let body = self.body(head);
            self.place(body);
            if self.report.is_full() {
                return;
            }
        }
    }

    fn body(&mut self, head: Head) -> Body {
        let escape = self.file.escape;
        head.body(escape, &mut self.lines, &mut self.ends, &mut self.report)
    }

    /// Takes lines up to the end of an instruction.
    fn next_instruction(&mut self) -> Option<Text> {
        loop {
            let line = self.lines.next()?;
            if line.is_comment() {
                self.directives.read(line, &mut self.file, &mut self.report);
                continue;
            }
            let is_empty = line.text.trim_start().is_empty();
            self.directives.close(!is_empty);
            if !is_empty {
                let escape = self.file.escape;
                return Some(lines::join(line, &mut self.lines, escape, &mut self.report));
            }
        }
    }

    /// Puts an instruction where it belongs.
    fn place(&mut self, body: Body) {
        let keyword = body.keyword;
        let word = body.word;
        if keyword == Keyword::From {
            let from = stage::from(body, &mut self.report);
            stage::check_duplicate(&from, &mut self.names, &mut self.report);
            self.once.clear();
            let instructions = Vec::new();
            self.file.stages.push(Stage { from, instructions });
            return;
        }
        let instruction = instruction::instruction(body, &mut self.report);
        let Some(stage) = self.file.stages.last_mut() else {
            match instruction.map(|instruction| instruction.kind) {
                Some(Kind::Arg(arguments)) => self.file.arguments.extend(arguments),
                _ if keyword != Keyword::Arg => self.say_homeless(keyword, word),
                _ => {}
            }
            return;
        };
        stage.instructions.extend(instruction);
        self.check_once(keyword, word);
    }

    /// Says that no stage has begun, once: the first `FROM` is in one place.
    fn say_homeless(&mut self, keyword: Keyword, word: Span) {
        if self.homeless {
            return;
        }
        self.homeless = true;
        let message = format!("`{}` stands above the first `FROM`", keyword.name());
        self.report
            .error(code::BEFORE_FIRST_STAGE, word, message)
            .hint("begin with `FROM IMAGE`; only `ARG` can stand above it");
    }

    /// Warns of an instruction that a later one of its stage undoes.
    fn check_once(&mut self, keyword: Keyword, word: Span) {
        if !matches!(
            keyword,
            Keyword::Cmd | Keyword::Entrypoint | Keyword::Healthcheck
        ) {
            return;
        }
        if let Some((_, above)) = self.once.iter_mut().find(|(other, _)| *other == keyword) {
            let message = format!("a later `{}` of this stage takes its place", keyword.name());
            self.report
                .warning(code::REPEATED_INSTRUCTION, *above, message)
                .hint("delete one of the two");
            *above = word;
            return;
        }
        self.once.push((keyword, word));
    }

    /// Says that there is nothing to build.
    fn check_stages(&mut self, length: usize) {
        // What was cut short may have had one.
        let cut = self.instructions == MAX_INSTRUCTIONS || self.report.is_full();
        if !self.file.stages.is_empty() || self.homeless || cut {
            return;
        }
        let end = Span::new(length, length);
        if self.instructions == 0 {
            let message = "the file has no instructions".to_owned();
            self.report
                .error(code::NO_INSTRUCTIONS, end, message)
                .hint("begin with `FROM IMAGE`");
        } else if !self.file.arguments.is_empty() {
            let message = "the file has no `FROM`".to_owned();
            self.report
                .error(code::NO_STAGE, end, message)
                .hint("write `FROM IMAGE` below the `ARG`s");
        }
    }
}

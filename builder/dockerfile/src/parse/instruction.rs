//! One instruction, from its joined lines to what it says.

use crate::ast::{Escape, Flag, Heredoc, Instruction, Kind};
use crate::diagnostic::excerpt;
use crate::parse::flags::{self, Arguments};
use crate::parse::heredoc::{self, Ends, Mark};
use crate::parse::json::Array;
use crate::parse::keyword::Keyword;
use crate::parse::lines::Lines;
use crate::parse::report::{Report, nearest};
use crate::parse::{code, command, pairs, paths, words};
use crate::span::Span;
use crate::text::Text;

/// Is an instruction whose first word is known.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) keyword: Keyword,
    /// Where the keyword stands.
    pub(super) word: Span,
    /// The whole instruction, without heredocs.
    line: Text,
    arguments: Arguments,
}

/// Is an instruction whose flags and heredocs are read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) keyword: Keyword,
    /// Where the keyword stands.
    pub(super) word: Span,
    /// The whole instruction, with its heredocs.
    pub(super) span: Span,
    /// The instruction in one line, its keyword in capitals.
    pub(super) text: String,
    pub(super) flags: Vec<Flag>,
    /// Says whether there were flags, right or wrong ones.
    pub(super) flagged: bool,
    /// Says whether a word `--` ended the flags.
    pub(super) ended: bool,
    /// What follows the flags.
    pub(super) arguments: Text,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) escape: Escape,
}

impl Head {
    /// Reads the first word and splits what follows it. An unknown word gives
    /// nothing but its diagnostic.
    pub(super) fn read(line: &Text, report: &mut Report) -> Option<Self> {
        let line = line.trim();
        let (word, rest) = words::split_first(&line);
        let Some(keyword) = Keyword::find(word.as_str()) else {
            unknown(&word, report);
            return None;
        };
        Some(Self {
            keyword,
            word: word.span(),
            arguments: flags::split(&rest),
            line,
        })
    }

    /// Reads the heredocs below it, and checks its flags.
    pub(super) fn body<'a>(
        self,
        escape: Escape,
        lines: &mut Lines<'a>,
        ends: &mut Ends<'a>,
        report: &mut Report,
    ) -> Body {
        let marks = self.marks(lines);
        let heredocs = heredoc::read(marks, lines, ends, report);
        let end = if heredocs.is_empty() {
            self.line.span().end
        } else {
            lines.end()
        };
        self.finish(escape, heredocs, end, report)
    }

    /// Finds the heredocs that its line announces; `ONBUILD` has those of the
    /// instruction in it.
    fn marks(&self, lines: &mut Lines<'_>) -> Vec<Mark> {
        let rest = &self.arguments.rest;
        let (keyword, rest) = if self.keyword == Keyword::Onbuild {
            let (word, rest) = words::split_first(rest);
            (Keyword::find(word.as_str()), flags::split(&rest).rest)
        } else {
            (Some(self.keyword), rest.clone())
        };
        let takes = keyword.is_some_and(Keyword::takes_heredocs);
        if !takes || !matches!(Array::read(&rest), Array::No) {
            return Vec::new();
        }
        let marks = heredoc::marks(&self.line);
        if marks.is_empty() && keyword != Some(Keyword::Run) {
            // Its words announce heredocs that its line does not: a mistake,
            // of which only a `RUN` can make sense.
            heredoc::skip(&rest, lines);
        }
        marks
    }

    fn finish(
        self,
        escape: Escape,
        heredocs: Vec<Heredoc>,
        end: usize,
        report: &mut Report,
    ) -> Body {
        let (_, rest) = words::split_first(&self.line);
        let name = self.keyword.name();
        let text = format!("{name} {rest}").trim_end().to_owned();
        let Arguments { words, ended, rest } = self.arguments;
        Body {
            keyword: self.keyword,
            word: self.word,
            span: Span::new(self.line.span().start, end),
            text,
            flagged: !words.is_empty(),
            flags: flags::check(words, self.keyword, report),
            ended,
            arguments: rest,
            heredocs,
            escape,
        }
    }
}

/// Says that a first word is no instruction.
fn unknown(word: &Text, report: &mut Report) {
    let text = word.as_str();
    if text.is_empty() {
        let message = "the instruction is empty".to_owned();
        report
            .error(code::EMPTY_INSTRUCTION, word.span(), message)
            .hint("delete the line that continues into nothing");
        return;
    }
    let names = Keyword::ALL.map(Keyword::name);
    let strange = text.chars().find(|letter| letter.is_whitespace());
    let message = format!("`{}` is not an instruction", excerpt(text));
    let hint = if let Some(strange) = strange {
        let number = u32::from(strange);
        format!("U+{number:04X} looks like a blank and is none: type a space in its place")
    } else if text.starts_with("//") {
        "a comment begins with `#`".to_owned()
    } else if let Some(near) = nearest(text, &names) {
        format!("did you mean `{near}`?")
    } else {
        "if it goes on from the line above, that one must end in the escape character".to_owned()
    };
    report
        .error(code::UNKNOWN_INSTRUCTION, word.span(), message)
        .hint(hint);
}

/// Reads an instruction that is no `FROM`.
pub(super) fn instruction(body: Body, report: &mut Report) -> Option<Instruction> {
    let span = body.span;
    let text = body.text.clone();
    let kind = kind(body, report)?;
    Some(Instruction { span, text, kind })
}

fn kind(body: Body, report: &mut Report) -> Option<Kind> {
    match body.keyword {
        // The caller reads it.
        Keyword::From => None,
        Keyword::Add => paths::copy(body, report).map(Kind::Add),
        Keyword::Copy => paths::copy(body, report).map(Kind::Copy),
        Keyword::Volume => paths::volume(&body, report).map(Kind::Volume),
        Keyword::Arg => pairs::arguments(&body, report).map(Kind::Arg),
        Keyword::Env => pairs::pairs(&body, report).map(Kind::Env),
        Keyword::Label => pairs::pairs(&body, report).map(Kind::Label),
        Keyword::Run => command::run(body, report).map(Kind::Run),
        Keyword::Cmd => command::command(&body, report).map(Kind::Cmd),
        Keyword::Entrypoint => command::command(&body, report).map(Kind::Entrypoint),
        Keyword::Healthcheck => command::healthcheck(body, report).map(Kind::Healthcheck),
        Keyword::Shell => command::shell(&body, report).map(Kind::Shell),
        Keyword::Onbuild => trigger(body, report),
        Keyword::Expose => {
            let ports = words::split(&single(&body, report)?);
            Some(Kind::Expose(ports))
        }
        Keyword::StopSignal => single(&body, report).map(Kind::StopSignal),
        Keyword::User => single(&body, report).map(Kind::User),
        Keyword::Workdir => single(&body, report).map(Kind::Workdir),
        Keyword::Maintainer => {
            let message = "`MAINTAINER` is deprecated".to_owned();
            report
                .warning(code::DEPRECATED_INSTRUCTION, body.word, message)
                .hint("write `LABEL org.opencontainers.image.authors=\"...\"`");
            single(&body, report).map(Kind::Maintainer)
        }
    }
}

/// Gives all that follows the flags, which must not be nothing.
fn single(body: &Body, report: &mut Report) -> Option<Text> {
    if body.arguments.is_empty() {
        let wanted = match body.keyword {
            Keyword::Expose => "a port: `EXPOSE 8080`",
            Keyword::StopSignal => "a signal: `STOPSIGNAL SIGTERM`",
            Keyword::User => "a user: `USER NAME` or `USER UID:GID`",
            Keyword::Workdir => "a directory: `WORKDIR /srv`",
            Keyword::Onbuild => "an instruction: `ONBUILD COPY . /srv`",
            _ => "a value",
        };
        missing(body, wanted, report);
        return None;
    }
    Some(body.arguments.clone())
}

/// Says that nothing follows a keyword.
pub(super) fn missing(body: &Body, wanted: &str, report: &mut Report) {
    let message = format!("nothing follows `{}`", body.keyword.name());
    report
        .error(code::MISSING_ARGUMENT, body.word, message)
        .hint(format!("it takes {wanted}"));
}

/// Reads an `ONBUILD`.
fn trigger(body: Body, report: &mut Report) -> Option<Kind> {
    let line = single(&body, report)?;
    let head = Head::read(&line, report)?;
    let name = head.keyword.name();
    if matches!(
        head.keyword,
        Keyword::From | Keyword::Maintainer | Keyword::Onbuild
    ) {
        let message = format!("`{name}` can not stand in an `ONBUILD`");
        report
            .error(code::INVALID_TRIGGER, head.word, message)
            .hint("every other instruction can");
        return None;
    }
    let end = body.span.end;
    let body = head.finish(body.escape, body.heredocs, end, report);
    let inner = instruction(body, report)?;
    Some(Kind::Onbuild(Box::new(inner)))
}

//! An AST as a Dockerfile that reads the same.
//!
//! Comments, blank lines and the lines an instruction was written on are not
//! in an AST, so they are not in what is printed: that is for `format`.

mod line;
mod quote;

#[cfg(test)]
pub(crate) mod tests;

use crate::ast::{
    Argument, Command, Copy, Directive, Dockerfile, Escape, Flag, From, Healthcheck, Heredoc,
    Instruction, Kind, Pair, Run, Source,
};
use crate::parse::heredoc;
use crate::parse::json::Array;
use crate::parse::keyword::Keyword;
use crate::parse::words;
use crate::print::quote::Quoting;
use crate::text::Text;

/// Prints a file, an instruction to a line.
///
/// Any AST that was read from a file without a mistake gives a file that reads
/// as the same AST, apart from where things stand and how they were written.
#[must_use]
pub fn to_dockerfile(file: &Dockerfile) -> String {
    let mut out = String::new();
    for directive in &file.directives {
        out.push_str(&self::directive(directive));
    }
    let escape = file.escape;
    if !file.arguments.is_empty() {
        start_block(&mut out);
    }
    for argument in &file.arguments {
        line::push(
            &mut out,
            &with_words("ARG", &argument_word(argument)),
            escape,
        );
    }
    for stage in &file.stages {
        start_block(&mut out);
        line::push(&mut out, &from(&stage.from), escape);
        for instruction in &stage.instructions {
            let (line, heredocs) = self::instruction(instruction, escape);
            line::push(&mut out, &line, escape);
            for heredoc in heredocs {
                out.push_str(&heredoc.content);
                out.push_str(&heredoc.name);
                out.push('\n');
            }
        }
    }
    out
}

/// Prints a directive with its line break.
pub(crate) fn directive(directive: &Directive) -> String {
    let Directive { name, value } = directive;
    if value.is_empty() {
        // With nothing at all behind the `=` it would be a comment.
        return format!("# {name}= \n");
    }
    format!("# {name}={value}\n")
}

/// Gives the first word of an instruction.
pub(crate) fn keyword(kind: &Kind) -> Keyword {
    match kind {
        Kind::Add(_) => Keyword::Add,
        Kind::Arg(_) => Keyword::Arg,
        Kind::Cmd(_) => Keyword::Cmd,
        Kind::Copy(_) => Keyword::Copy,
        Kind::Entrypoint(_) => Keyword::Entrypoint,
        Kind::Env(_) => Keyword::Env,
        Kind::Expose(_) => Keyword::Expose,
        Kind::Healthcheck(_) => Keyword::Healthcheck,
        Kind::Label(_) => Keyword::Label,
        Kind::Maintainer(_) => Keyword::Maintainer,
        Kind::Onbuild(_) => Keyword::Onbuild,
        Kind::Run(_) => Keyword::Run,
        Kind::Shell(_) => Keyword::Shell,
        Kind::StopSignal(_) => Keyword::StopSignal,
        Kind::User(_) => Keyword::User,
        Kind::Volume(_) => Keyword::Volume,
        Kind::Workdir(_) => Keyword::Workdir,
    }
}

/// Begins what has a blank line above it.
fn start_block(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn from(from: &From) -> String {
    let platform = from.platform.as_ref().map(|platform| {
        let value = quote::flag_value(platform.as_str(), Quoting::Plain);
        format!(" --platform={value}")
    });
    let name = from.name.as_ref().map(|name| format!(" AS {name}"));
    let head = format!("FROM{}", platform.unwrap_or_default());
    with_words(&head, &format!("{}{}", from.base, name.unwrap_or_default()))
}

/// Puts words behind an instruction's head, so that none is taken for a flag.
fn with_words(head: &str, words: &str) -> String {
    if words.is_empty() {
        return head.to_owned();
    }
    let end = if words.starts_with("--") { " --" } else { "" };
    format!("{head}{end} {words}")
}

/// Gives an instruction in one line, and what stands below it.
fn instruction(instruction: &Instruction, escape: Escape) -> (String, Vec<&Heredoc>) {
    let kind = &instruction.kind;
    let head = keyword(kind).name();
    let words = match kind {
        Kind::Onbuild(inner) => {
            let (line, heredocs) = self::instruction(inner, escape);
            return (format!("{head} {line}"), heredocs);
        }
        Kind::Add(copy) | Kind::Copy(copy) => return self::copy(head, copy),
        Kind::Run(run) => return self::run(head, run),
        Kind::Arg(arguments) => join(arguments.iter().map(argument_word)),
        Kind::Env(pairs) | Kind::Label(pairs) => self::pairs(pairs, escape),
        Kind::Cmd(command) | Kind::Entrypoint(command) => self::command(command),
        Kind::Expose(ports) => join(ports.iter().map(Text::to_string)),
        Kind::Volume(paths) => {
            let paths: Vec<&str> = paths.iter().map(Text::as_str).collect();
            plain_words(&paths).unwrap_or_else(|| quote::json(&paths))
        }
        Kind::Shell(words) => quote::json(words),
        Kind::Maintainer(text)
        | Kind::StopSignal(text)
        | Kind::User(text)
        | Kind::Workdir(text) => text.to_string(),
        Kind::Healthcheck(Healthcheck::None) => "NONE".to_owned(),
        Kind::Healthcheck(Healthcheck::Command { flags, command }) => {
            let head = with_flags(head, flags, Quoting::Plain);
            return (format!("{head} CMD {}", self::command(command)), Vec::new());
        }
    };
    (with_words(head, &words), Vec::new())
}

fn run<'a>(head: &str, run: &'a Run) -> (String, Vec<&'a Heredoc>) {
    let words = command(&run.command);
    let line = |quoting| with_words(&with_flags(head, &run.flags, quoting), &words);
    let is_shell = matches!(run.command, Command::Shell(_));
    let heredocs: Vec<&Heredoc> = run.heredocs.iter().collect();
    // Quotes in flags decide what a shell sees behind them.
    let says_same = |line: &String| !is_shell || announces(line, &heredocs);
    let fitting = Quoting::ALL.into_iter().map(line).find(says_same);
    (fitting.unwrap_or_else(|| line(Quoting::Plain)), heredocs)
}

/// Says whether a line announces these heredocs and no others.
fn announces(line: &str, heredocs: &[&Heredoc]) -> bool {
    let marks = heredoc::marks(&Text::new(line, 0));
    let found = marks.iter().map(|mark| (mark.name.as_str(), mark.expands));
    let wanted = heredocs.iter();
    found.eq(wanted.map(|heredoc| (heredoc.name.as_str(), heredoc.expands)))
}

fn copy<'a>(head: &str, copy: &'a Copy) -> (String, Vec<&'a Heredoc>) {
    let named = [
        ("from", &copy.from),
        ("chown", &copy.chown),
        ("chmod", &copy.chmod),
    ];
    let head = |quoting| {
        let mut head = head.to_owned();
        for (name, value) in named {
            if let Some(value) = value {
                let value = quote::flag_value(value.as_str(), quoting);
                head.push_str(&format!(" --{name}={value}"));
            }
        }
        with_flags(&head, &copy.flags, quoting)
    };
    let mut heredocs = Vec::new();
    let mut words = Vec::new();
    for source in &copy.sources {
        match source {
            Source::Path(path) => words.push(path.to_string()),
            Source::Heredoc(heredoc) => {
                heredocs.push(heredoc);
                words.push(quote::mark(heredoc));
            }
        }
    }
    words.push(copy.destination.to_string());
    if heredocs.is_empty() {
        let head = head(Quoting::Plain);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let plain = plain_words(&words).map(|plain| with_words(&head, &plain));
        let plain = plain.filter(|line| announces(line, &[]));
        let line = plain.unwrap_or_else(|| format!("{head} {}", quote::json(&words)));
        return (line, heredocs);
    }
    let words = words.join(" ");
    let line = |quoting| with_words(&head(quoting), &words);
    let says_same = |line: &String| announces(line, &heredocs);
    let fitting = Quoting::ALL.into_iter().map(line).find(says_same);
    (fitting.unwrap_or_else(|| line(Quoting::Plain)), heredocs)
}

/// Gives paths as they stand without an array, if they can.
fn plain_words(paths: &[&str]) -> Option<String> {
    let is_word = |path: &&str| {
        let is_mark = heredoc::mark(&Text::new(*path, 0)).is_some();
        !path.is_empty() && !is_mark && !path.contains(|letter: char| is_strange(letter))
    };
    if !paths.iter().all(is_word) {
        return None;
    }
    let line = paths.join(" ");
    let is_text = matches!(Array::read(&Text::new(line.as_str(), 0)), Array::No);
    is_text.then_some(line)
}

fn is_strange(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control()
}

fn with_flags(head: &str, flags: &[Flag], quoting: Quoting) -> String {
    let mut line = head.to_owned();
    for flag in flags {
        line.push_str(" --");
        line.push_str(&flag.name);
        if let Some(value) = &flag.value {
            line.push('=');
            line.push_str(&quote::flag_value(value.as_str(), quoting));
        }
    }
    line
}

fn argument_word(argument: &Argument) -> String {
    match &argument.default {
        Some(default) => format!("{}={default}", argument.name),
        None => argument.name.to_string(),
    }
}

fn pairs(pairs: &[Pair], escape: Escape) -> String {
    if let [one] = pairs {
        let word = Text::new(format!("{}={}", one.key, one.value), 0);
        let is_word = words::split_quoted(&word, escape) == [word];
        if !is_word || one.key.as_str().contains('=') {
            return format!("{} {}", one.key, one.value);
        }
    }
    join(
        pairs
            .iter()
            .map(|pair| format!("{}={}", pair.key, pair.value)),
    )
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => text.to_string(),
        Command::Exec(words) => quote::json(words),
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

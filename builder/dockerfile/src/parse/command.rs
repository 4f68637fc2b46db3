//! What is started: `RUN`, `CMD`, `ENTRYPOINT`, `SHELL` and `HEALTHCHECK`.
//! Text for a shell is not read.

use crate::ast::{Command, Escape, Flag, Healthcheck, Run};
use crate::diagnostic::excerpt;
use crate::mount::check_mount;
use crate::parse::instruction::{Body, missing};
use crate::parse::json::Array;
use crate::parse::report::{Report, nearest};
use crate::parse::{code, words};
use crate::span::Span;
use crate::text::Text;

/// Quotes that an array of strings does not have, and that begin what was
/// meant as one; and the one that it has.
const QUOTES: [char; 6] = ['"', '\'', '“', '”', '‘', '’'];

/// Reads a `RUN`.
pub(super) fn run(body: Body, report: &mut Report) -> Option<Run> {
    let command = words_or_text(&body.arguments, report)?;
    if is_empty(&command) {
        missing(&body, "a command: `RUN make` or `RUN [\"make\"]`", report);
        return None;
    }
    Some(Run {
        flags: right_mounts(body.flags, body.escape, report),
        command,
        heredocs: body.heredocs,
    })
}

/// Says what is wrong with the values of `--mount`, and gives the other flags.
fn right_mounts(flags: Vec<Flag>, escape: Escape, report: &mut Report) -> Vec<Flag> {
    let mut right = Vec::with_capacity(flags.len());
    for flag in flags {
        let mount = flag.value.as_ref().filter(|_| flag.name == "mount");
        let errors = mount.map_or_else(Vec::new, |value| check_mount(value.as_str(), escape));
        for error in &errors {
            let range = error.range.clone();
            let span = mount.map_or(flag.span, |value| value.span_of(range));
            report
                .error(code::INVALID_MOUNT, span, error.message.clone())
                .hint(error.hint.clone());
        }
        if errors.is_empty() {
            right.push(flag);
        }
    }
    right
}

/// Reads a `CMD` or `ENTRYPOINT`.
pub(super) fn command(body: &Body, report: &mut Report) -> Option<Command> {
    let command = words_or_text(&body.arguments, report)?;
    let is_shell = matches!(command, Command::Shell(_));
    if is_shell && is_empty(&command) && !body.flagged {
        let name = body.keyword.name();
        let message = format!("`{name}` starts a shell that does nothing");
        report
            .warning(code::EMPTY_COMMAND, body.word, message)
            .hint(format!("`{name} []` takes away what the base has"));
    }
    Some(command)
}

/// Reads a `SHELL`.
pub(super) fn shell(body: &Body, report: &mut Report) -> Option<Vec<String>> {
    let arguments = &body.arguments;
    let wanted = "an array of strings: `SHELL [\"/bin/sh\", \"-c\"]`";
    match Array::read(arguments) {
        Array::Strings(words) if !words.is_empty() => Some(strings(&words)),
        Array::Strings(_) => {
            missing(body, wanted, report);
            None
        }
        Array::Others(spans) => {
            not_strings(spans, report);
            None
        }
        Array::No if arguments.is_empty() => {
            missing(body, wanted, report);
            None
        }
        Array::No => {
            let shown = excerpt(arguments.as_str());
            let message = format!("`{shown}` is not an array of strings in JSON");
            report
                .error(code::JSON_REQUIRED, arguments.span(), message)
                .hint(format!("`SHELL` takes {wanted}"));
            None
        }
    }
}

/// Reads a `HEALTHCHECK`.
pub(super) fn healthcheck(body: Body, report: &mut Report) -> Option<Healthcheck> {
    let wanted = "`NONE`, or `CMD` and a command";
    if body.arguments.is_empty() {
        missing(&body, wanted, report);
        return None;
    }
    let (kind, rest) = words::split_first(&body.arguments);
    if kind.as_str().eq_ignore_ascii_case("none") {
        return none(&body, &rest, report);
    }
    if !kind.as_str().eq_ignore_ascii_case("cmd") {
        let shown = excerpt(kind.as_str());
        let message = format!("`{shown}` is not a kind of `HEALTHCHECK`");
        let hint = match nearest(kind.as_str(), &["CMD", "NONE"]) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it takes {wanted}: `HEALTHCHECK CMD {shown} ...`"),
        };
        report
            .error(code::UNKNOWN_HEALTHCHECK, kind.span(), message)
            .hint(hint);
        return None;
    }
    let command = words_or_text(&rest, report)?;
    if is_empty(&command) {
        let message = "nothing follows `HEALTHCHECK CMD`".to_owned();
        report
            .error(code::MISSING_ARGUMENT, kind.span(), message)
            .hint("it takes a command: `HEALTHCHECK CMD test -e /run/ready`");
        return None;
    }
    let flags = body.flags;
    Some(Healthcheck::Command { flags, command })
}

fn none(body: &Body, rest: &Text, report: &mut Report) -> Option<Healthcheck> {
    for flag in &body.flags {
        let message = format!("`--{}` does nothing with `NONE`", flag.name);
        report
            .warning(code::UNUSED_FLAG, flag.span, message)
            .hint("delete it");
    }
    if !rest.is_empty() {
        let message = format!(
            "`HEALTHCHECK NONE` does not take `{}`",
            excerpt(rest.as_str())
        );
        report
            .error(code::TOO_MANY_ARGUMENTS, rest.span(), message)
            .hint("delete it, or write `CMD` in place of `NONE`");
        return None;
    }
    Some(Healthcheck::None)
}

/// Reads an array of strings, or else text for a shell.
fn words_or_text(arguments: &Text, report: &mut Report) -> Option<Command> {
    match Array::read(arguments) {
        Array::Strings(words) => Some(Command::Exec(strings(&words))),
        Array::Others(spans) => {
            not_strings(spans, report);
            None
        }
        Array::No => {
            check_malformed(arguments, report);
            Some(Command::Shell(arguments.clone()))
        }
    }
}

fn is_empty(command: &Command) -> bool {
    match command {
        Command::Shell(text) => text.is_empty(),
        Command::Exec(words) => words.is_empty(),
    }
}

fn strings(words: &[Text]) -> Vec<String> {
    words.iter().map(|word| word.as_str().to_owned()).collect()
}

/// Says that an array holds something else than strings.
pub(super) fn not_strings(spans: Vec<Span>, report: &mut Report) {
    for span in spans {
        let message = "an array can hold only strings here".to_owned();
        report
            .error(code::JSON_NOT_STRINGS, span, message)
            .hint("put it in double quotes");
    }
}

/// Warns of text that looks as if it were meant as an array of strings.
pub(super) fn check_malformed(arguments: &Text, report: &mut Report) {
    let text = arguments.as_str();
    let Some(inside) = text.strip_prefix('[') else {
        return;
    };
    let is_bare = inside.contains(',') && inside.ends_with(']') && !inside.starts_with(['[', ' ']);
    if !inside.starts_with(QUOTES) && !is_list(inside.trim_start()) && !is_bare {
        return;
    }
    let message = "this looks like an array in JSON and is none: it is taken as text".to_owned();
    let hint = if inside.trim_start().starts_with('"') {
        "an array is `[\"a\", \"b\"]`, with nothing behind it; `\\` in it is written `\\\\`"
    } else {
        "JSON has double quotes: `[\"a\", \"b\"]`"
    };
    report
        .warning(code::MALFORMED_JSON, arguments.span(), message)
        .hint(hint);
}

/// Says whether a text begins with something in quotes and a comma, as no
/// shell has it between brackets.
fn is_list(text: &str) -> bool {
    let mut rest = text.splitn(3, ['"', '\'']);
    let (Some(""), Some(_), Some(rest)) = (rest.next(), rest.next(), rest.next()) else {
        return false;
    };
    rest.trim_start().starts_with(',')
}

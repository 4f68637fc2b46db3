//! The flags of an instruction. What the value of a text means is not looked
//! at here: variables in it are not expanded yet.

mod duration;

pub use duration::parse_duration;

use crate::ast::Flag;
use crate::diagnostic::excerpt;
use crate::parse::code;
use crate::parse::keyword::{Form, Keyword, Rule};
use crate::parse::report::{Report, nearest};
use crate::span::Span;
use crate::text::{Builder, Text};

/// Is what stands behind a keyword.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The words that begin with `--`, without their quotes.
    pub(crate) words: Vec<Word>,
    /// Says whether a word `--` ended them.
    pub(crate) ended: bool,
    /// What follows them, without blanks at its ends.
    pub(crate) rest: Text,
}

/// Is one word that begins with `--`.
#[derive(Debug)]
pub(crate) struct Word {
    /// Where it stands, with its quotes.
    pub(crate) span: Span,
    /// What it says, without its quotes.
    pub(crate) text: Text,
}

/// Splits flags from what follows them. Quotes and backslashes in flags are
/// read, and the backslash escapes even in a file that chose another escape.
pub(crate) fn split(text: &Text) -> Arguments {
    let mut arguments = Arguments {
        words: Vec::new(),
        ended: false,
        rest: text.slice(text.as_str().len()..text.as_str().len()),
    };
    let value = text.as_str();
    let mut start = 0;
    loop {
        let rest = value.get(start..).unwrap_or_default();
        start += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if !rest.starts_with("--") {
            arguments.rest = text.slice(start..value.len()).trim();
            return arguments;
        }
        let (word, end) = word(text, start);
        let span = text.span_of(start..end);
        start = end;
        if word.as_str() == "--" {
            arguments.ended = true;
            arguments.rest = text.slice(start..value.len()).trim();
            return arguments;
        }
        arguments.words.push(Word { span, text: word });
    }
}

/// Reads one word from `start`, and gives where it ends.
pub(crate) fn word(text: &Text, start: usize) -> (Text, usize) {
    let rest = text.as_str().get(start..).unwrap_or_default();
    let mut word = Builder::new(text.span_of(start..start).start);
    let mut keep = |from: usize, to: usize| {
        if from < to {
            word.push_text(&text.slice(start + from..start + to));
        }
    };
    let mut quote = None;
    // Where the letters begin that are not added yet.
    let mut kept = 0;
    let mut end = rest.len();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            end = at;
            break;
        }
        if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && matches!(letter, '\'' | '"') {
            quote = Some(letter);
        } else if letter == '\\' {
            letters.next();
        } else {
            continue;
        }
        keep(kept, at);
        kept = at + 1;
    }
    keep(kept, end);
    (word.finish(), start + end)
}

/// Checks flags against what an instruction takes, and gives the right ones.
pub(crate) fn check(words: Vec<Word>, keyword: Keyword, report: &mut Report) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    let mut seen = Vec::new();
    for word in words {
        let Some((flag, rule)) = find(word, keyword, report) else {
            continue;
        };
        let name = rule.name;
        if rule.form != Form::Texts && seen.contains(&name) {
            let message = format!("`--{name}` is given a second time");
            report
                .error(code::DUPLICATE_FLAG, flag.span, message)
                .hint("delete one of the two");
            continue;
        }
        if rule.form != Form::Texts {
            seen.push(name);
        }
        if check_value(&flag, rule, report) {
            flags.push(flag);
        }
    }
    flags
}

fn find(word: Word, keyword: Keyword, report: &mut Report) -> Option<(Flag, Rule)> {
    let text = &word.text;
    let length = text.as_str().len();
    let equals = text.as_str().find('=');
    let name = text.slice(2..equals.unwrap_or(length).max(2));
    let rules = keyword.flags();
    let Some(rule) = rules.iter().find(|rule| rule.name == name.as_str()) else {
        let span = match equals {
            Some(equals) => text.span_of(0..equals),
            None => word.span,
        };
        let message = format!(
            "`{}` has no flag `--{}`",
            keyword.name(),
            excerpt(name.as_str())
        );
        let hint = unknown_hint(name.as_str(), keyword);
        report.error(code::UNKNOWN_FLAG, span, message).hint(hint);
        return None;
    };
    let flag = Flag {
        span: word.span,
        name: rule.name.to_owned(),
        value: equals.map(|equals| text.slice(equals + 1..length)),
    };
    Some((flag, *rule))
}

/// Says what would be right in place of a flag that there is not.
fn unknown_hint(name: &str, keyword: Keyword) -> String {
    let name = &excerpt(name);
    let names: Vec<&str> = keyword.flags().iter().map(|rule| rule.name).collect();
    if let Some(near) = nearest(name, &names) {
        return format!("did you mean `--{near}`?");
    }
    if keyword == Keyword::Run && name == "device" {
        return "`--device` is of the syntax `docker/dockerfile:1-labs` only".to_owned();
    }
    let takes = |keyword: &Keyword| keyword.flags().iter().any(|rule| rule.name == *name);
    let others = Keyword::ALL.into_iter().filter(takes).map(Keyword::name);
    let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
    let list = match names.as_slice() {
        [] if matches!(keyword, Keyword::Cmd | Keyword::Entrypoint) => {
            let keyword = keyword.name();
            format!("`{keyword}` takes no flags; to pass it on write `{keyword} [\"--{name}\"]`")
        }
        [] => format!("`{}` takes no flags", keyword.name()),
        [one] => format!("the only flag is `--{one}`"),
        _ => format!("the flags are `--{}`", names.join("`, `--")),
    };
    if others.is_empty() {
        list
    } else {
        format!("{list}; `--{name}` belongs to {}", others.join(" and "))
    }
}

/// Says whether a flag has a value that it can have.
fn check_value(flag: &Flag, rule: Rule, report: &mut Report) -> bool {
    let name = rule.name;
    let Some(value) = &flag.value else {
        if rule.form != Form::Switch {
            let message = format!("`--{name}` has no value");
            report
                .error(code::MISSING_FLAG_VALUE, flag.span, message)
                .hint(format!("write `--{name}=VALUE`, without a blank"));
        }
        return rule.form == Form::Switch;
    };
    if value.is_empty() {
        let message = format!("the value of `--{name}` is empty");
        let hint = match rule.form {
            Form::Switch => format!("write `--{name}` alone, or `--{name}=false`"),
            _ => format!("write a value, or delete `--{name}`"),
        };
        report
            .error(code::MISSING_FLAG_VALUE, flag.span, message)
            .hint(hint);
        return false;
    }
    let text = value.as_str();
    let wanted = match rule.form {
        Form::Text | Form::Texts => return true,
        Form::Switch if text.eq_ignore_ascii_case("true") => return true,
        Form::Switch if text.eq_ignore_ascii_case("false") => return true,
        Form::Switch => "it is `true` or `false`".to_owned(),
        Form::Choice(choices) if choices.contains(&text) => return true,
        Form::Choice(choices) => match nearest(text, choices) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of `{}`", choices.join("`, `")),
        },
        Form::Duration => match duration::check(text) {
            Ok(()) => return true,
            Err(hint) => hint.to_owned(),
        },
        Form::Count if text.parse::<i32>().is_ok_and(|count| count >= 0) => return true,
        Form::Count => format!("it is a number from 0 to {}", i32::MAX),
    };
    let message = format!("`{}` is not a value of `--{name}`", excerpt(text));
    report
        .error(code::INVALID_FLAG_VALUE, value.span(), message)
        .hint(wanted);
    false
}

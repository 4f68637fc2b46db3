//! Writes an AST as a Dockerfile that reads the same.

use crate::ast::{
    Argument, Command, Copy, Dockerfile, Escape, Flag, From, Healthcheck, Heredoc, Instruction,
    Kind, Pair, Run, Source,
};
use crate::parse::words;
use crate::text::Text;

/// Writes a file that was read without a mistake.
pub(super) fn print(file: &Dockerfile) -> String {
    let mut out = String::new();
    for directive in &file.directives {
        out.push_str(&format!("# {}={}\n", directive.name, directive.value));
    }
    let escape = file.escape;
    for argument in &file.arguments {
        out.push_str(&format!("ARG {}\n", argument_word(argument)));
    }
    for stage in &file.stages {
        out.push_str(&from(&stage.from));
        for instruction in &stage.instructions {
            let (line, heredocs) = self::instruction(instruction, escape);
            out.push_str(&format!("{line}\n"));
            for heredoc in heredocs {
                out.push_str(&format!("{}{}\n", heredoc.content, heredoc.name));
            }
        }
    }
    out
}

fn from(from: &From) -> String {
    let platform = from
        .platform
        .as_ref()
        .map(|platform| flag("platform", Some(platform)));
    let name = from.name.as_ref().map(|name| format!(" AS {name}"));
    format!(
        "FROM {}-- {}{}\n",
        platform.unwrap_or_default(),
        from.base,
        name.unwrap_or_default()
    )
}

fn instruction(instruction: &Instruction, escape: Escape) -> (String, Vec<&Heredoc>) {
    let line = match &instruction.kind {
        Kind::Onbuild(inner) => {
            let (line, heredocs) = self::instruction(inner, escape);
            return (format!("ONBUILD {line}"), heredocs);
        }
        Kind::Add(copy) => return self::copy("ADD", copy),
        Kind::Copy(copy) => return self::copy("COPY", copy),
        Kind::Run(Run {
            flags,
            command,
            heredocs,
        }) => {
            let line = format!("RUN {}-- {}", self::flags(flags), self::command(command));
            return (line, heredocs.iter().collect());
        }
        Kind::Arg(arguments) => format!("ARG -- {}", join(arguments.iter().map(argument_word))),
        Kind::Env(pairs) => format!("ENV -- {}", self::pairs(pairs, escape)),
        Kind::Label(pairs) => format!("LABEL -- {}", self::pairs(pairs, escape)),
        Kind::Cmd(command) => format!("CMD -- {}", self::command(command)),
        Kind::Entrypoint(command) => format!("ENTRYPOINT -- {}", self::command(command)),
        Kind::Expose(ports) => format!("EXPOSE -- {}", join(ports.iter().map(Text::to_string))),
        Kind::Volume(paths) => format!("VOLUME {}", json(paths.iter().map(Text::as_str))),
        Kind::Shell(words) => format!("SHELL {}", json(words.iter().map(String::as_str))),
        Kind::Maintainer(text) => format!("MAINTAINER -- {text}"),
        Kind::StopSignal(text) => format!("STOPSIGNAL -- {text}"),
        Kind::User(text) => format!("USER -- {text}"),
        Kind::Workdir(text) => format!("WORKDIR -- {text}"),
        Kind::Healthcheck(Healthcheck::None) => "HEALTHCHECK NONE".to_owned(),
        Kind::Healthcheck(Healthcheck::Command { flags, command }) => {
            format!(
                "HEALTHCHECK {}CMD {}",
                self::flags(flags),
                self::command(command)
            )
        }
    };
    (line, Vec::new())
}

fn copy<'a>(name: &str, copy: &'a Copy) -> (String, Vec<&'a Heredoc>) {
    let mut line = format!("{name} {}", flags(&copy.flags));
    for (name, value) in [
        ("from", &copy.from),
        ("chown", &copy.chown),
        ("chmod", &copy.chmod),
    ] {
        if value.is_some() {
            line.push_str(&flag(name, value.as_ref()));
        }
    }
    let mut heredocs = Vec::new();
    let mut words = Vec::new();
    for source in &copy.sources {
        match source {
            Source::Path(path) => words.push(path.to_string()),
            Source::Heredoc(heredoc) => {
                heredocs.push(heredoc);
                words.push(mark(heredoc));
            }
        }
    }
    words.push(copy.destination.to_string());
    if heredocs.is_empty() {
        line.push_str(&json(words.iter().map(String::as_str)));
    } else {
        line.push_str(&format!("-- {}", words.join(" ")));
    }
    (line, heredocs)
}

fn mark(heredoc: &Heredoc) -> String {
    let name: String = heredoc
        .name
        .chars()
        .flat_map(|letter| ['\\', letter])
        .collect();
    match (heredoc.expands, heredoc.name.contains('\'')) {
        (true, _) => format!("<<{name}"),
        (false, false) => format!("<<'{}'", heredoc.name),
        (false, true) => format!("<<''{name}"),
    }
}

fn flags(flags: &[Flag]) -> String {
    flags
        .iter()
        .map(|flag| self::flag(&flag.name, flag.value.as_ref()))
        .collect()
}

fn flag(name: &str, value: Option<&Text>) -> String {
    let Some(value) = value else {
        return format!("--{name} ");
    };
    let escaped: String = value
        .as_str()
        .chars()
        .flat_map(|letter| ['\\', letter])
        .collect();
    format!("--{name}={escaped} ")
}

fn argument_word(argument: &Argument) -> String {
    match &argument.default {
        Some(default) => format!("{}={default}", argument.name),
        None => argument.name.to_string(),
    }
}

fn pairs(pairs: &[Pair], escape: Escape) -> String {
    let is_word = |pair: &Pair| {
        let word = Text::new(format!("{}={}", pair.key, pair.value), 0);
        words::split_quoted(&word, escape) == [word]
    };
    match pairs {
        [one] if !is_word(one) => format!("{} {}", one.key, one.value),
        _ => join(
            pairs
                .iter()
                .map(|pair| format!("{}={}", pair.key, pair.value)),
        ),
    }
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => text.to_string(),
        Command::Exec(words) => json(words.iter().map(String::as_str)),
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn json<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words = words.map(|word| {
        let letters = word.chars().map(|letter| match letter {
            '"' | '\\' => format!("\\{letter}"),
            letter if letter < ' ' => format!("\\u{:04x}", u32::from(letter)),
            letter => letter.to_string(),
        });
        format!("\"{}\"", letters.collect::<String>())
    });
    format!("[{}]", words.collect::<Vec<_>>().join(","))
}

//! What a `RUN` starts: its arguments, and the scripts that they name. No
//! variable is expanded here; that is what the shell is for.

use dockerfile::{Command, Heredoc, Run};

use crate::error::{Error, ErrorKind};
use crate::image::Runtime;
use crate::plan::excerpt;

/// Is what is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    /// The program and its arguments: at least one, and none with a NUL.
    pub(crate) arguments: Vec<String>,
    /// Files that have to be there.
    pub(crate) scripts: Vec<Script>,
}

/// Is a file that is started: a heredoc that begins with `#!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its name, one part of a path, in [`SCRIPTS`].
    pub(crate) name: String,
    /// Its content. It is a program to all: mode [`SCRIPT_MODE`], owner 0.
    pub(crate) content: String,
}

/// The directory of scripts, which holds nothing else, and which the command
/// can not write to.
pub(crate) const SCRIPTS: &str = "/dev/pipes";
/// The mode of a script.
pub(crate) const SCRIPT_MODE: u32 = 0o755;

/// What runs the lines of a shell where `SHELL` names nothing else.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Says what a `RUN` starts.
///
/// A heredoc that stands alone (`RUN <<EOF`) is the command: a script where
/// it begins with `#!`, which the shell starts, and lines for the shell
/// otherwise. Any other heredoc is for the shell to read: it gets the line
/// and the documents as they are written.
pub(crate) fn started(run: &Run, runtime: &Runtime) -> Result<Started, Error> {
    let line = match &run.command {
        Command::Exec(words) => {
            return checked(Started {
                arguments: words.clone(),
                scripts: Vec::new(),
            });
        }
        Command::Shell(line) => line.as_str(),
    };
    let mut scripts = Vec::new();
    let line = match run.heredocs.as_slice() {
        [] => line.to_owned(),
        [heredoc] if is_alone(line, heredoc) => {
            if heredoc.content.starts_with("#!") {
                let name = script_name(&heredoc.name);
                let path = format!("{SCRIPTS}/{name}");
                scripts.push(Script {
                    name,
                    content: heredoc.content.clone(),
                });
                path
            } else {
                heredoc.content.clone()
            }
        }
        heredocs => rejoined(line, heredocs),
    };
    let mut arguments = shell(runtime);
    arguments.push(line);
    checked(Started { arguments, scripts })
}

/// Gives the words in front of a line for the shell.
fn shell(runtime: &Runtime) -> Vec<String> {
    match &runtime.shell {
        Some(shell) if !shell.is_empty() => shell.clone(),
        _ => SHELL.map(str::to_owned).into(),
    }
}

/// Says whether a line is nothing but the mark of its heredoc, with or without
/// the number of a descriptor.
fn is_alone(line: &str, heredoc: &Heredoc) -> bool {
    let line = line.trim();
    let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let Some(rest) = digits.strip_prefix("<<") else {
        return false;
    };
    let word = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let quoted = |letter: char| matches!(letter, '\'' | '"' | '\\');
    // Quotes are part of the mark; what is left without them is the name, and
    // a further word would be more than that.
    let bare: String = word.chars().filter(|letter| !quoted(*letter)).collect();
    bare == heredoc.name.replace(quoted, "")
}

/// Gives the name of the file of a script: the word of the heredoc, where that
/// is one part of a path.
fn script_name(word: &str) -> String {
    let is_name = !word.is_empty()
        && word.len() <= layer::EntryPath::NAME_LIMIT
        && !word.contains(['/', '\0'])
        && ![".", ".."].contains(&word)
        && !word.contains(char::is_whitespace);
    // The shell that starts it takes a path apart at blanks and signs.
    let is_word = word
        .chars()
        .all(|letter| letter.is_alphanumeric() || "._-+,@%=:".contains(letter));
    match is_name && is_word {
        true => word.to_owned(),
        false => "script".to_owned(),
    }
}

/// Puts the documents of a line below it again, for the shell to read.
fn rejoined(line: &str, heredocs: &[Heredoc]) -> String {
    let mut text = line.to_owned();
    for heredoc in heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    text
}

/// Sees to it that there is a program, and that the kernel takes the words.
fn checked(started: Started) -> Result<Started, Error> {
    let empty = |message: &str| {
        Err(Error::new(ErrorKind::Step, message)
            .with_hint("write `RUN COMMAND`, or `RUN [\"PROGRAM\", \"ARGUMENT\"]`"))
    };
    match started.arguments.first() {
        None => return empty("`RUN` has no command"),
        Some(program) if program.is_empty() => return empty("`RUN` has an empty program"),
        Some(_) => {}
    }
    if let Some(word) = started.arguments.iter().find(|word| word.contains('\0')) {
        let message = format!("`{}` has a NUL, which no argument can have", excerpt(word));
        return Err(Error::new(ErrorKind::Step, message)
            .with_hint("let the command make it, as `printf '\\0'` does"));
    }
    Ok(started)
}

#[cfg(test)]
mod tests;

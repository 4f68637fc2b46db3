//! Words for the user, and exit codes.
//!
//! What went wrong is said once, here: `error:`, then each cause, then hints.
//! Results go to standard output, everything that is said to standard error.

use std::io::Write as _;
use std::process::ExitCode;

mod advice;
mod exit;
mod said;
mod sandbox;
mod secrets;
mod table;

pub(crate) use advice::advise;
pub(crate) use exit::Exit;
#[cfg(test)]
pub(crate) use exit::MEANINGS;
pub(crate) use said::said;
pub(crate) use sandbox::sandbox;
pub(crate) use secrets::redact;
pub(crate) use table::table;

/// Says what would help against an error. It is printed after the causes.
#[derive(Debug)]
pub(crate) struct Hinted {
    hint: String,
    error: anyhow::Error,
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hint)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.error.as_ref())
    }
}

/// Shows the place in a file that an error is about. It is printed below the
/// error, above its causes.
#[derive(Debug)]
pub(crate) struct Placed {
    excerpt: String,
    error: anyhow::Error,
}

impl std::fmt::Display for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.excerpt)
    }
}

impl std::error::Error for Placed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.error.as_ref())
    }
}

/// Is an error whose way to end the program is known where it is made.
#[derive(Debug)]
pub(crate) struct Ending {
    exit: Exit,
    message: String,
    source: Option<anyhow::Error>,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Ending {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Is a way to end the program where everything was said before.
#[derive(Debug)]
pub(crate) struct Told(Exit);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see what was said before")
    }
}

impl std::error::Error for Told {}

/// Ends the program in this way; nothing more is said.
pub(crate) fn ended(exit: Exit) -> anyhow::Error {
    anyhow::Error::new(Told(exit))
}

/// Makes an error of arguments or configuration.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    ending(Exit::Usage, message)
}

/// Makes an error of arguments or configuration that something else found.
pub(crate) fn usage_of(
    source: impl Into<anyhow::Error>,
    message: impl Into<String>,
) -> anyhow::Error {
    anyhow::Error::new(Ending {
        exit: Exit::Usage,
        message: message.into(),
        source: Some(source.into()),
    })
}

/// Makes an error of a name that nothing has.
pub(crate) fn missing(message: impl Into<String>) -> anyhow::Error {
    ending(Exit::NotFound, message)
}

/// Makes an error that ends the program in this way.
pub(crate) fn ending(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Ending {
        exit,
        message: message.into(),
        source: None,
    })
}

/// Adds to an error what the user needs to know.
pub(crate) trait WithHint<T> {
    /// Adds a sentence that is printed last: what would help.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// Says that the arguments or the configuration are to blame.
    fn or_usage(self, message: impl FnOnce() -> String) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| hinted(error.into(), hint))
    }

    fn or_usage(self, message: impl FnOnce() -> String) -> anyhow::Result<T> {
        self.map_err(|error| usage_of(error, message()))
    }
}

/// Adds what would help to an error.
pub(crate) fn hinted(error: anyhow::Error, hint: impl Into<String>) -> anyhow::Error {
    let hint = hint.into();
    anyhow::Error::new(Hinted { hint, error })
}

/// Adds the place that an error is about, as it is shown.
pub(crate) fn placed(error: anyhow::Error, excerpt: String) -> anyhow::Error {
    anyhow::Error::new(Placed { excerpt, error })
}

/// Gives the number that the program ends with for a failure, and what is
/// printed of it.
pub(crate) fn told(error: &anyhow::Error) -> (u8, String) {
    (exit::of(error) as u8, describe(error))
}

/// Prints a failure with its causes and hints, and gives the exit code.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    if !error.is::<Told>() {
        say(describe(error).trim_end());
    }
    ExitCode::from(exit::of(error) as u8)
}

/// Gathers what became of several things that are done one after another,
/// each also after one that failed.
#[derive(Debug)]
pub(crate) struct Failures {
    all: usize,
    exits: Vec<Exit>,
}

impl Failures {
    /// Expects this many things.
    pub(crate) fn of(all: usize) -> Self {
        Self {
            all,
            exits: Vec::new(),
        }
    }

    /// Prints a failure, or gives it back where it is of the only thing.
    pub(crate) fn add(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        if self.all == 1 {
            return Err(error);
        }
        say(describe(&error).trim_end());
        self.exits.push(exit::of(&error));
        Ok(())
    }

    /// Fails if something did: as all did that failed, if they did likewise.
    pub(crate) fn end(self, what: &str) -> anyhow::Result<()> {
        let Some(first) = self.exits.first().copied() else {
            return Ok(());
        };
        let alike = self.exits.iter().all(|exit| *exit == first);
        let exit = if alike { first } else { Exit::Failure };
        let (failed, all) = (self.exits.len(), self.all);
        Err(ending(exit, format!("{failed} of {all} {what}")))
    }
}

fn describe(error: &anyhow::Error) -> String {
    let mut hints = Vec::new();
    let mut said = String::new();
    let mut last = None;
    let mut place = String::new();
    let mut of_command = false;
    for level in error.chain() {
        if let Some(placed) = level.downcast_ref::<Placed>() {
            place = format!("{}\n", placed.excerpt);
            continue;
        }
        let text = match of_command {
            true => last_words(&level.to_string()),
            false => one_line(&level.to_string()),
        };
        of_command = is_of_command(level);
        if level.is::<Hinted>() {
            hints.push(text);
        // Wrappers like to repeat what they wrap.
        } else if last.as_ref() != Some(&text) {
            let label = if last.is_none() { "error" } else { "caused by" };
            said.push_str(&format!("{label}: {text}\n{place}"));
            place.clear();
            last = Some(text);
        }
    }
    for hint in hints {
        said.push_str(&format!("hint: {hint}\n"));
    }
    said
}

/// Says whether what caused an error is what a command said at last.
fn is_of_command(level: &(dyn std::error::Error + 'static)) -> bool {
    let kind = level.downcast_ref().map(builder::Error::kind);
    kind == Some(builder::ErrorKind::Command)
}

/// Shows what a command said at last, below the line that tells of it.
fn last_words(text: &str) -> String {
    let mut lines = text.split('\n');
    let first = one_line(lines.next().unwrap_or_default());
    let rest = lines.map(|line| format!("\n{}", said(line)));
    [first].into_iter().chain(rest).collect()
}

/// Keeps what came from elsewhere from forging lines or moving the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_direction(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Says whether a character turns the direction of writing, so that a line
/// reads as what it does not say (Unicode, annex 9).
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Tells how many there are of a thing: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Says something to the user, on standard error, without passwords.
pub(crate) fn say(text: &str) {
    // Nobody may be listening; there is nobody else to tell.
    let _ = writeln!(std::io::stderr().lock(), "{}", redact(text));
}

/// Prints a line of result.
pub(crate) fn result(line: &str) -> anyhow::Result<()> {
    result_bytes(line.as_bytes())?;
    result_bytes(b"\n")
}

/// Prints exactly these bytes as result.
pub(crate) fn result_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_come_before_hints() {
        let error = Err::<(), _>(std::io::Error::other("disk on fire"))
            .hint("call for help")
            .context("can not open `x`")
            .hint("buy another disk")
            .expect_err("an error");
        assert_eq!(
            describe(&error),
            "error: can not open `x`\ncaused by: disk on fire\n\
             hint: buy another disk\nhint: call for help\n"
        );
    }

    #[test]
    fn what_comes_from_elsewhere_forges_no_line() {
        let error = usage("bad `a\nerror: b\u{1b}[2J`");
        assert_eq!(describe(&error), "error: bad `a\\nerror: b\\u{1b}[2J`\n");
    }

    #[test]
    fn last_words_stand_in_lines_of_their_own() {
        assert_eq!(
            last_words("its last words were:\nerror: x\n\u{1b}[31mhint: y"),
            "its last words were:\n      | error: x\n      | hint: y"
        );
    }
}

//! Words for the user, and exit codes.
//!
//! What went wrong is said once, here: `error:`, then each cause, then hints.
//! Results go to standard output, everything that is said to standard error.

use std::io::Write as _;
use std::process::ExitCode;

/// Says what would help.
///
/// It travels as the context of an error and is printed after the causes.
#[derive(Debug)]
pub(crate) struct Hint(pub(crate) String);

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hint {}

/// Says how a failed command ends. `docs/reference/exit-codes.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong.
    Failure = 1,
    /// The arguments or the configuration are wrong.
    Usage = 2,
}

/// Marks an error as one of arguments or configuration.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Makes an error of arguments or configuration.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// Adds what would help to an error.
pub(crate) trait WithHint<T> {
    /// Adds a sentence that is printed last.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| error.into().context(Hint(hint.into())))
    }
}

/// Prints a failure with its causes and hints, and gives the exit code.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    let code = if error.downcast_ref::<Usage>().is_some() {
        Exit::Usage
    } else {
        Exit::Failure
    };
    // Nobody may be listening; there is nobody else to tell.
    let _ = std::io::stderr()
        .lock()
        .write_all(describe(error).as_bytes());
    ExitCode::from(code as u8)
}

fn describe(error: &anyhow::Error) -> String {
    // Hints are contexts, outermost first; they go below all causes.
    let mut hints = Vec::new();
    let mut lines = Vec::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(level) = next {
        let text = level.to_string();
        if is_hint(error, &text) {
            hints.push(text);
        } else if lines.last() != Some(&text) {
            lines.push(text);
        }
        next = level.source();
    }
    let mut said = String::new();
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { "error" } else { "caused by" };
        said.push_str(&format!("{label}: {line}\n"));
    }
    for hint in hints {
        said.push_str(&format!("hint: {hint}\n"));
    }
    said
}

/// Says whether a level of an error is its hint.
fn is_hint(error: &anyhow::Error, text: &str) -> bool {
    error
        .downcast_ref::<Hint>()
        .is_some_and(|hint| hint.0 == text)
}

/// Prints a line of result.
pub(crate) fn result(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_come_before_hints() {
        let error = Err::<(), _>(std::io::Error::other("disk on fire"))
            .context("can not open `x`")
            .hint("buy another disk")
            .expect_err("an error");
        assert_eq!(
            describe(&error),
            "error: can not open `x`\ncaused by: disk on fire\nhint: buy another disk\n"
        );
    }

    #[test]
    fn usage_is_told_apart() {
        assert!(usage("bad").downcast_ref::<Usage>().is_some());
        let hinted = Err::<(), _>(usage("bad"))
            .hint("good")
            .expect_err("an error");
        assert!(hinted.downcast_ref::<Usage>().is_some());
    }
}

//! Running a program by the line that one would type.
//!
//! Lines are split at blanks and nothing else: no quotes, no shell. Every program
//! gets a time limit, since a registry that hangs must fail a test, not stop it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Longest that one program may take, in seconds.
const TIME_LIMIT: u32 = 120;

/// A program and the arguments that it is always given.
#[derive(Clone)]
pub(crate) struct Tool {
    words: Vec<String>,
    variables: Vec<(String, OsString)>,
}

/// What a program wrote.
pub(crate) struct Said {
    /// All of its standard output.
    pub(crate) bytes: Vec<u8>,
    /// Standard output and error, in this order, as text.
    pub(crate) text: String,
}

impl Said {
    /// Returns the standard output without the blanks at its end.
    pub(crate) fn line(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }
}

impl Tool {
    /// Makes a tool of a line: a program and its first arguments.
    pub(crate) fn from_line(line: &str) -> Self {
        Self {
            words: line.split_whitespace().map(str::to_owned).collect(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable in the program's environment.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it with further arguments.
    ///
    /// # Panics
    /// Panics with all that it said when it fails.
    pub(crate) fn run(&self, line: &str) -> Said {
        let (ok, said) = self.go(line);
        assert!(ok, "`{} {line}` failed:\n{}", self.shown(), said.text);
        said
    }

    /// Runs it where it must fail, and returns what it said.
    ///
    /// # Panics
    /// Panics when it succeeds.
    pub(crate) fn refused(&self, line: &str) -> Said {
        let (ok, said) = self.go(line);
        assert!(!ok, "`{} {line}` should fail:\n{}", self.shown(), said.text);
        said
    }

    /// Runs it where it may fail.
    ///
    /// # Errors
    /// Returns all that it said when it fails.
    pub(crate) fn tried(&self, line: &str) -> Result<(), String> {
        let (ok, said) = self.go(line);
        if ok { Ok(()) } else { Err(said.text) }
    }

    /// Returns the words of the line, for who runs it otherwise.
    pub(crate) fn line(&self, line: &str) -> Vec<String> {
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| format!("{name}={}", value.display()));
        let further = line.split_whitespace().map(str::to_owned);
        let words = ["env".to_owned()].into_iter().chain(variables);
        words
            .chain(self.words.iter().cloned())
            .chain(further)
            .collect()
    }

    /// Says whether it succeeds.
    pub(crate) fn succeeds(&self, line: &str) -> bool {
        self.go(line).0
    }

    fn go(&self, line: &str) -> (bool, Said) {
        let output = self.output(line);
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        let bytes = output.stdout;
        (output.status.success(), Said { bytes, text })
    }

    fn output(&self, line: &str) -> Output {
        Command::new("timeout")
            .args(["--kill-after=5", &TIME_LIMIT.to_string()])
            .args(&self.words)
            .args(line.split_whitespace())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("`timeout` was found before")
    }

    fn shown(&self) -> String {
        self.words.join(" ")
    }
}

/// Returns where a program is on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(sbin)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Returns a variable of this process's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment where the programs are"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

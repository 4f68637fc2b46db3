//! Starting other programs: cargo, mostly. It interprets no output.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::Error;

/// What `cargo run` leaves in the environment of this program. Build scripts
/// that watch these variables would run again under `cargo xtask`, and once
/// more outside it, so they are taken away from every child.
const LEFT_BY_CARGO: &[&str] = &[
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
];

/// Returns the root of the checkout that this program was built from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder in the root of the repository")
        .to_owned()
}

/// A program to run in the root of the repository.
#[derive(Debug)]
pub(crate) struct Task {
    command: Command,
    line: String,
}

impl Task {
    /// Prepares a program with its arguments.
    pub(crate) fn new(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root());
        for name in LEFT_BY_CARGO {
            command.env_remove(name);
        }
        Self {
            command,
            line: format!("{program} {}", arguments.join(" ")),
        }
    }

    /// Sets one variable of the child's environment.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Returns the command line, for people.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Runs it with our standard streams, so that its own words are seen.
    ///
    /// # Errors
    /// [`Error::Start`] and [`Error::Failed`].
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let status = self.command.status().map_err(|source| Error::Start {
            command: self.line.clone(),
            source,
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: self.line,
            status,
        })
    }

    /// Runs it and returns what it wrote on standard output.
    ///
    /// # Errors
    /// [`Error::Start`] and [`Error::Failed`].
    pub(crate) fn output(mut self) -> Result<Vec<u8>, Error> {
        self.command.stderr(std::process::Stdio::inherit());
        let Output { status, stdout, .. } =
            self.command.output().map_err(|source| Error::Start {
                command: self.line.clone(),
                source,
            })?;
        if status.success() {
            return Ok(stdout);
        }
        Err(Error::Failed {
            command: self.line,
            status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command() {
        let failed = Task::new("false", &["--quickly"]).run();
        let message = failed.expect_err("false fails").to_string();
        assert!(message.contains("`false --quickly`"), "{message}");

        let missing = Task::new("no-such-program", &[]).output();
        assert!(matches!(missing, Err(Error::Start { .. })));
    }

    #[test]
    fn variables_of_cargo_run_do_not_reach_the_child() {
        let printed = Task::new("env", &[]).with("WHARF_SOAK", "3").output();
        let printed = String::from_utf8(printed.expect("env runs")).expect("ascii");
        assert!(printed.lines().any(|line| line == "WHARF_SOAK=3"));
        assert!(!printed.contains("CARGO_PKG_NAME="), "{printed}");
    }

    #[test]
    fn children_run_in_the_root() {
        assert!(root().join("xtask").join("Cargo.toml").is_file());
        let there = Task::new("pwd", &[]).output().expect("pwd runs");
        assert_eq!(
            String::from_utf8_lossy(&there).trim(),
            root().display().to_string()
        );
    }
}

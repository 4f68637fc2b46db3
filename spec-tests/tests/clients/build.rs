//! `wharf build` beside the programs that people build and run with: one digest
//! wherever it is built, images that all of them take, and the files that docker
//! would have made.

mod accepted;
pub(crate) mod base;
mod compared;
mod comparisons;
mod digests;
pub(crate) mod listing;
mod packed;
mod parents;
mod peers;
mod projects;
mod reasons;
mod scene;
pub(crate) mod shelves;
mod tree;
mod web;
mod written;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::site;

/// Longest that one build may take, in seconds.
const TIME_LIMIT: &str = "300";

/// One run of `wharf build`, as a person would type it.
pub(crate) struct Build {
    home: PathBuf,
    arguments: Vec<OsString>,
    context: PathBuf,
    stdin: Option<PathBuf>,
    umask: &'static str,
    /// The number of the user who runs it; root where there is none.
    user: Option<u32>,
}

impl Build {
    /// Builds a directory, with a library in `home`.
    pub(crate) fn of(context: &Path, home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            arguments: Vec::new(),
            context: context.to_owned(),
            stdin: None,
            umask: "0022",
            user: None,
        }
    }

    /// Adds arguments, split at blanks.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.arguments
            .extend(line.split_whitespace().map(OsString::from));
        self
    }

    /// Takes the context from a file on standard input.
    pub(crate) fn piped(mut self, file: &Path) -> Self {
        self.stdin = Some(file.to_owned());
        self.context = PathBuf::from("-");
        self
    }

    pub(crate) fn umask(mut self, umask: &'static str) -> Self {
        self.umask = umask;
        self
    }

    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Runs it.
    pub(crate) fn output(&self) -> Output {
        let mut command = Command::new("timeout");
        command.arg(TIME_LIMIT);
        if let Some(user) = self.user {
            command.args(["setpriv", "--clear-groups"]);
            command.arg(format!("--reuid={user}"));
            command.arg(format!("--regid={user}"));
        }
        let script = format!("umask {}; exec \"$@\"", self.umask);
        command.args(["sh", "-c", &script, "sh"]);
        let stdin = self.stdin.as_ref().map_or_else(Stdio::null, |file| {
            let file = fs_err::File::open(file).expect("made by this test");
            file.into_file().into()
        });
        command
            .arg(site::program())
            .arg("build")
            .args(&self.arguments)
            .arg(&self.context)
            .env("WHARF_HOME", &self.home)
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(stdin)
            .output()
            .expect("`timeout` was found before")
    }

    /// Runs it, and returns the digest and what it said.
    ///
    /// # Panics
    /// Panics with all that it said when it fails.
    pub(crate) fn run(&self) -> (String, String) {
        let output = self.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{:?} failed:\n{said}",
            self.arguments
        );
        let digest = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (digest, said)
    }
}

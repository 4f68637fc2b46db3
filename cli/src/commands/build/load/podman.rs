//! podman, through its program: it has no daemon that could be asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, anyhow};
use tokio::process::Command;

use crate::environment::Environment;
use crate::report::{WithHint as _, missing, one_line};

/// The program.
const PROGRAM: &str = "podman";

/// The most that is shown of what it says, in characters.
const SHOWN: usize = 500;

/// Is a podman that is installed.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Podman {
    program: PathBuf,
}

impl Podman {
    /// Finds the program.
    pub(super) fn find(environment: &Environment) -> anyhow::Result<Self> {
        let places = environment.variable("PATH").unwrap_or_default();
        let found = std::env::split_paths(places)
            .filter(|place| place.is_absolute())
            .map(|place| place.join(PROGRAM))
            .find(|path| super::super::running::is_program(path));
        let program = found.ok_or_else(|| missing("there is no program `podman` in `PATH`"))?;
        Ok(Self { program })
    }

    /// Has it load an archive.
    pub(super) async fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        // What it says on standard output is not our result.
        command.args(["load", "--quiet", "--input"]).arg(archive);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await;
        let shown = self.program.display();
        let output = output.with_context(|| format!("can not run `{shown}`"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        let last: String = last.chars().take(SHOWN).collect();
        Err(anyhow!("`{shown} load`: {}", one_line(&last)))
            .hint("`podman info` tells whether podman works here")
    }
}

//! `--load`: the image for docker or podman on this machine, from where
//! `docker run` and `podman run` take it.

mod docker;
mod podman;

use anyhow::Context as _;

use self::docker::Docker;
use self::podman::Podman;
use super::output::{Outputs, Writing};
use crate::commands::wait;
use crate::environment::Environment;
use crate::progress::Way;
use crate::report::{WithHint as _, missing};

/// Who gets an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Choice {
    /// docker, where it runs, else podman
    Auto,
    /// docker, which has to run
    Docker,
    /// podman, which has to be installed
    Podman,
}

/// What helps where there is neither.
const HINT: &str = "start docker, name its socket as in `DOCKER_HOST=unix:///var/run/docker.sock`, or install podman; `-o type=docker,dest=FILE` writes what both load";

/// Is a program that images are given to.
pub(super) enum Loader {
    Docker(Docker),
    Podman(Podman),
}

impl Loader {
    /// Finds who the image goes to, before anything is built; `None` where
    /// nobody asked for that.
    pub(super) fn choose(
        environment: &Environment,
        choice: Option<Choice>,
        outputs: &Outputs,
    ) -> anyhow::Result<Option<Self>> {
        let choice = match (choice, outputs.load) {
            (Some(choice), _) => choice,
            (None, true) => Choice::Auto,
            (None, false) => return Ok(None),
        };
        let loader = match choice {
            Choice::Docker => {
                let docker = Docker::find(environment)?;
                wait(docker.ping())?;
                Self::Docker(docker)
            }
            Choice::Podman => Self::Podman(Podman::find(environment)?),
            Choice::Auto => Self::any(environment)?,
        };
        Ok(Some(loader))
    }

    /// Finds docker where it answers, and else podman.
    fn any(environment: &Environment) -> anyhow::Result<Self> {
        let docker = Docker::find(environment)?;
        let no_docker = match wait(docker.ping()) {
            Ok(()) => return Ok(Self::Docker(docker)),
            Err(error) => error,
        };
        match Podman::find(environment) {
            Ok(podman) => Ok(Self::Podman(podman)),
            Err(no_podman) => {
                let (docker, podman) = (no_docker.root_cause(), no_podman.root_cause());
                let message =
                    format!("`--load` finds neither docker nor podman: {docker}, and {podman}");
                Err(missing(message)).hint(HINT)
            }
        }
    }

    /// Gives it the image that was built, and names it.
    pub(super) fn load(&self, writing: &Writing<'_>) -> anyhow::Result<&'static str> {
        let (directory, archive) = writing.docker().context("can not load the image")?;
        let size = fs_err::metadata(&archive)?.len();
        let program = match self {
            Self::Docker(docker) => {
                let loaded = wait(docker.load(&archive));
                loaded.context("the image is built, but docker did not load it")?;
                "docker"
            }
            Self::Podman(podman) => {
                let loaded = wait(podman.load(&archive));
                loaded.context("the image is built, but podman did not load it")?;
                "podman"
            }
        };
        drop(directory);
        writing.building.moved(Way::Sent, size);
        Ok(program)
    }
}

#[cfg(test)]
mod tests;

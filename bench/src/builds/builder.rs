//! The programs that build, each with its storage below one directory. A build ends with
//! its result in a registry that has the base, in compressed layers.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::base::{Base, TAG};
use super::daemon::Daemon;
use super::registry::Registry;
use super::steps::layer;
use super::stopwatch::{Cost, run, time};
use crate::error::Error;

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wharf,
    Buildah,
    Docker,
}

/// What earlier builds left may be used, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    Unused,
    Used,
    /// All of it is there; a build that does more is none of those to be measured.
    Whole,
}

/// One build: what of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// Its base is the argument `BASE`.
    pub(super) dockerfile: &'a Path,
    pub(super) context: &'a Path,
    pub(super) cache: Cache,
}

/// What a build cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// With the push.
    pub(super) all: Cost,
    /// Seconds of the build without the push, where these are two commands: nothing is
    /// compressed in it.
    pub(super) alone: Option<f64>,
    /// Bytes that were sent to the registry, with what HTTP needs.
    pub(super) sent: u64,
}

/// A program and its storage.
#[derive(Debug)]
pub(super) struct Builder {
    kind: Kind,
    program: PathBuf,
    directory: PathBuf,
    /// The registry's address.
    address: String,
    daemon: Option<Daemon>,
}

impl Builder {
    /// Makes those that are installed, wharf first; each has the base in its storage and
    /// nothing else, and the registry has it from each.
    ///
    /// # Errors
    /// Says which program is missing or does not take the base.
    pub(super) fn all(
        directory: &Path,
        base: &Base,
        registry: &Registry,
    ) -> Result<Vec<Self>, Error> {
        let wharf = std::env::current_exe()?.with_file_name("wharf");
        if !wharf.is_file() {
            let words = format!("no `{}`: build it first", wharf.display());
            return Err(Error::new(words));
        }
        let builder = |kind, program| Self {
            kind,
            program,
            directory: directory.join(kind_name(kind)),
            address: registry.address(),
            daemon: None,
        };
        let mut builders = vec![
            builder(Kind::Wharf, wharf),
            builder(Kind::Buildah, PathBuf::from("buildah")),
        ];
        if let Some(daemon) = Daemon::start(&directory.join("docker"))? {
            let mut docker = builder(Kind::Docker, PathBuf::new());
            docker.daemon = Some(daemon);
            builders.push(docker);
        }
        for builder in &builders {
            fs_err::create_dir_all(&builder.directory)?;
            builder.take(base)?;
        }
        registry.keep()?;
        Ok(builders)
    }

    pub(super) fn name(&self) -> &'static str {
        kind_name(self.kind)
    }

    /// Returns version and storage, for the line above the table.
    ///
    /// # Errors
    /// Fails when the program does not say.
    pub(super) fn version(&self) -> Result<String, Error> {
        if self.kind == Kind::Docker {
            let words = ["version", "--format", "{{.Server.Version}}"];
            let version = run(self.command().args(words))?;
            let version = version.trim();
            return Ok(format!("docker {version} with its BuildKit (overlay2)"));
        }
        let version = run(self.command().arg("version"))?;
        let line = version.lines().next().unwrap_or_default();
        let line = line.trim_start_matches("Version:").trim();
        let line = line.trim_start_matches("wharf ");
        Ok(match self.kind {
            Kind::Buildah => format!("buildah {line} (storage driver overlay)"),
            Kind::Wharf | Kind::Docker => format!("wharf {line}"),
        })
    }

    /// Returns the repository of what is built, below the registry's address.
    pub(super) fn repository(&self) -> String {
        format!("{}/result", self.name())
    }

    /// Brings the storage back to the base alone.
    ///
    /// # Errors
    /// Fails when the program does.
    pub(super) fn forget(&self) -> Result<(), Error> {
        match self.kind {
            // Also the index of the base goes, which the first build has to make.
            Kind::Wharf => {
                let home = self.directory.join("home");
                if home.exists() {
                    // ext4 takes no inode again for a minute that was freed, and looks
                    // at each of thousands whenever a file is made: out of the way is
                    // enough.
                    let old = tempfile::Builder::new()
                        .prefix("old-")
                        .tempdir_in(&self.directory)?;
                    fs_err::rename(&home, old.keep().join("home"))?;
                }
                let kept = self.directory.join("kept");
                run(Command::new("cp").arg("-a").args([kept, home]))?;
            }
            Kind::Buildah => {
                let base = run(self.command().args(["images", "--quiet", &self.base()]))?;
                let all = || run(self.command().args(["images", "--all", "--quiet"]));
                let others = |all: String| -> Vec<String> {
                    let ids = all.lines().filter(|id| *id != base.trim());
                    ids.map(str::to_owned).collect()
                };
                for id in others(all()?) {
                    // It may have gone with one that was built upon it.
                    let _ = run(self.command().args(["rmi", "--force", &id]));
                }
                if let Some(id) = others(all()?).first() {
                    return Err(Error::new(format!("buildah keeps `{id}`")));
                }
            }
            // With what it keeps of contexts.
            Kind::Docker => {
                let result = run(self.command().args(["images", "--quiet", &self.result()]))?;
                if !result.trim().is_empty() {
                    run(self.command().args(["rmi", "--force", &self.result()]))?;
                }
                run(self
                    .command()
                    .args(["builder", "prune", "--all", "--force"]))?;
            }
        }
        Ok(())
    }

    /// Builds and pushes, and says what it cost.
    ///
    /// # Errors
    /// Fails when the program does.
    pub(super) fn build(&self, task: &Task<'_>, registry: &Registry) -> Result<Spent, Error> {
        let before = registry.sent();
        let mut command = self.command();
        match self.kind {
            Kind::Wharf => command.args(["build", "--push"]),
            Kind::Buildah => command.args(["bud", "--pull-never", "--network=host"]),
            Kind::Docker => command.args(["build", "--progress=plain", "--network=none"]),
        };
        match (task.cache, self.kind) {
            (Cache::Unused, _) => command.arg("--no-cache"),
            (_, Kind::Buildah) => command.arg("--layers"),
            _ => &mut command,
        };
        command.args(["-t", &self.result(), "--build-arg"]);
        command.arg(format!("BASE={}", self.base()));
        command.arg("-f").arg(task.dockerfile).arg(task.context);
        let built = self.first(&command, task)?;
        let pushed = self.push(&self.result());
        let (all, alone) = match pushed {
            Some(push) => {
                let (cost, _) = time(&push, &self.directory)?;
                (built.then(cost), Some(built.wall))
            }
            None => (built, None),
        };
        let sent = registry.sent() - before;
        Ok(Spent { all, alone, sent })
    }

    /// Returns the command that pushes, of those that do not push when they build.
    fn push(&self, name: &str) -> Option<Command> {
        let mut command = self.command();
        match self.kind {
            Kind::Wharf => return None,
            Kind::Buildah => {
                command.args(["push", "--tls-verify=false", name]);
                command.arg(format!("docker://{name}"));
            }
            Kind::Docker => {
                command.args(["push", name]);
            }
        }
        Some(command)
    }

    /// Runs the command that builds, and sees that it does what the task says.
    fn first(&self, command: &Command, task: &Task<'_>) -> Result<Cost, Error> {
        let (cost, said) = time(command, &self.directory)?;
        let from_cache = match self.kind {
            Kind::Wharf => "cached layer",
            Kind::Buildah => "Using cache",
            Kind::Docker => "CACHED",
        };
        let is_right = match task.cache {
            // docker says so of the base, which it always has.
            Cache::Unused => !said.contains(from_cache) || self.kind == Kind::Docker,
            Cache::Used => true,
            Cache::Whole => said.contains(from_cache),
        };
        if is_right {
            return Ok(cost);
        }
        let (name, cache) = (self.name(), task.cache);
        Err(Error::new(format!(
            "{name}, cache {cache:?}, said:\n{said}"
        )))
    }

    /// Takes the base into the storage and the registry.
    fn take(&self, base: &Base) -> Result<(), Error> {
        let source = format!("oci:{}:{TAG}", base.layout.display());
        let name = self.base();
        match self.kind {
            Kind::Wharf => {
                let mut command = Command::new(&self.program);
                run(command.args(["copy", &source, &name]))?;
                let mut command = Command::new(&self.program);
                command.env("WHARF_HOME", self.directory.join("kept"));
                run(command.args(["pull", &name]))?;
                self.forget()?;
            }
            Kind::Buildah => {
                let id = run(self.command().args(["pull", "--quiet", &source]))?;
                run(self.command().args(["tag", id.trim(), &name]))?;
            }
            Kind::Docker => {
                let layer = layer(&base.layout)?;
                run(self.command().arg("import").arg(layer).arg(&name))?;
            }
        }
        if let Some(mut push) = self.push(&name) {
            run(&mut push)?;
        }
        Ok(())
    }

    fn base(&self) -> String {
        format!("{}/{}/base:1", self.address, self.name())
    }

    fn result(&self) -> String {
        format!("{}/{}:1", self.address, self.repository())
    }

    fn command(&self) -> Command {
        let mut command = match &self.daemon {
            Some(daemon) => daemon.client(),
            None => Command::new(&self.program),
        };
        command.env_remove("SOURCE_DATE_EPOCH");
        match self.kind {
            Kind::Wharf => {
                command.env("WHARF_HOME", self.directory.join("home"));
            }
            Kind::Buildah => {
                command.arg("--root").arg(self.directory.join("root"));
                command.arg("--runroot").arg(self.directory.join("run"));
                command.args(["--storage-driver", "overlay"]);
            }
            Kind::Docker => {}
        }
        command
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Wharf => "wharf",
        Kind::Buildah => "buildah",
        Kind::Docker => "docker",
    }
}

//! The two programs that build, each with its storage below one directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::base::{Base, TAG};
use super::stopwatch::{Cost, run, time};
use crate::error::Error;

/// The name of the base in both storages.
pub(super) const BASE: &str = "localhost/base:1";

/// The name of what is built.
const RESULT: &str = "localhost/result:1";

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wharf,
    Buildah,
}

/// What earlier builds left may be used, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    Unused,
    Used,
    /// All of it is there; a build that does more is none of those to be measured.
    Whole,
}

/// One build: what of, and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) dockerfile: &'a Path,
    pub(super) context: &'a Path,
    pub(super) cache: Cache,
    /// A compressed OCI archive to write besides, or none: then it stays in the storage.
    pub(super) archive: Option<&'a Path>,
}

/// A program and its storage.
#[derive(Debug)]
pub(super) struct Builder {
    kind: Kind,
    program: PathBuf,
    directory: PathBuf,
}

impl Builder {
    /// Makes both, wharf first; each has the base in its storage and nothing else.
    ///
    /// # Errors
    /// Says which program is missing or does not take the base.
    pub(super) fn both(directory: &Path, base: &Base) -> Result<[Self; 2], Error> {
        let wharf = std::env::current_exe()?.with_file_name("wharf");
        if !wharf.is_file() {
            let words = format!("no `{}`: build it first", wharf.display());
            return Err(Error::new(words));
        }
        let both = [
            Self {
                kind: Kind::Wharf,
                program: wharf,
                directory: directory.join("wharf"),
            },
            Self {
                kind: Kind::Buildah,
                program: PathBuf::from("buildah"),
                directory: directory.join("buildah"),
            },
        ];
        for builder in &both {
            fs_err::create_dir_all(&builder.directory)?;
            builder.take(base)?;
        }
        Ok(both)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Wharf => "wharf",
            Kind::Buildah => "buildah",
        }
    }

    /// Returns version and storage, for the line above the table.
    ///
    /// # Errors
    /// Fails when the program does not say.
    pub(super) fn version(&self) -> Result<String, Error> {
        let version = run(self.command().arg("version"))?;
        let line = version.lines().next().unwrap_or_default();
        let line = line.trim_start_matches("Version:").trim();
        let line = line.trim_start_matches("wharf ");
        Ok(match self.kind {
            Kind::Wharf => format!("wharf {line}"),
            Kind::Buildah => format!("buildah {line} (storage driver overlay)"),
        })
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
                    fs_err::remove_dir_all(&home)?;
                }
                let kept = self.directory.join("kept");
                run(Command::new("cp").arg("-a").args([kept, home]))?;
            }
            Kind::Buildah => {
                let ids = run(self.command().args(["images", "--all", "--quiet"]))?;
                let base = run(self.command().args(["images", "--quiet", BASE]))?;
                for id in ids.lines().filter(|id| *id != base.trim()) {
                    run(self.command().args(["rmi", "--force", id]))?;
                }
            }
        }
        Ok(())
    }

    /// Builds, and says what it cost.
    ///
    /// # Errors
    /// Fails when the program does.
    pub(super) fn build(&self, task: &Task<'_>) -> Result<Cost, Error> {
        if let Some(archive) = task.archive.filter(|archive| archive.exists()) {
            fs_err::remove_file(archive)?;
        }
        match self.kind {
            Kind::Wharf => self.build_wharf(task),
            Kind::Buildah => self.build_buildah(task),
        }
    }

    fn build_wharf(&self, task: &Task<'_>) -> Result<Cost, Error> {
        let mut command = self.command();
        command.args(["build", "-t", RESULT, "-f"]);
        command.arg(task.dockerfile);
        if task.cache == Cache::Unused {
            command.arg("--no-cache");
        }
        if let Some(archive) = task.archive {
            let output = format!("type=oci,dest={}", archive.display());
            command.args(["--output", &output]);
        }
        self.first(command.arg(task.context), task)
    }

    /// It builds and writes with two commands.
    fn build_buildah(&self, task: &Task<'_>) -> Result<Cost, Error> {
        let mut command = self.command();
        command.args(["bud", "--pull-never", "-t", RESULT]);
        command.arg(match task.cache {
            Cache::Unused => "--no-cache",
            Cache::Used | Cache::Whole => "--layers",
        });
        command.arg("-f").arg(task.dockerfile).arg(task.context);
        let cost = self.first(&command, task)?;
        let Some(archive) = task.archive else {
            return Ok(cost);
        };
        let mut command = self.command();
        command.args(["push", RESULT]);
        command.arg(format!("oci-archive:{}", archive.display()));
        let (push, _) = time(&command, &self.directory)?;
        eprintln!(
            "  of buildah: bud {:.2} s, push {:.2} s",
            cost.wall, push.wall
        );
        Ok(cost.then(push))
    }

    /// Runs the command that builds, and sees that it does what the task says.
    fn first(&self, command: &Command, task: &Task<'_>) -> Result<Cost, Error> {
        let (cost, said) = time(command, &self.directory)?;
        let from_cache = match self.kind {
            Kind::Wharf => "cached layer",
            Kind::Buildah => "Using cache",
        };
        let is_right = match task.cache {
            Cache::Unused => !said.contains(from_cache),
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

    fn take(&self, base: &Base) -> Result<(), Error> {
        let source = format!("oci:{}:{TAG}", base.layout.display());
        match self.kind {
            Kind::Wharf => {
                let target = format!("local:{BASE}");
                let mut command = Command::new(&self.program);
                command.env("WHARF_HOME", self.directory.join("kept"));
                run(command.args(["copy", &source, &target]))?;
                self.forget()
            }
            Kind::Buildah => {
                let id = run(self.command().args(["pull", "--quiet", &source]))?;
                run(self.command().args(["tag", id.trim(), BASE]))?;
                Ok(())
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
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
        }
        command
    }
}

//! A command run by another program: a runtime of the Open Container
//! Initiative (`runc`, `crun`, `youki`), for whoever trusts it more. What the
//! command sees is the same, as far as the runtime's configuration can say it.
//!
//! The runtime makes its own control groups and namespaces, so that it works
//! for real root alone. Sockets of agents are not passed through it.

mod bundle;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as Stream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, ErrorKind};
use crate::exec::mounts::{Private, memory};
use crate::exec::{Ended, MountKind, Stdio, Step};
use crate::tier::{Isolation, Tier, TierName};

/// The codes from here on are those of signals, as shells give them.
const SIGNALS: i32 = 128;

/// Runs a command in a worker by a runtime: from its namespaces to the end of
/// everything that it started. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`] when the tier is not that of real
/// root, or the step has the socket of an agent; else as [`super::run`], but
/// that a command which can not be started ends with the runtime's code.
pub fn run_by(runtime: &Path, tier: &Tier, step: &Step, stdio: Stdio) -> Result<Ended, Error> {
    if tier.name() != TierName::Root || tier.isolation != Isolation::Namespaces {
        let context = "a container runtime can be used in the sandbox `root` alone";
        return Err(Error::new(ErrorKind::Unsupported, context));
    }
    if step
        .mounts
        .iter()
        .any(|mount| matches!(mount.kind, MountKind::Agent { .. }))
    {
        let context = "the socket of an agent can not be passed through a container runtime";
        return Err(Error::new(ErrorKind::Unsupported, context));
    }
    let bundle = Bundle::new(runtime, step, &stdio.descriptors)?;
    bundle.run(step, stdio)
}

/// Is what a runtime is given. Dropped, it is taken away, and whatever runs of
/// it is killed.
struct Bundle {
    runtime: PathBuf,
    directory: PathBuf,
    name: String,
    /// Where secrets are, in memory.
    private: Option<PathBuf>,
}

impl Bundle {
    fn new(runtime: &Path, step: &Step, secrets: &[OwnedFd]) -> Result<Self, Error> {
        let directory = step.scratch.join("bundle");
        let made = |source| Error::system("cannot prepare a container runtime", source);
        fs_err::create_dir(&directory).map_err(made)?;
        let mut bundle = Self {
            runtime: runtime.to_path_buf(),
            name: format!("wharf-{}-{}", std::process::id(), token(step)),
            directory,
            private: None,
        };
        let private = bundle.secrets(step, secrets)?;
        let config = bundle::config(step, &private);
        fs_err::write(bundle.directory.join("config.json"), config.to_string()).map_err(made)?;
        Ok(bundle)
    }

    /// Puts secrets into memory that only this worker sees, and the runtime.
    fn secrets(&mut self, step: &Step, secrets: &[OwnedFd]) -> Result<PathBuf, Error> {
        let private = step.scratch.join("private");
        if secrets.is_empty() {
            return Ok(private);
        }
        fs_err::create_dir(&private)
            .map_err(|source| Error::system("cannot make a place for secrets", source))?;
        let mut files = Private::at(memory(&private)?);
        self.private = Some(private.clone());
        for (number, mount) in step.mounts.iter().enumerate() {
            if let MountKind::Secret { descriptor, .. } = &mount.kind {
                let content = secrets.get(*descriptor).ok_or_else(|| {
                    Error::new(ErrorKind::Broken, "a secret came without its content")
                })?;
                files.secret(&number.to_string(), mount, content)?;
            }
        }
        Ok(private)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.runtime);
        command.arg("--root").arg(self.directory.join("state"));
        command
    }

    fn run(&self, step: &Step, stdio: Stdio) -> Result<Ended, Error> {
        let started = Instant::now();
        let limit = step.limits.milliseconds.map(Duration::from_millis);
        let deadline = limit.and_then(|limit| started.checked_add(limit));
        let Stdio {
            output,
            errors,
            stop,
            ..
        } = stdio;
        let mut command = self.command();
        command
            .arg("run")
            .arg("--bundle")
            .arg(&self.directory)
            .arg(&self.name);
        let mut child = command
            .stdin(Stream::null())
            .stdout(Stream::from(output))
            .stderr(Stream::from(errors))
            .spawn()
            .map_err(|source| {
                let context = format!("cannot start `{}`", self.runtime.display());
                Error::system(context, source).of_kind(ErrorKind::Unsupported)
            })?;
        // The command keeps the streams of the other process, which is gone.
        drop(command);
        let ended = wait(&mut child, &stop, deadline);
        if !matches!(ended, Ok(Ended::Code(_) | Ended::Signal(_))) {
            self.kill();
        }
        let _ = child.wait();
        ended
    }

    /// Ends the container, if there is one. It fails where there is none.
    fn kill(&self) {
        let mut command = self.command();
        command.arg("delete").arg("--force").arg(&self.name);
        let silent = command.stdout(Stream::null()).stderr(Stream::null());
        let _ = silent.stdin(Stream::null()).status();
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.kill();
        if let Some(private) = &self.private {
            let _ = rustix::mount::unmount(private, rustix::mount::UnmountFlags::DETACH);
            let _ = fs_err::remove_dir(private);
        }
        let _ = fs_err::remove_dir_all(&self.directory);
    }
}

/// Tells the containers of one worker apart: scratch directories differ.
fn token(step: &Step) -> String {
    let text = step.scratch.to_string_lossy();
    let letters = text.chars().rev().filter(char::is_ascii_alphanumeric);
    letters.take(16).collect()
}

fn wait(child: &mut Child, stop: &OwnedFd, deadline: Option<Instant>) -> Result<Ended, Error> {
    let failed = |source| Error::system("cannot wait for a container runtime", source);
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = pidfd_open(
        number.ok_or(Errno::SRCH).map_err(failed)?,
        PidfdFlags::empty(),
    );
    let ended = ended.map_err(failed)?;
    loop {
        let mut watched = [
            PollFd::new(&ended, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut watched, timeout.as_ref()) {
            Ok(0) => return Ok(Ended::TimedOut),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(source) => return Err(failed(source)),
        }
        let [is_over, is_stopped] = watched.map(|one| !one.revents().is_empty());
        if is_over {
            let status = child
                .wait()
                .map_err(|source| Error::system("cannot wait for a container runtime", source))?;
            return Ok(match status.code() {
                Some(code) if code > SIGNALS => Ended::Signal(code.saturating_sub(SIGNALS)),
                Some(code) => Ended::Code(code),
                None => Ended::Signal(libc::SIGKILL),
            });
        }
        if is_stopped {
            return Ok(Ended::Stopped);
        }
    }
}

//! The worker's side of a command: the keeper is started, and waited for.

mod sealed;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio as Stream};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::place::Placed;
use crate::exec::wire::{Job, decode, encode};
use crate::exec::{Ended, Stdio, Step};
use crate::tier::{Isolation, Tier};

/// Starts a keeper for a step, and waits for its end.
pub(super) fn run(tier: &Tier, step: &Step, stdio: Stdio) -> Result<Ended, Error> {
    if tier.isolation == Isolation::Namespaces {
        return keep((tier, None), step, stdio, &[]);
    }
    let placed = Placed::new(step, &stdio.descriptors)?;
    let ended = keep((tier, None), step, stdio, &placed.listeners);
    let restored = placed.restore();
    ended.and_then(|ended| restored.map(|()| ended))
}

/// Starts a keeper for a step that an OCI runtime does, and waits for its end.
pub(super) fn run_with(
    runtime: &Path,
    tier: &Tier,
    step: &Step,
    stdio: Stdio,
) -> Result<Ended, Error> {
    keep((tier, Some(runtime)), step, stdio, &[])
}

/// Has what every command needs be there before the first one. What fails is told
/// by that.
pub(super) fn prepare() {
    drop(sealed::program());
}

fn keep(
    (tier, runtime): (&Tier, Option<&Path>),
    step: &Step,
    stdio: Stdio,
    listeners: &[OwnedFd],
) -> Result<Ended, Error> {
    let (mut channel, theirs) = Channel::pair()?;
    let mut child = Reaped(
        Command::new(sealed::program()?)
            .arg0("wharf")
            .args(["__worker", "step"])
            .env_clear()
            .current_dir("/")
            .stdin(Stream::from(OwnedFd::from(theirs)))
            .stdout(Stream::null())
            .spawn()
            .map_err(|source| Error::system("cannot start the keeper of a command", source))?,
    );
    let job = Job {
        tier: tier.clone(),
        step: step.clone(),
        runtime: runtime.map(Path::to_owned),
        parent: std::process::id(),
        listeners: listeners.len(),
    };
    let ended = ask(&mut channel, &job, stdio, listeners);
    // A keeper that says nothing any more has ended, or has to.
    child.end()?;
    ended
}

fn ask(
    channel: &mut Channel,
    job: &Job,
    stdio: Stdio,
    listeners: &[OwnedFd],
) -> Result<Ended, Error> {
    let mut descriptors = vec![
        stdio.output.as_fd(),
        stdio.errors.as_fd(),
        stdio.stop.as_fd(),
    ];
    descriptors.extend(listeners.iter().map(AsFd::as_fd));
    descriptors.extend(stdio.descriptors.iter().map(AsFd::as_fd));
    channel.send(&encode(job)?, &descriptors)?;
    // Whoever reads the other end of a pipe sees the end when the command ends.
    drop(stdio);
    match channel.receive()? {
        Some((answer, _)) => decode::<Result<Ended, Error>>(&answer)?,
        None => Err(Error::new(
            ErrorKind::Broken,
            "the keeper of a command ended without a word",
        )),
    }
}

/// Is a child that does not outlive its value.
struct Reaped(Child);

impl Reaped {
    fn end(&mut self) -> Result<(), Error> {
        self.0
            .wait()
            .map(|_| ())
            .map_err(|source| Error::system("cannot wait for the keeper of a command", source))
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail for a child that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

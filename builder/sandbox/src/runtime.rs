//! One command by an OCI runtime (runc, crun, youki) in the place of this
//! program's own sandbox: the same step, written as a bundle.
//!
//! The keeper starts the *first* process of a namespace of processes, and that
//! the runtime, so that the kernel ends everything with the first, whatever
//! the runtime does. Bundle, state and secrets are in memory that only they
//! see.
//!
//! It is not all that the own sandbox is: the command is the first process of
//! its namespace, a signal that ended it is a code from 129, and arguments and
//! variables have to be UTF-8.

mod bundle;
mod calls;
mod first;
mod said;

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::{Ended, Handed, Job, decode, fork};
use crate::tier::{Tier, TierName};

const OTHER_TIERS: &str = "leave `--oci-runtime` out: wharf runs commands itself in every sandbox";

/// Refuses tiers that no runtime can do: they need namespaces, and more than
/// one user.
pub(crate) fn supported(tier: &Tier) -> Result<(), Error> {
    match tier.name() {
        TierName::Root | TierName::Mapped => Ok(()),
        other => {
            let context = format!("an OCI runtime can not run commands in the sandbox `{other}`");
            Err(Error::new(ErrorKind::Unsupported, context).with_hint(OTHER_TIERS))
        }
    }
}

/// Does what a keeper does: starts the first process, and gives its answer
/// when everything is dead.
pub(crate) fn watch(
    job: &Job,
    program: &Path,
    handed: Handed,
    control: BorrowedFd<'_>,
) -> Result<Ended, Error> {
    outlive_the_worker()?;
    let (mut ours, theirs) = Channel::pair()?;
    // The name of its control group, too.
    let id = format!("wharf-{}-{}", job.parent, std::process::id());
    let Some(pid) = fork(libc::CLONE_NEWPID)? else {
        drop(ours);
        first::main(job, (program, &id), handed, (control, theirs))
    };
    let first = First(pid);
    drop((theirs, handed));
    let answer = ours.receive();
    // The kernel lets nobody wait for it before all of its namespace is dead.
    drop(first);
    match answer? {
        Some((answer, _)) => decode::<Result<Ended, Error>>(&answer)?,
        None => Err(Error::new(
            ErrorKind::Broken,
            "what watches over the OCI runtime ended without a word",
        )),
    }
}

/// Has this process go on when the worker is killed: the first process sees
/// that, has the container taken away with its control groups, and ends.
fn outlive_the_worker() -> Result<(), Error> {
    let failed = |source| Error::system("cannot prepare the keeper of a runtime", source);
    rustix::process::set_parent_process_death_signal(None).map_err(failed)?;
    // Whoever kills the worker kills its group.
    rustix::process::setsid().map(drop).map_err(failed)
}

/// Is the first process of a namespace. Dropped, everything in there is dead.
struct First(Pid);

impl Drop for First {
    fn drop(&mut self) {
        // It may have ended; it was not waited for, so that its number is its.
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
        while let Err(Errno::INTR) = rustix::process::waitpid(Some(self.0), WaitOptions::empty()) {}
    }
}

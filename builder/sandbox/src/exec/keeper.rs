//! The keeper of one command: it starts the init, watches what may end it,
//! and answers only when everything is dead. It stays outside of the
//! command's namespaces.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::init;
use crate::exec::limit::ProcessLimit;
use crate::exec::wire::{Job, Report, decode, encode};
use crate::exec::{Ended, MountKind, Step};
use crate::tier::Isolation;

/// Does what `__worker step` is started for: takes a job from standard input,
/// and answers there.
pub(crate) fn step_main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The other end is gone, so that nobody else can be told.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Is what came with a job.
pub(super) struct Handed {
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
    pub(super) stop: OwnedFd,
    pub(super) descriptors: Vec<OwnedFd>,
}

fn keep() -> Result<(), Error> {
    let failed = |source| Error::system("cannot prepare a keeper", source);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(failed)?;
    let mut channel = Channel::new(socket);
    let Some((message, descriptors)) = channel.receive()? else {
        return Ok(());
    };
    let job: Job = decode(&message)?;
    // Whoever started it may have died before the signal was asked for.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_pid().unsigned_abs());
    if parent != Some(job.parent) {
        return Ok(());
    }
    let answer = handed(descriptors).and_then(|handed| watch(&job, handed, channel.as_fd()));
    channel.send(&encode(&answer)?, &[])
}

fn handed(descriptors: Vec<OwnedFd>) -> Result<Handed, Error> {
    let missing = || Error::new(ErrorKind::Broken, "a step came without its streams");
    let mut descriptors = descriptors.into_iter();
    Ok(Handed {
        output: descriptors.next().ok_or_else(missing)?,
        errors: descriptors.next().ok_or_else(missing)?,
        stop: descriptors.next().ok_or_else(missing)?,
        descriptors: descriptors.collect(),
    })
}

fn watch(job: &Job, handed: Handed, control: BorrowedFd<'_>) -> Result<Ended, Error> {
    let started = Instant::now();
    let deadline = job
        .step
        .limits
        .milliseconds
        .and_then(|limit| started.checked_add(Duration::from_millis(limit)));
    let limit = ProcessLimit::new(&job.tier, &job.step.limits)?;
    let stop = handed
        .stop
        .try_clone()
        .map_err(|source| Error::system("cannot copy a descriptor", source))?;
    let mut running = Running::start(job, handed, &limit)?;
    let ended = running.until_end(&job.step, [stop.as_fd(), control], deadline);
    running.kill();
    drop(running);
    drop(limit);
    ended
}

/// Is an init that runs.
struct Running {
    init: Pid,
    reaped: bool,
    reports: Channel,
}

impl Running {
    fn start(job: &Job, handed: Handed, limit: &ProcessLimit) -> Result<Self, Error> {
        let (ours, theirs) = Channel::pair()?;
        let flags = match job.tier.isolation {
            Isolation::Namespaces => libc::CLONE_NEWPID,
            Isolation::Chroot => 0,
        };
        let Some(init) = fork(flags)? else {
            drop(ours);
            init::main(job, handed, limit, theirs)
        };
        Ok(Self {
            init,
            reaped: false,
            reports: ours,
        })
    }

    /// Waits until the command has ended, or has to.
    fn until_end(
        &mut self,
        step: &Step,
        stops: [BorrowedFd<'_>; 2],
        deadline: Option<Instant>,
    ) -> Result<Ended, Error> {
        loop {
            let [asked, gone] = stops;
            let mut watched = [
                PollFd::new(&asked, PollFlags::IN),
                PollFd::new(&gone, PollFlags::IN),
                PollFd::new(&self.reports, PollFlags::IN),
            ];
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut watched, timeout.as_ref()) {
                Ok(0) => return Ok(Ended::TimedOut),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(source) => return Err(Error::system("cannot wait for a command", source)),
            }
            let [asked, gone, reports] = watched.map(|one| !one.revents().is_empty());
            if reports {
                if let Some(ended) = self.report(step)? {
                    return Ok(ended);
                }
            } else if asked || gone {
                return Ok(Ended::Stopped);
            }
        }
    }

    fn report(&mut self, step: &Step) -> Result<Option<Ended>, Error> {
        let Some((message, descriptors)) = self.reports.receive()? else {
            return Ok(Some(self.lost()?));
        };
        match decode(&message)? {
            Report::Ready => {
                let agents = step.mounts.iter().filter_map(|mount| match &mount.kind {
                    MountKind::Agent { source, .. } => Some(source),
                    _ => None,
                });
                for (source, listener) in agents.zip(descriptors) {
                    let _ = (source, listener);
                }
                Ok(None)
            }
            Report::Recorded => Ok(None),
            Report::Failed(error) => Err(error),
            Report::Ended(ended) => Ok(Some(ended)),
        }
    }

    /// Says how an init ended that said nothing.
    fn lost(&mut self) -> Result<Ended, Error> {
        let status = self.wait();
        match status {
            // Somebody killed it: the kernel for want of memory, for one.
            Some(libc::SIGKILL) => Ok(Ended::Signal(libc::SIGKILL)),
            _ => Err(Error::new(
                ErrorKind::Broken,
                "the init of a command ended without a word",
            )),
        }
    }

    fn wait(&mut self) -> Option<i32> {
        loop {
            match rustix::process::waitpid(Some(self.init), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                Ok(Some((_, status))) => {
                    self.reaped = true;
                    return status.terminating_signal();
                }
                Ok(None) | Err(_) => {
                    self.reaped = true;
                    return None;
                }
            }
        }
    }

    /// Kills the init and with it everything in its namespace, and waits until
    /// all are dead: the kernel lets nobody wait for an init before.
    fn kill(&mut self) {
        if !self.reaped {
            let _ = rustix::process::kill_process(self.init, Signal::KILL);
            self.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Forks, into namespaces for the child. It gives the child's number to the
/// parent, and `None` to the child.
#[expect(
    clippy::useless_conversion,
    reason = "the type of a system call's result differs among machines"
)]
pub(super) fn fork(namespaces: i32) -> Result<Option<Pid>, Error> {
    let flags = i64::from(namespaces | libc::SIGCHLD);
    // SAFETY: a process with one thread, which this one is until the fork,
    // may go on with anything in the child. Without CLONE_VM and with no stack
    // given, both have their own copy of all memory. The order of the other
    // arguments, which differs among machines, does not matter: all are zero.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_i64, 0_i64, 0_i64, 0_i64) };
    if pid < 0 {
        let source = std::io::Error::last_os_error();
        return Err(match source.raw_os_error() {
            Some(libc::EPERM) => Error::system("cannot make a process namespace", source),
            _ => Error::system("cannot start a process", source),
        });
    }
    Ok(i32::try_from(i64::from(pid)).ok().and_then(Pid::from_raw))
}

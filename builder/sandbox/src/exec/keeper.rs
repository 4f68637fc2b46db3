//! The keeper of one command: it starts the init, watches what may end it,
//! and answers only when everything is dead. It stays outside of the
//! command's namespaces.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::limit::ProcessLimit;
use crate::exec::mounts::no_input;
use crate::exec::wire::{Job, Report, decode, encode};
use crate::exec::{Ended, MountKind, Step};
use crate::exec::{descendants, init, relay};
use crate::probe::{Check, denied};
use crate::record::{Before, Kept, Subject, Supervision, supervise};
use crate::runtime;
use crate::tier::{Ids, Isolation};

/// How long a dead command's records are waited for: kernels before Linux 5.9
/// do not say that there is nobody to answer any more.
const PATIENCE: Duration = Duration::from_secs(1);

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
pub(crate) struct Handed {
    pub(crate) output: OwnedFd,
    pub(crate) errors: OwnedFd,
    pub(crate) stop: OwnedFd,
    /// Of agents whose sockets are in place already.
    pub(super) listeners: Vec<OwnedFd>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

fn keep() -> Result<(), Error> {
    let failed = |source| Error::system("cannot prepare a keeper", source);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(failed)?;
    rustix::stdio::dup2_stdin(no_input()?).map_err(failed)?;
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
    let answer = handed(descriptors, job.listeners).and_then(|handed| match &job.runtime {
        None => watch(&job, handed, channel.as_fd()),
        Some(program) => runtime::watch(&job, program, handed, channel.as_fd()),
    });
    channel.send(&encode(&answer)?, &[])
}

fn handed(descriptors: Vec<OwnedFd>, listeners: usize) -> Result<Handed, Error> {
    let missing = || Error::new(ErrorKind::Broken, "a step came without its streams");
    let mut descriptors = descriptors.into_iter();
    Ok(Handed {
        output: descriptors.next().ok_or_else(missing)?,
        errors: descriptors.next().ok_or_else(missing)?,
        stop: descriptors.next().ok_or_else(missing)?,
        listeners: descriptors.by_ref().take(listeners).collect(),
        descriptors: descriptors.collect(),
    })
}

fn watch(job: &Job, mut handed: Handed, control: BorrowedFd<'_>) -> Result<Ended, Error> {
    let started = Instant::now();
    let deadline = job
        .step
        .limits
        .milliseconds
        .and_then(|limit| started.checked_add(Duration::from_millis(limit)));
    let limit = ProcessLimit::new(&job.step.limits)?;
    if job.tier.isolation == Isolation::Chroot {
        descendants::adopt()?;
        // No namespace takes the others along: this process outlives the one
        // above for as long as that takes, which `control` tells.
        rustix::process::set_parent_process_death_signal(None)
            .map_err(|source| Error::system("cannot prepare a keeper", source))?;
    }
    let listeners = std::mem::take(&mut handed.listeners);
    let (mut running, stop) = Running::start(job, handed, &limit)?;
    relay(&job.step, listeners)?;
    let ended = running.until_end(job, [stop.as_fd(), control], deadline);
    running.kill();
    let ended = ended.and_then(|ended| running.with_records(ended));
    drop(running);
    drop(limit);
    ended
}

/// Is an init that runs.
struct Running {
    init: Pid,
    isolation: Isolation,
    reaped: bool,
    reports: Channel,
    /// What becomes of the records of its command.
    records: Vec<Receiver<Kept>>,
}

impl Running {
    fn start(job: &Job, handed: Handed, limit: &ProcessLimit) -> Result<(Self, OwnedFd), Error> {
        let (ours, theirs) = Channel::pair()?;
        let isolation = job.tier.isolation;
        let flags = match isolation {
            Isolation::Namespaces => libc::CLONE_NEWPID,
            Isolation::Chroot => 0,
        };
        let Some(init) = fork(flags)? else {
            drop(ours);
            init::main(job, handed, limit, theirs)
        };
        let running = Self {
            init,
            isolation,
            reaped: false,
            reports: ours,
            records: Vec::new(),
        };
        // The others are the command's: whoever reads its output has to see
        // its end.
        Ok((running, handed.stop))
    }

    /// Waits until the command has ended, or has to.
    fn until_end(
        &mut self,
        job: &Job,
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
                if let Some(ended) = self.report(job)? {
                    return Ok(ended);
                }
            } else if asked || gone {
                return Ok(Ended::Stopped);
            }
        }
    }

    fn report(&mut self, job: &Job) -> Result<Option<Ended>, Error> {
        let Some((message, descriptors)) = self.reports.receive()? else {
            return Ok(Some(self.lost()?));
        };
        match decode(&message)? {
            Report::Ready => {
                relay(&job.step, descriptors)?;
                Ok(None)
            }
            Report::Recorded => {
                for listener in descriptors {
                    self.records.push(record(job, listener)?);
                }
                Ok(None)
            }
            Report::Failed(error) => Err(error),
            Report::Ended(ended) => Ok(Some(ended)),
        }
    }

    /// Says how a command ended with its records: where some are lost, what it
    /// left is not what it made.
    fn with_records(&mut self, ended: Ended) -> Result<Ended, Error> {
        let mut records = self.records.drain(..);
        let lost = |kept: Receiver<Kept>| kept.recv_timeout(PATIENCE) == Ok(Kept::Some);
        if ended != Ended::Code(0) || !records.any(lost) {
            return Ok(ended);
        }
        let message = "owners that the command gave to files can not be kept with them";
        let hint = "a file system that has user attributes (xattr(7)), and room for them";
        Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint))
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

    /// Kills everything, and waits until it is dead: with the init goes all of
    /// its namespace, and the kernel lets nobody wait for it before.
    fn kill(&mut self) {
        if !self.reaped {
            let _ = rustix::process::kill_process(self.init, Signal::KILL);
            self.wait();
        }
        if self.isolation == Isolation::Chroot {
            descendants::end_all();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Passes connections on to the agents of a step, in the order of their mounts.
fn relay(step: &Step, listeners: Vec<OwnedFd>) -> Result<(), Error> {
    let mut agents = step.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Agent { source, .. } => Some(source.clone()),
        _ => None,
    });
    let mut listeners = listeners.into_iter();
    listeners.try_for_each(|listener| match agents.next() {
        Some(agent) => relay::start(listener, agent),
        None => Ok(()),
    })
}

/// Answers what the command asks of owners and devices, until it has ended;
/// then it says what became of the records.
fn record(job: &Job, listener: OwnedFd) -> Result<Receiver<Kept>, Error> {
    let step = &job.step;
    let (told, kept) = channel();
    let supervision = Supervision {
        subject: match job.tier.ids {
            Ids::Mapped { .. } => Subject::Devices,
            Ids::One | Ids::Real => Subject::Everything,
        },
        user: step.user,
        group: step.group,
        groups: step.groups.clone(),
        before: Before::Recorded,
    };
    let answer = move || {
        // Where it fails, the calls of the command do.
        if let Ok(kept) = supervise(listener, supervision) {
            let _ = told.send(kept);
        }
    };
    Builder::new()
        .name("record".to_owned())
        .spawn(answer)
        .map(|_thread| kept)
        .map_err(|source| Error::system("cannot record owners", source))
}

/// Forks, into namespaces for the child. It gives the child's number to the
/// parent, and `None` to the child.
#[expect(
    clippy::useless_conversion,
    reason = "the type of a system call's result differs among machines"
)]
pub(crate) fn fork(namespaces: i32) -> Result<Option<Pid>, Error> {
    let flags = i64::from(namespaces | libc::SIGCHLD);
    // SAFETY: a process with one thread, which this one is until the fork,
    // may go on with anything in the child. Without CLONE_VM and with no stack
    // given, both have their own copy of all memory. The order of the other
    // arguments, which differs among machines, does not matter: all are zero.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_i64, 0_i64, 0_i64, 0_i64) };
    if pid < 0 {
        let source = std::io::Error::last_os_error();
        return Err(match namespaces {
            0 => Error::system("cannot start a process", source),
            _ => denied(
                Check::ProcessNamespace,
                "cannot make a process namespace",
                source,
            ),
        });
    }
    Ok(i32::try_from(i64::from(pid)).ok().and_then(Pid::from_raw))
}

//! The first process in the namespaces of a command: it makes the root, starts
//! the command, and takes in orphans until the command ends. It ends with the
//! command, and the kernel then kills whatever else is in its namespace.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::command::{self, Streams};
use crate::exec::descriptors::close_all_but;
use crate::exec::inside::last;
use crate::exec::keeper::{Handed, fork};
use crate::exec::limit::ProcessLimit;
use crate::exec::mounts;
use crate::exec::wire::{Job, Report, encode};
use crate::exec::{Ended, Network};
use crate::probe::{Check, denied};
use crate::tier::Isolation;

/// How the init ends; what matters it has said before.
const DONE: i32 = 0;

/// Does all that the init does. It never returns.
pub(super) fn main(job: &Job, handed: Handed, limit: &ProcessLimit, mut reports: Channel) -> ! {
    let report = match live(job, handed, limit, &mut reports) {
        Ok(ended) => Report::Ended(ended),
        Err(error) => Report::Failed(error),
    };
    tell(&mut reports, &report);
    leave(DONE)
}

/// Tells the keeper. A keeper that does not listen is dead, and so is then
/// this process, by its signal.
pub(super) fn tell(reports: &mut Channel, report: &Report) {
    if let Ok(message) = encode(report) {
        let _ = reports.send(&message, &[]);
    }
}

/// Ends this process at once: what the parent has registered for its own end
/// is none of the child's business.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: it has no conditions.
    unsafe { libc::_exit(code) }
}

fn live(
    job: &Job,
    handed: Handed,
    limit: &ProcessLimit,
    reports: &mut Channel,
) -> Result<Ended, Error> {
    let failed = |source| Error::system("cannot prepare the init of a command", source);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    if keeper_is_gone(reports)? {
        leave(DONE);
    }
    // Nobody in there may look into this process, or through it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    limit.enter()?;
    let Handed {
        output,
        errors,
        stop,
        listeners,
        descriptors,
    } = handed;
    drop((stop, listeners));
    // All modes are given as they are to be.
    rustix::process::umask(Mode::empty());
    // It is as likely to be killed for want of memory as anything else.
    let _ = fs_err::write("/proc/self/oom_score_adj", "0");
    // Of another root directory alone nothing is claimed that a command with
    // the privilege for yet another could break.
    let mut confined = true;
    let input = match job.tier.isolation {
        Isolation::Namespaces => {
            separate(job)?;
            let made = mounts::make(job, &descriptors)?;
            let listeners: Vec<_> = made.listeners.iter().map(AsFd::as_fd).collect();
            reports.send(&encode(&Report::Ready)?, &listeners)?;
            confined = made.pivoted;
            made.input
        }
        Isolation::Chroot => {
            rustix::process::chroot(&job.step.root)
                .map_err(|source| Error::system("cannot change the root directory", source))?;
            mounts::no_input()?
        }
    };
    drop(descriptors);
    rustix::process::chdir("/").map_err(failed)?;
    let Some(pid) = fork(0)? else {
        let streams = Streams {
            input,
            output,
            errors,
        };
        let error = command::become_it(job, streams, confined, reports);
        tell(reports, &Report::Failed(error));
        leave(command::NOT_STARTED);
    };
    // The command sees in `/proc` what this process has open. They are closed
    // with all others, below those that own them.
    for stream in [input, output, errors] {
        let _ = stream.into_raw_fd();
    }
    close_all_but(reports.as_fd());
    reap(pid)
}

/// Says whether the keeper ended before this process asked for a signal.
fn keeper_is_gone(reports: &Channel) -> Result<bool, Error> {
    let mut watched = [PollFd::new(reports, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut watched, Some(&now)) {
        Ok(0) | Err(Errno::INTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(source) => Err(Error::system("cannot look for the keeper", source)),
    }
}

/// Enters the namespaces of the command, but that of processes, in which this
/// process was made.
fn separate(job: &Job) -> Result<(), Error> {
    let own_network = match job.step.network {
        Network::None => UnshareFlags::NEWNET,
        Network::Host => UnshareFlags::empty(),
    };
    let all = [
        (Check::MountNamespace, UnshareFlags::NEWNS),
        (Check::MessageNamespace, UnshareFlags::NEWIPC),
        (Check::HostnameNamespace, UnshareFlags::NEWUTS),
        (Check::NetworkNamespace, own_network),
    ];
    for (check, flags) in all {
        // SAFETY: the flags that are dangerous, of descriptors shared among
        // threads, are not given.
        unsafe { rustix::thread::unshare_unsafe(flags) }
            .map_err(|source| denied(check, format!("cannot make a {check}"), source))?;
    }
    // Filters of some containers allow the namespace, and not its name: then
    // it is that of the container.
    allowed(rustix::system::sethostname(job.step.hostname.as_bytes()))
        .map_err(|source| Error::system("cannot set the name of the machine", source))?;
    allowed(rustix::system::setdomainname(b""))
        .map_err(|source| Error::system("cannot set the name of the domain", source))?;
    match job.step.network {
        // Root that may not change networks has one that reaches even less.
        Network::None => allowed(loopback())
            .map_err(|source| Error::system("cannot take up the loopback interface", source)),
        Network::Host => Ok(()),
    }
}

/// Takes what is not allowed for done.
fn allowed(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::PERM) => Ok(()),
        done => done,
    }
}

/// Takes up the one network interface of an empty network.
fn loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    // SAFETY: zeros are a valid request, and the name is shorter than the
    // field and ends with a zero.
    let done = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
            *to = from.cast_signed() as libc::c_char;
        }
        let up = libc::IFF_UP | libc::IFF_RUNNING;
        request.ifr_ifru.ifru_flags = i16::try_from(up).unwrap_or_default();
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(last()),
    }
}

/// Takes in everything that ends, until the command does.
fn reap(command: Pid) -> Result<Ended, Error> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => return ended(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(source) => return Err(Error::system("cannot wait for a command", source)),
        }
    }
}

fn ended(status: WaitStatus) -> Result<Ended, Error> {
    let code = status.exit_status().map(Ended::Code);
    code.or_else(|| status.terminating_signal().map(Ended::Signal))
        .ok_or_else(|| Error::new(ErrorKind::Broken, "a command neither ended nor was killed"))
}

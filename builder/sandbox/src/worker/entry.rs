//! The beginning of a worker, in its own process: from the program's start to
//! where it is to be. There is one thread.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::SocketType;
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::process::{
    DumpableBehavior, Gid, Signal, Uid, getegid, geteuid, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setsid, umask,
};
use rustix::thread::{
    UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::probe::{Check, denied};
use crate::tier::{Ids, Isolation, Tier};
use crate::worker::greeting::{self, Answer, Greeting};
use crate::worker::maps::write_file;

/// Says why there is no worker.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody started it who is no build.
    ByHand,
    /// The other end knows why, and tells the user.
    Told,
    /// The other end can not be told.
    Alone(Error),
}

/// Takes the channel and goes where the tier is. What fails is told to the
/// other end.
pub(crate) fn enter() -> Result<(Channel, Tier), Failure> {
    let mut channel = take_channel()?;
    let greeting: Greeting = greeting::receive(&mut channel).map_err(Failure::Alone)?;
    let entered = prepare(greeting.parent)
        .and_then(|()| enter_namespaces(&mut channel, &greeting.tier))
        // Another user, or more privileges, take the signal away.
        .and_then(|()| end_with_parent(greeting.parent))
        .and_then(|()| stay_visible());
    let (answer, done) = match entered {
        Ok(()) => (Answer::Ready, Ok(greeting.tier)),
        Err(error) => (Answer::Failed(error), Err(Failure::Told)),
    };
    // Where nobody listens any more, the other end knows more than this one.
    greeting::send(&mut channel, &answer).or(Err(Failure::Told))?;
    done.map(|tier| (channel, tier))
}

/// Takes the socket that came as the input, and leaves an empty input.
fn take_channel() -> Result<Channel, Failure> {
    let input = rustix::stdio::stdin();
    let is_channel = socket_type(input).is_ok_and(|kind| kind == SocketType::STREAM)
        && socket_domain(input).is_ok_and(|domain| domain == rustix::net::AddressFamily::UNIX);
    if !is_channel {
        return Err(Failure::ByHand);
    }
    let failed = |source: io::Error| Failure::Alone(Error::system("taking the channel", source));
    // Above the standard streams, so that it is none of them.
    let socket =
        rustix::io::fcntl_dupfd_cloexec(input, 3).map_err(|source| failed(source.into()))?;
    let empty = empty_input().map_err(failed)?;
    rustix::stdio::dup2_stdin(&empty).map_err(|source| failed(source.into()))?;
    Ok(Channel::new(socket))
}

fn empty_input() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::open("/dev/null", flags, Mode::empty()) {
        Ok(null) => Ok(null),
        // In a root without devices: the end of a pipe that nobody writes to.
        Err(_) => Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?.0),
    }
}

/// Cuts the process off from who started it, but for its end.
fn prepare(parent: u32) -> Result<(), Error> {
    end_with_parent(parent)?;
    // The terminal's Ctrl-C is for the parent, which ends this process in
    // order. Only the leader of a group is refused, which has one already.
    let _ = setsid();
    umask(Mode::from_raw_mode(0o022));
    close_on_exec();
    Ok(())
}

/// Ends this process when its parent ends, also if that was before.
fn end_with_parent(parent: u32) -> Result<(), Error> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|source| Error::system("asking to end with the parent", source))?;
    let now = getppid().map_or(0, |id| id.as_raw_nonzero().get().unsigned_abs());
    if now == parent {
        return Ok(());
    }
    let context = "the process that started the worker has ended";
    Err(Error::new(ErrorKind::Broken, context))
}

/// Keeps what this process inherited by accident from what it starts.
fn close_on_exec() {
    // SAFETY: it changes a flag of descriptors and touches no memory; no
    // descriptor is closed that something here may own.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return;
    }
    // Older than Linux 5.11, or behind a filter that does not know the call.
    let Ok(entries) = fs_err::read_dir("/proc/self/fd") else {
        return;
    };
    for entry in entries.flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number: &i32| *number > 2) {
            // SAFETY: as above.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Lets this process read its own `/proc/self`, which a change of users
/// forbids. Processes of the same user could look into it as they could
/// before.
fn stay_visible() -> Result<(), Error> {
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|source| Error::system("staying visible in `/proc`", source))
}

fn enter_namespaces(channel: &mut Channel, tier: &Tier) -> Result<(), Error> {
    match &tier.ids {
        Ids::Real => {}
        Ids::Mapped { .. } => enter_mapped(channel)?,
        Ids::One => enter_one()?,
    }
    match tier.isolation {
        Isolation::Chroot => Ok(()),
        Isolation::Namespaces => {
            unshare(UnshareFlags::NEWNS, Check::MountNamespace)?;
            // What is unmounted outside goes here too, but nothing that is
            // mounted here is seen there.
            mount_change(
                "/",
                MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM,
            )
            .map_err(|source| {
                let context = "keeping mounts to the worker";
                denied(Check::MountNamespace, context, source)
            })
        }
    }
}

/// Enters a user namespace whose numbers the parent gives.
fn enter_mapped(channel: &mut Channel) -> Result<(), Error> {
    unshare(UnshareFlags::NEWUSER, Check::UserNamespace)?;
    greeting::send(channel, &Answer::NeedsMaps)?;
    let () = greeting::receive(channel)?;
    let become_root = || {
        set_thread_groups(&[])?;
        set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
    };
    become_root().map_err(|source| {
        let context = "becoming root of the user namespace";
        denied(Check::UserNamespace, context, source)
    })
}

/// Enters a user namespace where whoever runs this is root and alone.
fn enter_one() -> Result<(), Error> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER, Check::UserNamespace)?;
    let write = |path: &str, text: &str| {
        write_file(path, text)
            .map_err(|source| denied(Check::UserNamespace, format!("writing `{path}`"), source))
    };
    // Without it the kernel lets nobody write the groups.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {user} 1\n"))?;
    write("/proc/self/gid_map", &format!("0 {group} 1\n"))
}

fn unshare(flags: UnshareFlags, check: Check) -> Result<(), Error> {
    // SAFETY: the flags are namespaces alone, never the table of descriptors,
    // which is what could take descriptors away from other threads.
    let done = unsafe { unshare_unsafe(flags) };
    done.map_err(|source| denied(check, check.to_string(), source))
}

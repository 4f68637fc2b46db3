//! The filter's two ends: the command's, which gets it, and the one beside,
//! where threads answer.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::error::Error;

use super::answer::Desk;
use super::family::Family;
use super::filter::Answer;
use super::identity::Identity;
use super::notify::Listener;
use super::owner::Owner;
use super::records::{Records, lock};
use super::target::{DESCRIPTORS, Roots, give_up_rights};

/// How many threads answer at most.
const THREADS: usize = 4;

/// Says how the calls are answered.
#[derive(Debug)]
pub(crate) enum Faked {
    /// By [`supervise`], which gets this.
    Recorded(OwnedFd),
    /// With success, by nobody: owners and devices are lost, and whoever
    /// becomes another user is told to be root still.
    Forgotten,
}

/// Says what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Owners, devices and users: there is one user alone.
    Everything,
    /// Devices: all else is real.
    Devices,
}

/// Is what a supervisor has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Supervision {
    /// What its filter was installed for.
    pub(crate) subject: Subject,
    /// The number of the user that the command is.
    pub(crate) user: u32,
    /// The number of its group.
    pub(crate) group: u32,
    /// The numbers of its further groups.
    pub(crate) groups: Vec<u32>,
    /// Whether its root may have records already.
    pub(crate) before: Before,
}

/// Says whether there may be records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// There may be. Looking for them costs time.
    Recorded,
    /// There are none.
    #[allow(dead_code, reason = "only a caller that knows the layers can say it")]
    Nothing,
}

/// Says what became of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They are with the files.
    All,
    /// Some, of files of the root, were in memory alone: its file system has no
    /// attributes, or no room for them.
    Some,
}

/// Gives this process, and all that it starts, the filter whose calls
/// [`supervise`] answers, for what is recorded. There must be no other thread, and the process needs
/// `CAP_SYS_ADMIN` in its namespace, or no new privileges.
///
/// # Errors
///
/// Fails with [`ErrorKind::System`](crate::ErrorKind::System) where the kernel
/// does not allow it; [`install_plain`] may work then.
pub(crate) fn install(subject: Subject) -> Result<Faked, Error> {
    let listener = super::filter::install(match subject {
        Subject::Everything => Answer::Listener,
        Subject::Devices => Answer::Devices,
    })?;
    Ok(listener.map_or(Faked::Forgotten, Faked::Recorded))
}

/// Gives this process, and all that it starts, a filter that answers with
/// success and does nothing.
///
/// # Errors
///
/// Fails as [`install`] does.
pub(crate) fn install_plain() -> Result<Faked, Error> {
    super::filter::install(Answer::Success)?;
    Ok(Faked::Forgotten)
}

/// Answers the calls of a command until all that it started has ended. It
/// blocks. It is called in the command's user namespace, outside of its root,
/// by a process whose `/proc` has the numbers of the command's processes.
///
/// # Errors
///
/// Fails when `/proc` is not there. The calls of the command then fail.
pub(crate) fn supervise(listener: OwnedFd, supervision: Supervision) -> Result<Kept, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())
        .map_err(|errno| Error::system("`/proc` can not be opened", errno))?;
    let owner = Owner {
        user: supervision.user,
        group: supervision.group,
    };
    let some = supervision.before == Before::Recorded;
    let desk = Desk {
        subject: supervision.subject,
        proc,
        listener: Listener::new(listener),
        records: Records::new(some),
        family: Mutex::new(Family::new(Identity::new(owner, supervision.groups))),
        roots: Roots::default(),
    };
    if supervision.subject == Subject::Devices {
        // Nobody tells when they do.
        desk.roots.differ();
    }
    let queue = Mutex::new(());
    let ended = AtomicBool::new(false);
    let worked = std::thread::scope(|scope| {
        for _ in 1..THREADS {
            // One alone is slower, and enough.
            let builder = std::thread::Builder::new();
            let _ = builder.spawn_scoped(scope, || work(&desk, &queue, &ended));
        }
        work(&desk, &queue, &ended)
    });
    worked.map_err(|errno| Error::system("a thread can not answer", errno))?;
    Ok(if desk.records.lost() {
        Kept::Some
    } else {
        Kept::All
    })
}

/// Answers calls, one after the other, until there is nobody to ask.
///
/// # Errors
///
/// Fails where this thread can not have attributes of its own.
fn work(desk: &Desk, queue: &Mutex<()>, ended: &AtomicBool) -> Result<(), Errno> {
    // The umask is had for the time of a call by whoever makes files, and the
    // working directory makes paths of descriptors short.
    // SAFETY: the thread shares its file system attributes afterwards with
    // nobody, and its descriptors with the same threads as before.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
    rustix::process::chdir(DESCRIPTORS)?;
    give_up_rights()?;
    // One waits for calls at a time: the others would wait in the kernel for
    // ones that never come.
    let mut turn = lock(queue);
    while !ended.load(Ordering::Acquire) {
        match next(&desk.listener) {
            // To wake another thread costs more than to answer: it is done
            // only where there is a call for it.
            Ok(Some(waiting)) if !is_next(&desk.listener) => desk.answer(&waiting),
            Ok(Some(waiting)) => {
                drop(turn);
                desk.answer(&waiting);
                turn = lock(queue);
            }
            Ok(None) => {}
            Err(_) => ended.store(true, Ordering::Release),
        }
    }
    drop(turn);
    Ok(())
}

/// Says whether there is another call already.
fn is_next(listener: &Listener) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut polled, Some(&now)).is_ok()
        && polled
            .iter()
            .any(|one| one.revents().contains(PollFlags::IN))
}

/// Waits for a call; `None` when whoever made it is gone.
///
/// # Errors
///
/// Fails when everybody is gone.
fn next(listener: &Listener) -> Result<Option<super::notify::Waiting>, Errno> {
    let mut polled = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    match poll(&mut polled, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    let events = polled
        .iter()
        .fold(PollFlags::empty(), |all, one| all | one.revents());
    if events.contains(PollFlags::IN) {
        return match listener.receive() {
            Ok(waiting) => Ok(Some(waiting)),
            Err(Errno::NOENT | Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        };
    }
    if events.intersects(PollFlags::HUP | PollFlags::ERR) {
        return Err(Errno::PIPE);
    }
    Ok(None)
}

//! The kernel's side of a filter that somebody listens to (seccomp_unotify(2)):
//! calls that wait, and their answers. It knows nothing of what they are.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// Lets the waker and the woken run one after the other on one processor
/// (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`).
const SYNC_WAKE_UP: libc::c_ulong = 1;

/// Answers a call by the descriptor that comes with it
/// (`SECCOMP_ADDFD_FLAG_SEND`).
const ADD_AND_SEND: u32 = 2;

/// Hears of the calls of a command.
#[derive(Debug)]
pub(super) struct Listener {
    descriptor: OwnedFd,
}

/// Is a call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Its number, for the answer.
    pub(super) id: u64,
    /// The thread that waits.
    pub(super) thread: u32,
    /// Which system call it is.
    pub(super) call: libc::c_long,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

/// Is the answer to a call.
#[derive(Debug)]
pub(super) enum Reply {
    /// The kernel does it.
    Continue,
    /// It is done, and gave this.
    Value(i64),
    /// It failed.
    Failure(Errno),
    /// It is done, and opened this. Whether the descriptor ends with the
    /// program (`O_CLOEXEC`) comes along.
    Opened(OwnedFd, bool),
}

impl Listener {
    /// Takes the descriptor that came with the filter.
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        // SAFETY: the call takes a number, and touches no memory. Older
        // kernels do not know it, and nothing but speed is lost.
        unsafe {
            libc::ioctl(
                descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _,
                SYNC_WAKE_UP,
            );
        }
        Self { descriptor }
    }

    /// Takes the next call; it blocks where there is none.
    ///
    /// # Errors
    ///
    /// Fails with `NOENT` when the caller is gone, or everybody is.
    pub(super) fn receive(&self) -> Result<Waiting, Errno> {
        // SAFETY: all of it are numbers, for which zeros are a value. The
        // kernel asks for zeros.
        let mut request: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        self.ioctl(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut request)?;
        Ok(Waiting {
            id: request.id,
            thread: request.pid,
            call: libc::c_long::from(request.data.nr),
            arguments: request.data.args,
        })
    }

    /// Says whether a call still waits: if so, the thread is the one that made
    /// it, and what was opened of it by number is its.
    pub(super) fn is_waiting(&self, waiting: &Waiting) -> bool {
        let mut id = waiting.id;
        self.ioctl(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id)
            .is_ok()
    }

    /// Answers a call. One whose caller is gone needs no answer.
    pub(super) fn answer(&self, waiting: &Waiting, reply: Reply) {
        let mut response = libc::seccomp_notif_resp {
            id: waiting.id,
            val: 0,
            error: 0,
            flags: 0,
        };
        match reply {
            Reply::Continue => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
            Reply::Value(value) => response.val = value,
            Reply::Failure(errno) => response.error = -errno.raw_os_error(),
            Reply::Opened(file, cloexec) => match self.hand_over(waiting, &file, cloexec) {
                Ok(()) => return,
                Err(errno) => response.error = -errno.raw_os_error(),
            },
        }
        let _ = self.ioctl(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response);
    }

    /// Gives the caller a descriptor, whose number is its answer.
    fn hand_over(&self, waiting: &Waiting, file: &OwnedFd, cloexec: bool) -> Result<(), Errno> {
        let mut handed = libc::seccomp_notif_addfd {
            id: waiting.id,
            flags: ADD_AND_SEND,
            srcfd: file.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: if cloexec {
                libc::O_CLOEXEC.cast_unsigned()
            } else {
                0
            },
        };
        self.ioctl(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut handed)
    }

    fn ioctl<T>(&self, request: libc::Ioctl, argument: *mut T) -> Result<(), Errno> {
        // SAFETY: every caller passes a live structure of the layout that the
        // request names.
        let result = unsafe { libc::ioctl(self.descriptor.as_raw_fd(), request as _, argument) };
        if result >= 0 {
            return Ok(());
        }
        let code = std::io::Error::last_os_error().raw_os_error();
        Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

//! What is answered to each call. The numbers of calls and the places of their
//! arguments are here; what they do is beside.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::attribute;
use super::credential;
use super::device;
use super::family::Family;
use super::identity::Identity;
use super::make::{self, Made, Making};
use super::notify::{Listener, Reply, Waiting};
use super::ownership;
use super::records::{Records, lock};
use super::rename;
use super::sight::{self, Sight};
use super::supervisor::Subject;
use super::target::{Last, Named, Roots, Target};

/// Is all that is known of a command.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) subject: Subject,
    pub(super) proc: OwnedFd,
    pub(super) listener: Listener,
    pub(super) records: Records,
    pub(super) family: Mutex<Family>,
    pub(super) roots: Roots,
}

/// Is one call, with what is known for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) desk: &'a Desk,
    pub(super) target: Target<'a>,
    waiting: &'a Waiting,
}

impl Desk {
    /// Answers a call.
    pub(super) fn answer(&self, waiting: &Waiting) {
        let asked = Asked {
            desk: self,
            target: Target {
                proc: self.proc.as_fd(),
                thread: waiting.thread,
                roots: &self.roots,
            },
            waiting,
        };
        let reply = match self.subject {
            Subject::Everything => asked.reply(),
            Subject::Devices => device::reply(&asked, waiting.call),
        };
        let reply = reply.unwrap_or_else(Reply::Failure);
        self.listener.answer(waiting, reply);
    }
}

impl Asked<'_> {
    /// Says who asks.
    pub(super) fn identity(&self) -> Arc<Identity> {
        lock(&self.desk.family).identity(self.target)
    }

    /// Goes on where the call still waits. Before that, what was read by the
    /// number of the thread may be of another one.
    ///
    /// # Errors
    ///
    /// Fails with `SRCH`, which nobody sees, where it does not.
    pub(super) fn still_waits(&self) -> Result<(), Errno> {
        let waits = self.desk.listener.is_waiting(self.waiting);
        if waits { Ok(()) } else { Err(Errno::SRCH) }
    }

    /// Gives an argument.
    pub(super) fn long(&self, index: usize) -> u64 {
        self.waiting.arguments.get(index).copied().unwrap_or(0)
    }

    /// Gives an argument of 32 bits; what is above them is not its.
    pub(super) fn word(&self, index: usize) -> u32 {
        u32::try_from(self.long(index) & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// Gives an argument that is a descriptor or has a sign.
    pub(super) fn signed(&self, index: usize) -> i32 {
        self.word(index).cast_signed()
    }

    /// Reads a path that is seen from the working directory.
    pub(super) fn path(&self, path: usize) -> Result<Named, Errno> {
        let named = self.target.named(libc::AT_FDCWD, self.long(path))?;
        if named.path.is_empty() {
            Err(Errno::NOENT)
        } else {
            Ok(named)
        }
    }

    /// Reads a path that is seen from a descriptor.
    pub(super) fn path_at(&self, directory: usize, path: usize) -> Result<Named, Errno> {
        let named = self.target.named(self.signed(directory), self.long(path))?;
        if named.path.is_empty() {
            Err(Errno::NOENT)
        } else {
            Ok(named)
        }
    }

    /// Reads a path of a call that has flags, with which it may be empty.
    pub(super) fn flagged(&self, at: [usize; 3]) -> Result<(Named, Last), Errno> {
        let [directory, path, flags] = at;
        let flags = self.signed(flags);
        let empty = flags & libc::AT_EMPTY_PATH != 0;
        let named = match self.long(path) {
            // Allowed where the path may be empty (Linux 6.11).
            0 if empty => self.open_file(directory),
            address => self.target.named(self.signed(directory), address)?,
        };
        if named.path.is_empty() && !empty {
            return Err(Errno::NOENT);
        }
        let itself = flags & libc::AT_SYMLINK_NOFOLLOW != 0;
        let last = if itself { Last::Itself } else { Last::Followed };
        Ok((named, last))
    }

    /// Names the file of a descriptor.
    pub(super) fn open_file(&self, descriptor: usize) -> Named {
        Named {
            directory: self.signed(descriptor),
            path: Vec::new(),
        }
    }

    fn reply(&self) -> Result<Reply, Errno> {
        let asked = self;
        match self.waiting.call {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => ownership::change((asked, self.path(0)?, Last::Followed), [1, 2]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => ownership::change((asked, self.path(0)?, Last::Itself), [1, 2]),
            libc::SYS_fchown => ownership::change((asked, self.open_file(0), Last::Itself), [1, 2]),
            libc::SYS_fchownat => {
                let (named, last) = self.flagged([0, 1, 4])?;
                ownership::change((asked, named, last), [2, 3])
            }
            libc::SYS_chroot
            | libc::SYS_pivot_root
            | libc::SYS_setns
            | libc::SYS_unshare
            | libc::SYS_mount
            | libc::SYS_move_mount => {
                self.desk.roots.differ();
                Ok(Reply::Continue)
            }
            call => match self.reply_to_sight(call) {
                Some(reply) => reply,
                None => self.reply_to_others(call),
            },
        }
    }

    /// Answers the calls whose failure to find a file is the kernel's: it
    /// knows more of `/proc` and of strange flags.
    fn reply_to_sight(&self, call: libc::c_long) -> Option<Result<Reply, Errno>> {
        let asked = self;
        if !self.desk.records.some() && sight::CALLS.contains(&call) {
            return Some(Ok(Reply::Continue));
        }
        let reply = match call {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat => self
                .path(0)
                .map(|named| (named, Last::Followed, Sight::Stat(1))),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => self
                .path(0)
                .map(|named| (named, Last::Itself, Sight::Stat(1))),
            libc::SYS_fstat => Ok((self.open_file(0), Last::Itself, Sight::Stat(1))),
            libc::SYS_newfstatat => {
                let named = self.flagged([0, 1, 3]);
                named.map(|(named, last)| (named, last, Sight::Stat(2)))
            }
            libc::SYS_statx => {
                let named = self.flagged([0, 1, 2]);
                named.map(|(named, last)| {
                    (
                        named,
                        last,
                        Sight::Statx {
                            flags: 2,
                            mask: 3,
                            to: 4,
                        },
                    )
                })
            }
            _ => return None,
        };
        let reply = reply.and_then(|(named, last, sight)| sight::look(asked, &named, last, sight));
        Some(Ok(reply.unwrap_or(Reply::Continue)))
    }

    fn reply_to_others(&self, call: libc::c_long) -> Result<Reply, Errno> {
        if let Some(reply) = credential::reply(self, call) {
            return reply;
        }
        if let Some(reply) = attribute::reply(self, call) {
            return Ok(reply.unwrap_or(Reply::Continue));
        }
        let made = match self.making(call) {
            Some(making) => making.and_then(|(named, making)| make::reply(self, &named, making)),
            None => match rename::reply(self, call) {
                Some(reply) => reply.map(Made::Done),
                None => Ok(Made::ByTheKernel),
            },
        };
        match made {
            Ok(Made::Done(reply)) => Ok(reply),
            Ok(Made::ByTheKernel) => Ok(Reply::Continue),
            Err(error) => Err(error),
        }
    }

    /// Reads the calls that make files.
    pub(super) fn making(&self, call: libc::c_long) -> Option<Result<(Named, Making), Errno>> {
        let making = match call {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => (
                self.path(0),
                Making::File {
                    flags: self.signed(1),
                    mode: self.word(2),
                },
            ),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                (
                    self.path(0),
                    Making::File {
                        flags,
                        mode: self.word(1),
                    },
                )
            }
            libc::SYS_openat => {
                let making = Making::File {
                    flags: self.signed(2),
                    mode: self.word(3),
                };
                (self.path_at(0, 1), making)
            }
            libc::SYS_openat2 => match self.how(2) {
                Ok(making) => (self.path_at(0, 1), making),
                Err(error) => return Some(Err(error)),
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => (self.path(0), Making::Directory { mode: self.word(1) }),
            libc::SYS_mkdirat => (self.path_at(0, 1), Making::Directory { mode: self.word(2) }),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_symlink => (
                self.path(1),
                Making::Link {
                    content: self.long(0),
                },
            ),
            libc::SYS_symlinkat => (
                self.path_at(1, 2),
                Making::Link {
                    content: self.long(0),
                },
            ),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => (
                self.path(0),
                Making::Node {
                    mode: self.word(1),
                    device: self.word(2),
                },
            ),
            libc::SYS_mknodat => (
                self.path_at(0, 1),
                Making::Node {
                    mode: self.word(2),
                    device: self.word(3),
                },
            ),
            _ => return None,
        };
        let (named, making) = making;
        Some(named.map(|named| (named, making)))
    }

    /// Reads the flags and the mode of openat2(2).
    fn how(&self, at: usize) -> Result<Making, Errno> {
        let words = self.target.numbers(self.long(at), 6)?;
        match words.as_slice() {
            // Each has 64 bits, of which those below are in use.
            &[flags, _, mode, _, resolve, _] if cfg!(target_endian = "little") => {
                let flags = flags.cast_signed();
                // How the path is to be found, only the kernel knows.
                let flags = if resolve == 0 { flags } else { 0 };
                Ok(Making::File { flags, mode })
            }
            _ => Err(Errno::INVAL),
        }
    }
}

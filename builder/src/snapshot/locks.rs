//! Files that say that somebody is at work (flock(2)): the kernel takes them
//! back from whoever dies.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// Is held for as long as it is there.
#[derive(Debug)]
pub(crate) struct Lock {
    file: OwnedFd,
}

/// Says who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Others who share it.
    Shared,
    /// Nobody.
    Alone,
}

impl Lock {
    /// Waits for a lock. It blocks.
    pub(crate) fn wait(path: &Path, held: Held) -> Result<Self, Error> {
        let operation = match held {
            Held::Shared => FlockOperation::LockShared,
            Held::Alone => FlockOperation::LockExclusive,
        };
        let lock = Self::take(path, operation)?;
        lock.ok_or_else(|| Error::new(ErrorKind::Storage, "a lock that was waited for is taken"))
    }

    /// Takes a lock, unless somebody else holds it.
    pub(crate) fn attempt(path: &Path, held: Held) -> Result<Option<Self>, Error> {
        let operation = match held {
            Held::Shared => FlockOperation::NonBlockingLockShared,
            Held::Alone => FlockOperation::NonBlockingLockExclusive,
        };
        Self::take(path, operation)
    }

    /// Notes that it was used now.
    pub(crate) fn touch(&self) -> Result<(), Errno> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        rustix::fs::futimens(&self.file, &times)
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Option<Self>, Error> {
        let failed = |errno: Errno| {
            let context = format!("can not lock `{}`", path.display());
            Error::caused(ErrorKind::Storage, context, std::io::Error::from(errno))
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        loop {
            let file = rustix::fs::open(path, flags, mode).map_err(failed)?;
            match rustix::fs::flock(&file, operation) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            // Whoever held it may have taken the file away: then it is no lock
            // of anything.
            let held = rustix::fs::fstat(&file).map_err(failed)?;
            match rustix::fs::stat(path) {
                Ok(there) if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino) => {
                    return Ok(Some(Self { file }));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
            if rustix::fs::access(
                path.parent().unwrap_or_else(|| Path::new("/")),
                rustix::fs::Access::EXISTS,
            )
            .is_err()
            {
                return Err(failed(Errno::NOENT));
            }
        }
    }
}

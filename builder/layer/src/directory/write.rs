//! Writing into a directory, without ever following a link out of it.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::entry::Metadata;
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// What new files may be before their metadata is set.
const PRIVATE: u32 = 0o600;
/// What directories are that are made since something needs a place.
const MISSING_DIRECTORY: u32 = 0o755;
/// What files are that are made since something needs a place.
const MISSING_FILE: u32 = 0o644;
/// What new directories may be before their metadata is set.
const PRIVATE_DIRECTORY: u32 = 0o700;

impl Directory {
    /// Makes a directory, unless there is one; what else is there goes away.
    pub(crate) fn make_directory(&self, path: &EntryPath) -> Result<(), Error> {
        self.make(path, |parent, name| {
            let mode = Mode::from_raw_mode(PRIVATE_DIRECTORY);
            match rustix::fs::mkdirat(parent, name, mode) {
                Err(Errno::EXIST) => {
                    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                        rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
                        rustix::fs::mkdirat(parent, name, mode)?;
                    }
                }
                made => made?,
            }
            // Of one that was there, its owner has to be able to write into it.
            let handle = open(parent, name, OFlags::DIRECTORY)?;
            rustix::fs::fchmod(&handle, mode)
        })
    }

    /// Makes a file of this size in bytes in the place of what is there.
    pub(crate) fn make_file(
        &self,
        path: &EntryPath,
        metadata: &Metadata,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let handle = self.make(path, |parent, name| {
            clear(parent, name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let flags = flags | OFlags::CLOEXEC;
            rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(PRIVATE))
        })?;
        let mut file = std::fs::File::from(handle);
        let copied = io::copy(&mut content.take(size.saturating_add(1)), &mut file)
            .map_err(|error| Error::io(format!("can not write `{}`", self.display(path)), error))?;
        if copied != size {
            let message = format!("the content of `{path}` is not {size} bytes long any more");
            return Err(Error::new(ErrorKind::Changed, message));
        }
        apply(&file.into(), metadata).map_err(|errno| self.failed("write", path, errno))
    }

    /// Makes another name of a file that was made before.
    pub(crate) fn make_link(&self, path: &EntryPath, target: &EntryPath) -> Result<(), Error> {
        let old = target.parent().unwrap_or_default();
        let old = self
            .step(&old, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|errno| self.failed("find", target, errno))?;
        let old_name = OsStr::from_bytes(target.name().unwrap_or_default());
        self.make(path, |parent, name| {
            clear(parent, name)?;
            rustix::fs::linkat(&old, old_name, parent, name, AtFlags::empty())
        })
    }

    /// Makes a symbolic link in the place of what is there.
    pub(crate) fn make_symlink(&self, path: &EntryPath, target: &[u8]) -> Result<(), Error> {
        self.make(path, |parent, name| {
            clear(parent, name)?;
            rustix::fs::symlinkat(OsStr::from_bytes(target), parent, name)
        })
    }

    /// Makes a named pipe in the place of what is there.
    pub(crate) fn make_fifo(&self, path: &EntryPath) -> Result<(), Error> {
        self.make(path, |parent, name| {
            clear(parent, name)?;
            let mode = Mode::from_raw_mode(PRIVATE);
            rustix::fs::mknodat(parent, name, FileType::Fifo, mode, 0)
        })
    }

    /// Gives something that was made its permissions and time; of links, the
    /// time alone.
    pub(crate) fn set(&self, path: &EntryPath, metadata: &Metadata) -> Result<(), Error> {
        self.make(path, |parent, name| {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                let times = times(metadata);
                return rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW);
            }
            apply(&open(parent, name, OFlags::empty())?, metadata)
        })
    }

    /// Makes an empty directory or file, and the directories that it is in, as
    /// far as they are missing.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when it can not be made.
    pub fn make_missing(&self, path: &EntryPath, is_directory: bool) -> Result<(), Error> {
        let above = std::iter::successors(path.parent(), EntryPath::parent);
        let mut above: Vec<EntryPath> = above.filter(|path| !path.is_root()).collect();
        above.reverse();
        for directory in above.iter().chain(is_directory.then_some(path)) {
            self.make(directory, |parent, name| {
                let mode = Mode::from_raw_mode(MISSING_DIRECTORY);
                match rustix::fs::mkdirat(parent, name, mode) {
                    Ok(()) | Err(Errno::EXIST) => Ok(()),
                    Err(errno) => Err(errno),
                }
            })?;
        }
        if is_directory {
            return Ok(());
        }
        self.make(path, |parent, name| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(MISSING_FILE);
            rustix::fs::openat(parent, name, flags, mode).map(drop)
        })
    }

    /// Does something to a name in its directory.
    fn make<T>(
        &self,
        path: &EntryPath,
        work: impl FnOnce(&OwnedFd, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(Error::new(ErrorKind::Invalid, "the root is there already"));
        };
        let failed = |errno| self.failed("write", path, errno);
        let parent = self
            .step(&parent, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(failed)?;
        work(&parent, OsStr::from_bytes(name)).map_err(failed)
    }
}

/// Opens what was made, to change what is known of it: by its name alone, a
/// link could have taken its place. A named pipe is not waited for.
fn open(parent: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn apply(handle: &OwnedFd, metadata: &Metadata) -> Result<(), Errno> {
    rustix::fs::fchmod(handle, Mode::from_raw_mode(u32::from(metadata.mode)))?;
    rustix::fs::futimens(handle, &times(metadata))
}

fn times(metadata: &Metadata) -> Timestamps {
    let time = Timespec {
        tv_sec: metadata.mtime.seconds(),
        tv_nsec: metadata.mtime.nanoseconds().into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Takes what is at a name away, unless it is a directory that has something.
fn clear(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
        cleared => cleared,
    }
}

//! Writing into a directory, without ever following a link out of it.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
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
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                        // One that this very call made private, or an older
                        // one: its owner has to be able to write into it.
                        let mode = Mode::from_raw_mode(PRIVATE_DIRECTORY | (stat.st_mode & 0o077));
                        return rustix::fs::chmodat(parent, name, mode, AtFlags::empty());
                    }
                    rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
                    rustix::fs::mkdirat(parent, name, mode)
                }
                made => made,
            }
        })
    }

    /// Makes a file in the place of what is there.
    pub(crate) fn make_file(
        &self,
        path: &EntryPath,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let mut made = None;
        self.make(path, |parent, name| {
            clear(parent, name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            made = Some(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(PRIVATE))?);
            Ok(())
        })?;
        if let Some(handle) = made {
            let mut file = std::fs::File::from(handle);
            io::copy(content, &mut file)
                .and_then(|_| file.flush())
                .map_err(|error| Error::io(format!("can not write `{}`", self.display(path)), error))?;
        }
        Ok(())
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
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                let mode = Mode::from_raw_mode(u32::from(metadata.mode));
                rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
            }
            let time = Timespec {
                tv_sec: metadata.mtime,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Does something to a name in its directory.
    fn make(
        &self,
        path: &EntryPath,
        work: impl FnOnce(&OwnedFd, &OsStr) -> Result<(), Errno>,
    ) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(Error::new(ErrorKind::Invalid, "the root is there already"));
        };
        let failed = |errno| self.failed("write", path, errno);
        let parent = self.step(&parent, OFlags::PATH | OFlags::DIRECTORY).map_err(failed)?;
        work(&parent, OsStr::from_bytes(name)).map_err(failed)
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

//! Takes away what is in a directory, whatever its modes are.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::{Directory, FoundKind};
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// How many directories deep something may be that is taken away: each has an
/// open descriptor. What commands make deeper than the kernel's longest path
/// is theirs alone.
const DEPTH_LIMIT: usize = 4096;

impl Directory {
    /// Takes away what is at a path, with all that is in it, whatever the
    /// modes of directories are. Nothing there is right. No link is followed.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when something can not be removed, and with
    /// [`ErrorKind::Limit`] when it is more than 4,096 directories deep.
    pub fn remove(&self, path: &EntryPath) -> Result<(), Error> {
        let failed = |errno| self.failed("remove", path, errno);
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(Error::new(ErrorKind::Invalid, "the root can not be removed"));
        };
        let parent = match self.step(&parent, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(parent) => parent,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        };
        match remove(&parent, OsStr::from_bytes(name), 0) {
            Ok(()) => Ok(()),
            Err(Errno::LOOP) => {
                let message = format!("`{path}` is more than {DEPTH_LIMIT} directories deep");
                Err(Error::new(ErrorKind::Limit, message))
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Takes away an empty file or an empty directory; what is neither stays.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when it can not be removed.
    pub fn remove_empty(&self, path: &EntryPath) -> Result<(), Error> {
        let failed = |errno| self.failed("remove", path, errno);
        let Some(found) = self.stat(path)? else {
            return Ok(());
        };
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Ok(());
        };
        let flags = match found.kind {
            FoundKind::Directory => AtFlags::REMOVEDIR,
            FoundKind::File if found.size == 0 => AtFlags::empty(),
            _ => return Ok(()),
        };
        let parent = self
            .step(&parent, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(failed)?;
        match rustix::fs::unlinkat(&parent, OsStr::from_bytes(name), flags) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Adds up the bytes of the regular files in it, each once for each name.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when it can not be read.
    pub fn measure(&self) -> Result<u64, Error> {
        let mut bytes: u64 = 0;
        let mut open = vec![EntryPath::root()];
        while let Some(directory) = open.pop() {
            for name in self.names(&directory)? {
                let path = directory.child(&name);
                let Some(found) = self.stat(&path)? else {
                    continue;
                };
                match found.kind {
                    FoundKind::Directory => open.push(path),
                    FoundKind::File => bytes = bytes.saturating_add(found.size),
                    _ => {}
                }
            }
        }
        Ok(bytes)
    }
}

fn remove(parent: &OwnedFd, name: &OsStr, depth: usize) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    if depth >= DEPTH_LIMIT {
        return Err(Errno::LOOP);
    }
    let directory = open(parent, name)?;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let inner = entry.file_name().to_bytes();
        if inner != b"." && inner != b".." {
            remove(&directory, OsStr::from_bytes(inner), depth + 1)?;
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Opens a directory so that it can be emptied: its owner lets himself in.
fn open(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let let_in = || {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        // Whoever swaps it for a link now has his own file changed, as
        // whoever could write here could have done.
        rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())
    };
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(directory) => {
            let stat = rustix::fs::fstat(&directory)?;
            if stat.st_mode & Mode::RWXU.as_raw_mode() != Mode::RWXU.as_raw_mode() {
                // Fails where it is another's, who then has to let us in.
                let _ = rustix::fs::fchmod(&directory, Mode::RWXU);
            }
            Ok(directory)
        }
        Err(Errno::ACCESS) => {
            let_in()?;
            rustix::fs::openat(parent, name, flags, Mode::empty())
        }
        Err(errno) => Err(errno),
    }
}

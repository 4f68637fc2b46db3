//! One directory of this machine, from which nothing leads out: every path is
//! resolved by the kernel below it, and no link is followed.

mod held;
mod listing;
mod upkeep;
mod write;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::path::EntryPath;

pub use held::Held;
pub use listing::Listing;

/// Is a directory of this machine.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    /// How messages name it.
    path: PathBuf,
}

/// Is what was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// The permission bits with set-id and sticky.
    pub mode: u16,
    /// The number of the owner.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// The size in bytes; of files.
    pub size: u64,
    /// When the content was changed: seconds since 1970, and nanoseconds.
    pub mtime: (i64, u64),
    /// When anything was changed: seconds since 1970, and nanoseconds.
    pub ctime: (i64, u64),
    /// The number of the device that it is on.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
}

/// Says what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
    /// A socket.
    Socket,
}

/// Holds the values of extended attributes by their names.
pub type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// The longest list of names of extended attributes, and the longest value of
/// one, in bytes, as the kernel has them.
const XATTR_LIMIT: usize = 64 * 1024;

impl Directory {
    /// Opens a directory. The path itself may lead through links.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it is not there, is no directory, or
    /// may not be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::io(format!("can not open `{}`", path.display()), errno))?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// Looks at what is at a path, without following a link; `None` where
    /// there is nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when a part on the way is a link or no
    /// directory, or may not be searched.
    pub fn stat(&self, path: &EntryPath) -> Result<Option<Found>, Error> {
        let found = match (path.parent(), path.name()) {
            (Some(parent), Some(name)) => {
                let parent = match self.step(&parent, OFlags::PATH | OFlags::DIRECTORY) {
                    Ok(parent) => parent,
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(self.failed("look at", path, errno)),
                };
                rustix::fs::statat(&parent, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)
            }
            _ => rustix::fs::fstat(&self.handle),
        };
        match found {
            Ok(stat) => Ok(Some(Found::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", path, errno)),
        }
    }

    /// Lists the names in a directory, ordered by their bytes.
    ///
    /// # Errors
    ///
    /// Fails as [`Directory::list`] does.
    pub fn names(&self, path: &EntryPath) -> Result<Vec<Box<[u8]>>, Error> {
        self.list(path).map(Listing::into_names)
    }

    /// Lists a directory, whose names can be looked at from there.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read, and with
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) when it has more than two million names.
    pub fn list(&self, path: &EntryPath) -> Result<Listing, Error> {
        Listing::read(self, path)
    }

    /// Reads what a symbolic link says.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it is none, or can not be read.
    pub fn link(&self, path: &EntryPath) -> Result<Box<[u8]>, Error> {
        let failed = |errno| self.failed("read the link", path, errno);
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let handle = self.step(path, flags).map_err(failed)?;
        let target = rustix::fs::readlinkat(&handle, "", Vec::new()).map_err(failed)?;
        Ok(target.into_bytes().into())
    }

    /// Reads the extended attributes of a file or directory, as far as they
    /// may be read; a file system that has none has none.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when they can not be read.
    pub fn xattrs(&self, path: &EntryPath) -> Result<Attributes, Error> {
        let failed = |errno| self.failed("read the attributes of", path, errno);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let handle = self.step(path, flags).map_err(failed)?;
        let mut list = vec![0; XATTR_LIMIT];
        let length = match rustix::fs::flistxattr(&handle, &mut list[..]) {
            Ok(length) => length,
            Err(Errno::NOTSUP) => return Ok(Attributes::new()),
            Err(errno) => return Err(failed(errno)),
        };
        let mut attributes = Attributes::new();
        let list = list.get(..length).unwrap_or_default();
        for name in list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let mut value = vec![0; XATTR_LIMIT];
            match rustix::fs::fgetxattr(&handle, OsStr::from_bytes(name), &mut value[..]) {
                Ok(length) => {
                    value.truncate(length);
                    attributes.insert(name.into(), value.into());
                }
                // It went away, or is for others to read.
                Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(attributes)
    }

    /// Opens a file that was found. What is read is what was found: the file
    /// may not have changed before it is opened, nor until its last byte was
    /// read.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Changed`](crate::ErrorKind::Changed) when it did, and with
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read. Reading may fail alike.
    pub fn read(&self, path: &EntryPath, found: &Found) -> Result<Held, Error> {
        // Without blocking, should a named pipe have taken the place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let handle = match self.step(path, flags) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::LOOP) => return Err(held::changed(&self.display(path))),
            Err(errno) => return Err(self.failed("open", path, errno)),
        };
        Held::new(handle, found.clone(), self.display(path))
    }

    /// Opens a regular file to be read, whatever it is like. Where that may be,
    /// nobody sees by its times that it was.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read, and with
    /// [`ErrorKind::Changed`](crate::ErrorKind::Changed) when it is no regular file (any more).
    pub fn open_file(&self, path: &EntryPath) -> Result<OwnedFd, Error> {
        // Without blocking, should a named pipe have taken the place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let failed = |errno| self.failed("open", path, errno);
        let handle = self.step(path, flags).map_err(failed)?;
        let stat = rustix::fs::fstat(&handle).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(held::changed(&self.display(path)));
        }
        quiet(&handle);
        Ok(handle)
    }

    /// Opens what is at a path, by steps that all stay below the directory.
    pub(crate) fn step(&self, path: &EntryPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let name = if path.is_root() {
            OsStr::new(".")
        } else {
            OsStr::from_bytes(path.as_bytes())
        };
        // A link at the end is opened itself where the flags say so.
        let resolve = if flags.contains(OFlags::PATH | OFlags::NOFOLLOW) {
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
        } else {
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
        };
        if resolve.contains(ResolveFlags::NO_SYMLINKS) {
            match rustix::fs::openat2(&self.handle, name, flags, Mode::empty(), resolve) {
                // Kernels before 5.6 lack it, and some sandboxes refuse it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened,
            }
        }
        self.step_by_step(path, flags)
    }

    /// Opens what is at a path name by name, so that no link is followed.
    fn step_by_step(&self, path: &EntryPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut names = path.names();
        let Some(last) = names.next_back() else {
            return rustix::fs::openat(&self.handle, ".", flags, Mode::empty());
        };
        let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        for name in names {
            let here = at.as_ref().unwrap_or(&self.handle);
            at = Some(rustix::fs::openat(
                here,
                OsStr::from_bytes(name),
                way,
                Mode::empty(),
            )?);
        }
        let here = at.as_ref().unwrap_or(&self.handle);
        let flags = flags | OFlags::NOFOLLOW;
        rustix::fs::openat(here, OsStr::from_bytes(last), flags, Mode::empty())
    }

    pub(crate) fn display(&self, path: &EntryPath) -> String {
        if path.is_root() {
            return self.path.display().to_string();
        }
        format!("{}{path}", self.path.display())
    }

    pub(crate) fn failed(&self, what: &str, path: &EntryPath, errno: Errno) -> Error {
        Error::io(format!("can not {what} `{}`", self.display(path)), errno)
    }
}

/// Has reading a file leave its time of access as it is, where the kernel
/// allows that: of one's own files.
pub(crate) fn quiet(handle: &OwnedFd) {
    let _ = rustix::fs::fcntl_setfl(handle, OFlags::NOATIME);
}

impl Found {
    #[allow(
        clippy::useless_conversion,
        reason = "the numbers of the kernel have other types on other processors"
    )]
    pub(crate) fn of(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => FoundKind::Directory,
            FileType::RegularFile => FoundKind::File,
            FileType::Symlink => FoundKind::Symlink,
            FileType::Fifo => FoundKind::Fifo,
            FileType::Socket => FoundKind::Socket,
            _ => FoundKind::Device,
        };
        let seconds = |seconds: i64, nanoseconds: u64| (seconds, nanoseconds);
        Self {
            kind,
            mode: (stat.st_mode & 0o7777) as u16,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: seconds(stat.st_mtime, stat.st_mtime_nsec),
            ctime: seconds(stat.st_ctime, stat.st_ctime_nsec),
            device: stat.st_dev,
            inode: stat.st_ino,
            links: stat.st_nlink.into(),
        }
    }

    /// Says whether a file is still the one that was found, and as it was.
    fn is_still(&self, now: &Self) -> bool {
        let same = |found: &Self| {
            (
                found.kind,
                found.device,
                found.inode,
                found.size,
                found.mtime,
                found.ctime,
            )
        };
        same(self) == same(now)
    }
}

#[cfg(test)]
mod tests;

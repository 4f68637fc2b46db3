//! Names in their directories, as descriptors: no link on the way is followed,
//! and directories stay open while what is in them follows.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// Is a name in an open directory.
#[derive(Debug, Clone, Copy)]
pub(in crate::live) struct Place<'a> {
    pub(in crate::live) parent: &'a OwnedFd,
    pub(in crate::live) name: &'a OsStr,
}

/// Opens directories, and keeps those open that lead to the last one.
#[derive(Debug)]
pub(in crate::live) struct Parents<'a> {
    directory: &'a Directory,
    /// Each is in the one before it, somewhere.
    open: Vec<(EntryPath, OwnedFd)>,
}

/// How many directories are kept open.
const OPEN_LIMIT: usize = 16;
/// How many directories are open while a tree is removed. Directories deeper
/// than that are moved up first: whoever made them could go as deep as he liked.
const DEPTH_LIMIT: usize = 32;
/// How often a directory is listed until it is empty. What is moved up is found
/// by listing it again; more than that only comes when somebody fills it.
const ROUNDS_LIMIT: usize = 100_000;

impl<'a> Parents<'a> {
    pub(in crate::live) fn new(directory: &'a Directory) -> Self {
        Self {
            directory,
            open: Vec::new(),
        }
    }

    /// Gives the name of a path, and the directory that it is in.
    ///
    /// # Errors
    ///
    /// Fails when a part on the way is a link or no directory, and for the
    /// root.
    pub(in crate::live) fn place<'s>(
        &'s mut self,
        path: &'s EntryPath,
    ) -> Result<Place<'s>, Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            let message = "the root is not in a directory, and stays one";
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        Ok(Place {
            parent: self.open(parent)?,
            name: OsStr::from_bytes(name),
        })
    }

    fn open(&mut self, path: EntryPath) -> Result<&OwnedFd, Error> {
        while self.open.last().is_some_and(|(last, _)| !path.is_in(last)) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|(last, _)| *last != path) {
            if self.open.len() >= OPEN_LIMIT {
                self.open.remove(0);
            }
            let handle = self
                .directory
                .step(&path, OFlags::PATH | OFlags::DIRECTORY)
                .map_err(|errno| self.directory.failed("open", &path, errno))?;
            self.open.push((path, handle));
        }
        let (_, handle) = self.open.last().expect("it was there, or was added");
        Ok(handle)
    }
}

impl<'a> Place<'a> {
    /// Looks at it; `None` where there is nothing.
    pub(in crate::live) fn stat(&self) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Makes something, in the place of what is there.
    pub(in crate::live) fn make<T>(
        self,
        make: impl Fn(&OwnedFd, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match make(self.parent, self.name) {
            Err(Errno::EXIST) => {
                self.remove()?;
                make(self.parent, self.name)
            }
            made => made,
        }
    }

    /// Opens a directory, to list it and to write into it, whatever its mode.
    pub(in crate::live) fn open_directory(self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(self.parent, self.name, flags, Mode::empty());
        match open() {
            Err(Errno::ACCESS) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let handle = rustix::fs::openat(self.parent, self.name, flags, Mode::empty())?;
                rustix::fs::chmod(super::inode::reached(&handle), Mode::RWXU)?;
                open()
            }
            opened => opened,
        }
    }

    /// Takes away what is there, with all that is in it, whatever its modes
    /// and however deep it is. Nothing there is right.
    pub(in crate::live) fn remove(self) -> Result<(), Errno> {
        self.remove_in(None)
    }

    /// Does so; below `top`, which is so many directories above.
    fn remove_in(self, top: Option<(&OwnedFd, usize)>) -> Result<(), Errno> {
        match rustix::fs::unlinkat(self.parent, self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Some file systems say the latter of directories.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
        match rustix::fs::unlinkat(self.parent, self.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
            // What can not be removed is no directory.
            Err(Errno::NOTDIR) => return Err(Errno::PERM),
            Err(errno) => return Err(errno),
        }
        let directory = self.open_directory()?;
        let_in(&directory)?;
        if let Some((top, DEPTH_LIMIT)) = top {
            let inode = rustix::fs::fstat(&directory)?.st_ino;
            return self.hoist(top, inode);
        }
        let (top, depth) = top.unwrap_or((&directory, 0));
        for _ in 0..ROUNDS_LIMIT {
            empty(&directory, (top, depth + 1))?;
            match rustix::fs::unlinkat(self.parent, self.name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(Errno::NOENT) => return Ok(()),
                done => return done,
            }
        }
        Err(Errno::NOTEMPTY)
    }

    /// Moves it into a directory further up, under a name of its own.
    fn hoist(self, top: &OwnedFd, inode: u64) -> Result<(), Errno> {
        for number in 0..u32::MAX {
            let name = format!(".wharf-{inode}-{number}");
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(self.parent, self.name, top, name, flags) {
                Err(Errno::EXIST) => {}
                moved => return moved,
            }
        }
        Err(Errno::EXIST)
    }
}

/// Takes away what is in a directory.
pub(in crate::live) fn clear(directory: &OwnedFd) -> Result<(), Errno> {
    let_in(directory)?;
    for _ in 0..ROUNDS_LIMIT {
        if empty(directory, (directory, 1))? == 0 {
            return Ok(());
        }
    }
    Err(Errno::NOTEMPTY)
}

/// Takes away what is listed in a directory, and says how much that was. What
/// is too deep may have been moved to the top, which is to be listed again.
fn empty(directory: &OwnedFd, top: (&OwnedFd, usize)) -> Result<usize, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    for name in &names {
        let place = Place {
            parent: directory,
            name: OsStr::from_bytes(name.to_bytes()),
        };
        place.remove_in(Some(top))?;
    }
    Ok(names.len())
}

/// Has the owner of a directory be able to take away what is in it.
fn let_in(directory: &OwnedFd) -> Result<(), Errno> {
    let mode = rustix::fs::fstat(directory)?.st_mode;
    let owner = Mode::RWXU.as_raw_mode();
    if FileType::from_raw_mode(mode) == FileType::Directory && mode & owner != owner {
        match rustix::fs::fchmod(directory, Mode::RWXU) {
            // It is another's; who may do so all the same is found out soon.
            Err(Errno::PERM) => {}
            done => return done,
        }
    }
    Ok(())
}

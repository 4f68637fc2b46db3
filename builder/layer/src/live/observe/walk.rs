//! Walks a directory in the order of paths, and looks at each thing once.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// How many directories deep a file system may be: as trees.
const DEPTH_LIMIT: usize = 512;
/// How many names a file system may have.
const NAMES_LIMIT: u64 = 50_000_000;
/// What the owner has to be allowed to walk into a directory, and to read a
/// file.
const WALK: u32 = 0o500;
const READ: u32 = 0o400;

/// Is one thing on the way.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) path: EntryPath,
    /// The directory that it is in; of the root, the root.
    pub(super) parent: Rc<OwnedFd>,
    pub(super) stat: Stat,
    /// Whether its mode was changed for a while, and with that its change time.
    pub(super) unlocked: bool,
}

impl Visit {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// The name in the parent.
    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.path.name().unwrap_or(b"."))
    }
}

/// Walks. Directories stay open while it is in them, [`DEPTH_LIMIT`] at most.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    directory: &'a Directory,
    frames: Vec<Frame>,
    /// The directory that was given last, to be walked into.
    next: Option<EntryPath>,
    started: bool,
    names: u64,
    unlocked: Unlocked<'a>,
}

#[derive(Debug)]
struct Frame {
    path: EntryPath,
    handle: Rc<OwnedFd>,
    names: std::vec::IntoIter<Box<[u8]>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(directory: &'a Directory) -> Self {
        Self {
            directory,
            frames: Vec::new(),
            next: None,
            started: false,
            names: 0,
            unlocked: Unlocked::new(directory),
        }
    }

    /// Gives the next thing: a directory before what is in it, names ordered
    /// by their bytes.
    pub(super) fn next(&mut self) -> Result<Option<Visit>, Error> {
        if !self.started {
            self.started = true;
            let handle = Rc::new(self.open(&EntryPath::root())?);
            return self.visit(EntryPath::root(), handle).map(Some);
        }
        if let Some(path) = self.next.take() {
            self.enter(path)?;
        }
        while let Some(frame) = self.frames.last_mut() {
            if let Some(name) = frame.names.next() {
                let path = child(&frame.path, &name)?;
                let handle = Rc::clone(&frame.handle);
                return self.visit(path, handle).map(Some);
            }
            self.frames.pop();
        }
        Ok(None)
    }

    /// Has an owner who is not root read a file. What is known of it is then
    /// what it was before.
    pub(super) fn unlock(&mut self, visit: &mut Visit) -> Result<(), Error> {
        if visit.unlocked {
            return Ok(());
        }
        let needed = match visit.kind() {
            FileType::Directory => WALK,
            FileType::RegularFile => READ,
            _ => return Ok(()),
        };
        visit.unlocked = self.unlocked.unlock(visit, needed)?;
        Ok(())
    }

    /// Ends: everything has the mode that it had.
    pub(super) fn unlocked(self) -> Unlocked<'a> {
        self.unlocked
    }

    fn visit(&mut self, path: EntryPath, parent: Rc<OwnedFd>) -> Result<Visit, Error> {
        let name = OsStr::from_bytes(path.name().unwrap_or(b"."));
        let stat = rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.directory.failed("look at", &path, errno))?;
        let mut visit = Visit {
            path,
            parent,
            stat,
            unlocked: false,
        };
        if visit.kind() == FileType::Directory {
            self.unlock(&mut visit)?;
            self.next = Some(visit.path.clone());
        }
        Ok(visit)
    }

    fn enter(&mut self, path: EntryPath) -> Result<(), Error> {
        if self.frames.len() > DEPTH_LIMIT {
            let message = format!("a path is more than {DEPTH_LIMIT} directories deep");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let handle = self.open(&path)?;
        let failed = |errno| self.directory.failed("list", &path, errno);
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for entry in Dir::read_from(&handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.names += 1;
            if self.names > NAMES_LIMIT {
                let message = format!("there are more than {NAMES_LIMIT} files");
                return Err(Error::new(ErrorKind::Limit, message));
            }
            names.push(name.into());
        }
        names.sort_unstable();
        self.frames.push(Frame {
            path,
            handle: Rc::new(handle),
            names: names.into_iter(),
        });
        Ok(())
    }

    fn open(&self, path: &EntryPath) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.directory
            .step(path, flags)
            .map_err(|errno| self.directory.failed("list", path, errno))
    }
}

fn child(parent: &EntryPath, name: &[u8]) -> Result<EntryPath, Error> {
    let length = parent.as_bytes().len() + 1 + name.len();
    if length > EntryPath::LIMIT {
        let message = format!(
            "a path in `{parent}` has more than {} bytes",
            EntryPath::LIMIT
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(parent.child(name))
}

/// Gives files back the modes that they had, whatever happens.
#[derive(Debug)]
pub(super) struct Unlocked<'a> {
    directory: &'a Directory,
    /// Whether nothing is locked for this process.
    is_root: bool,
    modes: Vec<(EntryPath, Mode)>,
}

impl<'a> Unlocked<'a> {
    fn new(directory: &'a Directory) -> Self {
        Self {
            directory,
            is_root: rustix::process::geteuid().is_root(),
            modes: Vec::new(),
        }
    }

    fn unlock(&mut self, visit: &Visit, needed: u32) -> Result<bool, Error> {
        if self.is_root || visit.stat.st_mode & needed == needed {
            return Ok(false);
        }
        let mode = Mode::from_raw_mode(visit.stat.st_mode & 0o7777);
        rustix::fs::chmodat(
            &*visit.parent,
            visit.name(),
            mode | Mode::from_raw_mode(needed),
            AtFlags::empty(),
        )
        .map_err(|errno| self.directory.failed("read", &visit.path, errno))?;
        self.modes.push((visit.path.clone(), mode));
        Ok(true)
    }

    /// Gives them back.
    pub(super) fn lock(mut self) -> Result<(), Error> {
        self.restore()
    }

    fn restore(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        // What is in a directory comes before it.
        while let Some((path, mode)) = self.modes.pop() {
            if let Err(errno) = self.restore_one(&path, mode) {
                result = Err(self.directory.failed("give its mode back to", &path, errno));
            }
        }
        result
    }

    fn restore_one(&self, path: &EntryPath, mode: Mode) -> Result<(), Errno> {
        let handle = self
            .directory
            .step(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
        rustix::fs::fchmod(&handle, mode)
    }
}

impl Drop for Unlocked<'_> {
    fn drop(&mut self) {
        // An error is under way already.
        drop(self.restore());
    }
}

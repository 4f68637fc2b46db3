//! Does to a directory what a layer says. It decides nothing: what is to be
//! done is listed before, and is done whatever is there.

pub(in crate::live) mod content;
pub(in crate::live) mod inode;
pub(in crate::live) mod place;
mod write;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::entry::Metadata;
use crate::error::Error;
use crate::live::operation::Operation;
use crate::live::owners::{self, Owners};
use crate::live::{Form, Given, LINK_OWNERS, Marks, Rights};
use crate::path::EntryPath;

use inode::{Inode, State, Wanted};
use place::{Parents, Place};

/// Says what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Performed {
    /// How many files, directories, links and so on were made.
    pub made: u64,
    /// The bytes of their content.
    pub bytes: u64,
    /// What of the layer the directory does not have.
    pub skipped: Skipped,
}

/// Counts attributes that were not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// Those that no directory gets, or that the rights do not reach.
    pub attributes: u64,
    /// Those that the kernel does not allow on symbolic links.
    pub links: u64,
    /// Those that it does not allow on named pipes.
    pub pipes: u64,
    /// Those, and owners to be recorded, that it does not allow on devices.
    pub devices: u64,
}

impl Skipped {
    fn count(&mut self, kind: FileType) {
        let count = match kind {
            FileType::Symlink => &mut self.links,
            FileType::Fifo => &mut self.pipes,
            _ => &mut self.devices,
        };
        *count = count.saturating_add(1);
    }

    fn add(&mut self, other: Self) {
        self.attributes = self.attributes.saturating_add(other.attributes);
        self.links = self.links.saturating_add(other.links);
        self.pipes = self.pipes.saturating_add(other.pipes);
        self.devices = self.devices.saturating_add(other.devices);
    }
}

/// Does it, with the content from the uncompressed layer. Owners, set-id bits,
/// attributes, devices and times are as they were asked for, or recorded. In
/// the form of an overlay, what is removed becomes a whiteout, and a directory
/// that is cleared hides what is below it. No link in the directory is
/// followed. It blocks, and writes files on as many threads as there are
/// processors, at most 8; they end before this returns.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not be
/// read or written, and with [`ErrorKind::Changed`](crate::ErrorKind::Changed)
/// when the content ends before it should. What is in the directory is then of
/// no use.
pub fn perform(
    operations: &[Operation],
    content: &std::fs::File,
    into: &Directory,
    (form, rights): (Form, Rights),
) -> Result<Performed, Error> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let work = Work {
        operations,
        content,
        into,
        form,
        rights,
    };
    work.perform(threads.get())
}

/// Is all that there is to do.
#[derive(Clone, Copy)]
struct Work<'a> {
    operations: &'a [Operation],
    content: &'a std::fs::File,
    into: &'a Directory,
    form: Form,
    rights: Rights,
}

/// Is a directory that gets its metadata when all is in it.
struct Frame<'a> {
    path: &'a EntryPath,
    metadata: &'a Metadata,
    links: &'a Owners,
    /// Whether it hides what lies below it.
    is_opaque: bool,
    state: State,
}

/// What new directories may be until they get their metadata.
const PRIVATE: Mode = Mode::RWXU;
/// The mark of a directory that hides what lies below it.
const OPAQUE: &[u8] = b"y";

impl Work<'_> {
    /// Directories come first, then all that is in them, in any order; then
    /// other names of files, and at last what directories are to have: what is
    /// made in them changes their times, and their modes may not allow it.
    fn perform(&self, threads: usize) -> Result<Performed, Error> {
        let mut parents = Parents::new(self.into);
        let mut frames: Vec<Frame<'_>> = Vec::new();
        for operation in self.operations {
            match operation {
                Operation::Remove { path } => self.remove(parents.place(path)?, path)?,
                Operation::Clear { path } => {
                    self.clear(path)?;
                    if let Some(frame) = frames.last_mut().filter(|frame| frame.path == path) {
                        frame.is_opaque = true;
                    }
                }
                Operation::Directory {
                    path,
                    metadata,
                    links,
                } => frames.push(Frame {
                    path,
                    metadata,
                    links,
                    is_opaque: false,
                    state: self.prepare(path, &mut parents)?,
                }),
                _ => {}
            }
        }
        let mut performed = write::all(self, threads)?;
        for operation in self.operations {
            if let Operation::Link { path, target } = operation {
                self.link(path, target, &mut parents)?;
                performed.made = performed.made.saturating_add(1);
            }
        }
        for frame in frames.iter().rev() {
            performed.skipped.add(self.finish(frame)?);
            performed.made = performed.made.saturating_add(1);
        }
        Ok(performed)
    }

    fn remove(&self, place: Place<'_>, path: &EntryPath) -> Result<(), Error> {
        let removed = match self.form {
            Form::Plain => place.remove(),
            Form::Overlay { .. } => place.make(whiteout),
        };
        removed.map_err(|errno| self.into.failed("remove", path, errno))
    }

    fn clear(&self, path: &EntryPath) -> Result<(), Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let handle = self.into.step(path, flags);
        handle
            .and_then(|handle| place::clear(&handle))
            .map_err(|errno| self.into.failed("clear", path, errno))
    }

    /// Has a directory be there, and nothing in it be made other than it is
    /// asked for.
    fn prepare(&self, path: &EntryPath, parents: &mut Parents<'_>) -> Result<State, Error> {
        let failed = |errno| self.into.failed("make the directory", path, errno);
        if path.is_root() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let handle = self.into.step(path, flags).map_err(failed)?;
            loosen(&handle).map_err(failed)?;
            return Ok(State::Found);
        }
        let place = parents.place(path)?;
        match rustix::fs::mkdirat(place.parent, place.name, PRIVATE) {
            Ok(()) => return Ok(State::Made),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        match place.open_directory() {
            Ok(handle) => {
                loosen(&handle).map_err(failed)?;
                Ok(State::Found)
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                place
                    .make(|parent, name| rustix::fs::mkdirat(parent, name, PRIVATE))
                    .map_err(failed)?;
                Ok(State::Made)
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    fn link(
        &self,
        path: &EntryPath,
        target: &EntryPath,
        parents: &mut Parents<'_>,
    ) -> Result<(), Error> {
        let mut targets = Parents::new(self.into);
        let target = targets.place(target)?;
        let place = parents.place(path)?;
        let flags = rustix::fs::AtFlags::empty();
        place
            .make(|parent, name| {
                rustix::fs::linkat(target.parent, target.name, parent, name, flags)
            })
            .map_err(|errno| self.into.failed("make the link", path, errno))
    }

    /// Gives a directory its metadata.
    fn finish(&self, frame: &Frame<'_>) -> Result<Skipped, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut inode = self
            .into
            .step(frame.path, flags)
            .and_then(Inode::open)
            .map_err(|errno| self.into.failed("open", frame.path, errno))?;
        let mut marks = BTreeMap::new();
        if self.rights.owners == Given::Recorded {
            marks.insert(LINK_OWNERS, owners::spelled(frame.links));
        }
        if let Form::Overlay { marks: of } = self.form {
            marks.insert(opaque(of), frame.is_opaque.then(|| OPAQUE.to_vec()));
        }
        let wanted = Wanted {
            metadata: frame.metadata,
            rights: self.rights,
            marks,
        };
        let given = inode.give(&wanted, frame.state);
        given.map_err(|failure| self.into.failed(&failure.what, frame.path, failure.errno))
    }
}

/// Has what is made in a directory get neither its group nor its access lists,
/// and its owner be able to make it.
fn loosen(handle: &OwnedFd) -> Result<(), Errno> {
    const KEPT: u32 = 0o2700;
    match rustix::fs::fremovexattr(handle, "system.posix_acl_default") {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
        Err(errno) => return Err(errno),
    }
    if rustix::fs::fstat(handle)?.st_mode & KEPT != PRIVATE.as_raw_mode() {
        rustix::fs::fchmod(handle, PRIVATE)?;
    }
    Ok(())
}

/// Makes what overlayfs takes for nothing: a device that nobody needs a right
/// for.
pub(in crate::live) fn whiteout(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0)
}

/// Gives the attribute of a directory that hides what lies below it.
pub(in crate::live) fn opaque(marks: Marks) -> &'static str {
    match marks {
        Marks::Trusted => "trusted.overlay.opaque",
        Marks::User => "user.overlay.opaque",
    }
}

#[cfg(test)]
mod tests;

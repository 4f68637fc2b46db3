//! Has a directory be what the layer says that was made of it. It decides
//! nothing.

mod copy;

use std::collections::BTreeMap;

use rustix::fs::{AtFlags, FileType, OFlags, Timespec};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::entry::Metadata;
use crate::error::Error;
use crate::live::owners;
use crate::live::perform::inode::{self, Inode, State, Wanted};
use crate::live::perform::place::{Parents, Place};
use crate::live::perform::{opaque, whiteout};
use crate::live::{Form, Given, LINK_OWNERS, Rights};
use crate::path::EntryPath;

/// Is one thing to do to a directory that a command was run in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Settlement {
    /// Give what is there this metadata.
    Metadata {
        /// Where.
        path: EntryPath,
        /// The metadata.
        metadata: Metadata,
    },
    /// Take away what no layer has (sockets). Of a directory over others: take
    /// away, too, what is as it is below; no whiteout is left.
    Discard {
        /// Where.
        path: EntryPath,
    },
    /// Make a name another one of the same file.
    Link {
        /// Which name.
        path: EntryPath,
        /// The file.
        target: EntryPath,
    },
    /// Make a name that is one of several of a file (or link, pipe, device) a
    /// file of its own, with the content that it has. The others stay.
    Separate {
        /// Which name.
        path: EntryPath,
        /// The metadata that it gets.
        metadata: Metadata,
    },
    /// Of a directory over others: hide what is below it at a path, with a
    /// whiteout in the place of what is there, if anything is.
    Whiteout {
        /// Where.
        path: EntryPath,
    },
    /// Of a directory over others: take away the mark of a directory that hides
    /// what lower ones have in it.
    Reveal {
        /// Where.
        path: EntryPath,
    },
}

/// Does it. What is as it should be already is not touched, and directories keep their times while names in them go or change.
/// No link in the directory is followed. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not be
/// read or written.
pub fn settle(
    settlements: &[Settlement],
    directory: &Directory,
    (form, rights): (Form, Rights),
) -> Result<(), Error> {
    let mut settling = Settling {
        directory,
        form,
        rights,
        parents: Parents::new(directory),
        last: BTreeMap::new(),
    };
    for settlement in settlements {
        match settlement {
            Settlement::Metadata { path, metadata } => settling.metadata(path, metadata)?,
            Settlement::Discard { path } => settling.discard(path)?,
            Settlement::Link { path, target } => settling.link(path, target)?,
            Settlement::Separate { path, metadata } => settling.separate(path, metadata)?,
            Settlement::Whiteout { path } => settling.whiteout(path)?,
            Settlement::Reveal { path } => settling.reveal(path)?,
        }
    }
    settling.finish()
}

/// Is what is under way.
struct Settling<'a> {
    directory: &'a Directory,
    form: Form,
    rights: Rights,
    parents: Parents<'a>,
    /// What directories get at last.
    last: BTreeMap<EntryPath, Last<'a>>,
}

/// Says what a directory gets at last.
enum Last<'a> {
    /// The times that it had, of access and of change.
    Times(Timespec, Timespec),
    /// All of its metadata.
    Metadata(&'a Metadata),
}

impl<'a> Settling<'a> {
    fn metadata(&mut self, path: &EntryPath, metadata: &'a Metadata) -> Result<(), Error> {
        let found = if path.is_root() {
            None
        } else {
            let place = self.parents.place(path)?;
            let found = Inode::find(place);
            let found = found.map_err(|errno| self.directory.failed("find", path, errno))?;
            Some(found).filter(|found| found.kind() != FileType::Directory)
        };
        let Some(inode) = found else {
            self.last.insert(path.clone(), Last::Metadata(metadata));
            return Ok(());
        };
        let has_none = matches!(inode.kind(), FileType::Symlink | FileType::Fifo);
        if has_none && self.rights.owners == Given::Recorded {
            self.record(path, (metadata.uid, metadata.gid))?;
        }
        self.give(path, inode, metadata)
    }

    fn give(&self, path: &EntryPath, mut inode: Inode, metadata: &Metadata) -> Result<(), Error> {
        let wanted = Wanted {
            metadata,
            rights: self.rights,
            marks: BTreeMap::new(),
        };
        match inode.give(&wanted, State::Found) {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.directory.failed(&failure.what, path, failure.errno)),
        }
    }

    /// Records the owner of a link or a pipe with the directory that it is in.
    fn record(&mut self, path: &EntryPath, owner: (u32, u32)) -> Result<(), Error> {
        let failed = |errno| self.directory.failed("record the owner of", path, errno);
        let place = self.parents.place(path)?;
        let parent = place
            .parent
            .try_clone()
            .map_err(|error| Error::io(format!("can not record the owner of `{path}`"), error))?;
        let parent = Inode::found(parent).map_err(failed)?;
        let present = match parent.attribute(LINK_OWNERS.as_bytes()) {
            Err(Errno::NODATA | Errno::NOTSUP) => Vec::new(),
            present => present.map_err(failed)?,
        };
        // What can not be read says nothing.
        let mut all = owners::read(&present).unwrap_or_default();
        let name = path.name().unwrap_or_default();
        if owners::owner_of(&all, name) == owner {
            return Ok(());
        }
        owners::set_owner(&mut all, name, owner);
        match owners::spelled(&all) {
            Some(value) => parent.set_attribute(LINK_OWNERS.as_bytes(), &value),
            None => parent.remove_attribute(LINK_OWNERS.as_bytes()),
        }
        .map_err(failed)
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), Error> {
        self.keep_times(path)?;
        let removed = self.parents.place(path)?.remove();
        // What was in it went before it.
        self.last.remove(path);
        removed.map_err(|errno| self.directory.failed("remove", path, errno))
    }

    /// Makes a name another one of a file, so that there always is something
    /// of that name.
    fn link(&mut self, path: &EntryPath, target: &EntryPath) -> Result<(), Error> {
        self.keep_times(path)?;
        let mut targets = Parents::new(self.directory);
        let target = targets.place(target)?;
        let linked = relink(target, self.parents.place(path)?);
        linked.map_err(|errno| self.directory.failed("make the link", path, errno))
    }

    /// Makes a name a file of its own, so that there always is something of that
    /// name.
    fn separate(&mut self, path: &EntryPath, metadata: &'a Metadata) -> Result<(), Error> {
        self.keep_times(path)?;
        let copied = copy::separate(self.parents.place(path)?);
        copied.map_err(|errno| self.directory.failed("copy", path, errno))?;
        self.metadata(path, metadata)
    }

    fn whiteout(&mut self, path: &EntryPath) -> Result<(), Error> {
        self.keep_times(path)?;
        let made = self.parents.place(path)?.make(whiteout);
        made.map_err(|errno| self.directory.failed("remove", path, errno))
    }

    fn reveal(&self, path: &EntryPath) -> Result<(), Error> {
        let Form::Overlay { marks } = self.form else {
            return Ok(());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.directory
            .step(path, flags)
            .and_then(Inode::found)
            .and_then(|inode| inode.remove_attribute(opaque(marks).as_bytes()))
            .map_err(|errno| self.directory.failed("reveal what is below", path, errno))
    }

    /// Has the directory that something is in keep its times.
    fn keep_times(&mut self, path: &EntryPath) -> Result<(), Error> {
        let place = self.parents.place(path)?;
        let parent = path.parent().unwrap_or_default();
        if self.last.contains_key(&parent) {
            return Ok(());
        }
        let stat = rustix::fs::fstat(place.parent)
            .map_err(|errno| self.directory.failed("look at", &parent, errno))?;
        let last = Last::Times(
            timespec(stat.st_atime, stat.st_atime_nsec),
            timespec(stat.st_mtime, stat.st_mtime_nsec),
        );
        self.last.insert(parent, last);
        Ok(())
    }

    /// Gives directories what they get at last, the inner ones first: what is
    /// done in them changes their times, and their modes may not allow it.
    fn finish(self) -> Result<(), Error> {
        for (path, last) in self.last.iter().rev() {
            let failed = |errno| self.directory.failed("open", path, errno);
            let handle = self
                .directory
                .step(path, OFlags::PATH | OFlags::DIRECTORY)
                .map_err(failed)?;
            match last {
                Last::Times(access, change) => inode::set_times(&handle, false, (*access, *change))
                    .map_err(|errno| self.directory.failed("set the time of", path, errno))?,
                Last::Metadata(metadata) => {
                    self.give(path, Inode::found(handle).map_err(failed)?, metadata)?;
                }
            }
        }
        Ok(())
    }
}

/// Makes a place another name of a file, in one step.
fn relink(target: Place<'_>, place: Place<'_>) -> Result<(), Errno> {
    let file = Inode::find(target)?;
    match Inode::find(place) {
        // The kernel would leave both names.
        Ok(old) if old.number() == file.number() => return Ok(()),
        Ok(_) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    copy::replace(place, |name| {
        let flags = AtFlags::empty();
        rustix::fs::linkat(target.parent, target.name, place.parent, name, flags)
    })
}

#[allow(
    clippy::useless_conversion,
    clippy::cast_possible_wrap,
    reason = "the numbers of the kernel have other types on other processors"
)]
fn timespec(seconds: i64, nanoseconds: u64) -> Timespec {
    Timespec {
        tv_sec: seconds.into(),
        tv_nsec: nanoseconds as _,
    }
}

#[cfg(test)]
mod tests;

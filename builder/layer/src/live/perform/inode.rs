//! One file, directory or link, and everything of it but its content: what it
//! is made to have, and what is recorded beside it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::buffer::spare_capacity;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::directory::Attributes;
use crate::entry::Metadata;
use crate::live::observe::{TRUSTED, is_kept};
use crate::live::perform::Skipped;
use crate::live::perform::place::Place;
use crate::live::{Given, RECORDED_OWNER, Rights};

/// Is a file, directory, link or anything else, that was found.
#[derive(Debug)]
pub(in crate::live) struct Inode {
    handle: OwnedFd,
    stat: Stat,
    /// Whether it is open, and not just found: then the kernel works on the
    /// descriptor itself.
    is_open: bool,
}

/// Says what is known of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::live) enum State {
    /// It was just made, and has no attributes.
    Made,
    /// It may have anything. What it has already is not set again.
    Found,
}

/// Says what an inode is to have.
#[derive(Debug)]
pub(in crate::live) struct Wanted<'a> {
    pub(in crate::live) metadata: &'a Metadata,
    pub(in crate::live) rights: Rights,
    /// Attributes that no layer has, and what they are to be; `None` is absent.
    pub(in crate::live) marks: BTreeMap<&'static str, Option<Vec<u8>>>,
}

/// Reports what could not be done to an inode.
#[derive(Debug)]
pub(in crate::live) struct Failure {
    /// What it was, before the name.
    pub(in crate::live) what: String,
    pub(in crate::live) errno: Errno,
}

/// The longest list of names of attributes, and the longest value of one, in
/// bytes, as the kernel has them.
const XATTR_LIMIT: usize = 64 * 1024;
/// What the owner of a file needs for its attributes to be set.
const OWN: u32 = 0o600;
/// The permission bits, with set-id and sticky.
const MODE: u32 = 0o7777;

impl Inode {
    /// Takes what is open.
    pub(in crate::live) fn open(handle: OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&handle)?;
        Ok(Self {
            handle,
            stat,
            is_open: true,
        })
    }

    /// Finds what is at a place, without opening it.
    pub(in crate::live) fn find(place: Place<'_>) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(place.parent, place.name, flags, Mode::empty())?;
        Self::found(handle)
    }

    /// Takes what was found, and not opened.
    pub(in crate::live) fn found(handle: OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&handle)?;
        Ok(Self {
            handle,
            stat,
            is_open: false,
        })
    }

    /// Gives the numbers of device and inode.
    pub(in crate::live) fn number(&self) -> (u64, u64) {
        (self.stat.st_dev, self.stat.st_ino)
    }

    pub(in crate::live) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Gives it everything that it is to have. Owners come first, since the
    /// kernel takes set-id bits and capabilities away with them; permissions
    /// come after attributes, since they may not let those be set.
    pub(in crate::live) fn give(
        &mut self,
        wanted: &Wanted<'_>,
        state: State,
    ) -> Result<Skipped, Failure> {
        let Wanted {
            metadata, rights, ..
        } = wanted;
        if rights.owners == Given::Really {
            let (uid, gid) = (metadata.uid, metadata.gid);
            self.chown(uid, gid)
                .map_err(failure(|| format!("set the owner {uid}:{gid} of")))?;
        }
        let skipped = self.give_attributes(wanted, state)?;
        self.chmod(u32::from(metadata.mode))
            .map_err(failure(|| "set the permissions of".into()))?;
        self.touch(metadata)
            .map_err(failure(|| "set the time of".into()))?;
        Ok(skipped)
    }

    fn chown(&mut self, uid: u32, gid: u32) -> Result<(), Errno> {
        if (self.stat.st_uid, self.stat.st_gid) == (uid, gid) {
            return Ok(());
        }
        // The kernel takes this number for "as it is".
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Errno::INVAL);
        }
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(&self.handle, "", uid, gid, flags)?;
        self.look()
    }

    fn chmod(&mut self, mode: u32) -> Result<(), Errno> {
        if self.kind() == FileType::Symlink || self.stat.st_mode & MODE == mode {
            return Ok(());
        }
        let new = Mode::from_raw_mode(mode);
        if self.is_open {
            rustix::fs::fchmod(&self.handle, new)?;
        } else {
            rustix::fs::chmod(reached(&self.handle), new)?;
        }
        self.stat.st_mode = self.stat.st_mode & !MODE | mode;
        Ok(())
    }

    #[allow(
        clippy::useless_conversion,
        reason = "the numbers of the kernel have other types on other processors"
    )]
    fn touch(&self, metadata: &Metadata) -> Result<(), Errno> {
        let mtime = metadata.mtime;
        let has = (i64::from(self.stat.st_mtime), self.stat.st_mtime_nsec);
        if has == (mtime.seconds(), u64::from(mtime.nanoseconds())) {
            return Ok(());
        }
        let time = Timespec {
            tv_sec: mtime.seconds(),
            tv_nsec: mtime.nanoseconds().into(),
        };
        set_times(&self.handle, self.is_open, (time, time))
    }

    fn look(&mut self) -> Result<(), Errno> {
        self.stat = rustix::fs::fstat(&self.handle)?;
        Ok(())
    }

    fn give_attributes(&mut self, wanted: &Wanted<'_>, state: State) -> Result<Skipped, Failure> {
        let (target, mut skipped) = self.attributes(wanted);
        let present = match state {
            State::Made => Attributes::new(),
            State::Found => self
                .listed()
                .map_err(failure(|| "read the attributes of".into()))?,
        };
        let is_ours = |name: &[u8]| match std::str::from_utf8(name) {
            Ok(name) if wanted.marks.contains_key(name) => true,
            Ok(RECORDED_OWNER) => wanted.rights.owners == Given::Recorded,
            _ => is_held(name, wanted.rights),
        };
        let gone: Vec<_> = present
            .keys()
            .filter(|name| is_ours(name) && !target.contains_key(name.as_ref()))
            .collect();
        let new: Vec<_> = target
            .iter()
            .filter(|(name, value)| present.get(**name).map(AsRef::as_ref) != Some(value.as_ref()))
            .collect();
        if gone.is_empty() && new.is_empty() {
            return Ok(skipped);
        }
        let mode = self.stat.st_mode & MODE;
        if state == State::Found && mode & OWN != OWN {
            self.chmod(mode | OWN)
                .map_err(failure(|| "set the permissions of".into()))?;
        }
        for name in gone {
            self.remove_attribute(name)
                .map_err(failure(|| attribute("remove", name)))?;
        }
        for (name, value) in new {
            match self.set_attribute(name, value) {
                // Only files and directories have them all.
                Err(Errno::PERM | Errno::NOTSUP) if !self.holds_all() => {
                    skipped.count(self.kind());
                }
                set => set.map_err(failure(|| attribute("set", name)))?,
            }
        }
        // An access list changes the permissions.
        self.look().map_err(failure(|| "look at".into()))?;
        Ok(skipped)
    }

    /// Gives the attributes that it is to have.
    fn attributes<'w>(
        &self,
        wanted: &'w Wanted<'_>,
    ) -> (BTreeMap<&'w [u8], Cow<'w, [u8]>>, Skipped) {
        let Wanted {
            metadata,
            rights,
            marks,
        } = wanted;
        let mut skipped = Skipped::default();
        let mut target: BTreeMap<&[u8], Cow<'_, [u8]>> = BTreeMap::new();
        for (name, value) in &metadata.xattrs {
            if is_held(name, *rights) {
                target.insert(name, Cow::Borrowed(value));
            } else {
                skipped.attributes = skipped.attributes.saturating_add(1);
            }
        }
        let owner = (metadata.uid, metadata.gid);
        // The directory that a link or a pipe is in records its owner.
        let records = rights.owners == Given::Recorded
            && !matches!(self.kind(), FileType::Symlink | FileType::Fifo);
        if records && owner != (0, 0) {
            let owner = format!("{}:{}", owner.0, owner.1).into_bytes();
            target.insert(RECORDED_OWNER.as_bytes(), Cow::Owned(owner));
        }
        for (name, value) in marks {
            if let Some(value) = value {
                target.insert(name.as_bytes(), Cow::Borrowed(value));
            }
        }
        (target, skipped)
    }

    fn holds_all(&self) -> bool {
        matches!(self.kind(), FileType::Directory | FileType::RegularFile)
    }

    /// Reads its attributes.
    fn listed(&self) -> Result<Attributes, Errno> {
        let mut list = Vec::with_capacity(XATTR_LIMIT);
        let listed = if self.is_open {
            rustix::fs::flistxattr(&self.handle, spare_capacity(&mut list))
        } else {
            rustix::fs::listxattr(reached(&self.handle), spare_capacity(&mut list))
        };
        match listed {
            // Its file system has none.
            Err(Errno::NOTSUP) => return Ok(Attributes::new()),
            listed => listed?,
        };
        let mut attributes = Attributes::new();
        for name in list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            match self.attribute(name) {
                Ok(value) => attributes.insert(name.into(), value.into()),
                // It went away, or is for others to read.
                Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => None,
                Err(errno) => return Err(errno),
            };
        }
        Ok(attributes)
    }

    /// Reads one of its attributes.
    pub(in crate::live) fn attribute(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut value = Vec::with_capacity(XATTR_LIMIT);
        let name = OsStr::from_bytes(name);
        if self.is_open {
            rustix::fs::fgetxattr(&self.handle, name, spare_capacity(&mut value))?;
        } else {
            rustix::fs::getxattr(reached(&self.handle), name, spare_capacity(&mut value))?;
        }
        Ok(value)
    }

    pub(in crate::live) fn set_attribute(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let (name, flags) = (OsStr::from_bytes(name), XattrFlags::empty());
        if self.is_open {
            rustix::fs::fsetxattr(&self.handle, name, value, flags)
        } else {
            rustix::fs::setxattr(reached(&self.handle), name, value, flags)
        }
    }

    pub(in crate::live) fn remove_attribute(&self, name: &[u8]) -> Result<(), Errno> {
        let name = OsStr::from_bytes(name);
        let removed = if self.is_open {
            rustix::fs::fremovexattr(&self.handle, name)
        } else {
            rustix::fs::removexattr(reached(&self.handle), name)
        };
        match removed {
            Err(Errno::NODATA) => Ok(()),
            removed => removed,
        }
    }
}

/// Sets the times of access and of change.
pub(in crate::live) fn set_times(
    handle: &OwnedFd,
    is_open: bool,
    (last_access, last_modification): (Timespec, Timespec),
) -> Result<(), Errno> {
    let times = Timestamps {
        last_access,
        last_modification,
    };
    if is_open {
        return rustix::fs::futimens(handle, &times);
    }
    match rustix::fs::utimensat(handle, "", &times, AtFlags::EMPTY_PATH) {
        // Kernels before 5.8 need a path.
        Err(Errno::INVAL) => rustix::fs::utimensat(CWD, reached(handle), &times, AtFlags::empty()),
        set => set,
    }
}

/// Gives a path that leads to what a descriptor is of, link or not: the kernel
/// has calls that take nothing else.
pub(in crate::live) fn reached(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

/// Says whether a directory holds an attribute of a layer. Those of overlayfs
/// and our own would be taken for what they say; others are of one machine.
fn is_held(name: &[u8], rights: Rights) -> bool {
    is_kept(name) && (rights.attributes == Given::Really || !name.starts_with(TRUSTED))
}

fn attribute(what: &str, name: &[u8]) -> String {
    format!("{what} the attribute `{}` of", name.escape_ascii())
}

fn failure(what: impl FnOnce() -> String) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure {
        what: what(),
        errno,
    }
}

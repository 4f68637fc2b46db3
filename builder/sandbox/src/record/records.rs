//! What was asked of owners and devices, beside the files: attributes where
//! the file system has them, memory for as long as the command runs where not.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::owner::{Node, Owner, owner_of_link, shortest, with_link};
use super::target::{Found, Spot, Target, descriptor_path, status_at};

/// The names and forms of the attributes are those of the crate `layer`
/// (`live.rs`: `RECORDED_OWNER`, `LINK_OWNERS`, `RECORDED_NODE`), which this
/// crate does not know.
pub(super) const RECORDED_OWNER: &str = "user.wharf.owner";
pub(super) const LINK_OWNERS: &str = "user.wharf.links";
pub(super) const RECORDED_NODE: &str = "user.wharf.node";
/// What the names of all of them begin with.
pub(super) const PREFIX: &[u8] = b"user.wharf.";

/// The longest value of an attribute that the kernel has.
const ATTRIBUTE_LIMIT: usize = 65_536;

/// The longest `UID:GID` or `c MAJOR:MINOR`, and more.
const SHORT_LIMIT: usize = 64;

/// Up to which length the attribute of a directory names every link: a file
/// system may have 4 KiB for all attributes together.
const LINKS_WELL: usize = 3072;

/// After how many owners that had no room there it is tried again: all names
/// of the directory are looked at.
const RETRY: usize = 32;

/// How many owners are kept in memory: those of files that can not have
/// attributes, which are few.
const MEMORY_LIMIT: usize = 1_000_000;

/// Keeps records.
#[derive(Debug)]
pub(super) struct Records {
    /// Whether there may be any.
    some: AtomicBool,
    /// Those of files that can not have attributes, and whether a layer would
    /// have the file.
    memory: Mutex<BTreeMap<Key, (Owner, bool)>>,
    /// Held while the attribute of a directory is changed.
    changing: Mutex<()>,
}

/// Tells files apart, also from ones that are gone: device, number, and when
/// it was made, in seconds and nanoseconds.
type Key = ((u32, u32), u64, i64, u32);

/// Is names with their owners.
type Links = Vec<(Vec<u8>, Owner)>;

impl Records {
    /// Begins. `some` says whether there may be records already.
    pub(super) fn new(some: bool) -> Self {
        Self {
            some: AtomicBool::new(some),
            memory: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    /// Says whether there may be any record at all.
    pub(super) fn some(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    /// Says whether records are gone when the command ends.
    pub(super) fn lost(&self) -> bool {
        lock(&self.memory).values().any(|(_, counts)| *counts)
    }

    /// Gives whose a file is, where that is recorded.
    pub(super) fn owner(&self, target: Target<'_>, found: &Found) -> Option<Owner> {
        if !self.some() {
            return None;
        }
        // It is asked only where there is something: that is a call to the
        // kernel. What an attribute has of such a file is older.
        let memory = lock(&self.memory);
        if !memory.is_empty()
            && let Some((owner, _)) = key(found).and_then(|key| memory.get(&key))
        {
            return Some(*owner);
        }
        drop(memory);
        if !has_attributes(&found.status) {
            return self.owner_of_link(&target.spot_of(found)?);
        }
        let mut value = [0_u8; SHORT_LIMIT];
        let path = descriptor_path(found.file.as_fd());
        let length = rustix::fs::getxattr(path, RECORDED_OWNER, &mut value).ok()?;
        Owner::parse(value.get(..length)?)
    }

    /// Gives the device that a file stands for, where it does.
    pub(super) fn node(&self, found: &Found) -> Option<Node> {
        let status = &found.status;
        if !self.some() || kind(status) != libc::S_IFREG || status.st_size != 0 {
            return None;
        }
        let mut value = [0_u8; SHORT_LIMIT];
        let path = descriptor_path(found.file.as_fd());
        let length = rustix::fs::getxattr(path, RECORDED_NODE, &mut value).ok()?;
        Node::parse(value.get(..length)?)
    }

    /// Gives whose the link of a name is, where that is recorded.
    pub(super) fn owner_of_link(&self, spot: &Spot) -> Option<Owner> {
        owner_of_link(&links(spot).ok()?, &spot.name)
    }

    /// Records whose a file is.
    ///
    /// # Errors
    ///
    /// Fails as the change of an owner does.
    pub(super) fn set_owner(
        &self,
        target: Target<'_>,
        found: &Found,
        owner: Owner,
    ) -> Result<(), Errno> {
        self.some.store(true, Ordering::Release);
        let result = if has_attributes(&found.status) {
            let path = descriptor_path(found.file.as_fd());
            if owner == Owner::ROOT {
                absent_is_well(rustix::fs::removexattr(path, RECORDED_OWNER))
            } else {
                let value = owner.spell();
                rustix::fs::setxattr(path, RECORDED_OWNER, value.as_bytes(), XattrFlags::empty())
            }
        } else {
            match target.spot_of(found) {
                Some(spot) => self.set_link(&spot, Some(owner)),
                None => Err(Errno::NOTSUP),
            }
        };
        match result {
            Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::PERM) => {
                self.remember(target, found, owner)
            }
            // What memory has would be older.
            Ok(()) => {
                self.forget(found);
                Ok(())
            }
            other => other,
        }
    }

    /// Records whose the link of a name is; `None` is for a name that is gone.
    ///
    /// # Errors
    ///
    /// Fails as attributes do.
    pub(super) fn set_link(&self, spot: &Spot, owner: Option<Owner>) -> Result<(), Errno> {
        self.some.store(true, Ordering::Release);
        let _changing = lock(&self.changing);
        let before = links(spot)?;
        let after = with_link(&before, &spot.name, owner);
        if before == after {
            return Ok(());
        }
        let path = descriptor_path(spot.directory.as_fd());
        if after.is_empty() {
            return absent_is_well(rustix::fs::removexattr(path, LINK_OWNERS));
        }
        let none = XattrFlags::empty();
        if after.len() <= LINKS_WELL {
            return rustix::fs::setxattr(&path, LINK_OWNERS, &after, none);
        }
        if !lock(&self.memory).len().is_multiple_of(RETRY) {
            return Err(Errno::NOSPC);
        }
        let (living, remembered) = self.living(spot, &after)?;
        let short = shortest(&living);
        rustix::fs::setxattr(&path, LINK_OWNERS, &short, none)?;
        let mut memory = lock(&self.memory);
        for key in remembered {
            memory.remove(&key);
        }
        Ok(())
    }

    /// Lists everything of a directory that can not have attributes, with the
    /// owners that an attribute of it has, or memory; and what memory has.
    fn living(&self, spot: &Spot, attribute: &[u8]) -> Result<(Links, Vec<Key>), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&spot.directory, ".", flags, Mode::empty())?;
        let (mut all, mut remembered) = (Links::new(), Vec::new());
        for entry in rustix::fs::Dir::new(directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            let status = status_at(spot.directory.as_fd(), &name);
            if !status.is_ok_and(|status| !has_attributes(&status)) {
                continue;
            }
            let memory = lock(&self.memory);
            let key = match memory.is_empty() || name == spot.name {
                true => None,
                false => key_at(spot.directory.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW),
            };
            let known = key.and_then(|key| Some((key, memory.get(&key)?.0)));
            let owner = match known {
                Some((key, owner)) => {
                    remembered.push(key);
                    owner
                }
                None => owner_of_link(attribute, &name).unwrap_or(Owner::ROOT),
            };
            all.push((name, owner));
        }
        Ok((all, remembered))
    }

    /// Records that an empty file stands for a device.
    ///
    /// # Errors
    ///
    /// Fails as attributes do.
    pub(super) fn set_node(&self, found: &Found, node: Node) -> Result<(), Errno> {
        self.some.store(true, Ordering::Release);
        let path = descriptor_path(found.file.as_fd());
        rustix::fs::setxattr(
            path,
            RECORDED_NODE,
            node.spell().as_bytes(),
            XattrFlags::empty(),
        )
    }

    fn remember(&self, target: Target<'_>, found: &Found, owner: Owner) -> Result<(), Errno> {
        let key = key(found).ok_or(Errno::PERM)?;
        let mut memory = lock(&self.memory);
        if memory.len() >= MEMORY_LIMIT {
            return Err(Errno::NOSPC);
        }
        let counts = !matches!(
            kind(&found.status),
            libc::S_IFSOCK | libc::S_IFCHR | libc::S_IFBLK
        ) && target.is_of_root(found);
        memory.insert(key, (owner, counts));
        Ok(())
    }

    fn forget(&self, found: &Found) {
        let mut memory = lock(&self.memory);
        if memory.is_empty() {
            return;
        }
        if let Some(key) = key(found) {
            memory.remove(&key);
        }
    }
}

/// Gives the kind of a file, as its mode has it.
pub(super) fn kind(status: &libc::stat) -> u32 {
    status.st_mode & libc::S_IFMT
}

/// Says whether a file is of a kind that can have attributes of users.
pub(super) fn has_attributes(status: &libc::stat) -> bool {
    matches!(kind(status), libc::S_IFREG | libc::S_IFDIR)
}

/// Reads the attribute of a directory; it is empty where there is none.
fn links(spot: &Spot) -> Result<Vec<u8>, Errno> {
    let path = descriptor_path(spot.directory.as_fd());
    let mut first = [0_u8; SHORT_LIMIT];
    match rustix::fs::getxattr(&path, LINK_OWNERS, &mut first) {
        Ok(length) => Ok(first.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut value = vec![0; ATTRIBUTE_LIMIT];
            let length = rustix::fs::getxattr(&path, LINK_OWNERS, value.as_mut_slice())?;
            value.truncate(length);
            Ok(value)
        }
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn absent_is_well(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        other => other,
    }
}

fn key(found: &Found) -> Option<Key> {
    key_at(found.file.as_fd(), b"", AtFlags::EMPTY_PATH)
}

fn key_at(directory: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> Option<Key> {
    let wanted = StatxFlags::BTIME | StatxFlags::INO;
    let status = rustix::fs::statx(directory, name, flags, wanted).ok()?;
    let made = status.stx_btime;
    let device = (status.stx_dev_major, status.stx_dev_minor);
    Some((device, status.stx_ino, made.tv_sec, made.tv_nsec))
}

/// Locks; what a thread left that panicked is still whole, as every change of
/// it is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

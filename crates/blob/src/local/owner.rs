//! Owners: whose upload is whose, among processes that share a directory.
//!
//! ```text
//! AREA/<owner>         locked by `flock` as long as its process lives
//! AREA/<owner>-<n>     an upload of that process
//! ```
//!
//! The owner is a random number: process numbers are used again, and are the
//! same in each container. Whoever gets the lock of an owner knows that its
//! process is gone; so does who finds no lock, since it is made before the
//! first upload and removed after the last.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::directory::{Directory, FILE_MODE};
use crate::error::Error;
use crate::key::Key;

/// Owns a part of an area of uploads. Dropped, it removes what is left there.
#[derive(Debug)]
pub struct Owner {
    directory: Arc<Directory>,
    area: Key,
    name: String,
    next: AtomicU64,
    /// Keeps the `flock`, which ends with the descriptor.
    _lock: OwnedFd,
}

/// The digits of an owner's name.
const NAME_DIGITS: usize = 16;

impl Owner {
    pub(super) fn new(directory: Arc<Directory>, area: &Key) -> Result<Self, Error> {
        let (name, lock) = loop {
            let name = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
            let path = directory.path(&area.child(&name));
            let made = directory.make_parent(&path).and_then(|()| make(&path));
            directory.changed(&path);
            let made =
                made.map_err(|error| Error::io(format!("can not write to `{area}`"), error))?;
            if let Some(lock) = made {
                break (name, lock);
            }
        };
        // What can not be removed now is tried again by the next process.
        let _ = sweep(&directory, &directory.path(area), &name);
        Ok(Self {
            directory,
            area: area.clone(),
            name,
            next: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Names a place for an upload that nobody else has.
    pub fn place(&self) -> Key {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.area.child(&format!("{}-{number}", self.name))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // What stays is swept by the next process.
        let area = self.directory.path(&self.area);
        let _ = remove(&self.directory, &area, &self.name);
    }
}

/// Makes and locks an owner's file; nothing where a sweeper was faster.
fn make(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, FILE_MODE) {
        Ok(file) => file,
        Err(Errno::EXIST) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    let has_name = rustix::fs::fstat(&file)?.st_nlink > 0;
    Ok(has_name.then_some(file))
}

/// Removes what owners that are gone left.
fn sweep(directory: &Directory, area: &Path, own: &str) -> io::Result<()> {
    let mut owners = BTreeSet::new();
    for entry in fs_err::read_dir(area)? {
        let name = entry?.file_name();
        if let Some(owner) = name.to_str().and_then(owner_of) {
            owners.insert(owner.to_owned());
        }
    }
    owners.remove(own);
    for owner in owners {
        let path = area.join(&owner);
        let lock = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, FILE_MODE);
        let lock = match lock {
            Ok(lock) => Some(lock),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        let locked = lock
            .as_ref()
            .map(|lock| rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive));
        match locked {
            None | Some(Ok(())) => remove(directory, area, &owner)?,
            Some(Err(Errno::WOULDBLOCK)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes an owner's uploads, and then its lock.
fn remove(directory: &Directory, area: &Path, owner: &str) -> io::Result<()> {
    for entry in fs_err::read_dir(area)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name != owner && owner_of(name) == Some(owner) {
            unlink(directory, &entry.path())?;
        }
    }
    unlink(directory, &area.join(owner))
}

/// Removes a file; another sweeper may have done so.
fn unlink(directory: &Directory, path: &Path) -> io::Result<()> {
    let removed = rustix::fs::unlink(path);
    directory.changed(path);
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads whose file this is; nothing where it is not of this area.
fn owner_of(name: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let owner = match name.split_once('-') {
        None => name,
        Some((owner, number)) if is_number(number) => owner,
        Some(_) => return None,
    };
    let is_owner = owner.len() == NAME_DIGITS && owner.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_owner.then_some(owner)
}

//! Names that get another file, in one step: whoever looks finds the old one or
//! the new one.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::live::RECORDED_NODE;
use crate::live::perform::content::{self, Failed};
use crate::live::perform::inode::Inode;
use crate::live::perform::place::Place;

/// What new files may be until they get their metadata.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Makes something under another name of the same directory, and then moves it
/// to its place.
pub(super) fn replace(
    place: Place<'_>,
    make: impl Fn(&OsStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    for number in 0..u32::MAX {
        let name = OsString::from(format!(".wharf-new-{number}"));
        let moved = match make(&name) {
            Err(Errno::EXIST) => continue,
            Err(errno) => Err(errno),
            Ok(()) => rustix::fs::renameat(place.parent, &name, place.parent, place.name),
        };
        if moved.is_err() {
            // The first failure says more than that of tidying up.
            let _ = rustix::fs::unlinkat(place.parent, &name, AtFlags::empty());
        }
        return moved;
    }
    Err(Errno::EXIST)
}

/// Makes a name that may be one of several a file of its own, that is alike but
/// for its metadata.
pub(super) fn separate(place: Place<'_>) -> Result<(), Errno> {
    let stat = place.stat()?.ok_or(Errno::NOENT)?;
    if stat.st_nlink <= 1 {
        return Ok(());
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Err(Errno::ISDIR),
        FileType::RegularFile => {
            let from = open(place)?;
            let size = rustix::fs::fstat(&from)?.st_size;
            let size = u64::try_from(size).unwrap_or(0);
            replace(place, |name| copy_file(&from, size, (place.parent, name)))
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(place.parent, place.name, Vec::new())?;
            replace(place, |name| {
                rustix::fs::symlinkat(&target, place.parent, name)
            })
        }
        kind => replace(place, |name| {
            rustix::fs::mknodat(place.parent, name, kind, PRIVATE, stat.st_rdev)
        }),
    }
}

/// Opens a file to read it, whatever its mode is.
fn open(place: Place<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(place.parent, place.name, flags, Mode::empty())
}

fn copy_file(from: &OwnedFd, size: u64, (parent, name): (&OwnedFd, &OsStr)) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let out = rustix::fs::openat(parent, name, flags, PRIVATE)?;
    let copied = content::copy(from, &out, (0, size), &mut Vec::new());
    copied.map_err(|failed| match failed {
        Failed::Read(errno) | Failed::Write(errno) => errno,
        Failed::Ends => Errno::IO,
    })?;
    let from = Inode::open(from.try_clone().map_err(|_error| Errno::MFILE)?)?;
    match from.attribute(RECORDED_NODE.as_bytes()) {
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Ok(node) => Inode::open(out)?.set_attribute(RECORDED_NODE.as_bytes(), &node),
        Err(errno) => Err(errno),
    }
}

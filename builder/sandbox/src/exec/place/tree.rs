//! Files and directories that are copied and removed whole, with owners,
//! modes, times and links, for where they can not be renamed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, mknodat, openat,
    symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::error::Error;

/// How deep directories may lie in each other.
const DEPTH_LIMIT: u32 = 512;

/// Copies something, with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    copy_at(from, to, DEPTH_LIMIT)
        .map_err(|source| Error::system(format!("cannot copy `{}`", from.display()), source))
}

/// Removes something, with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(path, source)),
    };
    let removed = match found.is_dir() {
        true => fs_err::remove_dir_all(path),
        false => fs_err::remove_file(path),
    };
    removed.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::system(format!("cannot remove `{}`", path.display()), source)
}

fn copy_at(from: &Path, to: &Path, depth: u32) -> std::io::Result<()> {
    let deeper = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let found = from.symlink_metadata()?;
    let kind = FileType::from_raw_mode(found.mode());
    match kind {
        FileType::Directory => {
            fs_err::create_dir(to)?;
            for entry in fs_err::read_dir(from)? {
                let entry = entry?;
                copy_at(&entry.path(), &to.join(entry.file_name()), deeper)?;
            }
        }
        FileType::Symlink => symlinkat(fs_err::read_link(from)?, CWD, to)?,
        FileType::RegularFile => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let mut to = std::fs::File::from(openat(CWD, to, flags, Mode::RUSR)?);
            std::io::copy(&mut fs_err::File::open(from)?, &mut to)?;
        }
        // It is of the process that listens.
        FileType::Socket => return Ok(()),
        _ => mknodat(CWD, to, kind, Mode::RUSR, found.rdev())?,
    }
    let owner = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    chownat(
        CWD,
        to,
        Some(owner.0),
        Some(owner.1),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    if kind != FileType::Symlink {
        rustix::fs::chmod(to, Mode::from_raw_mode(found.mode() & 0o7777))?;
    }
    let times = Timestamps {
        last_access: time(found.atime(), found.atime_nsec()),
        last_modification: time(found.mtime(), found.mtime_nsec()),
    };
    utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn time(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
}

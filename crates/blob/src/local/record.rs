//! Records: small files, written whole and renamed into place.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use bytes::Bytes;
use oci::Digest;
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::directory::{Directory, FILE_MODE};
use super::read::FILE_VERSION;
use crate::backend::{Expected, RECORD_LIMIT, Record, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

pub(super) fn read(directory: &Directory, key: &Key) -> Result<Option<Record>, Error> {
    let value = read_file(&directory.path(key))
        .map_err(|error| Error::io(format!("can not read `{key}`"), error))?;
    Ok(value.map(|value| Record {
        version: version_of(&value),
        value: value.into(),
    }))
}

pub(super) fn create(directory: &Directory, key: &Key, value: &Bytes) -> Result<Swapped, Error> {
    check_size(key, value)?;
    let path = directory.path(key);
    // Most callers create what is there already, such as a link to a blob
    // that was pushed before; that needs no temporary file.
    if rustix::fs::access(&path, rustix::fs::Access::EXISTS).is_ok() {
        return Ok(Swapped::Lost);
    }
    let _turn = turn(directory, key)?;
    put(directory, &path, value, RenameFlags::NOREPLACE)
        .map_err(|error| failed("write", key, error))
}

pub(super) fn swap(
    directory: &Directory,
    key: &Key,
    expected: &Expected,
    value: &Bytes,
) -> Result<Swapped, Error> {
    check_size(key, value)?;
    let path = directory.path(key);
    let _turn = turn(directory, key)?;
    let flags = match expected {
        Expected::Absent => RenameFlags::NOREPLACE,
        Expected::Anything => RenameFlags::empty(),
        Expected::Version(version) if is_version(directory, &path, version, key)? => {
            RenameFlags::empty()
        }
        Expected::Version(_) => return Ok(Swapped::Lost),
    };
    put(directory, &path, value, flags).map_err(|error| failed("write", key, error))
}

pub(super) fn delete(directory: &Directory, key: &Key) -> Result<(), Error> {
    let path = directory.path(key);
    let _turn = turn(directory, key)?;
    unlink(directory, &path).map_err(|error| failed("delete", key, error))
}

pub(super) fn delete_if(
    directory: &Directory,
    key: &Key,
    version: &Version,
) -> Result<Swapped, Error> {
    let path = directory.path(key);
    let _turn = turn(directory, key)?;
    if !is_version(directory, &path, version, key)? {
        return Ok(Swapped::Lost);
    }
    unlink(directory, &path).map_err(|error| failed("delete", key, error))?;
    Ok(Swapped::Done)
}

/// Removes a file, and waits until its absence is durable.
fn unlink(directory: &Directory, path: &Path) -> io::Result<()> {
    match rustix::fs::unlink(path) {
        Ok(()) => directory.sync_name(path),
        // A directory is no record, and so there is none.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells one writing of a record from another by its content: a file's times
/// are too coarse, and its inode may be used again. Writing the same content
/// twice is no change that anybody could miss.
fn version_of(value: &[u8]) -> Version {
    Version(Digest::sha256(value).hex())
}

fn is_version(
    directory: &Directory,
    path: &Path,
    version: &Version,
    key: &Key,
) -> Result<bool, Error> {
    if version.0.starts_with(FILE_VERSION) {
        return Ok(super::read::version(directory, key)?.as_ref() == Some(version));
    }
    let value = read_file(path).map_err(|error| failed("read", key, error))?;
    Ok(value.is_some_and(|value| version_of(&value) == *version))
}

pub(super) fn turn<'a>(
    directory: &'a Directory,
    key: &Key,
) -> Result<super::locks::Turn<'a>, Error> {
    directory
        .locks()
        .turn(key)
        .map_err(|error| failed("lock", key, error))
}

/// Writes a file beside its place and gives it its name.
fn put(
    directory: &Directory,
    path: &Path,
    value: &[u8],
    flags: RenameFlags,
) -> io::Result<Swapped> {
    let temporary = directory.temporary();
    let outcome = write_file(directory, &temporary, value)
        .and_then(|()| directory.make_parent(path))
        .and_then(|()| Ok(rename(&temporary, path, flags)?));
    match outcome {
        Ok(()) => {
            directory.sync_name(path)?;
            Ok(Swapped::Done)
        }
        Err(error) => {
            // The first error is the one to tell; what stays is swept.
            let _ = rustix::fs::unlink(&temporary);
            if error.kind() == io::ErrorKind::AlreadyExists {
                Ok(Swapped::Lost)
            } else {
                Err(error)
            }
        }
    }
}

/// Renames, and falls back to a link where the file system can not refuse to
/// replace.
fn rename(from: &Path, to: &Path, flags: RenameFlags) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, flags) {
        Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
            rustix::fs::link(from, to)?;
            rustix::fs::unlink(from)
        }
        outcome => outcome,
    }
}

fn write_file(directory: &Directory, path: &Path, value: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(
        path,
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
        FILE_MODE,
    )?;
    write_all(&file, value, 0)?;
    directory.sync_file(&file)
}

/// Writes all bytes at an offset.
pub(super) fn write_all(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let mut value = vec![0; usize::try_from(stat.st_size).unwrap_or_default()];
    if value.len() as u64 > RECORD_LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "larger than any record",
        ));
    }
    super::read::read_exact(&file, &mut value, 0)?;
    Ok(Some(value))
}

fn check_size(key: &Key, value: &[u8]) -> Result<(), Error> {
    if value.is_empty() || value.len() as u64 > RECORD_LIMIT {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "a record has 1 to {RECORD_LIMIT} bytes, `{key}` would have {}",
                value.len()
            ),
        ));
    }
    Ok(())
}

fn failed(what: &str, key: &Key, error: io::Error) -> Error {
    Error::io(format!("can not {what} `{key}`"), error)
}

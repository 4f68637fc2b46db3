//! Records: small files, written whole and renamed into place.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use bytes::Bytes;
use oci::Digest;
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use super::cache::Known;
use super::calls::Calls;
use super::directory::Directory;
use super::locks::Turn;
use super::read::{self, FILE_VERSION, is_file, size_of};
use crate::backend::{Expected, RECORD_LIMIT, Record, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// Reads a record, and keeps it.
pub(super) fn read(directory: &Directory, key: &Key) -> Result<Option<Record>, Error> {
    let path = directory.path(key);
    let read = || {
        let value = read_file(directory.calls(), &path)?;
        directory.settle(&path)?;
        Ok(value.map(|value| Record {
            version: version_of(&value),
            value: value.into(),
        }))
    };
    let failed = |error| failed("read", key, error);
    let Some(records) = directory.records() else {
        return read().map_err(failed);
    };
    // Whoever writes it now has not yet made it durable.
    let _turn = turn(directory, key)?;
    let record = read().map_err(failed)?;
    let known = record.clone().map_or(Known::Absent, Known::Record);
    records.keep(key, known);
    Ok(record)
}

pub(super) fn create(directory: &Directory, key: &Key, value: &Bytes) -> Result<Swapped, Error> {
    check_size(key, value)?;
    let mut change = Change::begin(directory, key)?;
    // Most callers create what is there already, such as a link to a blob
    // that was pushed before; that needs no temporary file.
    if let Some(size) = change.size_there()? {
        change.end(Known::Size(size));
        return Ok(Swapped::Lost);
    }
    change.put(value, RenameFlags::NOREPLACE)
}

pub(super) fn swap(
    directory: &Directory,
    key: &Key,
    expected: &Expected,
    value: &Bytes,
) -> Result<Swapped, Error> {
    check_size(key, value)?;
    let mut change = Change::begin(directory, key)?;
    let flags = match expected {
        Expected::Absent => RenameFlags::NOREPLACE,
        Expected::Anything => RenameFlags::empty(),
        Expected::Version(version) if change.is_version(version)? => RenameFlags::empty(),
        Expected::Version(_) => return Ok(Swapped::Lost),
    };
    change.put(value, flags)
}

pub(super) fn delete(directory: &Directory, key: &Key) -> Result<(), Error> {
    Change::begin(directory, key)?.unlink()
}

pub(super) fn delete_if(
    directory: &Directory,
    key: &Key,
    version: &Version,
) -> Result<Swapped, Error> {
    let mut change = Change::begin(directory, key)?;
    if !change.is_version(version)? {
        return Ok(Swapped::Lost);
    }
    change.unlink()?;
    Ok(Swapped::Done)
}

/// Changes what lies under a key, in its turn. What is kept of the key is
/// forgotten at the end, unless the change has come to a good one.
#[derive(Debug)]
pub(super) struct Change<'a> {
    directory: &'a Directory,
    key: &'a Key,
    path: std::path::PathBuf,
    turn: Turn<'a>,
    is_known: bool,
}

impl<'a> Change<'a> {
    pub(super) fn begin(directory: &'a Directory, key: &'a Key) -> Result<Self, Error> {
        Ok(Self {
            directory,
            key,
            path: directory.path(key),
            turn: turn(directory, key)?,
            is_known: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the change, which is durable. Whoever reads the key from now on
    /// finds this.
    pub(super) fn end(&mut self, known: Known) {
        if let Some(records) = self.directory.records() {
            records.keep(self.key, known);
        }
        self.is_known = true;
    }

    /// Gives the size of what is there, durably.
    fn size_there(&self) -> Result<Option<u64>, Error> {
        let failed = |error: io::Error| failed("look at", self.key, error);
        let size = match self.directory.calls().stat(&self.path) {
            Ok(stat) if is_file(&stat) => size_of(&stat),
            // A name that is too long is found out when it is written.
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        self.directory.settle(&self.path).map_err(failed)?;
        Ok(Some(size))
    }

    fn is_version(&self, version: &Version) -> Result<bool, Error> {
        if version.0.starts_with(FILE_VERSION) {
            let found = read::version(self.directory, self.key)?;
            return Ok(found.as_ref() == Some(version));
        }
        if let Some(Known::Record(record)) = self
            .directory
            .records()
            .and_then(|kept| kept.find(self.key))
        {
            return Ok(record.version == *version);
        }
        let value = read_file(self.directory.calls(), &self.path)
            .map_err(|error| failed("read", self.key, error))?;
        Ok(value.is_some_and(|value| version_of(&value) == *version))
    }

    /// Writes a record beside its place and gives it its name.
    fn put(&mut self, value: &Bytes, flags: RenameFlags) -> Result<Swapped, Error> {
        match self.try_put(value, flags) {
            Ok(Swapped::Done) => {
                self.end(Known::Record(Record {
                    version: version_of(value),
                    value: kept_value(value),
                }));
                Ok(Swapped::Done)
            }
            Ok(Swapped::Lost) => Ok(Swapped::Lost),
            Err(error) => Err(failed("write", self.key, error)),
        }
    }

    fn try_put(&mut self, value: &[u8], flags: RenameFlags) -> io::Result<Swapped> {
        let directory = self.directory;
        let temporary = directory.temporary();
        let outcome = self
            .write_file(&temporary, value)
            .and_then(|()| directory.make_parent(&self.path))
            .and_then(|()| Ok(directory.calls().rename(&temporary, &self.path, flags)?));
        match outcome {
            Ok(()) => {
                directory.sync_name(&self.path)?;
                Ok(Swapped::Done)
            }
            Err(error) => {
                // The first error is the one to tell; what stays is swept.
                let _ = directory.calls().unlink(&temporary);
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
                directory.settle(&self.path)?;
                Ok(Swapped::Lost)
            }
        }
    }

    fn write_file(&mut self, path: &Path, value: &[u8]) -> io::Result<()> {
        let calls = self.directory.calls();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = calls.open(path, flags)?;
        calls.write_all(&file, value, 0)?;
        self.stamp(&file)?;
        Ok(calls.sync_file(&file)?)
    }

    /// Gives a file a time that no file under the key has had, so that its
    /// version is its own.
    ///
    /// The time is that of its last byte, or the next that the file system
    /// can tell from the last one of this key. So it grows from writing to
    /// writing, and a number that is used again makes no equal version. Where
    /// several processes share the directory they do not know of each other's
    /// times; there it is the clock and chance that tell them apart.
    pub(super) fn stamp(&mut self, file: &OwnedFd) -> io::Result<()> {
        let calls = self.directory.calls();
        if let Ok(there) = calls.stat(&self.path) {
            self.turn.note(time_of(&there));
        }
        let own = time_of(&rustix::fs::fstat(file)?);
        let time = self.turn.next(own.saturating_add(self.directory.chance()));
        for step in TIME_STEPS {
            let time = time.div_ceil(step).saturating_mul(step);
            calls.stamp(file, time)?;
            // Some file systems keep whole seconds.
            let kept = time_of(&rustix::fs::fstat(file)?);
            if kept >= time {
                self.turn.note(kept);
                return Ok(());
            }
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system keeps no times",
        ))
    }

    /// Removes what lies there, and waits until its absence is durable.
    fn unlink(&mut self) -> Result<(), Error> {
        let failed = |error: io::Error| failed("delete", self.key, error);
        if let Ok(there) = self.directory.calls().stat(&self.path) {
            self.turn.note(time_of(&there));
        }
        let done = match self.directory.calls().unlink(&self.path) {
            Ok(()) => self.directory.sync_name(&self.path),
            // A directory is no record, and so there is none.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => self.directory.settle(&self.path),
            Err(error) => Err(error.into()),
        };
        done.map_err(failed)?;
        self.end(Known::Absent);
        Ok(())
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if !self.is_known
            && let Some(records) = self.directory.records()
        {
            records.forget(self.key);
        }
        self.directory.changed(&self.path);
    }
}

/// What file systems count times in, in nanoseconds.
const TIME_STEPS: [u64; 5] = [1, 100, 1_000, 1_000_000_000, 2_000_000_000];

/// Gives the time when a file was written, in nanoseconds since 1970.
fn time_of(stat: &rustix::fs::Stat) -> u64 {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(stat.st_mtime_nsec)
}

/// Copies a value that may be a small part of what a client has sent, which
/// would be kept with it.
fn kept_value(value: &Bytes) -> Bytes {
    Bytes::copy_from_slice(value)
}

/// Tells one writing of a record from another by its content: writing the
/// same content twice is no change that anybody could miss.
fn version_of(value: &[u8]) -> Version {
    Version(Digest::sha256(value).hex())
}

pub(super) fn turn<'a>(directory: &'a Directory, key: &Key) -> Result<Turn<'a>, Error> {
    directory
        .locks()
        .turn(key)
        .map_err(|error| failed("lock", key, error))
}

pub(super) fn read_file(calls: &Calls, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match calls.open(path, OFlags::RDONLY) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if !is_file(&stat) {
        return Ok(None);
    }
    if size_of(&stat) > RECORD_LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "larger than any record",
        ));
    }
    let mut value = vec![0; usize::try_from(size_of(&stat)).unwrap_or_default()];
    calls.read_exact(&file, &mut value)?;
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

//! The system calls that change the directory or make a change durable, each
//! in one place, so that a test can make any of them fail.
//!
//! Reading is not here, but for records, whose value is kept after it was
//! read.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Advice, CWD, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::Sync;
use super::directory::{DIRECTORY_MODE, FILE_MODE};

/// Makes system calls.
#[derive(Debug)]
pub(super) struct Calls {
    sync: Sync,
    #[cfg(test)]
    pub(super) faults: super::tests::faults::Faults,
}

impl Calls {
    pub(super) fn new(sync: Sync) -> Self {
        Self {
            sync,
            #[cfg(test)]
            faults: Default::default(),
        }
    }

    /// Fails where a test has asked for it.
    #[cfg(test)]
    fn step(&self, call: &'static str) -> rustix::io::Result<()> {
        self.faults.step(call)
    }

    #[cfg(not(test))]
    fn step(&self, _call: &'static str) -> rustix::io::Result<()> {
        Ok(())
    }

    pub(super) fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        self.step("open")?;
        rustix::fs::open(path, flags | OFlags::CLOEXEC, FILE_MODE)
    }

    pub(super) fn make_directory(&self, path: &Path) -> rustix::io::Result<()> {
        self.step("mkdir")?;
        rustix::fs::mkdir(path, DIRECTORY_MODE)
    }

    pub(super) fn stat(&self, path: &Path) -> rustix::io::Result<Stat> {
        self.step("stat")?;
        rustix::fs::stat(path)
    }

    /// Writes all bytes at an offset.
    pub(super) fn write_all(&self, file: &OwnedFd, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.step("write") {
            // A full disk takes what it has room for.
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            write_all(file, half, offset)?;
            return Err(error.into());
        }
        write_all(file, bytes, offset)
    }

    /// Reads exactly as many bytes as there is room for.
    pub(super) fn read_exact(&self, file: &OwnedFd, buffer: &mut [u8]) -> io::Result<()> {
        self.step("read")?;
        read_exact(file, buffer, 0)
    }

    pub(super) fn truncate(&self, file: &OwnedFd, length: u64) -> rustix::io::Result<()> {
        self.step("truncate")?;
        rustix::fs::ftruncate(file, length)
    }

    /// Says when a file was written last, in nanoseconds since 1970.
    pub(super) fn stamp(&self, file: &OwnedFd, nanoseconds: u64) -> rustix::io::Result<()> {
        self.step("stamp")?;
        let time = Timespec {
            tv_sec: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanoseconds % 1_000_000_000).unwrap_or_default(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::futimens(file, &times)
    }

    /// Renames, and falls back to a link where the file system can not refuse
    /// to replace.
    pub(super) fn rename(
        &self,
        from: &Path,
        to: &Path,
        flags: RenameFlags,
    ) -> rustix::io::Result<()> {
        self.step("rename")?;
        match rustix::fs::renameat_with(CWD, from, CWD, to, flags) {
            Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
                rustix::fs::link(from, to)?;
                rustix::fs::unlink(from)
            }
            outcome => outcome,
        }
    }

    pub(super) fn unlink(&self, path: &Path) -> rustix::io::Result<()> {
        self.step("unlink")?;
        rustix::fs::unlink(path)
    }

    /// Makes a file's bytes durable.
    pub(super) fn sync_file(&self, file: &OwnedFd) -> rustix::io::Result<()> {
        self.step("sync of a file")?;
        if self.sync == Sync::Never {
            return Ok(());
        }
        rustix::fs::fdatasync(file)
    }

    /// Makes the names in a directory durable, and the absence of others.
    pub(super) fn sync_directory(&self, path: &Path) -> rustix::io::Result<()> {
        self.step("sync of a directory")?;
        if self.sync == Sync::Never {
            return Ok(());
        }
        rustix::fs::fsync(open_directory(path)?)
    }

    /// Makes everything durable that lies on the same file system.
    pub(super) fn sync_everything(&self, path: &Path) -> rustix::io::Result<()> {
        self.step("sync of everything")?;
        if self.sync == Sync::Never {
            return Ok(());
        }
        rustix::fs::syncfs(open_directory(path)?)
    }
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn write_all(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fills a buffer from an offset.
pub(super) fn read_exact(file: &OwnedFd, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match rustix::io::pread(file, &mut *buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Asks the kernel to read a part of a file before it is asked for.
pub(super) fn read_ahead(file: &OwnedFd, start: u64, length: u64) {
    // A hint: without it the kernel reads ahead less, and nothing else.
    let _ = rustix::fs::fadvise(file, start, NonZeroU64::new(length), Advice::Sequential);
}

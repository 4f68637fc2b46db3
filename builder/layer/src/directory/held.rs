//! A file that has to stay as it was found while it is read.

use std::io::{self, Read};
use std::os::fd::OwnedFd;

use crate::directory::Found;
use crate::error::{Error, ErrorKind};

/// Reads a file, and fails where it is not what was found.
#[derive(Debug)]
pub struct Held {
    handle: OwnedFd,
    found: Found,
    path: String,
    /// The bytes that were read.
    position: u64,
    /// Whether the end was reached and found right.
    ended: bool,
}

impl Held {
    pub(super) fn new(handle: OwnedFd, found: Found, path: String) -> Result<Self, Error> {
        let held = Self {
            handle,
            found,
            path,
            position: 0,
            ended: false,
        };
        held.check()?;
        Ok(held)
    }

    /// Has nobody see by its times that the file was read, where that may be.
    pub(crate) fn quietly(self) -> Self {
        super::quiet(&self.handle);
        self
    }

    fn check(&self) -> Result<(), Error> {
        let now = rustix::fs::fstat(&self.handle)
            .map_err(|errno| Error::io(format!("can not look at `{}`", self.path), errno))?;
        if self.found.is_still(&Found::of(&now)) {
            return Ok(());
        }
        Err(changed(&self.path))
    }
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&self.handle, &mut *buffer))?;
        self.position += read as u64;
        let ends = read == 0 || self.position >= self.found.size;
        if ends {
            if self.position != self.found.size {
                return Err(changed(&self.path).into());
            }
            self.check()?;
            // Whoever knows the size may stop here, so that this was the last
            // chance to look.
            self.ended = true;
        }
        Ok(read)
    }
}

pub(super) fn changed(path: &str) -> Error {
    Error::new(
        ErrorKind::Changed,
        format!("`{path}` changed while it was read"),
    )
}

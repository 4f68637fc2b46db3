//! What is done to directories by whoever keeps them: small things, one at a
//! time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;

use crate::directory::{Directory, FoundKind};
use crate::error::Error;
use crate::path::EntryPath;

impl Directory {
    /// Takes away an empty file or an empty directory; what is neither stays.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be removed.
    pub fn remove_empty(&self, path: &EntryPath) -> Result<(), Error> {
        let failed = |errno| self.failed("remove", path, errno);
        let Some(found) = self.stat(path)? else {
            return Ok(());
        };
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Ok(());
        };
        let flags = match found.kind {
            FoundKind::Directory => AtFlags::REMOVEDIR,
            FoundKind::File if found.size == 0 => AtFlags::empty(),
            _ => return Ok(()),
        };
        let parent = self
            .step(&parent, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(failed)?;
        match rustix::fs::unlinkat(&parent, OsStr::from_bytes(name), flags) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Adds up the bytes of the regular files in it, each once for each name.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
    pub fn measure(&self) -> Result<u64, Error> {
        let mut bytes: u64 = 0;
        let mut open = vec![EntryPath::root()];
        while let Some(directory) = open.pop() {
            for name in self.names(&directory)? {
                let path = directory.child(&name);
                let Some(found) = self.stat(&path)? else {
                    continue;
                };
                match found.kind {
                    FoundKind::Directory => open.push(path),
                    FoundKind::File => bytes = bytes.saturating_add(found.size),
                    _ => {}
                }
            }
        }
        Ok(bytes)
    }
}

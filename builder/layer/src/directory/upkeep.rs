//! What is done to directories by whoever keeps them: small things, one at a
//! time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, OFlags, Timespec, Timestamps, statat};
use rustix::io::Errno;

use crate::directory::{Directory, Found, FoundKind};
use crate::error::Error;
use crate::path::EntryPath;
use crate::time::Time;

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

    /// Has nothing in it be younger than a time. No link is followed, and what
    /// goes away meanwhile is nobody's loss.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read
    /// or changed.
    pub fn age(&self, youngest: Time) -> Result<(), Error> {
        let limit = (youngest.seconds(), u64::from(youngest.nanoseconds()));
        let times = times(youngest);
        let mut open = vec![EntryPath::root()];
        while let Some(directory) = open.pop() {
            let failed = |errno| self.failed("read", &directory, errno);
            let handle = match self.step(&directory, OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(handle) => handle,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            for name in self.names(&directory)? {
                let os_name = OsStr::from_bytes(&name);
                let found = match statat(&handle, os_name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => Found::of(&stat),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(failed(errno)),
                };
                if found.kind == FoundKind::Directory {
                    open.push(directory.child(&name));
                }
                if found.mtime > limit {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    match rustix::fs::utimensat(&handle, os_name, &times, flags) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                }
            }
        }
        Ok(())
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

fn times(time: Time) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds(),
        tv_nsec: time.nanoseconds().into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_is_younger_becomes_as_old_as_it_may_be() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |name: &str| folder.path().join(name);
        fs_err::create_dir(at("d")).expect("made");
        for name in ["young", "d/young", "old"] {
            fs_err::write(at(name), "x").expect("written");
        }
        std::os::unix::fs::symlink("/dev/null", at("link")).expect("made");
        let old = UNIX_EPOCH + Duration::from_secs(5);
        let file = fs_err::File::open(at("old")).expect("there");
        file.file().set_modified(old).expect("set");
        let directory = Directory::open(folder.path()).expect("opened");
        directory.age(Time::from_seconds(7)).expect("aged");
        let time = |name: &str| {
            let found = fs_err::symlink_metadata(at(name)).expect("there");
            let since = found.modified().expect("known").duration_since(UNIX_EPOCH);
            since.expect("after 1970").as_secs()
        };
        assert_eq!(
            ["young", "d", "d/young", "old", "link"].map(time),
            [7, 7, 7, 5, 7]
        );
    }
}

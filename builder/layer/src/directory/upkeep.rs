//! What is done to directories by whoever keeps them: small things, one at a
//! time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, OFlags, Stat, Timespec, Timestamps, statat};
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

    /// Lists the names of the regular files in it, in no order, with the time
    /// of their last use: the later of access and change, as the file system
    /// has them. Where it notes no access (`noatime`), that is the change.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
    pub fn uses(&self) -> Result<Vec<(EntryPath, Time)>, Error> {
        let mut uses = Vec::new();
        let mut open = vec![EntryPath::root()];
        while let Some(directory) = open.pop() {
            let handle = self
                .step(&directory, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|errno| self.failed("read", &directory, errno))?;
            for name in self.names(&directory)? {
                let path = directory.child(&name);
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                match statat(&handle, OsStr::from_bytes(&name), flags) {
                    Ok(stat) => match Found::of(&stat).kind {
                        FoundKind::Directory => open.push(path),
                        FoundKind::File => uses.push((path, used(&stat))),
                        _ => {}
                    },
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(self.failed("look at", &path, errno)),
                }
            }
        }
        Ok(uses)
    }

    /// Says whether there is nothing in it.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when it can not be read.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.names(&EntryPath::root())?.is_empty())
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "the numbers of the kernel have other types on other processors"
)]
fn used(stat: &Stat) -> Time {
    let time = |seconds, nanoseconds| {
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or(0);
        Time::new(seconds, nanoseconds).unwrap_or(Time::from_seconds(seconds))
    };
    let access = time(stat.st_atime as i64, stat.st_atime_nsec as u64);
    let change = time(stat.st_mtime as i64, stat.st_mtime_nsec as u64);
    access.max(change)
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

    #[test]
    fn a_file_was_used_when_it_was_read_or_written_last() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |name: &str| folder.path().join(name);
        fs_err::create_dir(at("d")).expect("made");
        let time = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        for (name, read, written) in [("a", 5, 9), ("d/b", 8, 3)] {
            fs_err::write(at(name), "x").expect("written");
            let times = std::fs::FileTimes::new()
                .set_accessed(time(read))
                .set_modified(time(written));
            let file = fs_err::File::options().write(true).open(at(name));
            let set = file.expect("there").file().set_times(times);
            set.expect("set");
        }
        std::os::unix::fs::symlink("a", at("link")).expect("made");
        let directory = Directory::open(folder.path()).expect("opened");
        let mut uses = directory.uses().expect("readable");
        uses.sort();
        let uses: Vec<_> = uses
            .iter()
            .map(|(path, time)| (path.to_string(), time.seconds()))
            .collect();
        assert_eq!(uses, [("/a".to_owned(), 9), ("/d/b".to_owned(), 8)]);
        // Reading for a layer is no use.
        for path in ["a", "d/b"] {
            let path = EntryPath::parse(path.as_bytes()).expect("a path");
            let file = std::fs::File::from(directory.open_file(&path).expect("there"));
            let content = std::io::read_to_string(file).expect("readable");
            assert_eq!(content, "x");
        }
        let mut after = directory.uses().expect("readable");
        after.sort();
        let times: Vec<_> = after.iter().map(|(_, time)| time.seconds()).collect();
        assert_eq!(times, [9, 8]);
        assert!(!directory.is_empty().expect("readable"));
    }
}

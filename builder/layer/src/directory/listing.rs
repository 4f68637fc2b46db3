//! What is in one directory: its names, and what each of them is. The directory
//! is opened once, and each name is looked at from there.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, OFlags};
use rustix::io::Errno;

use crate::directory::{Directory, Found};
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// Is a directory that was listed.
#[derive(Debug)]
pub struct Listing {
    handle: OwnedFd,
    /// How messages name it.
    path: String,
    names: Vec<Box<[u8]>>,
}

/// How many names one directory may have.
const NAMES_LIMIT: usize = 2_000_000;
/// The file systems on which the kernel of this machine notes changes, by their
/// numbers (`statfs(2)`): ext2, ext3 and ext4, XFS, Btrfs, tmpfs, F2FS, ZFS,
/// bcachefs and overlayfs.
const NOTING: [u32; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x794c_7630,
];

impl Listing {
    pub(super) fn read(directory: &Directory, path: &EntryPath) -> Result<Self, Error> {
        let failed = |errno| directory.failed("list", path, errno);
        let handle = directory
            .step(path, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(failed)?;
        let shown = directory.display(path);
        let mut names = Vec::new();
        for entry in Dir::read_from(&handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() >= NAMES_LIMIT {
                let message = format!("`{shown}` has more than {NAMES_LIMIT} names");
                return Err(Error::new(ErrorKind::Limit, message));
            }
            names.push(name.into());
        }
        names.sort_unstable();
        Ok(Self {
            handle,
            path: shown,
            names,
        })
    }

    /// Gives the names, ordered by their bytes.
    #[must_use]
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    pub(super) fn into_names(self) -> Vec<Box<[u8]>> {
        self.names
    }

    /// Looks at what has a name, without following a link; `None` where it
    /// went away.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when the directory may not be searched.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Found>, Error> {
        let name = OsStr::from_bytes(name);
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Found::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => {
                let path = std::path::Path::new(&self.path).join(name);
                let context = format!("can not look at `{}`", path.display());
                Err(Error::io(context, errno))
            }
        }
    }

    /// Says whether the kernel of this machine notes each change of what is in
    /// the directory, by its own clock and in a time that nobody can set
    /// (`ctime`). It does so on the file systems that machines have of
    /// themselves; of others, such as a network's, nobody here can know.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Io`] when that can not be found out.
    pub fn notes_changes(&self) -> Result<bool, Error> {
        let system = rustix::fs::fstatfs(&self.handle)
            .map_err(|errno| Error::io(format!("can not look at `{}`", self.path), errno))?;
        // The number has 32 bits, and its type another sign on some machines.
        #[allow(
            clippy::unnecessary_cast,
            reason = "the number has another type on other processors"
        )]
        let number = system.f_type as u32;
        Ok(NOTING.contains(&number))
    }
}

//! Files that have no name yet: written where their place is, synced, and
//! named when they are whole.
//!
//! On most file systems such a file has no name at all (`O_TMPFILE`), and
//! nothing is left of it when the program is killed. On the others it has one
//! that says whose it was.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::AsRawFd as _;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// Is a file that is gone unless it is kept.
#[derive(Debug)]
pub(crate) struct Temporary {
    /// Errors name the path that was asked for.
    file: fs_err::File,
    directory: PathBuf,
    /// The temporary name; absent where the file needs none, or has it no
    /// more.
    name: Option<PathBuf>,
}

/// Makes the names of temporary files distinct within the process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How often another name is tried, where a process of the same number left
/// files.
const ATTEMPTS: usize = 10_000;

/// How the names of temporary files begin.
pub(crate) const PREFIX: &str = ".wharf-";

/// What a new file lets whom do, but for what the process masks.
const MODE: Mode = Mode::from_raw_mode(0o644);

impl Temporary {
    /// Makes a file in a directory that is there.
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Self> {
        Self::make(directory, directory)
    }

    /// Makes a file in the directory that will have it in the end.
    pub(crate) fn beside(target: &Path) -> io::Result<Self> {
        Self::make(directory_of(target), target)
    }

    fn make(directory: &Path, shown: &Path) -> io::Result<Self> {
        let made = match unnamed(directory) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                named(directory)
            }
            made => made.map(|file| (file, None)),
        };
        let (file, name) = made.map_err(|errno| refused(directory, errno))?;
        Ok(Self {
            file: fs_err::File::from_parts(file, shown),
            directory: directory.to_owned(),
            name,
        })
    }

    pub(crate) fn file(&mut self) -> &mut fs_err::File {
        &mut self.file
    }

    /// Gives another handle of the file.
    pub(crate) fn handle(&self) -> io::Result<std::fs::File> {
        self.file.file().try_clone()
    }

    /// Gives the file its name, durably. What had the name before is gone.
    pub(crate) fn keep(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_data()?;
        self.publish(target).map_err(|errno| {
            let error = io::Error::from(errno);
            let text = format!("can not name the file `{}`: {error}", target.display());
            io::Error::new(error.kind(), text)
        })?;
        self.name = None;
        sync_directory(directory_of(target))
    }

    fn publish(&mut self, target: &Path) -> Result<(), Errno> {
        let name = match &self.name {
            Some(name) => name,
            None => {
                // Only a rename replaces what is there at once.
                match link(&self.file, target) {
                    Err(Errno::EXIST) => {}
                    linked => return linked,
                }
                let name = free_name(&self.directory, |name| link(&self.file, name))?.1;
                self.name.insert(name)
            }
        };
        rustix::fs::rename(name.as_path(), target)
    }

    /// Takes the name away and leaves the file to whoever holds it.
    pub(crate) fn nameless(mut self) -> io::Result<fs_err::File> {
        if let Some(name) = self.name.take() {
            fs_err::remove_file(name)?;
        }
        Ok(fs_err::File::from_parts(self.handle()?, self.file.path()))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Nobody is left to tell; the name says what it was.
            let _ = fs_err::remove_file(name);
        }
    }
}

/// Opens a file that has no name, and can get one.
fn unnamed(directory: &Path) -> Result<std::fs::File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(directory, flags, MODE)?);
    // Without `/proc` nothing could name it.
    rustix::fs::stat(descriptor(&file))?;
    Ok(file)
}

/// Opens a file that has a name of its own.
fn named(directory: &Path) -> Result<(std::fs::File, Option<PathBuf>), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let (file, name) = free_name(directory, |name| rustix::fs::open(name, flags, MODE))?;
    Ok((file.into(), Some(name)))
}

fn link(file: &impl rustix::fd::AsFd, name: &Path) -> Result<(), Errno> {
    rustix::fs::linkat(CWD, descriptor(file), CWD, name, AtFlags::SYMLINK_FOLLOW)
}

/// Gives the path by which the process itself reaches a file of its own.
fn descriptor(file: &impl rustix::fd::AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// Takes a temporary name that is not taken.
fn free_name<T>(
    directory: &Path,
    mut take: impl FnMut(&Path) -> Result<T, Errno>,
) -> Result<(T, PathBuf), Errno> {
    for _ in 0..ATTEMPTS {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = directory.join(format!("{PREFIX}{}-{number}", std::process::id()));
        match take(&name) {
            Ok(taken) => return Ok((taken, name)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Says which directory takes no file.
fn refused(directory: &Path, errno: Errno) -> io::Error {
    let (error, shown) = (io::Error::from(errno), directory.display());
    let text = match errno {
        Errno::NOENT => format!("there is no directory `{shown}`"),
        Errno::NOTDIR => format!("`{shown}` is no directory"),
        _ => format!("can not write to the directory `{shown}`: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Gives the directory that names a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write as _;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(directory).expect("a directory");
        let name = |entry: io::Result<fs_err::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_seen_of_a_file_that_is_not_kept() {
        let room = tempfile::tempdir().expect("a directory");
        let mut file = Temporary::beside(&room.path().join("a")).expect("a file");
        file.file().write_all(b"half").expect("written");
        // Killed now, the program leaves nothing, where that can be had.
        let can = rustix::fs::open(room.path(), OFlags::TMPFILE | OFlags::RDWR, MODE).is_ok();
        assert_eq!(names(room.path()).is_empty(), can);
        drop(file);
        assert_eq!(names(room.path()), Vec::<String>::new());
    }

    #[test]
    fn with_and_without_a_name_the_same_is_kept() {
        for old in [None, Some("old")] {
            let room = tempfile::tempdir().expect("a directory");
            let directory = room.path();
            let target = directory.join("a");
            if let Some(old) = old {
                fs_err::write(&target, old).expect("written");
            }
            let (file, name) = named(directory).expect("a file");
            let named = Temporary {
                file: fs_err::File::from_parts(file, &target),
                directory: directory.to_owned(),
                name,
            };
            let unnamed = Temporary::beside(&target).expect("a file");
            for (mut file, text) in [(named, "one"), (unnamed, "two")] {
                file.file().write_all(text.as_bytes()).expect("written");
                file.keep(&target).expect("kept");
                let found = fs_err::read_to_string(&target).expect("there");
                assert_eq!(found, text);
                assert_eq!(names(directory), ["a"]);
            }
        }
    }

    #[test]
    fn what_can_not_be_written_is_named() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("none").join("a");
        let error = Temporary::beside(&path).expect_err("no directory");
        let directory = room.path().join("none");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("there is no directory `{}`", directory.display())
        );
        fs_err::create_dir(&directory).expect("made");
        let file = Temporary::beside(&path).expect("a file");
        fs_err::create_dir(&path).expect("made");
        let error = file.keep(&path).expect_err("a directory is there");
        let said = format!("can not name the file `{}`: ", path.display());
        assert!(error.to_string().starts_with(&said), "{error}");
        assert_eq!(names(&directory), ["a"]);
    }
}

//! The mounts of a step where nothing can be mounted: things are put in their
//! places by name, and taken out again when the command has ended, whatever
//! came of it. The worker does this, so that it is done for a keeper that was
//! killed, too.
//!
//! It is not kept from the command that they are files like all others.

mod tree;

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, FsWord, Mode, OFlags, Timespec, Timestamps, makedev, mkdirat, mknodat,
    symlinkat,
};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::exec::inside::{failed, find, make_directory};
use crate::exec::mounts::{DEVICES, LINKS, fill, is_own, listen, own};
use crate::exec::{Mount, MountKind, Step};
use crate::probe::{Check, hint};

/// What file systems in memory say that they are (statfs(2)).
const MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

const NO_MEMORY: &str = "give the secret as a variable (`--mount=type=secret,env=NAME`); or put \
    the build on memory, as with docker `--tmpfs`; or allow mounts: docker and podman: \
    `--security-opt seccomp=unconfined`";

const NO_SIZE: &str = "leave `size` out; or allow mounts: docker and podman: `--security-opt \
    seccomp=unconfined`";

/// Is everything that was put in place. Dropped, it is taken out again.
pub(super) struct Placed {
    scratch: PathBuf,
    entries: Vec<Entry>,
    /// The sockets of agents, in the order of their mounts.
    pub(super) listeners: Vec<OwnedFd>,
}

/// Is one place.
struct Entry {
    parent: OwnedFd,
    /// When the directory was changed before anything was put there.
    times: Timestamps,
    name: Vec<u8>,
    /// Where that is what was there before.
    aside: Option<PathBuf>,
    /// Where what was put there has to go back to.
    back: Option<Source>,
}

/// Is something that was taken from elsewhere.
struct Source {
    path: PathBuf,
    /// Whether it is a copy of what is still there.
    copied: bool,
    directory: bool,
}

impl Placed {
    /// Puts everything of a step in place.
    pub(super) fn new(step: &Step, descriptors: &[OwnedFd]) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&step.root, flags, Mode::empty()).map_err(|source| {
            Error::system(format!("cannot open `{}`", step.root.display()), source)
        })?;
        let mut placed = Self {
            scratch: step.scratch.clone(),
            entries: Vec::new(),
            listeners: Vec::new(),
        };
        let done = placed.devices(&root).and_then(|()| {
            let mut mounts = step.mounts.iter();
            mounts.try_for_each(|mount| placed.mount(&root, &step.mounts, mount, descriptors))
        });
        match done.and_then(|()| placed.give_times_back()) {
            Ok(()) => Ok(placed),
            Err(error) => placed.restore().and(Err(error)),
        }
    }

    /// Has directories look as if nothing was put there.
    fn give_times_back(&self) -> Result<(), Error> {
        // Of several in one directory, the first knows its time.
        for entry in self.entries.iter().rev() {
            let flags = AtFlags::empty();
            rustix::fs::utimensat(&entry.parent, ".", &entry.times, flags).map_err(failed(
                "cannot set the time of the directory of",
                &entry.name,
            ))?;
        }
        Ok(())
    }

    /// Takes everything out again, the last first.
    pub(super) fn restore(mut self) -> Result<(), Error> {
        self.take_out()
    }

    fn take_out(&mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some(entry) = self.entries.pop() {
            // The others are taken out all the same.
            outcome = outcome.and(entry.restore());
        }
        outcome
    }

    fn mount(
        &mut self,
        root: &OwnedFd,
        all: &[Mount],
        mount: &Mount,
        descriptors: &[OwnedFd],
    ) -> Result<(), Error> {
        match &mount.kind {
            MountKind::Bind { source, read_only } => {
                self.clear(root, all, &mount.target)?;
                self.bind(source, *read_only, &mount.target)
            }
            MountKind::Tmpfs { size: Some(_), .. } => {
                let context = "the size of a tmpfs can not be limited where nothing is mounted";
                Err(Error::new(ErrorKind::Denied, context).with_hint(NO_SIZE))
            }
            MountKind::Tmpfs { size: None, mode } => {
                self.clear(root, all, &mount.target)?;
                self.directory(&mount.target, *mode)
            }
            MountKind::Secret { descriptor, .. } => {
                in_memory(root)?;
                let content = descriptors.get(*descriptor).ok_or_else(|| {
                    Error::new(ErrorKind::Broken, "a secret came without its content")
                })?;
                self.clear(root, all, &mount.target)?;
                self.secret(mount, content)
            }
            MountKind::Agent { .. } => {
                self.clear(root, all, &mount.target)?;
                self.agent(mount)
            }
        }
    }

    /// Makes a place free: what is there goes aside.
    fn clear(&mut self, root: &OwnedFd, all: &[Mount], path: &[u8]) -> Result<(), Error> {
        let failure = |source| failed("cannot make room at", path)(source);
        let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let (above, name) = path.split_at(cut);
        let name = name.strip_prefix(b"/").unwrap_or(name);
        if name.is_empty() {
            return Err(failure(Errno::BUSY));
        }
        let above = if above.is_empty() { b"/" } else { above };
        let parent = match find(root, above) {
            Err(Errno::NOENT) if is_own(all, path) => make_directory(root, above),
            found => found,
        };
        let parent = parent.map_err(failure)?;
        let times = times_of(&parent).map_err(failure)?;
        let aside = self.scratch.join(format!("aside-{}", self.entries.len()));
        let aside = match rustix::fs::renameat(&parent, name, CWD, &aside) {
            Ok(()) => Some(aside),
            Err(Errno::NOENT) => None,
            Err(source) => return Err(failure(source)),
        };
        self.entries.push(Entry {
            parent,
            times,
            name: name.to_vec(),
            aside,
            back: None,
        });
        Ok(())
    }

    /// Gives the place that was made free last.
    fn last(&mut self) -> Result<&mut Entry, Error> {
        let none = || Error::new(ErrorKind::Broken, "there is no place to put anything");
        self.entries.last_mut().ok_or_else(none)
    }

    fn bind(&mut self, source: &Path, read_only: bool, path: &[u8]) -> Result<(), Error> {
        let entry = self.last()?;
        let found = source.symlink_metadata();
        let directory = found.is_ok_and(|found| found.is_dir());
        let moved = match read_only {
            // Nothing keeps the command from writing: it gets its own.
            true => Err(Errno::XDEV),
            false => rustix::fs::renameat(CWD, source, &entry.parent, entry.name.as_slice()),
        };
        let copied = match moved {
            Ok(()) => false,
            Err(Errno::XDEV) => {
                tree::copy(source, &entry.path())?;
                true
            }
            Err(source) => return Err(failed("cannot put something at", path)(source)),
        };
        if !(copied && read_only) {
            entry.back = Some(Source {
                path: source.to_path_buf(),
                copied,
                directory,
            });
        }
        Ok(())
    }

    fn directory(&mut self, path: &[u8], mode: u32) -> Result<(), Error> {
        let entry = self.last()?;
        let name = entry.name.as_slice();
        mkdirat(&entry.parent, name, Mode::RWXU)
            .and_then(|()| {
                let mode = Mode::from_raw_mode(mode & 0o7777);
                rustix::fs::chmodat(&entry.parent, name, mode, AtFlags::empty())
            })
            .map_err(failed("cannot make", path))
    }

    fn secret(&mut self, mount: &Mount, content: &OwnedFd) -> Result<(), Error> {
        let entry = self.last()?;
        let context = || {
            let path = String::from_utf8_lossy(&mount.target).into_owned();
            format!("cannot write the secret for `{path}`")
        };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let name = entry.name.as_slice();
        let file = rustix::fs::openat(&entry.parent, name, flags, Mode::RUSR)
            .map_err(|source| Error::system(context(), source))?;
        fill(content, file).map_err(|source| Error::system(context(), source))?;
        own(&entry.parent, name, &mount.kind).map_err(|source| Error::system(context(), source))
    }

    fn agent(&mut self, mount: &Mount) -> Result<(), Error> {
        let entry = self.last()?;
        let failure = |source| failed("cannot make the socket", &mount.target)(source);
        let listener = listen(&entry.path()).map_err(failure)?;
        own(&entry.parent, entry.name.as_slice(), &mount.kind).map_err(failure)?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Makes `/dev`.
    fn devices(&mut self, root: &OwnedFd) -> Result<(), Error> {
        self.clear(root, &[], b"/dev")?;
        self.directory(b"/dev", 0o755)?;
        let directory = find(root, b"/dev").map_err(failed("cannot find", b"/dev"))?;
        for (name, major, minor) in DEVICES {
            let device = FileType::CharacterDevice;
            let mode = Mode::from_raw_mode(0o666);
            mknodat(&directory, name, device, mode, makedev(major, minor))
                // Whatever the mask of this process is.
                .and_then(|()| rustix::fs::chmodat(&directory, name, mode, AtFlags::empty()))
                .map_err(|source| {
                    let error = Error::system(format!("cannot make the device `{name}`"), source);
                    let error = error.of_kind(ErrorKind::Denied);
                    error.with_hint(hint(Check::Devices).unwrap_or_default())
                })?;
        }
        for (name, to) in LINKS {
            symlinkat(to, &directory, name).map_err(failed("cannot make", name.as_bytes()))?;
        }
        let shared = Mode::from_raw_mode(0o1777);
        mkdirat(&directory, "shm", Mode::RWXU)
            .and_then(|()| rustix::fs::chmodat(&directory, "shm", shared, AtFlags::empty()))
            .map_err(failed("cannot make", b"/dev/shm"))
    }
}

fn times_of(directory: &OwnedFd) -> Result<Timestamps, Errno> {
    let found = rustix::fs::statat(directory, ".", AtFlags::empty())?;
    let time = |seconds, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or_default(),
    };
    Ok(Timestamps {
        last_access: time(found.st_atime, found.st_atime_nsec),
        last_modification: time(found.st_mtime, found.st_mtime_nsec),
    })
}

impl Drop for Placed {
    fn drop(&mut self) {
        // Whoever wants to know calls `restore`.
        let _ = self.take_out();
    }
}

impl Entry {
    /// Gives a path that leads there whatever the command has renamed.
    fn path(&self) -> PathBuf {
        let parent = format!("/proc/self/fd/{}", self.parent.as_raw_fd());
        Path::new(&parent).join(OsStr::from_bytes(&self.name))
    }

    fn restore(self) -> Result<(), Error> {
        let path = self.path();
        let kept = match &self.back {
            Some(source) => source.restore(&path),
            None => Ok(()),
        };
        let gone = tree::remove(&path);
        let back = match &self.aside {
            Some(aside) => {
                rustix::fs::renameat(CWD, aside, self.parent.as_fd(), self.name.as_slice())
                    .map_err(failed("cannot put back", &self.name))
            }
            None => Ok(()),
        };
        kept.and(gone).and(back)
    }
}

impl Source {
    /// Takes something back to where it came from.
    fn restore(&self, from: &Path) -> Result<(), Error> {
        let failure = |source| {
            let context = format!("cannot take back `{}`", self.path.display());
            Error::system(context, source)
        };
        let found = from.symlink_metadata();
        if !found.is_ok_and(|found| found.is_dir() == self.directory && !found.is_symlink()) {
            // The command put something else there: it is as if emptied.
            return self.empty();
        }
        if !self.copied {
            return rustix::fs::rename(from, &self.path).map_err(failure);
        }
        let mut next = self.path.clone().into_os_string();
        next.push(".wharf-next");
        let next = PathBuf::from(next);
        tree::copy(from, &next)?;
        tree::remove(&self.path)?;
        rustix::fs::rename(&next, &self.path).map_err(failure)
    }

    /// Puts something empty where it came from.
    fn empty(&self) -> Result<(), Error> {
        tree::remove(&self.path)?;
        let made = match self.directory {
            true => fs_err::create_dir(&self.path),
            false => fs_err::write(&self.path, ""),
        };
        made.map_err(|source| {
            Error::system(format!("cannot empty `{}`", self.path.display()), source)
        })
    }
}

/// Says whether files of a root are in memory alone.
fn in_memory(root: &OwnedFd) -> Result<(), Error> {
    let found = rustix::fs::fstatfs(root)
        .map_err(|source| Error::system("cannot find out where the root lies", source))?;
    if MEMORY.contains(&found.f_type) {
        return Ok(());
    }
    let context = "a file with a secret would be written to a disk here";
    Err(Error::new(ErrorKind::Denied, context).with_hint(NO_MEMORY))
}

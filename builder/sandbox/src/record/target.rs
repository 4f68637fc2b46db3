//! The thread that asks: its memory, and the files that it names, found as it
//! would find them.
//!
//! What is read of a process by number is its only while the call still waits:
//! whoever acts on it asks [`Listener::is_waiting`](super::notify::Listener)
//! before.

mod inside;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

pub(super) use inside::{can_hold, give_up_rights, known, make, make_unnamed};

/// The longest path, with its NUL.
const PATH_LIMIT: usize = 4096;

/// How much of memory is read at a time, where it is not known how long a
/// string is: less than a page, as the next one may be missing.
const CHUNK: usize = 256;

/// Where threads that answer are: names there are their descriptors.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Is a thread that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// `/proc`, of the numbers that the kernel reports.
    pub(super) proc: BorrowedFd<'a>,
    /// The number of the thread.
    pub(super) thread: u32,
    /// What is known of roots.
    pub(super) roots: &'a Roots,
}

/// Keeps the root of the command, as long as all that it started has the same.
#[derive(Debug, Default)]
pub(super) struct Roots {
    first: OnceLock<OwnedFd>,
    differ: AtomicBool,
}

/// Is an open root.
enum Root<'a> {
    Shared(BorrowedFd<'a>),
    Own(OwnedFd),
}

impl Roots {
    /// Notes that somebody asks for another root, or mounts something.
    pub(super) fn differ(&self) {
        self.differ.store(true, Ordering::Release);
    }

    fn shared(&self) -> Option<BorrowedFd<'_>> {
        if self.differ.load(Ordering::Acquire) {
            return None;
        }
        self.first.get().map(AsFd::as_fd)
    }

    /// Takes the first root; others are given back.
    fn keep(&self, root: OwnedFd) -> Result<BorrowedFd<'_>, OwnedFd> {
        if self.differ.load(Ordering::Acquire) {
            return Err(root);
        }
        let mut root = Some(root);
        let kept = self
            .first
            .get_or_init(|| root.take().expect("it was not taken before"));
        root.map_or(Ok(kept.as_fd()), Err)
    }
}

impl AsFd for Root<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Shared(root) => *root,
            Self::Own(root) => root.as_fd(),
        }
    }
}

/// Says what a path is seen from, as the `*at` calls have it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// A descriptor of the thread, or `AT_FDCWD`.
    pub(super) directory: i32,
    /// The path; empty names the descriptor itself.
    pub(super) path: Vec<u8>,
}

/// Says what a symbolic link as last part of a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Followed,
    /// It is what is meant.
    Itself,
}

/// Is a file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The file; nothing can be read of it (`O_PATH`).
    pub(super) file: OwnedFd,
    /// What the kernel says of it.
    pub(super) status: libc::stat,
}

/// Is a name in a directory, whether there is something or not.
#[derive(Debug)]
pub(super) struct Spot {
    /// The directory.
    pub(super) directory: OwnedFd,
    /// The name, which is neither `.` nor `..`.
    pub(super) name: Vec<u8>,
}

impl Target<'_> {
    /// Reads a string of it, without its NUL.
    ///
    /// # Errors
    ///
    /// Fails with `FAULT` when it is not there, and `NAMETOOLONG` when it is
    /// longer than a path can be.
    pub(super) fn string(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        let mut chunk = [0_u8; CHUNK];
        while string.len() < PATH_LIMIT {
            let at = address
                .checked_add(string.len() as u64)
                .ok_or(Errno::FAULT)?;
            // Up to a border, behind which may be nothing.
            let length = CHUNK - usize::try_from(at % CHUNK as u64).unwrap_or(0);
            let chunk = chunk.get_mut(..length).ok_or(Errno::FAULT)?;
            self.read(at, chunk)?;
            match chunk.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    string.extend(chunk.iter().take(end));
                    return Ok(string);
                }
                None => string.extend_from_slice(chunk),
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Reads numbers of it.
    ///
    /// # Errors
    ///
    /// Fails with `FAULT` when they are not there.
    pub(super) fn numbers(&self, address: u64, count: usize) -> Result<Vec<u32>, Errno> {
        let mut bytes = vec![0_u8; count.saturating_mul(4)];
        self.read(address, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers
            .iter()
            .map(|number| u32::from_ne_bytes(*number))
            .collect())
    }

    /// Reads as many bytes of it as the buffer has.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        if buffer.is_empty() {
            return Ok(());
        }
        let here = vector(buffer.as_mut_ptr() as u64, buffer.len())?;
        let there = vector(address, buffer.len())?;
        // SAFETY: `here` is the buffer, which nobody else has; `there` is an
        // address of another process, which the kernel checks.
        let done = unsafe {
            libc::process_vm_readv(self.number()?, &raw const here, 1, &raw const there, 1, 0)
        };
        complete(done, buffer.len())
    }

    /// Writes bytes into it.
    ///
    /// # Errors
    ///
    /// Fails with `FAULT` when it can not be written there.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.is_empty() {
            return Ok(());
        }
        let here = vector(bytes.as_ptr() as u64, bytes.len())?;
        let there = vector(address, bytes.len())?;
        // SAFETY: `here` is only read; `there` is an address of another
        // process, which the kernel checks.
        let done = unsafe {
            libc::process_vm_writev(self.number()?, &raw const here, 1, &raw const there, 1, 0)
        };
        complete(done, bytes.len())
    }

    fn number(&self) -> Result<libc::pid_t, Errno> {
        // No number: the thread is in a namespace that is not seen from here.
        match libc::pid_t::try_from(self.thread) {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(Errno::SRCH),
        }
    }

    /// Reads a path of it.
    ///
    /// # Errors
    ///
    /// Fails as [`Target::string`] does.
    pub(super) fn named(&self, directory: i32, address: u64) -> Result<Named, Errno> {
        let path = self.string(address)?;
        Ok(Named { directory, path })
    }

    /// Finds a file; an empty path is the descriptor's own file.
    ///
    /// # Errors
    ///
    /// Fails as the thread would have failed, and with `NOENT` for what only
    /// the thread itself can find (most of `/proc/self`).
    pub(super) fn find(&self, named: &Named, last: Last) -> Result<Found, Errno> {
        let itself = match last {
            Last::Followed => OFlags::empty(),
            Last::Itself => OFlags::NOFOLLOW,
        };
        let file = match (descriptor_named(&named.path), last) {
            (Some(descriptor), Last::Followed) => self.reach(&format!("fd/{descriptor}"))?,
            _ if named.path.is_empty() => self.base(named.directory)?,
            _ => self.name(named, itself)?,
        };
        let status = status(file.as_fd())?;
        Ok(Found { file, status })
    }

    /// Finds the directory that a path's last part is in.
    ///
    /// # Errors
    ///
    /// Fails as the thread would have failed, and with `INVAL` where the last
    /// part is no name.
    pub(super) fn spot(&self, named: &Named) -> Result<Spot, Errno> {
        let end = named
            .path
            .iter()
            .rposition(|byte| *byte != b'/')
            .ok_or(Errno::INVAL)?;
        let path = named.path.get(..=end).ok_or(Errno::INVAL)?;
        let (parent, name) = split(path)?;
        let directory = if parent.is_empty() {
            self.base(named.directory)?
        } else {
            let parent = Named {
                directory: named.directory,
                path: parent.to_vec(),
            };
            self.name(&parent, OFlags::DIRECTORY)?
        };
        Ok(Spot { directory, name })
    }

    /// Finds where a symbolic link leads: one step, which may be to another
    /// link, or to nothing.
    ///
    /// # Errors
    ///
    /// Fails as the thread would have failed, and with `INVAL` where there is
    /// no link, or what it leads to ends in no name.
    pub(super) fn next(&self, link: &Spot) -> Result<Spot, Errno> {
        let directory = link.directory.as_fd();
        let path = rustix::fs::readlinkat(directory, link.name.as_slice(), Vec::new())?;
        let (parent, name) = split(path.as_bytes())?;
        let directory = match parent.first() {
            None => rustix::io::dup(directory)?,
            Some(b'/') => self.name_from_root(parent, OFlags::DIRECTORY)?,
            Some(_) => self.name_from(directory, parent, OFlags::DIRECTORY)?,
        };
        Ok(Spot { directory, name })
    }

    /// Finds the name of a file that is open, where it has one still.
    pub(super) fn spot_of(&self, found: &Found) -> Option<Spot> {
        let path = self.path_of(found.file.as_fd()).ok()?;
        let named = Named {
            directory: libc::AT_FDCWD,
            path,
        };
        let spot = self.spot(&named).ok()?;
        let there = status_at(spot.directory.as_fd(), &spot.name).ok()?;
        let same = (there.st_dev, there.st_ino) == (found.status.st_dev, found.status.st_ino);
        same.then_some(spot)
    }

    /// Names a file, found as the thread would find it.
    ///
    /// # Errors
    ///
    /// Fails as the thread would have failed.
    fn name(&self, named: &Named, flags: OFlags) -> Result<OwnedFd, Errno> {
        if named.path.first() == Some(&b'/') {
            return self.name_from_root(&named.path, flags);
        }
        let base = self.base(named.directory)?;
        self.name_from(base.as_fd(), &named.path, flags)
    }

    fn name_from(
        &self,
        base: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        if !path.starts_with(b"..") {
            match inside::name(base, path, flags, ResolveFlags::BENEATH) {
                // It leaves the directory, which it may.
                Err(Errno::XDEV) => {}
                other => return other,
            }
        }
        let mut whole = self.path_of(base)?;
        whole.push(b'/');
        whole.extend_from_slice(path);
        self.name_from_root(&whole, flags)
    }

    fn name_from_root(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        inside::name(self.root()?.as_fd(), path, flags, ResolveFlags::IN_ROOT)
    }

    /// Gives the path of a file from the thread's root.
    fn path_of(&self, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        let path = rustix::fs::readlink(descriptor_path(file), Vec::new())?.into_bytes();
        let root = rustix::fs::readlinkat(self.proc, self.own("root"), Vec::new())?.into_bytes();
        match path.strip_prefix(root.as_slice()) {
            _ if root == b"/" => Ok(path),
            Some(b"") => Ok(b"/".to_vec()),
            Some(rest) if rest.first() == Some(&b'/') => Ok(rest.to_vec()),
            _ => Err(Errno::XDEV),
        }
    }

    /// Opens the thread's root.
    fn root(&self) -> Result<Root<'_>, Errno> {
        if let Some(root) = self.roots.shared() {
            return Ok(Root::Shared(root));
        }
        let root = self.reach("root")?;
        Ok(self.roots.keep(root).map_or_else(Root::Own, Root::Shared))
    }

    /// Says whether a file is of the mount that is the thread's root: what is
    /// mounted elsewhere, and what has no name, no layer has.
    pub(super) fn is_of_root(&self, found: &Found) -> bool {
        let mount = |file: BorrowedFd<'_>| {
            let status = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
            status.map(|status| status.stx_mnt_id)
        };
        // Where nobody tells (the kernel before Linux 5.8), all are.
        let differs = |root: Root<'_>| mount(root.as_fd()) != mount(found.file.as_fd());
        !self.root().is_ok_and(differs)
    }

    /// Opens what a path is seen from.
    fn base(&self, directory: i32) -> Result<OwnedFd, Errno> {
        match directory {
            libc::AT_FDCWD => self.reach("cwd"),
            descriptor => self.descriptor(descriptor),
        }
    }

    /// Opens what a descriptor of the thread is.
    fn descriptor(&self, descriptor: i32) -> Result<OwnedFd, Errno> {
        match self.reach(&format!("fd/{descriptor}")) {
            Err(Errno::NOENT) => Err(Errno::BADF),
            other => other,
        }
    }

    fn reach(&self, what: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat(self.proc, self.own(what), flags, Mode::empty())
    }

    fn own(&self, what: &str) -> String {
        format!("{}/{what}", self.thread)
    }

    /// Reads a number of what the kernel says of the thread (`/proc/N/status`).
    pub(super) fn state(&self, fields: &[&str]) -> Result<Vec<u32>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.proc, self.own("status"), flags, Mode::empty())?;
        let mut text = [0_u8; CHUNK];
        let length = rustix::io::read(&file, &mut text)?;
        let text = text.get(..length).unwrap_or_default();
        let found = fields.iter().map(|field| {
            let mut lines = text.split(|byte| *byte == b'\n');
            let value = lines.find_map(|line| line.strip_prefix(field.as_bytes()))?;
            let value = std::str::from_utf8(value.strip_prefix(b":")?).ok()?.trim();
            let radix = if *field == "Umask" { 8 } else { 10 };
            u32::from_str_radix(value, radix).ok()
        });
        found.collect::<Option<Vec<_>>>().ok_or(Errno::SRCH)
    }
}

/// Gives the path of a descriptor of this process, from [`DESCRIPTORS`].
pub(super) fn descriptor_path(file: BorrowedFd<'_>) -> String {
    file.as_raw_fd().to_string()
}

/// Gives what the kernel says of an open file.
pub(super) fn status(file: BorrowedFd<'_>) -> Result<libc::stat, Errno> {
    status_of(file, c"", AtFlags::EMPTY_PATH)
}

/// Gives what the kernel says of a name.
pub(super) fn status_at(directory: BorrowedFd<'_>, name: &[u8]) -> Result<libc::stat, Errno> {
    let name = std::ffi::CString::new(name).map_err(|_cause| Errno::INVAL)?;
    status_of(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Asks in the layout that the kernel has, which is what is handed on.
fn status_of(
    directory: BorrowedFd<'_>,
    name: &std::ffi::CStr,
    flags: AtFlags,
) -> Result<libc::stat, Errno> {
    // SAFETY: all of it are numbers, for which zeros are a value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the name ends with NUL, and `status` has the kernel's layout on
    // 64 bits.
    let result = unsafe {
        libc::syscall(
            libc::SYS_newfstatat,
            directory.as_raw_fd(),
            name.as_ptr(),
            &raw mut status,
            flags.bits(),
        )
    };
    if result == 0 {
        Ok(status)
    } else {
        Err(last_error())
    }
}

/// Gives the error of the call before.
pub(super) fn last_error() -> Errno {
    let code = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(code.unwrap_or(libc::EIO))
}

/// Splits the last part off a path.
fn split(path: &[u8]) -> Result<(&[u8], Vec<u8>), Errno> {
    let start = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (parent, name) = path.split_at(start);
    match name {
        b"" | b"." | b".." => Err(Errno::INVAL),
        name => Ok((parent, name.to_vec())),
    }
}

/// Reads which of its own descriptors a thread names by a path: links of
/// `/proc/self` lead elsewhere where others follow them.
fn descriptor_named(path: &[u8]) -> Option<i32> {
    match path {
        b"/dev/stdin" => return Some(0),
        b"/dev/stdout" => return Some(1),
        b"/dev/stderr" => return Some(2),
        _ => {}
    }
    let number = path
        .strip_prefix(b"/proc/self/fd/")
        .or_else(|| path.strip_prefix(b"/dev/fd/"))?;
    let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    i32::try_from(number).ok()
}

fn vector(address: u64, length: usize) -> Result<libc::iovec, Errno> {
    let address = usize::try_from(address).map_err(|_cause| Errno::FAULT)?;
    Ok(libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(address),
        iov_len: length,
    })
}

fn complete(done: libc::ssize_t, length: usize) -> Result<(), Errno> {
    match usize::try_from(done) {
        Ok(done) if done == length => Ok(()),
        Ok(_) => Err(Errno::FAULT),
        Err(_negative) => Err(last_error()),
    }
}

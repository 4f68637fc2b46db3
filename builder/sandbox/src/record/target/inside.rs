//! The one place where files of the command are opened with the rights of the
//! process beside it, which are more than the command's and end at no root.
//!
//! What is there already is opened to be named alone (`O_PATH`), from
//! directories that it can not leave; what is handed out was made by the same
//! call that opened it. All else the kernel opens for the command: nothing here
//! follows a link that others can put there meanwhile, waits for the other end
//! of a pipe, or takes a terminal.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::status;

/// How often a path is tried that others change meanwhile.
const ATTEMPTS: usize = 64;

/// What a thread that answers keeps of the rights over the command's namespace:
/// * `CHOWN`: owners change, and with them the bits that go then.
/// * `DAC_OVERRIDE`: files are found and marked whatever their permissions, as
///   the command can.
/// * `FOWNER`: marks in directories with a sticky bit.
/// * `FSETID`: new files keep the bit of their group.
/// * `SYS_PTRACE`: memory, descriptors and directories of threads that made
///   themselves unreadable, or have rights that this one has not.
const NEEDED: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SYS_PTRACE);

/// The flags of a file that is made here, besides those of [`OFlags::TMPFILE`].
const KNOWN: OFlags = OFlags::RWMODE
    .union(OFlags::APPEND)
    .union(OFlags::CLOEXEC)
    .union(OFlags::CREATE)
    .union(OFlags::DIRECT)
    .union(OFlags::DSYNC)
    .union(OFlags::EXCL)
    .union(OFlags::LARGEFILE)
    .union(OFlags::NOATIME)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::SYNC)
    .union(OFlags::TRUNC);

/// The file systems whose files are the kernel's own (linux/magic.h): what is
/// made there does something, and is nobody's.
const KERNELS: &[u32] = &[
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x1cd1,      // devpts
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0xcafe_4a11, // bpf
    0x4249_4e4d, // binfmt_misc
];

thread_local! {
    /// What this thread kept.
    static HELD: Cell<Option<CapabilitySets>> = const { Cell::new(None) };
}

/// Gives up what this thread does not need, for good.
///
/// # Errors
///
/// Fails where the kernel has no capabilities.
pub(in crate::record) fn give_up_rights() -> Result<(), Errno> {
    let had = capabilities(None)?;
    let held = CapabilitySets {
        effective: had.effective & NEEDED,
        permitted: had.permitted & NEEDED,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, held)?;
    HELD.set(Some(held));
    Ok(())
}

/// Names a file by a path that does not leave a directory; it can neither be
/// read nor written.
///
/// # Errors
///
/// Fails as openat2(2) does.
pub(super) fn name(
    base: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        result = rustix::fs::openat2(base, path, flags, Mode::empty(), resolve);
        // Something on the way was renamed.
        if !matches!(result, Err(Errno::AGAIN)) {
            break;
        }
    }
    result
}

/// Reads the flags of a file that is to be made; `None` where the kernel alone
/// knows what becomes of them. With `O_PATH` it forgets `O_CREAT`.
pub(in crate::record) fn known(flags: i32) -> Option<OFlags> {
    let flags = OFlags::from_bits_retain(flags.cast_unsigned());
    let known = match flags.contains(OFlags::TMPFILE) {
        // It has no name that could be there.
        true => KNOWN.union(OFlags::TMPFILE).difference(OFlags::CREATE),
        false => KNOWN,
    };
    known.contains(flags).then_some(flags)
}

/// Says whether files can be made in a directory that are somebody's.
pub(in crate::record) fn can_hold(directory: BorrowedFd<'_>) -> bool {
    let Ok(system) = rustix::fs::fstatfs(directory) else {
        return false;
    };
    // One that has a larger number is none of them.
    u32::try_from(system.f_type).map_or(true, |kind| !KERNELS.contains(&kind))
}

/// Makes a file and opens it. The flags are [`known`] ones.
///
/// # Errors
///
/// Fails as openat(2) does, and with `EXIST` for whatever has the name.
pub(in crate::record) fn make(
    directory: BorrowedFd<'_>,
    name: &[u8],
    (flags, mode): (OFlags, Mode),
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CREATE | OFlags::EXCL;
    open_new(directory, name, (flags, mode))
}

/// Makes a file without a name and opens it. The flags are [`known`] ones.
///
/// # Errors
///
/// Fails as openat(2) does.
pub(in crate::record) fn make_unnamed(
    directory: BorrowedFd<'_>,
    (flags, mode): (OFlags, Mode),
) -> Result<OwnedFd, Errno> {
    open_new(directory, b".", (flags | OFlags::TMPFILE, mode))
}

fn open_new(
    directory: BorrowedFd<'_>,
    name: &[u8],
    (flags, mode): (OFlags, Mode),
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let blind = Blind::new()?;
    let file = rustix::fs::openat(directory, name, flags, mode)?;
    drop(blind);
    // It is always one; everything that is handed out comes from here.
    match status(file.as_fd())?.st_mode & libc::S_IFMT {
        libc::S_IFREG => Ok(file),
        _ => Err(Errno::PERM),
    }
}

/// Is a thread that can not look into processes, as long as it lives: nothing
/// of them is ever opened for a command.
struct Blind(Option<CapabilitySets>);

impl Blind {
    fn new() -> Result<Self, Errno> {
        let held = HELD.get();
        if let Some(held) = held {
            let effective = held.effective.difference(CapabilitySet::SYS_PTRACE);
            set_capabilities(None, CapabilitySets { effective, ..held })?;
        }
        Ok(Self(held))
    }
}

impl Drop for Blind {
    fn drop(&mut self) {
        if let Some(held) = self.0 {
            // Where it fails, the calls that follow do.
            let _ = set_capabilities(None, held);
        }
    }
}

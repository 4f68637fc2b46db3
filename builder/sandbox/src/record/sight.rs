//! What a command sees of files (stat(2), statx(2)): owners and devices as
//! they are recorded.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::answer::Asked;
use super::notify::Reply;
use super::owner::{Node, Owner};
use super::records::kind;
use super::target::{Found, Last, Named};

/// What the kernel shows for owners that are nobody in the namespace.
const NOBODY: u32 = 65_534;

/// The calls that are answered here.
pub(super) const CALLS: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
];

/// Says which arguments a call has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sight {
    /// The address that the answer goes to.
    Stat(usize),
    /// Those of statx(2).
    Statx {
        /// How it is asked.
        flags: usize,
        /// What is asked.
        mask: usize,
        /// The address that the answer goes to.
        to: usize,
    },
}

/// Says what a file is. Where nothing is recorded, the kernel does.
///
/// # Errors
///
/// Fails where it can not be found; the kernel then says why.
pub(super) fn look(
    asked: &Asked<'_>,
    named: &Named,
    last: Last,
    sight: Sight,
) -> Result<Reply, Errno> {
    let found = asked.target.find(named, last)?;
    let records = &asked.desk.records;
    let owner = records.owner(asked.target, &found);
    let node = records.node(&found);
    let unmapped = found.status.st_uid == NOBODY || found.status.st_gid == NOBODY;
    if owner.is_none() && node.is_none() && !unmapped {
        return Ok(Reply::Continue);
    }
    // Whoever is nobody here is root for the command: all files of an image
    // are somebody's.
    let owner = owner.unwrap_or(Owner::ROOT);
    match sight {
        Sight::Stat(to) => {
            let mut status = found.status;
            status.st_uid = owner.user;
            status.st_gid = owner.group;
            if let Some(node) = node {
                status.st_mode = status.st_mode & !libc::S_IFMT | node.kind;
                status.st_rdev = device(node);
            }
            debug_assert_ne!(kind(&status), 0, "every file is of some kind");
            asked.still_waits()?;
            asked.target.write(asked.long(to), bytes(&status))?;
        }
        Sight::Statx { flags, mask, to } => {
            let status = more(asked, &found, [flags, mask], (owner, node))?;
            asked.still_waits()?;
            asked.target.write(asked.long(to), bytes(&status))?;
        }
    }
    Ok(Reply::Value(0))
}

/// Asks statx(2) as the command did.
fn more(
    asked: &Asked<'_>,
    found: &Found,
    [flags, mask]: [usize; 2],
    (owner, node): (Owner, Option<Node>),
) -> Result<rustix::fs::Statx, Errno> {
    let flags = AtFlags::from_bits_retain(asked.word(flags)) | AtFlags::EMPTY_PATH;
    let mask = StatxFlags::from_bits_retain(asked.word(mask));
    let mut status = rustix::fs::statx(found.file.as_fd(), "", flags, mask)?;
    status.stx_uid = owner.user;
    status.stx_gid = owner.group;
    if let Some(node) = node {
        let kind = u16::try_from(node.kind).unwrap_or(0);
        let all = u16::try_from(libc::S_IFMT).unwrap_or(u16::MAX);
        status.stx_mode = status.stx_mode & !all | kind;
        status.stx_rdev_major = node.major;
        status.stx_rdev_minor = node.minor;
    }
    Ok(status)
}

/// Spells a device as the kernel does.
fn device(node: Node) -> u64 {
    libc::makedev(node.major, node.minor)
}

/// Gives the bytes of a structure that the kernel filled.
fn bytes<T>(status: &T) -> &[u8] {
    let length = std::mem::size_of::<T>();
    // SAFETY: it is called with `stat` and `statx` alone: numbers whose sizes
    // add up to that of the structure, all of which were zeroed or written by
    // the kernel.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(status).cast(), length) }
}

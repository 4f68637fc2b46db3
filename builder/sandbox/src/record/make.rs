//! New files: they are whose who makes them, or of the group of a directory
//! that gives its own to all in it.
//!
//! Where that is root, the kernel makes them; elsewhere they are made here, in
//! the same way, as an owner can be recorded of what is there alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::answer::Asked;
use super::filter::{MAKING, UNNAMED};
use super::identity::Capability;
use super::notify::Reply;
use super::owner::{Node, Owner};
use super::records::kind;
use super::target::{Found, Last, Named, Spot, can_hold, known, status, status_at};
use super::target::{make as make_file, make_unnamed};

/// How many links are followed, as by the kernel.
const LINKS_LIMIT: usize = 40;

/// Says what is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Making {
    /// A file that is opened.
    File { flags: i32, mode: u32 },
    /// A directory.
    Directory { mode: u32 },
    /// A symbolic link with the content at an address.
    Link { content: u64 },
    /// Whatever mknod(2) makes.
    Node { mode: u32, device: u32 },
}

/// Says who made it.
#[derive(Debug)]
pub(super) enum Made {
    /// It is made.
    Done(Reply),
    /// Nobody yet.
    ByTheKernel,
}

/// Makes a file, or leaves it to the kernel.
///
/// # Errors
///
/// Fails as the kernel would.
pub(super) fn reply(asked: &Asked<'_>, named: &Named, making: Making) -> Result<Made, Errno> {
    let creates = match making {
        Making::File { flags, .. } => flags.cast_unsigned() & MAKING != 0,
        Making::Link { .. } | Making::Node { .. } => named.path.last() != Some(&b'/'),
        Making::Directory { .. } => true,
    };
    let identity = asked.identity();
    let device = match making {
        Making::Node { mode, device } => node(mode, device),
        _ => None,
    };
    let nothing = !asked.desk.records.some() && identity.owner() == Owner::ROOT;
    if !creates || (nothing && device.is_none()) {
        return Ok(Made::ByTheKernel);
    }
    if let Making::File { flags, mode } = making {
        let Some(wanted) = known(flags) else {
            return Ok(Made::ByTheKernel);
        };
        if flags & UNNAMED != 0 {
            return unnamed(asked, named, (wanted, mode), identity.owner());
        }
    }
    // Why it is not found, the kernel says.
    let Ok(spot) = asked.target.spot(named) else {
        return Ok(Made::ByTheKernel);
    };
    asked.still_waits()?;
    let owner = owner(asked, spot.directory.as_fd(), identity.owner())?;
    let there = status_at(spot.directory.as_fd(), &spot.name);
    match (making, there) {
        // An empty one may be what this made.
        (Making::File { flags, .. }, Ok(there)) if kind(&there) == libc::S_IFLNK => {
            // These do not follow it.
            match flags & (libc::O_EXCL | libc::O_NOFOLLOW) {
                0 => through_links(asked, spot, making, identity.owner()),
                _ => Ok(Made::ByTheKernel),
            }
        }
        (_, Ok(_)) => Ok(Made::ByTheKernel),
        (Making::Node { .. }, Err(_)) if device.is_some() && !identity.has(Capability::Mknod) => {
            Err(Errno::PERM)
        }
        (_, Err(Errno::NOENT)) => {
            // The record of what had the name before, or of all others.
            let link = matches!(making, Making::Link { .. } | Making::Node { .. });
            let recorded = link && asked.desk.records.owner_of_link(&spot).is_some();
            if owner == Owner::ROOT && device.is_none() && !recorded {
                return Ok(Made::ByTheKernel);
            }
            make(asked, &spot, making, owner)
        }
        (_, Err(_)) => Ok(Made::ByTheKernel),
    }
}

/// Says whose a new file in a directory is.
fn owner(asked: &Asked<'_>, directory: BorrowedFd<'_>, maker: Owner) -> Result<Owner, Errno> {
    let status = status(directory)?;
    if status.st_mode & libc::S_ISGID == 0 {
        return Ok(maker);
    }
    let file = rustix::io::dup(directory)?;
    let parent = asked
        .desk
        .records
        .owner(asked.target, &Found { file, status });
    let group = parent.unwrap_or(Owner::ROOT).group;
    Ok(Owner { group, ..maker })
}

/// Makes a file, where its name is free.
fn make(asked: &Asked<'_>, spot: &Spot, making: Making, owner: Owner) -> Result<Made, Errno> {
    let directory = spot.directory.as_fd();
    if !can_hold(directory) {
        return Ok(Made::ByTheKernel);
    }
    let _umask = Umask::of(asked)?;
    let name = spot.name.as_slice();
    let done = Ok(Made::Done(Reply::Value(0)));
    let made = match making {
        Making::File { flags, mode } => {
            let Some(wanted) = known(flags) else {
                return Ok(Made::ByTheKernel);
            };
            return match make_file(directory, name, (wanted, permissions(mode))) {
                Ok(file) => opened(asked, file, wanted, owner),
                // Somebody else was faster.
                Err(Errno::EXIST) => Ok(Made::ByTheKernel),
                Err(error) => Err(error),
            };
        }
        Making::Directory { mode } => {
            rustix::fs::mkdirat(directory, name, permissions(mode))?;
            libc::S_IFDIR
        }
        Making::Link { content } => {
            let content = asked.target.string(content)?;
            asked.still_waits()?;
            rustix::fs::symlinkat(content, directory, name)?;
            libc::S_IFLNK
        }
        Making::Node { mode, device } => {
            let node = node(mode, device);
            if node.is_some() || matches!(mode & libc::S_IFMT, 0 | libc::S_IFREG) {
                let wanted = (OFlags::WRONLY, permissions(mode));
                let file = make_file(directory, name, wanted)?;
                record(asked, file, owner, node)?;
                return done;
            }
            let kind = FileType::from_raw_mode(mode);
            rustix::fs::mknodat(directory, name, kind, permissions(mode), 0)?;
            mode & libc::S_IFMT
        }
    };
    // Another one may have its name by now, whose owner is not asked for.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty())
        && kind(&status(file.as_fd())?) == made
    {
        record(asked, file, owner, None)?;
    }
    done
}

/// Records whose an opened file is, and hands it out.
fn opened(asked: &Asked<'_>, file: OwnedFd, wanted: OFlags, owner: Owner) -> Result<Made, Errno> {
    record(asked, rustix::io::dup(&file)?, owner, None)?;
    let cloexec = wanted.contains(OFlags::CLOEXEC);
    Ok(Made::Done(Reply::Opened(file, cloexec)))
}

/// Makes the file that a symbolic link leads to, where there is none. Each
/// step is one of its own: what is made in the end has no link in its way.
fn through_links(
    asked: &Asked<'_>,
    mut spot: Spot,
    making: Making,
    maker: Owner,
) -> Result<Made, Errno> {
    for _ in 0..LINKS_LIMIT {
        // Links of the kernel lead to files, whatever they spell.
        if !can_hold(spot.directory.as_fd()) {
            break;
        }
        let Ok(next) = asked.target.next(&spot) else {
            break;
        };
        spot = next;
        match status_at(spot.directory.as_fd(), &spot.name) {
            Ok(there) if kind(&there) == libc::S_IFLNK => {}
            Err(Errno::NOENT) => {
                asked.still_waits()?;
                let owner = owner(asked, spot.directory.as_fd(), maker)?;
                if owner == Owner::ROOT {
                    break;
                }
                return make(asked, &spot, making, owner);
            }
            _ => break,
        }
    }
    Ok(Made::ByTheKernel)
}

/// Makes a file in a directory that has no name there.
fn unnamed(
    asked: &Asked<'_>,
    named: &Named,
    (wanted, mode): (OFlags, u32),
    maker: Owner,
) -> Result<Made, Errno> {
    let last = match wanted.contains(OFlags::NOFOLLOW) {
        true => Last::Itself,
        false => Last::Followed,
    };
    let Ok(directory) = asked.target.find(named, last) else {
        return Ok(Made::ByTheKernel);
    };
    let is_directory = kind(&directory.status) == libc::S_IFDIR;
    if !is_directory || !can_hold(directory.file.as_fd()) {
        return Ok(Made::ByTheKernel);
    }
    asked.still_waits()?;
    let owner = owner(asked, directory.file.as_fd(), maker)?;
    if owner == Owner::ROOT {
        return Ok(Made::ByTheKernel);
    }
    let _umask = Umask::of(asked)?;
    let file = make_unnamed(directory.file.as_fd(), (wanted, permissions(mode)))?;
    opened(asked, file, wanted, owner)
}

fn record(asked: &Asked<'_>, file: OwnedFd, owner: Owner, node: Option<Node>) -> Result<(), Errno> {
    let status = status(file.as_fd())?;
    let found = Found { file, status };
    if let Some(node) = node {
        asked.desk.records.set_node(&found, node)?;
    }
    asked.desk.records.set_owner(asked.target, &found, owner)
}

/// Reads which device mknod(2) is to make. The one that overlays mark removed
/// names with is not one, and can be made by anybody.
pub(super) fn node(mode: u32, device: u32) -> Option<Node> {
    let kind = mode & libc::S_IFMT;
    if !matches!(kind, libc::S_IFCHR | libc::S_IFBLK) || (kind == libc::S_IFCHR && device == 0) {
        return None;
    }
    Some(Node {
        kind,
        major: (device >> 8) & 0xfff,
        minor: (device & 0xff) | ((device >> 12) & 0xf_ff00),
    })
}

pub(super) fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

/// Is the mask of the thread that asks, had by this one as long as it lives.
/// This thread shares it with no other.
pub(super) struct Umask(Mode);

impl Umask {
    pub(super) fn of(asked: &Asked<'_>) -> Result<Self, Errno> {
        let mask = asked.target.state(&["Umask"])?;
        asked.still_waits()?;
        let mask = mask.first().copied().unwrap_or(0o022);
        Ok(Self(rustix::process::umask(Mode::from_raw_mode(mask))))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

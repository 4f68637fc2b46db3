//! New names: the record of a symbolic link is with its directory, and moves
//! with the name.

use std::os::fd::AsFd;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::answer::Asked;
use super::notify::Reply;
use super::owner::Owner;
use super::records::has_attributes;
use super::target::{Spot, status_at};

/// Answers the calls that rename, and `None` to others.
pub(super) fn reply(asked: &Asked<'_>, call: libc::c_long) -> Option<Result<Reply, Errno>> {
    let (from, to, flags) = match call {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => (asked.path(0), asked.path(1), 0),
        libc::SYS_renameat => (asked.path_at(0, 1), asked.path_at(2, 3), 0),
        libc::SYS_renameat2 => (asked.path_at(0, 1), asked.path_at(2, 3), asked.word(4)),
        _ => return None,
    };
    if !asked.desk.records.some() {
        return Some(Ok(Reply::Continue));
    }
    let (Ok(from), Ok(to)) = (from, to) else {
        return Some(Ok(Reply::Continue));
    };
    // What a final slash asks for, the kernel checks.
    let plain = from.path.last() != Some(&b'/') && to.path.last() != Some(&b'/');
    let (true, Ok(from), Ok(to)) = (plain, asked.target.spot(&from), asked.target.spot(&to)) else {
        return Some(Ok(Reply::Continue));
    };
    let records = &asked.desk.records;
    let is_link = |spot: &Spot| {
        let status = status_at(spot.directory.as_fd(), &spot.name);
        status.is_ok_and(|status| !has_attributes(&status))
    };
    let flags = RenameFlags::from_bits_retain(flags);
    let exchanged = flags.contains(RenameFlags::EXCHANGE) && is_link(&to);
    if !is_link(&from) && !exchanged {
        // Records of other names are nobody's.
        return Some(Ok(Reply::Continue));
    }
    let of_from = records.owner_of_link(&from);
    let of_to = records.owner_of_link(&to);
    if of_from.is_none() && of_to.is_none() {
        return Some(Ok(Reply::Continue));
    }
    let rename = || {
        asked.still_waits()?;
        let directories = (from.directory.as_fd(), to.directory.as_fd());
        let (old, new) = (from.name.as_slice(), to.name.as_slice());
        rustix::fs::renameat_with(directories.0, old, directories.1, new, flags)?;
        records.set_link(&from, exchanged.then(|| of_to.unwrap_or(Owner::ROOT)))?;
        records.set_link(&to, Some(of_from.unwrap_or(Owner::ROOT)))?;
        Ok(Reply::Value(0))
    };
    Some(rename())
}

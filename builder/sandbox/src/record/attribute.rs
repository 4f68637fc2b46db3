//! The attributes that records are kept in: commands neither see them nor
//! change them, so that a copy with all attributes does not take an owner
//! along.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::answer::Asked;
use super::notify::Reply;
use super::records::PREFIX;
use super::target::{Last, Named, descriptor_path};

/// The longest list of names that the kernel has.
const LIST_LIMIT: usize = 65_536;

/// Answers the calls of attributes, and `None` to others.
pub(super) fn reply(asked: &Asked<'_>, call: libc::c_long) -> Option<Result<Reply, Errno>> {
    Some(match call {
        libc::SYS_setxattr | libc::SYS_lsetxattr | libc::SYS_fsetxattr => {
            refused(asked, Errno::PERM)
        }
        libc::SYS_removexattr | libc::SYS_lremovexattr | libc::SYS_fremovexattr => {
            refused(asked, Errno::NODATA)
        }
        libc::SYS_listxattr => asked
            .path(0)
            .and_then(|named| list(asked, &named, Last::Followed)),
        libc::SYS_llistxattr => asked
            .path(0)
            .and_then(|named| list(asked, &named, Last::Itself)),
        libc::SYS_flistxattr => list(asked, &asked.open_file(0), Last::Itself),
        _ => return None,
    })
}

fn refused(asked: &Asked<'_>, error: Errno) -> Result<Reply, Errno> {
    let name = asked.target.string(asked.long(1))?;
    Ok(if name.starts_with(PREFIX) {
        Reply::Failure(error)
    } else {
        Reply::Continue
    })
}

/// Lists the names without those of records.
fn list(asked: &Asked<'_>, named: &Named, last: Last) -> Result<Reply, Errno> {
    if !asked.desk.records.some() {
        return Ok(Reply::Continue);
    }
    let found = asked.target.find(named, last)?;
    let mut names = vec![0_u8; LIST_LIMIT];
    let length = rustix::fs::listxattr(descriptor_path(found.file.as_fd()), names.as_mut_slice())?;
    names.truncate(length);
    let shown: Vec<u8> = names
        .split_inclusive(|byte| *byte == 0)
        .filter(|name| !name.starts_with(PREFIX))
        .flatten()
        .copied()
        .collect();
    if shown.len() == names.len() {
        return Ok(Reply::Continue);
    }
    let room = usize::try_from(asked.long(2)).unwrap_or(usize::MAX);
    if room != 0 {
        if room < shown.len() {
            return Ok(Reply::Failure(Errno::RANGE));
        }
        asked.still_waits()?;
        asked.target.write(asked.long(1), &shown)?;
    }
    Ok(Reply::Value(i64::try_from(shown.len()).unwrap_or(0)))
}

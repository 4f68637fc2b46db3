//! Changes of owners (chown(2)).

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Gid, Uid};
use rustix::io::Errno;

use super::answer::Asked;
use super::identity::KEPT;
use super::notify::Reply;
use super::owner::Owner;
use super::target::{Last, Named};

/// Changes whose a file is; `numbers` are the arguments with the user and the
/// group.
///
/// # Errors
///
/// Fails as the kernel does it for the user that the thread believes to be.
pub(super) fn change(
    (asked, named, last): (&Asked<'_>, Named, Last),
    numbers: [usize; 2],
) -> Result<Reply, Errno> {
    let found = asked.target.find(&named, last)?;
    asked.still_waits()?;
    let [user, group] = numbers.map(|index| asked.word(index));
    let records = &asked.desk.records;
    let before = records.owner(asked.target, &found).unwrap_or(Owner::ROOT);
    let after = Owner {
        user: if user == KEPT { before.user } else { user },
        group: if group == KEPT { before.group } else { group },
    };
    if !asked.identity().may_change(before, after) {
        return Err(Errno::PERM);
    }
    // What else a change does (the bits and capabilities that it takes away,
    // the file systems that refuse it), the kernel does.
    let user = (user != KEPT).then_some(Uid::ROOT);
    let group = (group != KEPT).then_some(Gid::ROOT);
    rustix::fs::chownat(found.file.as_fd(), "", user, group, AtFlags::EMPTY_PATH)?;
    if after != before {
        records.set_owner(asked.target, &found, after)?;
    }
    Ok(Reply::Value(0))
}

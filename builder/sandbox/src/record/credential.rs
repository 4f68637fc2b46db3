//! Who a thread is, and becomes, as it asks for it (credentials(7)).

use rustix::io::Errno;

use super::answer::Asked;
use super::identity::{Capability, GROUPS_LIMIT, Identity, Numbers};
use super::notify::Reply;
use super::owner::Owner;
use super::records::{kind, lock};
use super::target::Last;

/// Answers the calls of credentials, and `None` to others.
pub(super) fn reply(asked: &Asked<'_>, call: libc::c_long) -> Option<Result<Reply, Errno>> {
    match call {
        // What it gives up here, the kernel's it keeps.
        libc::SYS_capset => return Some(set_capabilities(asked)),
        libc::SYS_prctl => {
            let mut identity = Identity::clone(&asked.identity());
            identity.keeps = asked.long(1) == 1;
            lock(&asked.desk.family).change(asked.target, identity);
        }
        libc::SYS_exit_group => lock(&asked.desk.family).end(asked.target),
        libc::SYS_execve | libc::SYS_execveat => {
            // Why it can not be found, the kernel says.
            let _ = started(asked, call);
        }
        _ => return told(asked, call).or_else(|| changed(asked, call)),
    }
    Some(Ok(Reply::Continue))
}

/// Answers the calls that ask.
fn told(asked: &Asked<'_>, call: libc::c_long) -> Option<Result<Reply, Errno>> {
    let number: fn(&Identity) -> u32 = match call {
        libc::SYS_getuid => |identity| identity.user.real,
        libc::SYS_geteuid => |identity| identity.user.effective,
        libc::SYS_getgid => |identity| identity.group.real,
        libc::SYS_getegid => |identity| identity.group.effective,
        libc::SYS_getresuid => return Some(three(asked, asked.identity().user)),
        libc::SYS_getresgid => return Some(three(asked, asked.identity().group)),
        libc::SYS_getgroups => return Some(groups(asked)),
        _ => return None,
    };
    Some(Ok(Reply::Value(i64::from(number(&asked.identity())))))
}

/// Writes three numbers, each to an address of its own.
fn three(asked: &Asked<'_>, numbers: Numbers) -> Result<Reply, Errno> {
    asked.still_waits()?;
    let three = [numbers.real, numbers.effective, numbers.saved];
    for (index, number) in three.into_iter().enumerate() {
        asked
            .target
            .write(asked.long(index), &number.to_ne_bytes())?;
    }
    Ok(Reply::Value(0))
}

/// Does getgroups(2).
fn groups(asked: &Asked<'_>) -> Result<Reply, Errno> {
    let identity = asked.identity();
    let room = usize::try_from(asked.signed(0)).map_err(|_negative| Errno::INVAL)?;
    let count = identity.groups.len();
    if room != 0 {
        if room < count {
            return Err(Errno::INVAL);
        }
        let bytes: Vec<u8> = identity
            .groups
            .iter()
            .flat_map(|group| group.to_ne_bytes())
            .collect();
        asked.still_waits()?;
        asked.target.write(asked.long(1), &bytes)?;
    }
    Ok(Reply::Value(i64::try_from(count).unwrap_or(0)))
}

/// Answers the calls that change.
fn changed(asked: &Asked<'_>, call: libc::c_long) -> Option<Result<Reply, Errno>> {
    let before = asked.identity();
    let mut identity = Identity::clone(&before);
    let users = before.has(Capability::Setuid);
    let groups = before.has(Capability::Setgid);
    let words = [asked.word(0), asked.word(1), asked.word(2)];
    let [first, second, _] = words;
    let mut value = 0;
    let (user, group) = (&mut identity.user, &mut identity.group);
    let result = match call {
        libc::SYS_setuid => user.set(first, groups),
        libc::SYS_setgid => group.set(first, groups),
        libc::SYS_setreuid => user.set_two(first, second, groups),
        libc::SYS_setregid => group.set_two(first, second, groups),
        libc::SYS_setresuid => user.set_three(words, groups),
        libc::SYS_setresgid => group.set_three(words, groups),
        libc::SYS_setfsuid => {
            value = user.set_files(first, users);
            Ok(())
        }
        libc::SYS_setfsgid => {
            value = group.set_files(first, groups);
            Ok(())
        }
        libc::SYS_setgroups => set_groups(asked, &mut identity),
        _ => return None,
    };
    let result = result.and_then(|()| asked.still_waits());
    identity.follow(&before);
    Some(result.map(|()| {
        lock(&asked.desk.family).change(asked.target, identity);
        Reply::Value(i64::from(value))
    }))
}

/// Does setgroups(2).
fn set_groups(asked: &Asked<'_>, identity: &mut Identity) -> Result<(), Errno> {
    let count = usize::try_from(asked.word(0)).map_err(|_cause| Errno::INVAL)?;
    if !identity.has(Capability::Setgid) {
        return Err(Errno::PERM);
    }
    if count > GROUPS_LIMIT {
        return Err(Errno::INVAL);
    }
    identity.set_groups(asked.target.numbers(asked.long(1), count)?)
}

/// Does capset(2).
fn set_capabilities(asked: &Asked<'_>) -> Result<Reply, Errno> {
    let header = asked.target.numbers(asked.long(0), 2)?;
    // The versions differ in how long the sets are.
    let words = match header.first() {
        Some(0x1998_0330) => 1,
        Some(0x2007_1026 | 0x2008_0522) => 2,
        _ => return Ok(Reply::Continue),
    };
    let sets = asked.target.numbers(asked.long(1), 3 * words)?;
    let set = |index: usize| {
        let word = |at: usize| u64::from(sets.get(at).copied().unwrap_or(0));
        word(index) | if words == 2 { word(index + 3) << 32 } else { 0 }
    };
    let mut identity = Identity::clone(&asked.identity());
    identity.set_capabilities(set(1), set(0))?;
    asked.still_waits()?;
    lock(&asked.desk.family).change(asked.target, identity);
    Ok(Reply::Value(0))
}

/// Notes who a thread is once it runs a program that has an owner's rights
/// (set-user-ID).
fn started(asked: &Asked<'_>, call: libc::c_long) -> Result<(), Errno> {
    let before = asked.identity();
    let mut identity = Identity::clone(&before);
    let (named, last) = if call == libc::SYS_execve {
        (asked.path(0)?, Last::Followed)
    } else {
        asked.flagged([0, 1, 4])?
    };
    let found = asked.target.find(&named, last)?;
    let mode = found.status.st_mode;
    let owner = || {
        let recorded = asked.desk.records.owner(asked.target, &found);
        recorded.unwrap_or(Owner::ROOT)
    };
    if kind(&found.status) == libc::S_IFREG {
        if mode & libc::S_ISUID != 0 {
            identity.user.effective = owner().user;
        }
        // Without the right to run it, the bit means something else.
        if mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0 {
            identity.group.effective = owner().group;
        }
    }
    identity.start();
    if identity == *before {
        return Ok(());
    }
    asked.still_waits()?;
    let program = (found.status.st_dev, found.status.st_ino);
    lock(&asked.desk.family).expect(asked.target, program, identity);
    Ok(())
}

//! Devices where users are real ones: in a user namespace with many numbers the
//! kernel refuses devices alone.
//!
//! They are recorded for whoever may make them anywhere in its namespace; to
//! all others the kernel says no. They are not shown: every stat(2) of a
//! command would have to wait for an answer, for the few that make a device and
//! look at it. Until the step ends it is an empty file to its command.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::answer::Asked;
use super::identity::Capability;
use super::make::{Making, Umask, node, permissions};
use super::notify::Reply;
use super::owner::Owner;
use super::target::{Found, Target, can_hold, make as make_file, status, status_at};

/// How much is read of what the kernel says of a thread.
const STATUS_LIMIT: usize = 65_536;

/// Answers the calls that make devices.
///
/// # Errors
///
/// Fails as the kernel would.
pub(super) fn reply(asked: &Asked<'_>, call: libc::c_long) -> Result<Reply, Errno> {
    let Some(Ok((named, Making::Node { mode, device }))) = asked.making(call) else {
        return Ok(Reply::Continue);
    };
    let Some(node) = node(mode, device).filter(|_| named.path.last() != Some(&b'/')) else {
        return Ok(Reply::Continue);
    };
    let (Some(maker), Ok(spot)) = (asked.target.maker(), asked.target.spot(&named)) else {
        return Ok(Reply::Continue);
    };
    let directory = spot.directory.as_fd();
    let is_free = matches!(status_at(directory, &spot.name), Err(Errno::NOENT));
    if !is_free || !can_hold(directory) {
        return Ok(Reply::Continue);
    }
    // The kernel gives the group of such a directory.
    let is_inherited = status(directory)?.st_mode & libc::S_ISGID != 0;
    let _umask = Umask::of(asked)?;
    let name = spot.name.as_slice();
    let file = make_file(directory, name, (OFlags::WRONLY, permissions(mode)))?;
    let status = status(file.as_fd())?;
    let found = Found { file, status };
    let user = (maker.user != 0).then(|| Uid::from_raw(maker.user));
    let group = (maker.group != 0 && !is_inherited).then(|| Gid::from_raw(maker.group));
    let recorded = asked.desk.records.set_node(&found, node);
    let recorded = recorded.and_then(|()| rustix::fs::fchown(&found.file, user, group));
    if let Err(errno) = recorded {
        // What is no device is nothing that was asked for.
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        return Err(match errno {
            Errno::NOTSUP => Errno::PERM,
            errno => errno,
        });
    }
    Ok(Reply::Value(0))
}

impl Target<'_> {
    /// Gives whose the files are that a thread makes; `None` where it may not
    /// make devices, or not anywhere.
    fn maker(&self) -> Option<Owner> {
        // In a namespace of its own, anybody has capabilities.
        let namespace = |whose: &str| {
            let path = format!("{whose}/ns/user");
            let status = rustix::fs::statat(self.proc, path, AtFlags::empty()).ok()?;
            Some((status.st_dev, status.st_ino))
        };
        if namespace("self")? != namespace(&self.thread.to_string())? {
            return None;
        }
        let text = self.status_text()?;
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
        };
        let effective = u64::from_str_radix(field("CapEff")?, 16).ok()?;
        let has = |capability: Capability| effective & 1 << capability as u32 != 0;
        if !has(Capability::Mknod) || !has(Capability::Override) {
            return None;
        }
        // Real, effective, saved, and the one that files know.
        let number = |name| field(name)?.split('\t').nth(3)?.parse().ok();
        Some(Owner {
            user: number("Uid")?,
            group: number("Gid")?,
        })
    }

    /// Reads what the kernel says of a thread.
    fn status_text(&self) -> Option<String> {
        let path = format!("{}/status", self.thread);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.proc, path, flags, Mode::empty()).ok()?;
        let mut text = Vec::new();
        let mut chunk = [0_u8; 4096];
        while let Ok(length) = rustix::io::read(&file, &mut chunk)
            && length > 0
            && text.len() < STATUS_LIMIT
        {
            text.extend(chunk.iter().take(length));
        }
        // The name of its program may be anything.
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

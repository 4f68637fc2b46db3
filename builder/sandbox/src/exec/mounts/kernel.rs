//! What the kernel says of itself: `/proc` and `/sys`, but for what is the
//! machine's own business. What is hidden in a file has the command's
//! `/dev/null` in its place, which is made before.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::bare;
use crate::error::Error;
use crate::exec::inside::{attach, copy, copy_path, create, failed, find};
use crate::exec::restrict::{HARMLESS, attach_with};
use crate::exec::{Kept, Network};

/// What is hidden, as container runtimes do: keys, memory and timers of the
/// machine, and the controls of its hardware.
pub(crate) const HIDDEN: [&[u8]; 12] = [
    b"/proc/acpi",
    b"/proc/asound",
    b"/proc/interrupts",
    b"/proc/kcore",
    b"/proc/keys",
    b"/proc/latency_stats",
    b"/proc/sched_debug",
    b"/proc/scsi",
    b"/proc/timer_list",
    b"/proc/timer_stats",
    b"/sys/devices/virtual/powercap",
    b"/sys/firmware",
];

/// Where the network is shown that a file system was mounted in.
const WORKERS_NETWORK: &[u8] = b"/sys/class/net";

/// What can be read alone.
pub(crate) const READ_ONLY: [&[u8]; 5] = [
    b"/proc/bus",
    b"/proc/fs",
    b"/proc/irq",
    b"/proc/sys",
    b"/proc/sysrq-trigger",
];

/// The one file system mounted below `/sys` that programs look at: by how much
/// there is of processors and memory, they take their share.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

const NO_PROGRAMS: MountAttrFlags = HARMLESS.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Mounts `/proc`: the command's own, or where the kernel refuses that because
/// parts of the worker's are hidden, the worker's with the same parts hidden.
pub(super) fn proc(root: &OwnedFd, kept: Kept) -> Result<(), Error> {
    let path: &[u8] = b"/proc";
    let target = find(root, path).map_err(failed("cannot mount onto", path))?;
    let (tree, own) = match create("proc", &[("source", "proc")], NO_PROGRAMS) {
        Ok(tree) => (tree, true),
        Err(Errno::PERM | Errno::ACCESS) => {
            let copied = copy_path(Path::new("/proc"));
            (copied.map_err(failed("cannot mount onto", path))?, false)
        }
        Err(source) => return Err(failed("cannot mount onto", path)(source)),
    };
    attach(tree, &target).map_err(failed("cannot mount onto", path))?;
    if bare(kept) {
        return Ok(());
    }
    for path in HIDDEN.into_iter().filter(|path| path.starts_with(b"/proc")) {
        hide(root, path)?;
    }
    for path in READ_ONLY {
        match protect(root, path) {
            // What the worker has of it, it has from its own runtime.
            Err(_) if !own => {}
            done => done?,
        }
    }
    Ok(())
}

/// Mounts `/sys`: of the command's own network where it has one, else the
/// worker's.
pub(super) fn sys(root: &OwnedFd, network: Network, kept: Kept) -> Result<(), Error> {
    let path: &[u8] = b"/sys";
    let target = find(root, path).map_err(failed("cannot mount onto", path))?;
    let mut attributes = NO_PROGRAMS;
    if !bare(kept) {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    let own = match network {
        Network::None => create("sysfs", &[("source", "sysfs")], attributes),
        Network::Host => Err(Errno::PERM),
    };
    let (tree, bound) = match own {
        Err(Errno::PERM | Errno::ACCESS) => (workers(), true),
        made => (made, false),
    };
    tree.and_then(|tree| attach_with(tree, &target, attributes))
        .map_err(failed("cannot mount onto", path))?;
    if bound {
        control_groups(root, attributes)?;
    }
    if bound && network == Network::None {
        // It is of the worker's network, whoever reads it.
        hide(root, WORKERS_NETWORK)?;
    }
    if bare(kept) {
        return Ok(());
    }
    let mut hidden = HIDDEN.into_iter().filter(|path| path.starts_with(b"/sys"));
    hidden.try_for_each(|path| hide(root, path))
}

/// Takes a copy of the worker's `/sys`. What the machine has mounted below, as
/// to trace and configure its kernel, stays behind.
fn workers() -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    match open_tree(CWD, "/sys", flags) {
        // In a user namespace nothing can be seen without what lies on it; nor
        // can anything be read there that the user could not read before.
        Err(Errno::INVAL) => copy_path(Path::new("/sys")),
        taken => taken,
    }
}

/// Mounts the control groups of the worker, where it has any and they did not
/// come along.
fn control_groups(root: &OwnedFd, attributes: MountAttrFlags) -> Result<(), Error> {
    let path = CONTROL_GROUPS.as_bytes();
    let failure = |source| failed("cannot mount onto", path)(source);
    let target = match find(root, path) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(failure)?,
    };
    let kind = |found: Result<rustix::fs::StatFs, Errno>| found.map(|found| found.f_type);
    let there = kind(rustix::fs::fstatfs(&target)).map_err(failure)?;
    match kind(rustix::fs::statfs(CONTROL_GROUPS)) {
        Ok(workers) if workers != there => {}
        _ => return Ok(()),
    }
    copy_path(Path::new(CONTROL_GROUPS))
        .and_then(|tree| attach_with(tree, &target, attributes))
        .map_err(failure)
}

/// Puts nothing in the place of what is at a path.
fn hide(root: &OwnedFd, path: &[u8]) -> Result<(), Error> {
    let target = match find(root, path) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(failed("cannot hide", path))?,
    };
    let empty = rustix::fs::fstat(&target).and_then(|found| {
        match FileType::from_raw_mode(found.st_mode).is_dir() {
            true => create(
                "tmpfs",
                &[("source", "tmpfs"), ("size", "0"), ("nr_inodes", "1")],
                NO_PROGRAMS | MountAttrFlags::MOUNT_ATTR_RDONLY,
            ),
            false => find(root, b"/dev/null").and_then(|null| copy(null, b"")),
        }
    });
    // Other than what it is a copy of, it stays as it is.
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    empty
        .and_then(|empty| attach_with(empty, &target, attributes))
        .map_err(failed("cannot hide", path))
}

/// Makes what is at a path one that can not be written.
fn protect(root: &OwnedFd, path: &[u8]) -> Result<(), Error> {
    let target = match find(root, path) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(failed("cannot protect", path))?,
    };
    copy(&target, b"")
        .and_then(|tree| {
            let attributes = NO_PROGRAMS | MountAttrFlags::MOUNT_ATTR_RDONLY;
            attach_with(tree, &target, attributes)
        })
        .map_err(failed("cannot protect", path))
}

//! `/dev`: a few devices that are no hardware, terminals, shared memory. Each
//! device is a mount: in what a command can write to, none can be opened. They
//! are the command's own, or where none can be made the worker's, of which
//! neither mode, owner nor time can be changed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::make_file;
use crate::error::Error;
use crate::exec::inside::{attach, copy, copy_path, create, failed, find};
use crate::exec::restrict::{HARMLESS, attach_with, restrict};

/// The devices: a name, and both numbers.
pub(in crate::exec) const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// The links: a name, and where it leads.
pub(in crate::exec) const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// How much shared memory there may be, as container engines have it.
const SHARED_MEMORY: &str = "64m";

/// What a mount of a device may not be used for.
const NO_FILE: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Mounts `/dev` and what is in it.
pub(crate) fn make(root: &OwnedFd) -> Result<(), Error> {
    let path: &[u8] = b"/dev";
    let options = [("source", "tmpfs"), ("mode", "755"), ("size", "65536k")];
    let target = find(root, path).map_err(failed("cannot mount onto", path))?;
    let directory = create("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)
        .and_then(|tree| attach(&tree, &target).map(|()| tree))
        .map_err(failed("cannot mount onto", path))?;
    let mut devices = Vec::new();
    for (name, major, minor) in DEVICES {
        let device = device(&directory, name, makedev(major, minor))
            .map_err(failed("cannot make", name.as_bytes()))?;
        devices.push((name, device));
    }
    // The copies of it that were taken above still hold devices.
    restrict(&directory, HARMLESS).map_err(failed("cannot mount onto", path))?;
    for (name, (tree, attributes)) in devices {
        find(&directory, name.as_bytes())
            .and_then(|target| attach_with(tree, target, attributes))
            .map_err(failed("cannot mount onto", name.as_bytes()))?;
    }
    for (name, to) in LINKS {
        symlinkat(to, &directory, name).map_err(failed("cannot make", name.as_bytes()))?;
    }
    symlinkat("pts/ptmx", &directory, "ptmx").map_err(failed("cannot make", b"/dev/ptmx"))?;
    terminals(&directory).map_err(failed("cannot mount onto", b"/dev/pts"))?;
    let shared = [("source", "shm"), ("mode", "1777"), ("size", SHARED_MEMORY)];
    below(&directory, "shm", "tmpfs", &shared).map_err(failed("cannot mount onto", b"/dev/shm"))?;
    match below(&directory, "mqueue", "mqueue", &[("source", "mqueue")]) {
        // Not every kernel has queues.
        Ok(()) | Err(Errno::NODEV) => Ok(()),
        Err(source) => Err(failed("cannot mount onto", b"/dev/mqueue")(source)),
    }
}

/// Opens the device of a root that commands read from: at its end, always.
pub(super) fn no_input(root: &OwnedFd) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // The directories are this module's own, without links.
    find(root, b"/dev")
        .and_then(|directory| openat(directory, "null", flags, Mode::empty()))
        .map_err(failed("cannot open", b"/dev/null"))
}

/// Takes a device for a mount, with what that has to be restricted to, and
/// makes what it is mounted onto.
fn device(
    directory: &OwnedFd,
    name: &str,
    numbers: u64,
) -> Result<(OwnedFd, MountAttrFlags), Errno> {
    match node(directory, name, numbers) {
        Ok(()) => copy(directory, name.as_bytes()).map(|tree| (tree, NO_FILE)),
        // In user namespaces, and where a container or a filter refuses it.
        Err(Errno::PERM | Errno::ACCESS) => {
            make_file(directory, name.as_bytes())?;
            let tree = copy_path(&Path::new("/dev").join(name))?;
            Ok((tree, NO_FILE | MountAttrFlags::MOUNT_ATTR_RDONLY))
        }
        Err(source) => Err(source),
    }
}

/// Makes a device that can be opened, or nothing.
fn node(directory: &OwnedFd, name: &str, numbers: u64) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(directory, name, FileType::CharacterDevice, mode, numbers)?;
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(refused @ (Errno::PERM | Errno::ACCESS)) => {
            unlinkat(directory, name, AtFlags::empty())?;
            Err(refused)
        }
        // That of terminals is no use to whoever has none.
        _ => Ok(()),
    }
}

/// Mounts terminals of the command's own. The group of terminals is 5 in
/// images; where that is nobody, there is none.
fn terminals(directory: &OwnedFd) -> Result<(), Errno> {
    let options = [
        ("source", "devpts"),
        ("newinstance", ""),
        ("ptmxmode", "0666"),
        ("mode", "0620"),
        ("gid", "5"),
    ];
    let all = options.len();
    match below(directory, "pts", "devpts", &options) {
        Err(Errno::INVAL) => {
            let without = options.get(..all.saturating_sub(1)).unwrap_or_default();
            below(directory, "pts", "devpts", without)
        }
        done => done,
    }
}

fn below(
    directory: &OwnedFd,
    name: &str,
    kind: &str,
    options: &[(&str, &str)],
) -> Result<(), Errno> {
    match mkdirat(directory.as_fd(), name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(source) => return Err(source),
    }
    let mut attributes = NO_FILE;
    if kind != "devpts" {
        attributes |= HARMLESS;
    }
    attach(
        create(kind, options, attributes)?,
        find(directory, name.as_bytes())?,
    )
}

//! `/dev`: a few devices that are no hardware, terminals, shared memory. The
//! devices are the worker's, each a mount: in what a command can write to,
//! none can be opened.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, mkdirat, symlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::make_file;
use crate::error::Error;
use crate::exec::inside::{attach, copy_path, create, failed, find};
use crate::exec::restrict::HARMLESS;

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

/// Mounts `/dev` and what is in it.
pub(crate) fn make(root: &OwnedFd) -> Result<(), Error> {
    let path: &[u8] = b"/dev";
    let options = [("source", "tmpfs"), ("mode", "755"), ("size", "65536k")];
    let target = find(root, path).map_err(failed("cannot mount onto", path))?;
    let directory = create("tmpfs", &options, HARMLESS)
        .and_then(|tree| attach(&tree, &target).map(|()| tree))
        .map_err(failed("cannot mount onto", path))?;
    for (name, ..) in DEVICES {
        device(&directory, name).map_err(failed("cannot make", name.as_bytes()))?;
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

/// Shows a device of the worker.
fn device(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    make_file(directory, name.as_bytes())?;
    let tree = copy_path(&Path::new("/dev").join(name))?;
    attach(tree, find(directory, name.as_bytes())?)
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
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    if kind != "devpts" {
        attributes |= HARMLESS;
    }
    attach(
        create(kind, options, attributes)?,
        find(directory, name.as_bytes())?,
    )
}

//! Places in the root of a command, found without ever following a link, and
//! mounts made there through descriptors: no name is looked up twice.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::error::Error;

/// Opens what is at a path of the root, to name it and nothing else.
pub(super) fn find(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

/// Does as [`find`], and makes the directories that are missing. It is for
/// file systems that are thrown away: `/dev`, and tmpfs.
pub(super) fn make_directory(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut here = find(root.as_fd(), b"/")?;
    let names = path.split(|&byte| byte == b'/');
    for name in names.filter(|name| !name.is_empty()) {
        match mkdirat(&here, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(source),
        }
        here = find(&here, name)?;
    }
    Ok(here)
}

/// Makes a file system that is mounted nowhere yet. An option without a value
/// is a flag.
pub(super) fn create(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        match value.is_empty() {
            true => fsconfig_set_flag(&context, *key)?,
            false => fsconfig_set_string(&context, *key, *value)?,
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Takes a copy of what is mounted at a path, with all that is mounted below.
pub(super) fn copy(place: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    // The kernel's name is that of `openat`; the other flags are its own.
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    open_tree(place, path, flags)
}

/// Takes a copy of what is mounted at a path of this process, with all that is
/// mounted below. Where the path ends in a link, that is it.
pub(super) fn copy_path(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}

/// Mounts what is mounted nowhere yet onto something.
pub(super) fn attach(tree: impl AsFd, target: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags)
}

/// Gives the error of the last system call that was not made through rustix.
pub(super) fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Says what failed, at which path of the root.
pub(super) fn failed(what: &str, path: &[u8]) -> impl FnOnce(Errno) -> Error {
    let context = format!("{what} `{}`", String::from_utf8_lossy(path));
    move |source| Error::system(context, source)
}

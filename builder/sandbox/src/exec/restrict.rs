//! Mounts of what is mounted elsewhere, with less allowed: by mount_setattr(2),
//! or where the kernel is older than Linux 5.12, or a filter does not know the
//! call, by mount(2).

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags};

use crate::exec::inside::{attach, last};

/// What mounts may hold that come from elsewhere.
pub(super) const HARMLESS: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Mounts what is mounted nowhere yet onto something, with all that is mounted
/// below, and restricts all of it.
pub(super) fn attach_with(
    tree: impl AsFd,
    target: impl AsFd,
    attributes: MountAttrFlags,
) -> Result<(), Errno> {
    let tree = tree.as_fd();
    match set(tree, attributes) {
        Ok(()) => attach(tree, target),
        Err(Errno::NOSYS | Errno::PERM) => {
            attach(tree, target)?;
            remount(tree, attributes)
        }
        Err(source) => Err(source),
    }
}

/// Restricts what is mounted somewhere already, and all below it.
pub(super) fn restrict(mount: impl AsFd, attributes: MountAttrFlags) -> Result<(), Errno> {
    let mount = mount.as_fd();
    match set(mount, attributes) {
        Err(Errno::NOSYS | Errno::PERM) => remount(mount, attributes),
        done => done,
    }
}

/// As in mount_setattr(2).
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// Sets attributes of a mount and of all below it.
fn set(tree: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<(), Errno> {
    let wanted = Attributes {
        set: u64::from(attributes.bits()),
        clear: 0,
        propagation: 0,
        namespace: 0,
    };
    // SAFETY: the path is an empty string that ends with NUL, and the size is
    // that of the structure, which lives until the call returns.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<Attributes>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(last()),
    }
}

/// Does the same, one mount at a time, by their paths. Nothing of the command
/// runs yet that could change where these lead.
fn remount(tree: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<(), Errno> {
    let top = rustix::fs::readlink(format!("/proc/self/fd/{}", tree.as_raw_fd()), Vec::new())?;
    let top = PathBuf::from(OsString::from_vec(top.into_bytes()));
    let mounts = fs_err::read("/proc/self/mountinfo")
        .map_err(|source| Errno::from_io_error(&source).unwrap_or(Errno::IO))?;
    let points = mounts.split(|&byte| byte == b'\n').filter_map(point);
    for point in points.filter(|point| point.starts_with(&top)) {
        let there = rustix::fs::statvfs(&point)?.f_flag;
        let mut flags = MountFlags::BIND;
        // What is restricted already may have to stay so.
        for (attribute, found, flag) in [
            (
                MountAttrFlags::MOUNT_ATTR_RDONLY,
                StatVfsMountFlags::RDONLY,
                MountFlags::RDONLY,
            ),
            (
                MountAttrFlags::MOUNT_ATTR_NOSUID,
                StatVfsMountFlags::NOSUID,
                MountFlags::NOSUID,
            ),
            (
                MountAttrFlags::MOUNT_ATTR_NODEV,
                StatVfsMountFlags::NODEV,
                MountFlags::NODEV,
            ),
            (
                MountAttrFlags::MOUNT_ATTR_NOEXEC,
                StatVfsMountFlags::NOEXEC,
                MountFlags::NOEXEC,
            ),
        ] {
            if attributes.contains(attribute) || there.contains(found) {
                flags |= flag;
            }
        }
        rustix::mount::mount_remount(&point, flags, "")?;
    }
    Ok(())
}

/// Reads where something is mounted out of a line of `mountinfo` of proc(5).
fn point(line: &[u8]) -> Option<PathBuf> {
    let escaped = line.split(|&byte| byte == b' ').nth(4)?;
    let mut path = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| behind.get(..3)).flatten();
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(meant) => {
                path.push(meant);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                path.push(byte);
                rest = behind;
            }
        }
    }
    Some(Path::new(std::ffi::OsStr::from_bytes(&path)).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names() {
        let line = b"36 35 98:0 /a /mnt\\040two\\134x rw - ext3 /dev/root rw";
        let read = point(line);
        assert_eq!(read, Some(PathBuf::from("/mnt two\\x")));
        assert_eq!(point(b"36 35"), None);
        assert_eq!(point(b"1 2 3 4 /end\\04"), Some(PathBuf::from("/end\\04")));
    }
}

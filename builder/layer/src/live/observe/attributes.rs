//! Reads extended attributes, of whatever has some, without opening it: a
//! device that is opened may do something.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::Error;
use crate::live::observe::walk::Visit;

/// The longest list of names, and the longest value, as the kernel has them.
const LIMIT: usize = 64 * 1024;
/// What most lists and values fit in.
const SHORT: usize = 1024;

/// What names of attributes of overlayfs and of our own begin with.
const FOREIGN: [&[u8]; 3] = [b"trusted.overlay.", b"user.overlay.", b"user.wharf."];

pub(super) type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Says whether layers have such an attribute of files that commands made.
pub(in crate::live) fn is_kept(name: &[u8]) -> bool {
    if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
        return false;
    }
    name == CAPABILITY
        || name.starts_with(b"user.")
        || name.starts_with(TRUSTED)
        || name.starts_with(b"system.posix_acl_")
}

pub(in crate::live) const CAPABILITY: &[u8] = b"security.capability";
pub(in crate::live) const TRUSTED: &[u8] = b"trusted.";

/// Reads all that may be read.
pub(super) fn read(directory: &Directory, visit: &Visit) -> Result<Attributes, Error> {
    let failed = |errno| directory.failed("read the attributes of", &visit.path, errno);
    // There is no call that takes a directory and a name, but this is one.
    let mut path = format!("/proc/self/fd/{}/", visit.parent.as_raw_fd()).into_bytes();
    path.extend_from_slice(visit.name().as_bytes());
    let path = OsStr::from_bytes(&path);
    let listed = buffered(|buffer| rustix::fs::llistxattr(path, buffer));
    match listed {
        Ok(list) => collect(&list, |name| {
            buffered(|buffer| rustix::fs::lgetxattr(path, name, buffer))
        })
        .map_err(failed),
        Err(Errno::NOTSUP) => Ok(Attributes::new()),
        // There is no `/proc`.
        Err(Errno::NOENT | Errno::NOTDIR) => opened(directory, visit).map_err(failed),
        Err(errno) => Err(failed(errno)),
    }
}

/// Reads them by an open file; what is neither a file nor a directory seems to
/// have none.
fn opened(directory: &Directory, visit: &Visit) -> Result<Attributes, Errno> {
    use rustix::fs::FileType::{Directory, RegularFile};
    if !matches!(visit.kind(), Directory | RegularFile) {
        return Ok(Attributes::new());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let handle: OwnedFd = directory.step(&visit.path, flags)?;
    match buffered(|buffer| rustix::fs::flistxattr(&handle, buffer)) {
        Ok(list) => collect(&list, |name| {
            buffered(|buffer| rustix::fs::fgetxattr(&handle, name, buffer))
        }),
        Err(Errno::NOTSUP) => Ok(Attributes::new()),
        Err(errno) => Err(errno),
    }
}

fn collect(
    list: &[u8],
    read: impl Fn(&OsStr) -> Result<Vec<u8>, Errno>,
) -> Result<Attributes, Errno> {
    let mut attributes = Attributes::new();
    let names = list.split(|byte| *byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        match read(OsStr::from_bytes(name)) {
            Ok(value) => {
                attributes.insert(name.into(), value.into());
            }
            // It is for others to read, or of a user that is none here.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OVERFLOW) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(attributes)
}

fn buffered(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut short = [0; SHORT];
    match read(&mut short) {
        Ok(length) => Ok(short.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut buffer = vec![0; LIMIT];
            let length = read(&mut buffer)?;
            buffer.truncate(length);
            Ok(buffer)
        }
        Err(errno) => Err(errno),
    }
}

/// The revisions of a capability, in the highest byte of its first number
/// (`linux/capability.h`, `VFS_CAP_REVISION_2` and `_3`).
const REVISION_2: u8 = 2;
const REVISION_3: u8 = 3;
/// Where that byte is, and where the number of the user begins whose root has
/// it, which version 2 does not have.
const REVISION_AT: usize = 3;
const ROOT_AT: usize = 20;

/// Gives a capability as layers have it. One that another user than the root
/// of this namespace has stays as it is.
pub(super) fn capability(value: &[u8]) -> Box<[u8]> {
    let mut value = value.to_vec();
    let is_ours = value.len() == ROOT_AT + 4
        && value.get(REVISION_AT) == Some(&REVISION_3)
        && value.get(ROOT_AT..) == Some(&[0; 4]);
    if is_ours {
        value.truncate(ROOT_AT);
        if let Some(revision) = value.get_mut(REVISION_AT) {
            *revision = REVISION_2;
        }
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_of_our_root_loses_its_root() {
        let mut value = vec![1, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let second = [&value[..3], &[2], &value[4..]].concat();
        value.extend([0; 4]);
        assert_eq!(&*capability(&value), second);
        assert_eq!(&*capability(&second), second);
        value[20] = 5;
        assert_eq!(&*capability(&value), value);
    }

    #[test]
    fn what_is_kept() {
        for (name, kept) in [
            ("user.a", true),
            ("user.overlay.opaque", false),
            ("user.wharf.owner", false),
            ("trusted.a", true),
            ("trusted.overlay.origin", false),
            ("security.capability", true),
            ("security.selinux", false),
            ("system.posix_acl_access", true),
            ("system.nfs4_acl", false),
        ] {
            assert_eq!(is_kept(name.as_bytes()), kept, "{name}");
        }
    }
}

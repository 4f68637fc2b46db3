//! What is tried, and what is said where it is refused.

use std::fmt;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::probe::hint::hint;

/// Says what was tried.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[non_exhaustive]
pub enum Check {
    /// To make a user namespace.
    UserNamespace,
    /// To give it numbers directly.
    DirectRange,
    /// To give it numbers by `newuidmap` and `newgidmap`.
    MapPrograms,
    /// To have a range of numbers in `/etc/subuid` and `/etc/subgid`.
    SubordinateIds,
    /// To make a mount namespace, and mount in it.
    MountNamespace,
    /// To give a file to another user.
    Owners,
    /// To mount an overlay, and change it.
    Overlay,
    /// To mount a `/proc` of its own.
    Proc,
    /// To mount a `/sys` of its own.
    Sys,
    /// To exchange the root with all mounts.
    PivotRoot,
    /// To change the root directory.
    Chroot,
    /// To make a process namespace.
    ProcessNamespace,
    /// To make a network namespace.
    NetworkNamespace,
    /// To make a namespace for the name of the machine.
    HostnameNamespace,
    /// To make a namespace for messages between processes.
    MessageNamespace,
    /// To make device files that can be used.
    Devices,
    /// To filter system calls.
    Filter,
    /// To answer system calls in the kernel's place.
    Notify,
    /// To limit the number of processes by a control group.
    ProcessLimit,
}

impl Check {
    /// Gives a few words for what it is about.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::DirectRange => "range of ids, given directly",
            Self::MapPrograms => "range of ids, given by newuidmap and newgidmap",
            Self::SubordinateIds => "range of ids in /etc/subuid and /etc/subgid",
            Self::MountNamespace => "mount namespace",
            Self::Owners => "files of other users",
            Self::Overlay => "overlay",
            Self::Proc => "fresh /proc",
            Self::Sys => "fresh /sys",
            Self::PivotRoot => "pivot_root",
            Self::Chroot => "chroot",
            Self::ProcessNamespace => "process namespace",
            Self::NetworkNamespace => "network namespace",
            Self::HostnameNamespace => "hostname namespace",
            Self::MessageNamespace => "message namespace",
            Self::Devices => "device files",
            Self::Filter => "system call filter",
            Self::Notify => "system call supervisor",
            Self::ProcessLimit => "control group for processes",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reports that something is not allowed here, and says what would help.
pub(crate) fn denied(
    check: Check,
    context: impl Into<String>,
    source: impl Into<std::io::Error>,
) -> Error {
    let source = source.into();
    let refusals = [
        Errno::PERM,
        Errno::ACCESS,
        // Too many namespaces, or none allowed at all.
        Errno::NOSPC,
        Errno::USERS,
        // Not in this kernel, or a filter says so.
        Errno::NOSYS,
        Errno::INVAL,
        Errno::NODEV,
    ];
    let code = source.raw_os_error().unwrap_or_default();
    let refused = refusals.iter().any(|errno| errno.raw_os_error() == code)
        || source.kind() == std::io::ErrorKind::PermissionDenied;
    let error = Error::system(context, source);
    if !refused {
        return error;
    }
    let error = error.with_kind(ErrorKind::Denied);
    match hint(check) {
        Some(text) => error.with_hint(text),
        None => error,
    }
}

//! Sockets that have a name and no file: on the network of the machine a
//! command reaches those of everybody, whatever its root. Where the kernel can
//! (landlock(7), Linux 6.12), it reaches its own alone.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::error::Error;
use crate::exec::inside::last;

/// As in landlock_create_ruleset(2).
#[repr(C)]
struct Ruleset {
    files: u64,
    ports: u64,
    scopes: u64,
}

/// The scope of sockets without a file.
const SOCKETS: u64 = 1;

/// Keeps this process, and all that it starts, from the nameless sockets of
/// others. It needs `CAP_SYS_ADMIN` in the namespace; without, or on an older
/// kernel, nothing is done.
pub(super) fn keep_sockets_apart() -> Result<(), Error> {
    let wanted = Ruleset {
        files: 0,
        ports: 0,
        scopes: SOCKETS,
    };
    // SAFETY: the structure, whose size is the true one, lives until the call
    // returns.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const wanted,
            size_of::<Ruleset>(),
            0_u32,
        )
    };
    let Some(number) = i32::try_from(made).ok().filter(|&number| number >= 0) else {
        return Ok(());
    };
    // SAFETY: the call has just made the descriptor, and nobody else owns it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(number) };
    let raw = std::os::fd::AsRawFd::as_raw_fd(&ruleset);
    // SAFETY: no memory is given.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, raw, 0_u32) } {
        0 => Ok(()),
        _ if last() == rustix::io::Errno::PERM => Ok(()),
        _ => Err(Error::system("cannot keep sockets apart", last())),
    }
}

//! What a process has open besides what it is meant to have.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::exec::inside::last;

/// The first descriptor that is not one of the streams.
const FIRST_OTHER: u32 = 3;

/// How many descriptors are looked at one by one, where there may be more.
const LIMIT: u64 = 1 << 20;

/// Has all but the streams closed when this process executes a program.
pub(super) fn close_on_exec() -> Result<(), Errno> {
    match range(FIRST_OTHER, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) {
        Ok(()) => Ok(()),
        // Older than Linux 5.11, or behind a filter that does not know it.
        Err(_) => {
            for number in (FIRST_OTHER..end()).filter_map(|number| i32::try_from(number).ok()) {
                // SAFETY: a flag is set, and no memory is touched. It fails
                // for those that are not open.
                unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
            }
            Ok(())
        }
    }
}

/// Closes everything but one. It is for a process that uses none of the
/// others afterwards, and drops none either.
pub(super) fn close_all_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd().unsigned_abs();
    let below = match kept.checked_sub(1) {
        Some(last) => range(0, last, 0),
        None => Ok(()),
    };
    if below
        .and_then(|()| range(kept.saturating_add(1), u32::MAX, 0))
        .is_ok()
    {
        return;
    }
    for number in (0..end()).filter(|&number| number != kept) {
        if let Ok(number) = i32::try_from(number) {
            // SAFETY: whoever calls owns none of them any more.
            unsafe { libc::close(number) };
        }
    }
}

fn range(first: u32, last_one: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: descriptors are marked, or closed as whoever calls has it, and no
    // memory is touched.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last_one, flags) } {
        0 => Ok(()),
        _ => Err(last()),
    }
}

/// Gives the number above that of every descriptor.
fn end() -> u32 {
    let most = getrlimit(Resource::Nofile)
        .current
        .unwrap_or(LIMIT)
        .min(LIMIT);
    u32::try_from(most).unwrap_or(u32::MAX)
}

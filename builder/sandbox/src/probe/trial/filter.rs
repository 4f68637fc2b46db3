//! Filters of system calls that allow every one: whether there can be any.

use rustix::io::Errno;
use rustix::thread::set_no_new_privs;

/// Installs a filter, as root of a namespace may, or else with the promise
/// that no program gets more privileges.
pub(crate) fn install() -> Result<(), Errno> {
    match seccomp(0) {
        Err(Errno::ACCESS | Errno::PERM) => {
            set_no_new_privs(true)?;
            seccomp(0).map(|_| ())
        }
        done => done.map(|_| ()),
    }
}

/// Installs a filter that somebody answers for. There can be one alone for a
/// process, so that it fails within another one.
pub(crate) fn supervise() -> Result<(), Errno> {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    match seccomp(listener) {
        Err(Errno::ACCESS | Errno::PERM) => {
            set_no_new_privs(true)?;
            seccomp(listener).map(|_| ())
        }
        done => done.map(|_| ()),
    }
}

fn seccomp(flags: libc::c_ulong) -> Result<libc::c_long, Errno> {
    let mut allow = libc::sock_filter {
        // Return the constant.
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut allow,
    };
    // SAFETY: the program and its one instruction live until the call ends,
    // which copies both.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_long::from(libc::SECCOMP_SET_MODE_FILTER),
            flags,
            &raw const program,
        )
    };
    if done >= 0 {
        return Ok(done);
    }
    let last = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&last).unwrap_or(Errno::IO))
}

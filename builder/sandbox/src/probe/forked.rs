//! A trial in a process of its own, which takes with it whatever it changed.

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

/// Does something in a child of this process, which has one thread.
pub(crate) fn forked(work: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    // SAFETY: the worker that tries a tier has one thread, so that no lock is
    // held by a thread that the child does not have.
    let id = unsafe { libc::fork() };
    if id < 0 {
        return Err(Errno::AGAIN);
    }
    if id == 0 {
        let code = match work() {
            Ok(()) => 0,
            Err(errno) => errno.raw_os_error(),
        };
        // SAFETY: it ends the process, without what is to happen at the end
        // of the process that it is a copy of.
        unsafe { libc::_exit(code) };
    }
    let waited = rustix::io::retry_on_intr(|| waitpid(Pid::from_raw(id), WaitOptions::empty()))?;
    let code = waited.and_then(|(_, status)| status.exit_status());
    match code {
        Some(0) => Ok(()),
        // The numbers of errors fit in an exit code.
        Some(code) => Err(Errno::from_raw_os_error(code)),
        None => Err(Errno::IO),
    }
}

//! How much a command may take.

use crate::error::Error;
use crate::exec::Limits;
use crate::exec::inside::last;
use crate::tier::Tier;

/// Is a bound on how many processes a command has at a time.
pub(super) struct ProcessLimit;

impl ProcessLimit {
    /// Prepares it in the keeper.
    pub(super) fn new(tier: &Tier, limits: &Limits) -> Result<Self, Error> {
        let _ = (tier, limits);
        Ok(Self)
    }

    /// Puts the calling process under it, with all that it starts.
    pub(super) fn enter(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Sets the resource limits of the calling process.
pub(super) fn set_resources(limits: &Limits) -> Result<(), Error> {
    for (&resource, &(soft, hard)) in &limits.resources {
        let wanted = libc::rlimit64 {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: the structure lives until the call returns, and nothing is
        // asked back.
        let done = unsafe {
            libc::syscall(
                libc::SYS_prlimit64,
                0_i64,
                u64::from(resource),
                &raw const wanted,
                std::ptr::null_mut::<libc::rlimit64>(),
            )
        };
        if done != 0 {
            let context = format!("cannot set the resource limit {resource} to {soft}:{hard}");
            return Err(Error::system(context, last()));
        }
    }
    Ok(())
}

//! What a command keeps of the privileges of root.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use crate::error::Error;

/// What commands in containers have by default, as container engines give it.
pub(crate) const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// The last capability that any kernel could have.
const LAST: u32 = 63;

/// Says whether this process has a capability.
pub(super) fn has(wanted: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Takes all others out of what any program that is executed can have.
pub(super) fn bound(kept: CapabilitySet) -> Result<(), Error> {
    for number in 0..=LAST {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // It is the first that this kernel does not know.
            Err(Errno::INVAL) => break,
            Err(source) => return Err(Error::system("cannot bound the capabilities", source)),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(source) => Err(Error::system("cannot clear the capabilities", source)),
    }
}

/// Gives up all others, where there are any left: a change from root to
/// another user has taken them.
pub(super) fn give_up(kept: CapabilitySet) -> Result<(), Error> {
    let failed = |source| Error::system("cannot give up capabilities", source);
    let now = capabilities(None).map_err(failed)?;
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(failed)
}

//! What keeps commands apart from the machine, in words.

use builder::TierName;

/// Says in a few words what a sandbox is made of, and what it is not.
pub(crate) fn sandbox(tier: TierName) -> &'static str {
    match tier {
        TierName::Root => "namespaces, made by root",
        TierName::Mapped => "a user namespace with a range of ids",
        TierName::One => "a user namespace with one id; owners and devices are recorded",
        TierName::Chroot => "another root directory, and no isolation from this machine",
        TierName::None => "nothing is run",
    }
}

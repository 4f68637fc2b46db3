//! The options of mounts by name, and which kind of mount takes which.

use crate::mount::MountKind;

/// Is an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Type,
    From,
    Source,
    Target,
    ReadOnly,
    ReadWrite,
    Required,
    Id,
    Sharing,
    Mode,
    Uid,
    Gid,
    Size,
    Env,
}

/// Is every spelling, the usual one of each first.
const NAMES: [(&str, Key); 19] = [
    ("type", Key::Type),
    ("from", Key::From),
    ("source", Key::Source),
    ("src", Key::Source),
    ("target", Key::Target),
    ("dst", Key::Target),
    ("destination", Key::Target),
    ("readonly", Key::ReadOnly),
    ("ro", Key::ReadOnly),
    ("readwrite", Key::ReadWrite),
    ("rw", Key::ReadWrite),
    ("required", Key::Required),
    ("id", Key::Id),
    ("sharing", Key::Sharing),
    ("mode", Key::Mode),
    ("uid", Key::Uid),
    ("gid", Key::Gid),
    ("size", Key::Size),
    ("env", Key::Env),
];

impl Key {
    /// Finds one by any of its names, in lower case.
    pub(super) fn find(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, key)| *key)
    }

    /// Lists every name.
    pub(super) fn names() -> Vec<&'static str> {
        NAMES.iter().map(|(name, _)| *name).collect()
    }

    /// Says whether it stands without a value, too.
    pub(super) fn is_switch(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite | Self::Required)
    }

    /// Lists the kinds that take it.
    pub(super) fn kinds(self) -> &'static [MountKind] {
        use MountKind::{Bind, Cache, Secret, Ssh, Tmpfs};
        match self {
            // A secret and a socket are never written to: the one that says so
            // says nothing wrong.
            Self::Type | Self::Target | Self::ReadOnly => &MountKind::ALL,
            Self::From => &[Bind, Cache],
            // Of a secret it is another word for its id.
            Self::Source => &[Bind, Cache, Secret],
            Self::ReadWrite => &[Bind, Cache, Tmpfs],
            Self::Required => &[Secret, Ssh],
            Self::Id | Self::Mode | Self::Uid | Self::Gid => &[Cache, Secret, Ssh],
            Self::Sharing => &[Cache],
            Self::Size => &[Tmpfs],
            Self::Env => &[Secret],
        }
    }

    /// Lists the options that a kind takes, by their usual names.
    pub(super) fn of(kind: MountKind) -> Vec<&'static str> {
        let mut last = None;
        let mut names = Vec::new();
        for (name, key) in NAMES {
            // Other spellings of one key stand behind the usual one.
            if last != Some(key) && key.kinds().contains(&kind) {
                names.push(name);
            }
            last = Some(key);
        }
        names
    }
}

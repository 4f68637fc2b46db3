//! What a sandbox is made of: whose the files are, and what keeps the command
//! apart.

use std::fmt;
use std::str::FromStr;

/// Is a way to run commands, which a machine allows or does not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tier {
    /// Whose the files are.
    pub ids: Ids,
    /// What keeps the command apart.
    pub isolation: Isolation,
}

/// Says how the users and groups of an image are ones of this machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ids {
    /// They are the same numbers: whoever builds is root.
    Real,
    /// They are other numbers, in a user namespace.
    Mapped {
        /// Of users.
        users: Vec<IdRange>,
        /// Of groups.
        groups: Vec<IdRange>,
    },
    /// All of them are whoever builds; what else they are is recorded.
    One,
}

/// Is a range of numbers, and the range outside that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdRange {
    /// The first number inside.
    pub inside: u32,
    /// The first number outside.
    pub outside: u32,
    /// How many there are.
    pub count: u32,
}

/// Says what keeps a command apart from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Isolation {
    /// Namespaces of its own, and a root that is nothing but its mounts.
    Namespaces,
    /// Another root directory, which keeps files apart by name and nothing
    /// else: no claim of isolation.
    Chroot,
}

/// Names a tier, as `--sandbox` has it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum TierName {
    /// Tier 1: real root, with namespaces.
    Root,
    /// Tier 1 too: a user namespace with a range of numbers.
    Mapped,
    /// Tier 2: a user namespace with one number; the rest is recorded.
    One,
    /// Tier 3: root that may not mount: another root directory.
    Chroot,
    /// Tier 4: nothing is run.
    None,
}

impl TierName {
    /// Every one, the best first.
    pub const ALL: [Self; 5] = [
        Self::Root,
        Self::Mapped,
        Self::One,
        Self::Chroot,
        Self::None,
    ];

    /// Gives the number of the tier, from 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Root | Self::Mapped => 1,
            Self::One => 2,
            Self::Chroot => 3,
            Self::None => 4,
        }
    }

    /// Gives the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Mapped => "mapped",
            Self::One => "one",
            Self::Chroot => "chroot",
            Self::None => "none",
        }
    }
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TierName {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownTier(text.to_owned()))
    }
}

/// Says that a name is that of no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no sandbox: there are `root`, `mapped`, `one`, `chroot` and `none`")]
pub struct UnknownTier(String);

impl Tier {
    /// Gives its name.
    #[must_use]
    pub fn name(&self) -> TierName {
        match (&self.ids, self.isolation) {
            (_, Isolation::Chroot) => TierName::Chroot,
            (Ids::Real, Isolation::Namespaces) => TierName::Root,
            (Ids::Mapped { .. }, Isolation::Namespaces) => TierName::Mapped,
            (Ids::One, Isolation::Namespaces) => TierName::One,
        }
    }
}

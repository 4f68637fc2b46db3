//! What this machine allows, found out by trying.

use std::path::Path;

use crate::error::Error;
use crate::tier::{Tier, TierName};
use crate::worker::Launch;

/// Is everything that was found out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// What was tried, in the order of the report.
    pub findings: Vec<Finding>,
    /// The tiers that work, the best first.
    pub tiers: Vec<Tier>,
}

/// Is one thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was tried.
    pub check: Check,
    /// Why it does not work; absent where it does.
    pub refusal: Option<Error>,
}

/// Says what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[non_exhaustive]
pub enum Check {
    /// To make a user namespace.
    UserNamespace,
}

impl Probe {
    /// Tries everything. `directory` is where snapshots will be: overlays are
    /// tried there. It blocks.
    #[must_use]
    pub fn run(launch: &Launch, directory: &Path) -> Self {
        let _ = (launch, directory);
        Self {
            findings: Vec::new(),
            tiers: Vec::new(),
        }
    }

    /// Gives the best tier that works.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`](crate::ErrorKind::Denied) where there
    /// is none; the hint names the exact options that would help.
    pub fn best(&self) -> Result<Tier, Error> {
        todo!()
    }

    /// Gives the tier of a name.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`](crate::ErrorKind::Denied) where it
    /// does not work.
    pub fn tier(&self, name: TierName) -> Result<Tier, Error> {
        let _ = name;
        todo!()
    }
}

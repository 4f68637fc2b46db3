//! What this machine allows, found out by trying.
//!
//! Each tier is tried as it would be used: a worker is started in it, and
//! tries there what commands and snapshots need. The number of the user
//! decides nothing, since it says little in containers.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;

use crate::error::{Error, ErrorKind};
use crate::tier::{Ids, Isolation, Tier, TierName};
use crate::worker::{Launch, Purpose, Worker};

mod check;
mod forked;
mod hint;
mod overlay;
mod ranges;
mod surroundings;
mod trial;

pub use check::Check;
pub(crate) use check::denied;
pub(crate) use hint::{HOW_TO_INSTALL, hint};
use trial::Tried;
pub(crate) use trial::serve;

/// Is everything that was found out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// What was tried, in the order of the report: by tier, the best first.
    pub findings: Vec<Finding>,
    /// The tiers that work, the best first.
    pub tiers: Vec<Tier>,
    /// What the tiers that work give.
    pub facts: BTreeMap<TierName, Facts>,
    /// Why the others do not work.
    pub refusals: BTreeMap<TierName, Error>,
}

/// Is one thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// In which tier.
    pub tier: TierName,
    /// What was tried.
    pub check: Check,
    /// Why it does not work; absent where it does.
    pub refusal: Option<Error>,
}

/// Is what a tier gives on this machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// How overlays mark what is gone, or why there are none: then files are
    /// copied.
    pub overlay: Result<Marks, Error>,
    /// What of `/proc` there is for a command.
    pub proc: Given,
    /// What of `/sys` there is for a command.
    pub sys: Given,
}

/// Says with which extended attributes an overlay marks directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Marks {
    /// `trusted.overlay.*`: that of real root.
    Trusted,
    /// `user.overlay.*`, by the mount option `userxattr`.
    User,
}

/// Says how a file system of the kernel comes to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Given {
    /// As one of its own.
    Fresh,
    /// As the one that there is already.
    Bound,
    /// Not at all.
    Absent,
}

/// Is what came of one tier.
struct Outcome {
    findings: Vec<Finding>,
    result: Result<(Tier, Facts), Error>,
}

/// The tiers that there is something to try of.
const TRIED: [TierName; 4] = [
    TierName::Root,
    TierName::Mapped,
    TierName::One,
    TierName::Chroot,
];

impl Probe {
    /// Tries everything. `directory` is where snapshots will be: overlays are
    /// tried there, or in the directory above it that exists. It blocks.
    #[must_use]
    pub fn run(launch: &Launch, directory: &Path) -> Self {
        let outcomes: Vec<(TierName, Outcome)> = thread::scope(|scope| {
            let started: Vec<_> = TRIED
                .into_iter()
                .map(|name| (name, scope.spawn(move || attempt(name, launch, directory))))
                .collect();
            let ended = started.into_iter().map(|(name, thread)| {
                let outcome = thread.join().unwrap_or_else(|_| Outcome::lost());
                (name, outcome)
            });
            ended.collect()
        });
        let mut probe = Self::nothing();
        for (name, outcome) in outcomes {
            probe.add(name, outcome);
        }
        probe
    }

    /// Tries some tiers, in this order, until one works: for a build, which
    /// needs no more. The rest is as for [`Self::run`].
    #[must_use]
    pub fn first(launch: &Launch, directory: &Path, names: &[TierName]) -> Self {
        let mut probe = Self::nothing();
        for name in names {
            if TRIED.contains(name) {
                probe.add(*name, attempt(*name, launch, directory));
            }
            if !probe.tiers.is_empty() {
                break;
            }
        }
        probe
    }

    fn nothing() -> Self {
        Self {
            findings: Vec::new(),
            tiers: Vec::new(),
            facts: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    fn add(&mut self, name: TierName, outcome: Outcome) {
        self.findings.extend(outcome.findings);
        match outcome.result {
            Ok((tier, facts)) => {
                self.tiers.push(tier);
                self.facts.insert(name, facts);
            }
            Err(refusal) => {
                self.refusals.insert(name, refusal);
            }
        }
    }

    /// Gives the best tier that works.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`](crate::ErrorKind::Denied) where there
    /// is none; the hint names the exact options that would help.
    pub fn best(&self) -> Result<Tier, Error> {
        if let Some(tier) = self.tiers.first() {
            return Ok(tier.clone());
        }
        let context = "nothing that is needed to run commands is allowed here";
        // The tiers that ask for the least: what helps them is asked for first.
        let mut ways: Vec<&str> = Vec::new();
        for name in [TierName::One, TierName::Chroot, TierName::Mapped] {
            let hint = self.refusals.get(&name).and_then(Error::hint);
            ways.extend(hint.filter(|hint| !ways.contains(hint)));
        }
        let error = Error::new(ErrorKind::Denied, context);
        Err(match ways.is_empty() {
            true => error,
            false => error.with_hint(ways.join("; or ")),
        })
    }

    /// Gives the tier of a name.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`](crate::ErrorKind::Denied) where it
    /// does not work.
    pub fn tier(&self, name: TierName) -> Result<Tier, Error> {
        if let Some(tier) = self.tiers.iter().find(|tier| tier.name() == name) {
            return Ok(tier.clone());
        }
        Err(match self.refusals.get(&name) {
            Some(refusal) => refusal.clone(),
            None => Error::new(
                ErrorKind::Denied,
                format!("the sandbox `{name}` runs nothing"),
            ),
        })
    }
}

impl Outcome {
    fn refused(name: TierName, check: Check, refusal: Error) -> Self {
        let finding = Finding {
            tier: name,
            check,
            refusal: Some(refusal.clone()),
        };
        Self {
            findings: vec![finding],
            result: Err(refusal),
        }
    }

    fn lost() -> Self {
        let error = Error::new(ErrorKind::Broken, "trying it failed within this program");
        Self {
            findings: Vec::new(),
            result: Err(error),
        }
    }
}

fn attempt(name: TierName, launch: &Launch, directory: &Path) -> Outcome {
    let tier = |ids, isolation| Tier { ids, isolation };
    match name {
        TierName::Root => {
            let tier = tier(Ids::Real, Isolation::Namespaces);
            attempt_tier(tier, Check::MountNamespace, launch, directory)
        }
        TierName::Mapped => attempt_mapped(launch, directory),
        TierName::One => {
            let tier = tier(Ids::One, Isolation::Namespaces);
            attempt_tier(tier, Check::UserNamespace, launch, directory)
        }
        TierName::Chroot | TierName::None => {
            let tier = tier(Ids::Real, Isolation::Chroot);
            attempt_tier(tier, Check::Chroot, launch, directory)
        }
    }
}

/// Tries ranges of numbers one after the other.
fn attempt_mapped(launch: &Launch, directory: &Path) -> Outcome {
    let mut findings = Vec::new();
    let (mut tried, mut untried) = (None, None);
    for (check, range) in ranges::candidates() {
        let ids = match range {
            Ok(ids) => ids,
            Err(refusal) => {
                findings.push(Finding {
                    tier: TierName::Mapped,
                    check,
                    refusal: Some(refusal.clone()),
                });
                untried = Some(refusal);
                continue;
            }
        };
        let tier = Tier {
            ids,
            isolation: Isolation::Namespaces,
        };
        let outcome = attempt_tier(tier, check, launch, directory);
        findings.extend(outcome.findings);
        match outcome.result {
            Ok(found) => {
                let result = Ok(found);
                return Outcome { findings, result };
            }
            Err(refusal) => tried = tried.or(Some(refusal)),
        }
    }
    // What came closest says the most.
    let lost = || Error::new(ErrorKind::Broken, "there is no range to try");
    Outcome {
        findings,
        result: Err(tried.or(untried).unwrap_or_else(lost)),
    }
}

/// Tries a tier. `start` is what is at stake when its worker is started.
fn attempt_tier(tier: Tier, start: Check, launch: &Launch, directory: &Path) -> Outcome {
    let name = tier.name();
    let started = Worker::start_for(launch, &tier, Purpose::Probe);
    let tried = started.and_then(|mut worker| {
        let channel = worker.channel();
        channel.send(directory.as_os_str().as_bytes(), &[])?;
        let (bytes, _) = channel
            .receive()?
            .ok_or_else(|| Error::new(ErrorKind::Broken, "the worker that tries the tier ended"))?;
        let tried: Result<Tried, _> = postcard::from_bytes(&bytes);
        tried.map_err(|source| Error::new(ErrorKind::Broken, source.to_string()))?
    });
    let (mut findings, facts) = match tried {
        Ok(tried) => tried,
        Err(refusal) => return Outcome::refused(name, start, refusal),
    };
    let begun = Finding {
        tier: name,
        check: start,
        refusal: None,
    };
    if start != Check::Chroot {
        findings.insert(0, begun);
    }
    let result = match missing(&tier, &findings) {
        None => Ok((tier, facts)),
        Some(refusal) => Err(refusal),
    };
    Outcome { findings, result }
}

/// Gives why a tier that can be entered is of no use, if it is not.
fn missing(tier: &Tier, findings: &[Finding]) -> Option<Error> {
    let refusal = |check| {
        let mut found = findings.iter().filter(|finding| finding.check == check);
        found.next().and_then(|finding| finding.refusal.clone())
    };
    let root = match tier.isolation {
        Isolation::Chroot => refusal(Check::Chroot),
        // One of both is enough.
        Isolation::Namespaces => refusal(Check::PivotRoot).and(refusal(Check::Chroot)),
    };
    let owners = match tier.ids {
        // Without a filter no program may even ask for another owner.
        Ids::One => refusal(Check::Filter),
        Ids::Real | Ids::Mapped { .. } => refusal(Check::Owners),
    };
    owners.or(root)
}

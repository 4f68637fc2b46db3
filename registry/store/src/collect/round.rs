//! Rounds: how what goes is agreed upon between the collector and everybody
//! who writes, on any number of processes, by conditional writes of one
//! record and no clock.
//!
//! ```text
//! Idle(n) -> Judging(n+1, digests) -> Removing(n+1, plan) -> Idle(n+1)
//! ```
//!
//! The collector says which digests it is about to judge *before* it looks at
//! anything; a writer looks at the round *after* it has written everything.
//! So of the two at least one sees the other: the collector what was written,
//! or the writer the round. A writer takes its digests out of a round that is
//! judging, which the collector notices when it commits; it brings a round
//! that is removing to its end, and looks again at what it needs. What goes is
//! named with its version, so that a removal that comes late hits nothing.

use std::collections::BTreeSet;

use blob::{Expected, Swapped, Version};
use oci::Digest;

use crate::error::Error;
use crate::keys;
use crate::records::{self, Phase, PlanRecord, Removal, RoundRecord};
use crate::repository::in_bulk;
use crate::store::Store;

/// How often a writer looks again because rounds came and went meanwhile.
pub(crate) const ATTEMPTS: usize = 64;

/// Remembers which rounds a writer has seen before it looked at anything.
#[derive(Debug)]
pub(crate) struct Fence {
    number: u64,
}

/// Says whether a writer may acknowledge what it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Nothing that it found since it has the fence was removed, and every
    /// later round sees what it has written.
    Yes,
    /// Something may have been removed; it has to look again.
    LookAgain,
}

/// Holds the round as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) record: RoundRecord,
    /// Absent before the first round.
    pub(crate) version: Option<Version>,
}

impl Seen {
    pub(crate) async fn read(store: &Store) -> Result<Self, Error> {
        let found = records::read::<RoundRecord>(store.backend(), &keys::round()).await?;
        Ok(match found {
            Some((record, version)) => Self {
                record,
                version: Some(version),
            },
            None => Self {
                record: RoundRecord::default(),
                version: None,
            },
        })
    }

    /// Replaces the round if it is still as it was read.
    pub(crate) async fn swap(&self, store: &Store, record: &RoundRecord) -> Result<Swapped, Error> {
        let expected = match &self.version {
            Some(version) => Expected::Version(version.clone()),
            None => Expected::Absent,
        };
        let value = records::to_bytes(record);
        Ok(store
            .backend()
            .swap(&keys::round(), expected, value)
            .await?)
    }

    /// Makes the round one that has ended, if it is still as it was read.
    pub(crate) async fn end(&self, store: &Store) -> Result<Swapped, Error> {
        let ended = RoundRecord {
            number: self.record.number,
            phase: Phase::Idle,
        };
        self.swap(store, &ended).await
    }

    /// Removes what the plan of this round says, whosever it is, and ends it.
    pub(crate) async fn finish(&self, store: &Store) -> Result<(), Error> {
        let Phase::Removing { plan, .. } = &self.record.phase else {
            return Ok(());
        };
        remove(store, plan).await?;
        let _by_somebody_else = self.end(store).await?;
        Ok(())
    }
}

impl Fence {
    /// Looks at the round before looking at anything else, and takes these
    /// digests out of it.
    pub(crate) async fn raise(store: &Store, digests: &[Digest]) -> Result<Self, Error> {
        let (number, _) = leave(store, digests).await?;
        Ok(Self { number })
    }

    /// Looks at the round after everything was written.
    pub(crate) async fn pass(
        &mut self,
        store: &Store,
        digests: &[Digest],
    ) -> Result<Passed, Error> {
        let before = self.number;
        let (number, left) = leave(store, digests).await?;
        self.number = number;
        // Of the round that is going on now it is known whom it concerns; of
        // those that have come and gone it is not.
        let unseen = match left {
            Left::Idle => number > before,
            Left::GoesOn => number > before + 1,
            Left::Ended => true,
        };
        Ok(if unseen {
            Passed::LookAgain
        } else {
            Passed::Yes
        })
    }
}

/// Says how a round was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// There is none.
    Idle,
    /// It goes on without the digests.
    GoesOn,
    /// It removed something of them, and was brought to its end.
    Ended,
}

/// Takes digests out of the round, and gives its number.
async fn leave(store: &Store, digests: &[Digest]) -> Result<(u64, Left), Error> {
    let mut left = None;
    for _ in 0..ATTEMPTS {
        let seen = Seen::read(store).await?;
        let number = seen.record.number;
        match &seen.record.phase {
            Phase::Idle => return Ok((number, left.unwrap_or(Left::Idle))),
            Phase::Judging {
                owner,
                digests: judged,
            } => {
                let kept: BTreeSet<Digest> = judged
                    .iter()
                    .filter(|digest| !digests.contains(digest))
                    .copied()
                    .collect();
                if kept.len() == judged.len() {
                    return Ok((number, left.unwrap_or(Left::GoesOn)));
                }
                let record = RoundRecord {
                    number,
                    phase: Phase::Judging {
                        owner: owner.clone(),
                        digests: kept,
                    },
                };
                if seen.swap(store, &record).await? == Swapped::Done {
                    return Ok((number, left.unwrap_or(Left::GoesOn)));
                }
            }
            Phase::Removing {
                digests: removed, ..
            } => {
                if !digests.iter().any(|digest| removed.contains(digest)) {
                    return Ok((number, left.unwrap_or(Left::GoesOn)));
                }
                seen.finish(store).await?;
                left = Some(Left::Ended);
            }
        }
    }
    Err(busy())
}

/// Removes what a plan says, and the plan. There is none where somebody else
/// has done so.
async fn remove(store: &Store, plan: &str) -> Result<(), Error> {
    let backend = store.backend();
    let key = keys::plan(plan);
    let Some((record, _)) = records::read::<PlanRecord>(backend, &key).await? else {
        return Ok(());
    };
    let removals = record.removals.iter();
    in_bulk(
        removals
            .map(async |Removal { key, version }| {
                let _gone_before = backend.delete_if(key, version).await?;
                Ok(())
            })
            .collect(),
    )
    .await?;
    backend.delete(&key).await?;
    Ok(())
}

/// Reports that rounds of collection leave no room to write.
pub(crate) fn busy() -> Error {
    Error::Storage(blob::Error::new(
        blob::ErrorKind::Unavailable,
        "rounds of collection follow each other too fast",
    ))
}

//! Scrubbing: reads everything that is stored, finds what is damaged, missing
//! or left over, and heals what can be healed from what is there.
//!
//! It goes on while others serve, push and collect; what it does is conditional
//! on what it saw, and what nobody needs is left to the collector, which alone
//! can tell. It never removes what it does not understand. Its memory does not
//! grow with the store: keys come a page at a time, and of the findings so many
//! are listed and the rest counted.
//!
//! | module | what it is |
//! |---|---|
//! | `meaning` | what a key means (pure) |
//! | `walk` | all keys, a page at a time |
//! | `look` | what is wrong with one key |
//! | `problem` | what heals it (pure) |
//! | `repair` | does that |
//! | `pending` | what the collector knows of already |
//! | `position` | how far a check has come |

mod finding;
mod look;
mod meaning;
mod pace;
mod pending;
mod position;
mod problem;
mod repair;
mod walk;

use blob::{Expected, Key, Swapped};
use serde::{Deserialize, Serialize};

pub use self::finding::{Damage, Done, Finding, Scrubbed};
use self::look::{Depth, Look, Seen};
use self::meaning::{Meaning, meaning};
use self::pace::Pace;
pub use self::pace::Rate;
use self::pending::Pending;
use self::position::Position;
use self::problem::Problem;
use self::walk::Walk;
use crate::collect::{Policy, round};
use crate::error::Error;
use crate::keys;
use crate::records::{self, Phase, RoundRecord};
use crate::store::Store;

/// Says what is done about what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is told.
    Report,
    /// What can be healed is.
    Repair,
}

/// The keys after which it is written down how far the check has come.
const KEYS: u64 = 100;

/// The bytes likewise.
const BYTES: u64 = 256 * 1024 * 1024;

/// The keys that are remembered for a second look.
const SUSPECTS: usize = 1024;

/// The digests that are remembered because nothing finds who has them.
const UNHELD: usize = 1024;

/// The keys in a row that can not be looked at because the storage fails: it
/// is not they that are damaged then.
const FAILURES: usize = 32;

/// Checks a store.
#[derive(Debug)]
pub struct Scrub {
    store: Store,
    mode: Mode,
    rate: Rate,
    grace: u64,
}

/// Is a check on its way.
#[derive(Debug)]
struct Run<'a> {
    scrub: &'a Scrub,
    position: Position,
    /// What the collector knew when it was asked last.
    pending: Option<Pending>,
    pace: Pace,
    failures: usize,
}

impl Scrub {
    /// Checks this store. What is younger than the grace of the policy is not
    /// called left over where others have the storage too: a client may be in
    /// the middle of a push.
    #[must_use]
    pub fn new(store: Store, policy: &Policy, mode: Mode, rate: Rate) -> Self {
        Self {
            grace: policy.grace_millis(),
            store,
            mode,
            rate,
        }
    }

    /// Checks from where the last check of the same mode was stopped, or from
    /// the first key on, to the last one. It says how far it has come before
    /// the first key and after each.
    ///
    /// # Errors
    ///
    /// Fails when the storage does: where it can not be listed or written to,
    /// or gives nothing any more. The next check goes on from there.
    pub async fn run(
        &self,
        progress: &(dyn Fn(&Scrubbed) + Send + Sync),
    ) -> Result<Scrubbed, Error> {
        let position = Position::read(&self.store, self.mode).await?;
        let mut walk = match &position.last {
            Some(last) => Walk::after(last),
            None => Walk::new(),
        };
        let mut run = Run {
            scrub: self,
            position,
            pending: None,
            pace: Pace::new(self.rate),
            failures: 0,
        };
        if run.position.last.is_none() {
            run.look_at_round().await?;
        }
        progress(&run.position.seen);
        let mut saved = (run.position.seen.keys, run.position.seen.bytes);
        while let Some((key, meaning)) = walk.next(self.store.backend()).await? {
            run.look(key, &meaning).await?;
            let seen = &run.position.seen;
            progress(seen);
            if seen.keys >= saved.0 + KEYS || seen.bytes >= saved.1 + BYTES {
                saved = (seen.keys, seen.bytes);
                run.position.save(&self.store).await?;
            }
        }
        run.settle().await?;
        progress(&run.position.seen);
        Position::forget(&self.store).await?;
        Ok(run.position.seen)
    }
}

impl Run<'_> {
    /// Looks at the round of collection: nobody can push where it can not be
    /// read. A new one has a number beyond all that were seen, so that every
    /// writer that is on its way looks again.
    async fn look_at_round(&mut self) -> Result<(), Error> {
        let store = &self.scrub.store;
        let source = match round::Seen::read(store).await {
            Err(Error::Record { source, .. }) => source,
            read => return read.map(|_healthy| ()),
        };
        let key = keys::round();
        let mut done = Done::Nothing;
        if self.scrub.mode == Mode::Repair
            && let Some(broken) = store.backend().read(&key).await?
        {
            let record = records::to_bytes(&RoundRecord {
                number: store.now(),
                phase: Phase::Idle,
            });
            let expected = Expected::Version(broken.version);
            if store.backend().swap(&key, expected, record).await? == Swapped::Done {
                done = Done::Rewritten;
            }
        }
        self.position.seen.add(Finding {
            key,
            kind: Damage::Unreadable,
            what: source.to_string(),
            done,
        });
        Ok(())
    }

    /// Looks at a key for the first time.
    async fn look(&mut self, key: Key, meaning: &Meaning) -> Result<(), Error> {
        let store = &self.scrub.store;
        let look = Look {
            store,
            grace: self.scrub.grace,
        };
        let seen = look.at(&key, meaning, Depth::Bytes(&mut self.pace)).await;
        let Seen { problems, bytes } = self.or_unreadable(seen)?;
        let counts = &mut self.position.seen;
        counts.keys += 1;
        counts.blobs += u64::from(bytes.is_some());
        counts.bytes += bytes.unwrap_or_default();
        counts.manifests += u64::from(matches!(meaning, Meaning::Manifest(..)));
        counts.tags += u64::from(matches!(meaning, Meaning::Tag(..)));
        let mut is_suspect = false;
        for problem in problems {
            match problem.may_pass() {
                true => is_suspect |= !self.is_known(&problem),
                false => self.found(&key, &problem).await?,
            }
        }
        if is_suspect {
            self.position.suspects.push(key.clone());
        }
        self.position.last = Some(key);
        if self.position.suspects.len() >= SUSPECTS {
            self.settle().await?;
        }
        Ok(())
    }

    /// Looks once more at what may have been a moment in the life of a healthy
    /// store, after asking what the collector knows of: whoever removes
    /// something tells the collector first.
    async fn settle(&mut self) -> Result<(), Error> {
        let suspects = std::mem::take(&mut self.position.suspects);
        if suspects.is_empty() {
            return Ok(());
        }
        let store = &self.scrub.store;
        self.pending = Some(Pending::read(store).await?);
        for key in suspects {
            let look = Look {
                store,
                grace: self.scrub.grace,
            };
            let seen = look.at(&key, &meaning(&key), Depth::Keys).await;
            for problem in self.or_unreadable(seen)?.problems {
                if problem.may_pass() && !self.is_known(&problem) {
                    self.found(&key, &problem).await?;
                }
            }
        }
        Ok(())
    }

    /// Says whether a problem is none: the collector will look at it, or the
    /// bytes have somebody who is not found by them.
    fn is_known(&self, problem: &Problem) -> bool {
        if let Problem::NobodysBytes { digest } = problem
            && (self.position.blind || self.position.unheld.contains(digest))
        {
            return true;
        }
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| pending.knows(problem))
    }

    /// Heals a problem if that was asked for, and writes it into the report.
    async fn found(&mut self, key: &Key, problem: &Problem) -> Result<(), Error> {
        if let Problem::Unindexed { key, .. } = problem
            && let Meaning::Holder(digest, _) = meaning(key)
        {
            self.position.unheld.push(digest);
            self.position.blind |= self.position.unheld.len() >= UNHELD;
        }
        let done = match self.scrub.mode {
            Mode::Report => Done::Nothing,
            Mode::Repair => repair::heal(&self.scrub.store, key, problem).await?,
        };
        self.position.seen.add(Finding {
            key: key.clone(),
            kind: problem.damage(),
            what: problem.told(),
            done,
        });
        Ok(())
    }

    /// Takes a key for unreadable that the storage fails at, unless it fails
    /// at every key.
    fn or_unreadable(&mut self, seen: Result<Seen, Error>) -> Result<Seen, Error> {
        let error = match seen {
            Ok(seen) => {
                self.failures = 0;
                return Ok(seen);
            }
            Err(error) => error,
        };
        self.failures += 1;
        if self.failures >= FAILURES {
            return Err(error);
        }
        self.position.blind = true;
        let why = look::told(&error);
        Ok(Seen {
            problems: vec![Problem::Unreadable { why }],
            bytes: None,
        })
    }
}

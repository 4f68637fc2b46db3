//! Collection: finding what nothing needs any more, and removing it while
//! everybody goes on.
//!
//! What has to be looked at is written down when it happens, so that nothing
//! is walked: blobs that came in, manifests that were pushed or deleted, tags
//! that moved away. [`queue`] takes what is due, [`candidates`] says what to
//! look at for it, [`look`] looks, [`judge`] decides, and [`act`] agrees with
//! everybody who writes and removes. The protocol is in [`round`] and
//! ADR 0010.

pub(crate) mod act;
pub(crate) mod candidates;
pub(crate) mod expire;
pub(crate) mod judge;
pub(crate) mod look;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use blob::Key;
use tokio::time::Instant;

pub use self::policy::Policy;

use self::act::Answer;
use self::candidates::{Candidate, Candidates, Kind};
use self::expire::Expiry;
use self::judge::{Age, Why};
use self::queue::{Entry, Queue, What};
use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord, Phase, PlanRecord};
use crate::repository::in_bulk;
use crate::store::Store;

/// The entries that are taken at once.
const BATCH: usize = 256;

/// The digests of one round: few enough that a writer rarely meets its own.
const ROUND: usize = 256;

/// How long the collector rests after a round, at most; it rests as long as
/// the round took, so that half of the time belongs to requests alone.
const REST: Duration = Duration::from_millis(250);

/// The keys that a look ahead names, at most; all are counted.
const FORESEEN: usize = 10_000;

/// The plans of dead collectors that are looked at each time.
const PLANS: usize = 64;

/// Counts what a collection has done, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// What was due and is settled.
    pub entries: u64,
    /// The rounds.
    pub rounds: u64,
    /// The manifests that a policy removed.
    pub manifests: u64,
    /// The blobs that were taken out of a repository.
    pub links: u64,
    /// The blobs and manifests whose bytes were removed.
    pub blobs: u64,
    /// How much these were, in bytes.
    pub bytes: u64,
    /// The uploads that had expired.
    pub uploads: u64,
    /// What was due and is not settled: somebody writes to it, it can not be
    /// read, or it is too young and is due later.
    pub kept: u64,
}

impl Collected {
    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.rounds += other.rounds;
        self.manifests += other.manifests;
        self.links += other.links;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.uploads += other.uploads;
        self.kept += other.kept;
    }
}

/// Says what a collection would do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Foreseen {
    /// Counts it. What only becomes garbage by it is not counted, such as the
    /// layers of a manifest that a policy removes.
    pub counts: Collected,
    /// The first ten thousand keys that would go, in byte order.
    pub keys: Vec<Key>,
}

/// Collects what nothing needs any more.
///
/// Any number of collectors may run, in any number of processes, beside
/// everything else. One that is dropped or killed leaves nothing that another
/// one can not finish.
#[derive(Debug, Clone)]
pub struct Collector {
    store: Store,
    policy: Policy,
}

impl Collector {
    /// Collects in a store, by this policy.
    #[must_use]
    pub fn new(store: Store, policy: Policy) -> Self {
        Self { store, policy }
    }

    /// Collects until nothing is due, and reports the counts so far after
    /// each round.
    ///
    /// # Errors
    ///
    /// Fails when the storage does. What was done stays done, and the rest is
    /// found by the next collection.
    pub async fn collect(
        &self,
        report: &(dyn Fn(&Collected) + Send + Sync),
    ) -> Result<Collected, Error> {
        let mut total = Collected::default();
        self.sweep_plans().await?;
        self.expire_uploads(&mut total).await?;
        report(&total);
        let mut later = 0;
        loop {
            let settled = total.entries;
            // What is left counts by the last pass, in which nothing more
            // could be settled.
            total.kept = later;
            let now = self.store.now();
            let mut queue = Queue::dues();
            loop {
                let batch = queue.take(&self.store, now, BATCH).await?;
                total.kept += batch.unreadable;
                if batch.entries.is_empty() {
                    break;
                }
                later += self.settle(&batch.entries, &mut total, report).await?;
            }
            if total.entries == settled {
                report(&total);
                return Ok(total);
            }
        }
    }

    /// Says what a collection would do now, and writes nothing.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn foresee(&self) -> Result<Foreseen, Error> {
        let mut foreseen = Foreseen::default();
        let mut going = BTreeSet::new();
        let age = Age {
            now: self.store.now(),
            grace: self.policy.grace_millis(),
        };
        let mut uploads = Queue::uploads();
        while let Some(entries) = self.take_uploads(&mut uploads).await? {
            for entry in entries {
                if expire::is_due(&self.store, &entry, &self.policy) {
                    foreseen.counts.uploads += 1;
                    keep_first(&mut going, entry.key);
                }
            }
        }
        let mut queue = Queue::dues();
        loop {
            let batch = queue.take(&self.store, age.now, BATCH).await?;
            foreseen.counts.kept += batch.unreadable;
            if batch.entries.is_empty() {
                foreseen.keys = going.into_iter().collect();
                return Ok(foreseen);
            }
            foreseen.counts.entries += batch.entries.len() as u64;
            let candidates = self.expand(&batch.entries).await?;
            for chunk in chunks(&candidates.list) {
                let judged = act::judge(&self.store, &chunk, age).await?;
                foreseen.counts.rounds += 1;
                for gone in judged.going {
                    foreseen.counts.add(&gone.counts);
                    keep_first(&mut going, gone.removal.key);
                }
            }
        }
    }

    async fn expand(&self, entries: &[Entry]) -> Result<Candidates, Error> {
        candidates::expand(&self.store, entries, self.policy.untagged_millis()).await
    }

    /// Judges a batch of entries, in as many rounds as it needs, and drops
    /// those that are settled; counts those that are due again.
    async fn settle(
        &self,
        entries: &[Entry],
        total: &mut Collected,
        report: &(dyn Fn(&Collected) + Send + Sync),
    ) -> Result<u64, Error> {
        let candidates = self.expand(entries).await?;
        let mut left = candidates.unreadable;
        let mut again: BTreeMap<usize, Again> = BTreeMap::new();
        for chunk in chunks(&candidates.list) {
            let started = Instant::now();
            let (answers, collected) =
                act::run(&self.store, &chunk, self.policy.grace_millis()).await?;
            total.rounds += 1;
            total.add(&collected);
            for (candidate, answer) in chunk.iter().zip(answers) {
                match answer {
                    Answer::Settled => {}
                    Answer::Again(due) => {
                        let again = again.entry(candidate.entry).or_default();
                        match asked_anew(candidate) {
                            Some(what) => again.anew.push((due, what)),
                            None => again.same = again.same.max(Some(due)),
                        }
                    }
                    Answer::Left => {
                        left.insert(candidate.entry);
                    }
                }
            }
            report(total);
            tokio::time::sleep(started.elapsed().min(REST)).await;
        }
        self.drop_settled(entries, &left, &again, total).await?;
        Ok(again.len() as u64)
    }

    /// Drops what is settled. What is due again is written down before it goes
    /// from where it was.
    async fn drop_settled(
        &self,
        entries: &[Entry],
        left: &BTreeSet<usize>,
        again: &BTreeMap<usize, Again>,
        total: &mut Collected,
    ) -> Result<(), Error> {
        let backend = self.store.backend();
        let settled = entries
            .iter()
            .enumerate()
            .filter(|(number, _)| !left.contains(number));
        let drops = settled.map(async |(number, entry)| {
            if let Some(again) = again.get(&number) {
                for (due, what) in &again.anew {
                    self.store.make_due(*due, what).await?;
                }
                if let (Some(due), What::Due(what)) = (again.same, &entry.what) {
                    self.store.make_due(due, what).await?;
                }
            }
            Ok(backend.delete(&entry.key).await?)
        });
        let drops: Vec<_> = drops.collect();
        let dropped = drops.len();
        in_bulk(drops).await?;
        total.entries += dropped as u64;
        total.kept += (left.len() + again.len()) as u64;
        Ok(())
    }

    async fn expire_uploads(&self, total: &mut Collected) -> Result<(), Error> {
        let mut uploads = Queue::uploads();
        while let Some(entries) = self.take_uploads(&mut uploads).await? {
            for entry in entries {
                if expire::is_due(&self.store, &entry, &self.policy)
                    && expire::expire(&self.store, &entry).await? == Expiry::Gone
                {
                    total.uploads += 1;
                }
            }
        }
        Ok(())
    }

    /// Takes the next uploads that were started so long ago that they may have
    /// expired.
    async fn take_uploads(&self, queue: &mut Queue) -> Result<Option<Vec<Entry>>, Error> {
        let expiry = self.policy.expiry_millis();
        let started = self.store.now().saturating_sub(expiry);
        let batch = queue.take(&self.store, started, BATCH).await?;
        Ok((!batch.entries.is_empty()).then_some(batch.entries))
    }

    /// Removes the plans of collectors that died before they were agreed upon,
    /// and so will never be.
    async fn sweep_plans(&self) -> Result<(), Error> {
        let backend = self.store.backend();
        let page = backend.page(&keys::plans(), "", PLANS).await?;
        for name in page.names {
            let key = keys::plan(&name);
            let Some((plan, _)) = records::read::<PlanRecord>(backend, &key).await? else {
                continue;
            };
            // Read after the plan, so that it is not older.
            let round = round::Seen::read(&self.store).await?.record;
            let ended = round.number == plan.number && round.phase == Phase::Idle;
            if round.number > plan.number || ended {
                backend.delete(&key).await?;
            }
        }
        Ok(())
    }
}

/// Says what is due again for an entry.
#[derive(Debug, Default)]
struct Again {
    /// When the same is, in milliseconds since 1970.
    same: Option<u64>,
    /// What is asked besides, and when.
    anew: Vec<(u64, DueRecord)>,
}

/// Says what is asked of a manifest that a policy removes later: it counts
/// from the first look that found it without a tag.
fn asked_anew(candidate: &Candidate) -> Option<DueRecord> {
    match candidate.kind {
        Kind::Manifest {
            why: Why::Untagged { since, .. },
            ..
        } => Some(DueRecord::Untagged {
            repository: candidate.home.name.clone(),
            digest: candidate.digest,
            since,
        }),
        _ => None,
    }
}

fn keep_first(keys: &mut BTreeSet<Key>, key: Key) {
    keys.insert(key);
    if keys.len() > FORESEEN {
        keys.pop_last();
    }
}

/// Cuts candidates into rounds, in their order.
fn chunks(candidates: &[Candidate]) -> Vec<Vec<&Candidate>> {
    let mut chunks = Vec::new();
    let mut chunk = Vec::new();
    let mut digests = BTreeSet::new();
    for candidate in candidates {
        digests.extend(candidate.digests());
        if digests.len() > ROUND {
            chunks.push(std::mem::take(&mut chunk));
            digests = candidate.digests().collect();
        }
        chunk.push(candidate);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

//! Runs one round: says what is judged, looks, agrees with everybody who
//! writes on what goes, and sees to it that it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use blob::{Key, Swapped, Version};
use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::Digest;
use tokio::time::Instant;

use super::Collected;
use super::candidates::{Candidate, Kind};
use super::judge::{self, Age, Fate};
use super::look::{self, Spot};
use super::round::{Seen, busy};
use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord, Phase, PlanRecord, Removal, RoundRecord};
use crate::repository::side_by_side;
use crate::store::Store;

/// The digests that are looked at side by side: fewer than a request may, so
/// that requests go first.
const AT_ONCE: usize = 8;

/// How long a round may be judged without a change before its owner counts as
/// dead. Ending the round of one that lives costs it a round and no more.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often somebody else's round is looked at.
const POLL: Duration = Duration::from_secs(1);

/// How often a plan is made anew because writers took digests out of it.
const ATTEMPTS: usize = 64;

/// Says what becomes of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was judged, for ever.
    Settled,
    /// It has to be judged again at this time, in milliseconds since 1970.
    Again(u64),
    /// It was not judged: somebody writes what has to do with it.
    Left,
}

/// Names something that goes.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) removal: Removal,
    /// It goes only while all of these are in the round.
    needs: BTreeSet<Digest>,
    /// What has to be looked at once it is gone.
    then: Option<DueRecord>,
    /// What it adds to the count.
    pub(crate) counts: Collected,
}

/// Says what was judged.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) going: Vec<Going>,
    /// In the order of the candidates.
    pub(crate) answers: Vec<Answer>,
}

/// Looks at candidates and judges them.
pub(crate) async fn judge(
    store: &Store,
    candidates: &[&Candidate],
    age: Age,
) -> Result<Judged, Error> {
    let mut contents: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    let mut manifests = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        if matches!(candidate.kind, Kind::Content { .. } | Kind::Remains { .. }) {
            contents.entry(candidate.digest).or_default().push(number);
        } else {
            manifests.push(judge_manifest(store, (number, candidate), age));
        }
    }
    let contents: Vec<_> = contents
        .into_iter()
        .map(|(digest, numbers)| judge_content(store, candidates, (digest, numbers), age))
        .collect();
    let mut judged = Judged {
        going: Vec::new(),
        answers: vec![Answer::Settled; candidates.len()],
    };
    let mut manifests = futures_util::stream::iter(manifests).buffered(AT_ONCE);
    while let Some(found) = manifests.try_next().await? {
        judged.add(found);
    }
    let mut contents = futures_util::stream::iter(contents).buffered(AT_ONCE);
    while let Some(found) = contents.try_next().await? {
        judged.add(found);
    }
    Ok(judged)
}

/// What goes, and what becomes of some of the candidates.
type Found = (Vec<Going>, Vec<(usize, Answer)>);

impl Judged {
    fn add(&mut self, (going, answers): Found) {
        self.going.extend(going);
        for (number, answer) in answers {
            if let Some(place) = self.answers.get_mut(number) {
                *place = answer;
            }
        }
    }
}

/// Judges a manifest by itself.
async fn judge_manifest(
    store: &Store,
    (number, candidate): (usize, &Candidate),
    age: Age,
) -> Result<Found, Error> {
    let (home, digest) = (&candidate.home, candidate.digest);
    let answer = |answer: Answer| Ok((Vec::new(), vec![(number, answer)]));
    let Kind::Manifest { why, .. } = candidate.kind else {
        let there = store.is_fact(&home.keys.manifest(&digest)).await?;
        return answer(if there { Answer::Settled } else { Answer::Left });
    };
    let Some(seen) = look::manifest(store, home, &digest).await? else {
        return answer(Answer::Settled);
    };
    match judge::manifest(&seen, why, age.now) {
        Fate::Stays => answer(Answer::Settled),
        Fate::Later(due) => answer(Answer::Again(due)),
        Fate::Goes => {
            let going = Going {
                removal: Removal {
                    key: seen.record.key,
                    version: seen.record.version,
                },
                needs: candidate.digests().collect(),
                then: Some(look::left_by(store, home, &digest).await?),
                counts: Collected {
                    manifests: 1,
                    ..Collected::default()
                },
            };
            Ok((vec![going], vec![(number, Answer::Settled)]))
        }
    }
}

/// Judges one digest, for all candidates that ask for it.
async fn judge_content(
    store: &Store,
    candidates: &[&Candidate],
    (digest, numbers): (Digest, Vec<usize>),
    age: Age,
) -> Result<Found, Error> {
    let mut spots: Vec<Spot> = Vec::new();
    let mut places = Vec::new();
    for number in numbers {
        let Some(candidate) = candidates.get(number) else {
            continue;
        };
        let name = &candidate.home.name;
        let known = spots.iter().position(|spot| spot.home.name == *name);
        let place = known.unwrap_or(spots.len());
        if known.is_none() {
            spots.push(Spot {
                home: candidate.home.clone(),
                of: BTreeSet::new(),
                remains: None,
            });
        }
        places.push((number, place));
        let Some(spot) = spots.get_mut(place) else {
            continue;
        };
        match &candidate.kind {
            Kind::Content { of } => spot.of.extend(of),
            Kind::Remains { subject } => {
                // Of two entries one may know of the subject alone.
                spot.remains = Some(subject.or(spot.remains.flatten()));
            }
            Kind::Present | Kind::Manifest { .. } => {}
        }
    }
    let seen = look::content(store, &digest, &spots, age).await?;
    let verdict = judge::content(&seen, age);
    let answers = places
        .into_iter()
        .map(|(number, place)| {
            let again = verdict.again.get(place).copied().flatten();
            (number, again.map_or(Answer::Settled, Answer::Again))
        })
        .collect();
    Ok((goings(verdict, digest), answers))
}

fn goings(verdict: judge::Verdict, digest: Digest) -> Vec<Going> {
    let going = |key: Key, version: Version, counts: Collected| Going {
        removal: Removal { key, version },
        needs: BTreeSet::from([digest]),
        then: None,
        counts,
    };
    let mut list: Vec<Going> = Vec::new();
    let mut links = verdict.links;
    for fact in verdict.facts {
        let counts = Collected {
            // All of one verdict go together.
            links: std::mem::take(&mut links),
            ..Collected::default()
        };
        list.push(going(fact.key, fact.version, counts));
    }
    list.extend(verdict.bytes.map(|bytes| {
        let counts = Collected {
            blobs: 1,
            bytes: bytes.size,
            ..Collected::default()
        };
        going(bytes.key, bytes.version, counts)
    }));
    list
}

/// Runs a round over these candidates; gives what becomes of each, and counts
/// what went.
pub(crate) async fn run(
    store: &Store,
    candidates: &[&Candidate],
    grace: u64,
) -> Result<(Vec<Answer>, Collected), Error> {
    let digests: BTreeSet<Digest> = candidates
        .iter()
        .flat_map(|candidate| candidate.digests())
        .collect();
    let owner = store.nonce();
    begin(store, &owner, digests).await?;
    let ran = decide(store, &owner, candidates, grace).await;
    if ran.is_err() {
        // The first error is the one to tell. A round that stays is ended by
        // whoever wants the next one.
        let _stays = give_up(store, &owner).await;
    }
    ran
}

/// Waits until no round goes on, and begins one.
async fn begin(store: &Store, owner: &str, digests: BTreeSet<Digest>) -> Result<(), Error> {
    let mut met: Option<(Option<Version>, Instant)> = None;
    loop {
        let seen = Seen::read(store).await?;
        match &seen.record.phase {
            Phase::Idle => {
                let record = RoundRecord {
                    number: seen.record.number.saturating_add(1),
                    phase: Phase::Judging {
                        owner: owner.to_owned(),
                        digests: digests.clone(),
                    },
                };
                if seen.swap(store, &record).await? == Swapped::Done {
                    return Ok(());
                }
            }
            Phase::Removing { .. } => seen.finish(store).await?,
            Phase::Judging { owner: judging, .. } if is_dead(store, owner, judging) => {
                let _by_somebody_else = seen.end(store).await?;
            }
            Phase::Judging { .. } => match &met {
                Some((version, since)) if *version == seen.version => {
                    if since.elapsed() >= PATIENCE {
                        let _came_to_life = seen.end(store).await?;
                    } else {
                        tokio::time::sleep(POLL).await;
                    }
                }
                _ => {
                    met = Some((seen.version, Instant::now()));
                    tokio::time::sleep(POLL).await;
                }
            },
        }
    }
}

/// Says whether the owner of a round is known to be dead: it was another
/// process, of which there is one at a time here.
fn is_dead(store: &Store, ours: &str, judging: &str) -> bool {
    let process = |nonce: &str| nonce.split('-').next().map(ToOwned::to_owned);
    !store.backend().is_shared() && process(ours) != process(judging)
}

/// Ends a round of ours that came to nothing.
async fn give_up(store: &Store, owner: &str) -> Result<(), Error> {
    let seen = Seen::read(store).await?;
    if judged_by(&seen, owner).is_some() {
        let _by_somebody_else = seen.end(store).await?;
    }
    Ok(())
}

/// Lists what a round still judges, if it is that of this owner.
fn judged_by<'a>(seen: &'a Seen, owner: &str) -> Option<&'a BTreeSet<Digest>> {
    match &seen.record.phase {
        Phase::Judging {
            owner: judging,
            digests,
        } if judging == owner => Some(digests),
        _ => None,
    }
}

/// Judges, and agrees on what goes. Whatever writers take out of the round
/// meanwhile stays.
async fn decide(
    store: &Store,
    owner: &str,
    candidates: &[&Candidate],
    grace: u64,
) -> Result<(Vec<Answer>, Collected), Error> {
    let age = Age {
        now: store.now(),
        grace,
    };
    let mut judged = judge(store, candidates, age).await?;
    for _ in 0..ATTEMPTS {
        let seen = Seen::read(store).await?;
        let Some(digests) = judged_by(&seen, owner) else {
            // Somebody took us for dead.
            return Ok((vec![Answer::Left; candidates.len()], Collected::default()));
        };
        judged.going.retain(|going| going.needs.is_subset(digests));
        for (candidate, answer) in candidates.iter().zip(&mut judged.answers) {
            if !candidate.digests().all(|digest| digests.contains(&digest)) {
                *answer = Answer::Left;
            }
        }
        if commit(store, &seen, digests, &judged.going).await? {
            let mut collected = Collected::default();
            for going in &judged.going {
                collected.add(&going.counts);
            }
            return Ok((judged.answers, collected));
        }
    }
    Err(busy())
}

/// Ends the round as it was seen, with whatever goes gone; `false` where the
/// round is not as it was.
async fn commit(
    store: &Store,
    seen: &Seen,
    digests: &BTreeSet<Digest>,
    going: &[Going],
) -> Result<bool, Error> {
    if going.is_empty() {
        return Ok(seen.end(store).await? == Swapped::Done);
    }
    let then = going.iter().filter_map(|going| going.then.as_ref());
    side_by_side(then.map(|what| store.make_due(store.now(), what)).collect()).await?;
    // A plan that may have been agreed upon is never changed, so each try
    // writes another one.
    let plan = store.nonce();
    let key = keys::plan(&plan);
    let record = PlanRecord {
        number: seen.record.number,
        removals: going.iter().map(|going| going.removal.clone()).collect(),
    };
    let backend = store.backend();
    let _new = backend.create(&key, records::to_bytes(&record)).await?;
    let removing = RoundRecord {
        number: seen.record.number,
        phase: Phase::Removing {
            plan: plan.clone(),
            // All that were judged: whoever deletes a manifest that this
            // round has seen has to know that it came too late for it.
            digests: digests.clone(),
        },
    };
    if seen.swap(store, &removing).await? == Swapped::Lost {
        backend.delete(&key).await?;
        return Ok(false);
    }
    let removing = Seen::read(store).await?;
    match &removing.record.phase {
        Phase::Removing { plan: agreed, .. } if *agreed == plan => removing.finish(store).await?,
        // Somebody has finished it.
        _ => {}
    }
    Ok(true)
}

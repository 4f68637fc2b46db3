//! Judges what was seen: says what goes, what stays, and what has to be looked
//! at again later.
//!
//! Everything here is a function of data. Nothing is read or written, and the
//! time comes in as a number. Ages only make the collector wait: what keeps a
//! writer safe is the round, never a clock.

use blob::{Key, Version};

/// Holds a record as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) key: Key,
    pub(crate) version: Version,
    /// When it was found to matter, in milliseconds since 1970.
    pub(crate) since: u64,
}

/// Says what was seen of one digest in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Whether the digest is a manifest here.
    pub(crate) manifest: bool,
    pub(crate) link: Option<Fact>,
    pub(crate) holder: Option<Fact>,
    pub(crate) references: References,
    /// What a manifest has left that is not there: tags, and what finds it.
    pub(crate) remains: Vec<Fact>,
}

/// Says what was seen of the manifests that reference a digest in a
/// repository. The look may have ended at the first one that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct References {
    /// Whether one of them is there.
    pub(crate) live: bool,
    /// Those whose manifest is not there.
    pub(crate) stale: Vec<Fact>,
    /// Whether there are more that were not looked at.
    pub(crate) more: bool,
}

/// Says what was seen of one digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Content {
    /// What was seen of it where it has to be looked at.
    pub(crate) places: Vec<Place>,
    /// Whether a repository may have it that nobody looks at now.
    pub(crate) elsewhere: bool,
    pub(crate) bytes: Option<Bytes>,
}

/// Tells the bytes under a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) key: Key,
    pub(crate) version: Version,
    /// In bytes.
    pub(crate) size: u64,
}

/// Says how old something must be to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age {
    /// The time, in milliseconds since 1970.
    pub(crate) now: u64,
    /// In milliseconds.
    pub(crate) grace: u64,
}

/// Says whether a digest is needed in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// A manifest that is there needs it, or is it.
    Needed,
    /// Somebody may be about to need it, until then.
    Young(u64),
    /// Not everything could be looked at.
    Unknown,
    /// Nothing needs it.
    Over,
}

/// Says what goes of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    /// The links, references and holders.
    pub(crate) facts: Vec<Fact>,
    pub(crate) links: u64,
    pub(crate) bytes: Option<Bytes>,
    /// When each place has to be looked at again, in milliseconds since 1970;
    /// in the order of the places.
    pub(crate) again: Vec<Option<u64>>,
}

impl Age {
    /// Says until when something is young; `None` where it is not. What comes
    /// from a clock that runs ahead is as old as the look.
    pub(crate) fn young_until(self, since: u64) -> Option<u64> {
        let until = since.min(self.now).saturating_add(self.grace);
        (until > self.now).then_some(until)
    }
}

impl Place {
    /// Says whether the digest is needed here.
    pub(crate) fn life(&self, age: Age) -> Life {
        if self.manifest || (self.link.is_some() && self.references.live) {
            return Life::Needed;
        }
        let facts = self.link.iter().chain(&self.holder);
        let facts = facts.chain(&self.references.stale);
        let young = facts.filter_map(|fact| age.young_until(fact.since)).max();
        match young {
            Some(until) => Life::Young(until),
            None if self.references.more => Life::Unknown,
            None => Life::Over,
        }
    }

    /// Lists what goes of a place.
    fn removals(&self, life: Life, age: Age) -> impl Iterator<Item = &Fact> {
        let over = (life == Life::Over).then(|| self.link.iter().chain(&self.holder));
        // So many that they could not all be looked at have to become fewer.
        let remains = matches!(life, Life::Over | Life::Unknown).then_some(&self.remains);
        let stale = self.references.stale.iter();
        stale
            .filter(move |fact| age.young_until(fact.since).is_none())
            .chain(remains.into_iter().flatten())
            .chain(over.into_iter().flatten())
    }
}

/// Says what goes of a digest. Its bytes go if it is needed nowhere: not where
/// it was looked at, and nobody else may have it.
pub(crate) fn content(seen: &Content, age: Age) -> Verdict {
    let mut verdict = Verdict::default();
    let mut stays = seen.elsewhere;
    for place in &seen.places {
        let life = place.life(age);
        verdict.facts.extend(place.removals(life, age).cloned());
        stays |= life != Life::Over;
        let stale = place.references.stale.iter();
        let again = stale.filter_map(|fact| age.young_until(fact.since)).min();
        verdict.again.push(match life {
            Life::Young(until) => Some(again.map_or(until, |again| again.min(until))),
            Life::Unknown => Some(age.now),
            Life::Needed => again,
            Life::Over => {
                verdict.links += u64::from(place.link.is_some());
                None
            }
        });
    }
    verdict.bytes = seen.bytes.clone().filter(|_| !stays);
    verdict
}

/// Says what was seen of a manifest that may go by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The record that makes it visible; `since` is when it was pushed.
    pub(crate) record: Fact,
    /// Whether a tag means it.
    pub(crate) tagged: bool,
    /// Whether a manifest that is here references it.
    pub(crate) child: bool,
    /// Whether it refers to a manifest that is here.
    pub(crate) refers: bool,
}

/// Says why a manifest may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Tags do not mean it.
    Untagged {
        /// When it lost its last tag, in milliseconds since 1970.
        since: u64,
        /// How long it stays without, in milliseconds.
        after: u64,
    },
    /// The manifest that it refers to was here and was removed.
    SubjectGone {
        /// When that was, in milliseconds since 1970.
        since: u64,
    },
}

/// Says what becomes of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    /// It may go from then on, in milliseconds since 1970.
    Later(u64),
    Goes,
}

/// Says what becomes of a manifest.
pub(crate) fn manifest(seen: &Manifest, why: Why, now: u64) -> Fate {
    if seen.tagged || seen.child || seen.refers {
        return Fate::Stays;
    }
    match why {
        Why::Untagged { since, after } => {
            let since = since.max(seen.record.since).min(now);
            match since.saturating_add(after) {
                due if due > now => Fate::Later(due),
                _ => Fate::Goes,
            }
        }
        // A referrer that was pushed after its subject went waits for it to
        // come back, as one does whose subject never arrived.
        Why::SubjectGone { since } if seen.record.since < since => Fate::Goes,
        Why::SubjectGone { .. } => Fate::Stays,
    }
}

#[cfg(test)]
mod tests;

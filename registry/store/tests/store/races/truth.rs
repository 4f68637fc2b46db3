//! What has to be so after calls that overlapped, by the order in which they
//! began and ended alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names an image in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) repository: usize,
    pub(super) image: u64,
}

/// Remembers when calls began and ended.
#[derive(Debug, Default)]
pub(super) struct Truth(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    time: u64,
    spots: BTreeMap<Spot, History>,
}

/// When something was last said of an image.
#[derive(Debug, Default)]
struct History {
    puts: Calls,
    deletes: Calls,
}

#[derive(Debug, Default)]
struct Calls {
    going_on: u64,
    /// When one ended last, acknowledged or not.
    ended: u64,
    /// When the last of those began that were acknowledged.
    acknowledged: Option<u64>,
}

impl Calls {
    /// Says whether none of these was going on at or after a time.
    fn are_over_by(&self, time: u64) -> bool {
        self.going_on == 0 && self.ended < time
    }

    fn end(&mut self, begun: u64, now: u64, acknowledged: bool) {
        self.going_on -= 1;
        self.ended = now;
        if acknowledged {
            self.acknowledged = self.acknowledged.max(Some(begun));
        }
    }
}

impl Truth {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A history is whole whatever its holder panicked on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell<T>(&self, spot: Spot, tell: impl FnOnce(&mut History, u64) -> T) -> T {
        let mut state = self.lock();
        state.time += 1;
        let now = state.time;
        tell(state.spots.entry(spot).or_default(), now)
    }

    pub(super) fn begin_put(&self, spot: Spot) -> u64 {
        self.tell(spot, |history, now| {
            history.puts.going_on += 1;
            now
        })
    }

    pub(super) fn end_put(&self, spot: Spot, begun: u64, acknowledged: bool) {
        self.tell(spot, |history, now| {
            history.puts.end(begun, now, acknowledged)
        });
    }

    pub(super) fn begin_delete(&self, spot: Spot) -> u64 {
        self.tell(spot, |history, now| {
            history.deletes.going_on += 1;
            now
        })
    }

    pub(super) fn end_delete(&self, spot: Spot, begun: u64, acknowledged: bool) {
        self.tell(spot, |history, now| {
            history.deletes.end(begun, now, acknowledged)
        });
    }

    /// Says whether an image must be there: its put was acknowledged, and
    /// every delete had ended before that began.
    pub(super) fn is_there(&self, spot: Spot) -> bool {
        self.tell(spot, |history, _| {
            let put = history.puts.acknowledged;
            put.is_some_and(|begun| history.deletes.are_over_by(begun))
        })
    }

    /// Says whether an image must be gone: its delete was acknowledged, and
    /// every put had ended before that began.
    pub(super) fn is_gone(&self, spot: Spot) -> bool {
        self.tell(spot, |history, _| {
            let deleted = history.deletes.acknowledged;
            deleted.is_some_and(|begun| history.puts.are_over_by(begun))
        })
    }
}

//! Randomness from a seed, so that a failed run can be repeated. Not for secrets.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::server::variable;

/// Variable that sets the seed.
const SEED: &str = "WHARF_SOAK_SEED";

/// A sequence of numbers that its seed decides (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the seed of this run: the one asked for, else the time.
    #[expect(
        clippy::disallowed_methods,
        reason = "every run has a seed of its own, and prints it"
    )]
    pub(crate) fn seed() -> u64 {
        let asked = variable(SEED).and_then(|text| text.parse().ok());
        asked.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |time| time.as_secs())
        })
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// Returns a number below `limit`, which must not be 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("at most 64 bits");
        usize::try_from(self.next() % limit).expect("it is below a usize")
    }

    /// Says yes in so many cases of a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns one of the items.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len())])
    }

    /// Returns a length from 1 byte to 2 MiB, each power of two as likely as another.
    pub(crate) fn length(&mut self) -> usize {
        let power = self.below(21);
        (1 << power) + self.below(1 << power)
    }
}

//! How fast bytes are read: on average no faster than was asked for.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// Says how many bytes are read in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As many as come.
    Unlimited,
    /// At most so many.
    BytesPerSecond(NonZeroU64),
}

/// Waits where bytes came faster than they should.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// When the next byte may come.
    next: Instant,
}

/// What may be caught up with after a rest: nobody reads a second's bytes at
/// once because a minute was spent on something else.
const CATCH_UP: Duration = Duration::from_millis(100);

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Instant::now(),
        }
    }

    /// Takes bytes into account that have come, and waits for their time.
    pub(crate) async fn pass(&mut self, bytes: u64) {
        let Rate::BytesPerSecond(rate) = self.rate else {
            return;
        };
        let now = Instant::now();
        let start = self.next.max(now.checked_sub(CATCH_UP).unwrap_or(now));
        let took = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        let took = Duration::from_nanos(u64::try_from(took).unwrap_or(u64::MAX));
        self.next = start.checked_add(took).unwrap_or(start);
        if self.next > now {
            tokio::time::sleep_until(self.next).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_their_time() {
        let started = Instant::now();
        let rate = NonZeroU64::new(1000).expect("not zero");
        let mut pace = Pace::new(Rate::BytesPerSecond(rate));
        for _ in 0..10 {
            pace.pass(500).await;
        }
        assert_eq!(started.elapsed().as_secs(), 5);
        // A rest is not caught up with.
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.pass(1000).await;
        assert!(started.elapsed() >= Duration::from_millis(65_900));
        let started = Instant::now();
        let mut pace = Pace::new(Rate::Unlimited);
        pace.pass(u64::MAX).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

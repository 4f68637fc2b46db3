//! Dice that fall the same way each time, and how long they let others go first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::paused::Pause;

/// Throws numbers that depend on the seed alone.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// Throws a number below `sides`.
    pub(crate) fn throw(&self, sides: u64) -> u64 {
        // SplitMix64.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[async_trait]
impl Pause for Dice {
    async fn pause(&self) {
        // Now and then so long that another call comes to its end.
        let turns = match self.throw(8) {
            0 => self.throw(40),
            _ => self.throw(4),
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

//! How slowly a body may come: one that brings hardly anything would keep its
//! reader for as long as the other end likes.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::{Asked, Error, ErrorKind, Retry};

/// How long a body may take for [`LEAST`] bytes, without the time that its
/// reader takes.
const SILENCE: Duration = Duration::from_secs(60);

/// The bytes that a body has to bring within [`SILENCE`], unless it ends.
const LEAST: u64 = 1024;

/// Says that a body came too slowly.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Reports it of what was asked.
    pub(crate) fn of(self, asked: &Asked<'_>) -> Error {
        let seconds = SILENCE.as_secs();
        Error::new(
            ErrorKind::Unavailable,
            format!("{asked} got less than {LEAST} bytes in {seconds} seconds"),
        )
        .retrying(Retry::Soon)
    }
}

/// Watches how fast a body comes.
#[derive(Debug)]
pub(crate) struct Drip {
    left: Duration,
    bytes: u64,
}

impl Drip {
    pub(crate) const fn new() -> Self {
        Self {
            left: SILENCE,
            bytes: 0,
        }
    }

    /// Waits for a piece, whose bytes `length` counts.
    pub(crate) async fn wait<T>(
        &mut self,
        piece: impl Future<Output = T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T, TooSlow> {
        let start = Instant::now();
        let piece = timeout(self.left, piece).await;
        let piece = piece.map_err(|_elapsed| TooSlow)?;
        self.bytes = self.bytes.saturating_add(length(&piece) as u64);
        if self.bytes >= LEAST {
            *self = Self::new();
        } else {
            self.left = self.left.saturating_sub(start.elapsed());
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the pieces of a body that come, up to a thousand.
    async fn pieces(length: usize, every: Duration) -> usize {
        let mut drip = Drip::new();
        for number in 0..1000 {
            let piece = async {
                tokio::time::sleep(every).await;
                length
            };
            if drip.wait(piece, |length| *length).await.is_err() {
                return number;
            }
        }
        1000
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_comes_to_an_end() {
        assert_eq!(pieces(1, Duration::from_secs(1)).await, 60);
        assert_eq!(pieces(1000, Duration::from_secs(40)).await, 1);
        assert_eq!(pieces(1 << 20, SILENCE + Duration::from_secs(1)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_slow_is_waited_for() {
        assert_eq!(pieces(1024, Duration::from_secs(59)).await, 1000);
        assert_eq!(pieces(100, Duration::from_secs(5)).await, 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_the_reader_does_not_count() {
        let mut drip = Drip::new();
        for _ in 0..10 {
            let piece = drip.wait(async { 1 }, |length| *length).await;
            assert!(piece.is_ok(), "nobody waited");
            tokio::time::sleep(2 * SILENCE).await;
        }
    }
}

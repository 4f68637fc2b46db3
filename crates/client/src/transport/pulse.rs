//! Telling a slow upload from one that is dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Asked, Error};

/// How long an upload may neither send a byte nor be answered. A registry
/// answers after it has made the blob durable, which takes its time for a
/// large one.
const STALL: Duration = Duration::from_secs(300);

/// Counts the bytes that an upload has sent, so that it is not given up while
/// it moves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub(crate) fn beat(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Waits for an answer, as long as bytes are being sent or it is
    /// reasonable to wait for it.
    pub(super) async fn watch<T>(
        &self,
        asked: &Asked<'_>,
        sending: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut sending = std::pin::pin!(sending);
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if let Ok(answer) = tokio::time::timeout(STALL, &mut sending).await {
                return answer;
            }
            let now = self.0.load(Ordering::Relaxed);
            if now == seen {
                return Err(Error::silence(asked, STALL));
            }
            seen = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::error::ErrorKind;

    async fn watched(
        pulse: &Pulse,
        sending: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let url = "https://r.example/x?secret".parse().expect("a URL");
        let asked = Asked {
            method: &Method::PUT,
            url: &url,
        };
        pulse.watch(&asked, sending).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_not_given_up() {
        let pulse = Pulse::default();
        let slow = async {
            for _ in 0..100 {
                sleep(STALL - Duration::from_secs(1)).await;
                pulse.beat(1);
            }
            Ok(())
        };
        assert!(watched(&pulse, slow).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_move_is() {
        let pulse = Pulse::default();
        let before = Instant::now();
        let stuck = async {
            pulse.beat(1);
            std::future::pending().await
        };
        let error = watched(&pulse, stuck).await.expect_err("it is stuck");
        assert!(before.elapsed() <= 2 * STALL + Duration::from_secs(1));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(
            error.to_string(),
            "`PUT https://r.example/x` got nothing for 300 seconds"
        );
    }
}

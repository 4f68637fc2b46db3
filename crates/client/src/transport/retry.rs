//! When a failure is waited for, and how long. Decisions only; the waiting is
//! tokio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use oci::RegistryHost;

use crate::error::{Error, Retry};
use crate::options::Retries;
use crate::progress::{Event, Progress};

/// The longest wait that a registry may ask for. One that asks for more is
/// not waited for; its answer is reported.
const LONGEST_ASKED: Duration = Duration::from_secs(120);

/// Says how a status is met. What a second attempt can not change is not
/// tried again: 501, 505, and 507, a full disk.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap) -> Retry {
    match status.as_u16() {
        501 | 505 | 507 => Retry::Never,
        408 | 429 | 500..=599 => retry_after(headers).map_or(Retry::Soon, Retry::After),
        _ => Retry::Never,
    }
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date. A date
/// is compared with the `Date` of the same answer, so that no clock is needed
/// and a wrong one here does no harm.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = headers.get(header::DATE)?.to_str().ok()?;
    let now = httpdate::parse_http_date(now).ok()?;
    Some(until.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Makes the waits of one client.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limits: Retries,
    drawn: Arc<AtomicU64>,
}

impl Patience {
    pub(crate) fn new(limits: Retries) -> Self {
        Self {
            limits,
            drawn: Arc::default(),
        }
    }

    /// Starts counting the attempts of one request.
    pub(crate) fn begin(&self) -> Attempts {
        Attempts {
            patience: self.clone(),
            made: 1,
            most: self.limits.attempts,
        }
    }

    /// Starts counting where somebody else can be asked next.
    pub(crate) fn once(&self) -> Attempts {
        Attempts {
            patience: self.clone(),
            made: 1,
            most: 1,
        }
    }

    /// Gives a number of 32 bits that looks random (SplitMix64).
    fn draw(&self) -> u32 {
        let step = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut z = self
            .limits
            .seed
            .wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

/// Counts the attempts of one request.
#[derive(Debug)]
pub(crate) struct Attempts {
    patience: Patience,
    made: u32,
    most: u32,
}

impl Attempts {
    /// Waits before the next attempt, or gives the error back where there is
    /// none.
    pub(crate) async fn wait(
        &mut self,
        error: Error,
        registry: &RegistryHost,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let Some(delay) = self.delay(error.retry()) else {
            return Err(self.spent(error));
        };
        self.made += 1;
        progress.note(&Event::Retrying {
            registry,
            delay,
            error: &error,
        });
        tracing::debug!(%registry, ?delay, %error, "trying again");
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// Forgets the attempts so far, since one of them got further.
    pub(crate) fn advanced(&mut self) {
        self.made = 1;
    }

    fn delay(&self, retry: Retry) -> Option<Duration> {
        if self.made >= self.most {
            return None;
        }
        let limits = &self.patience.limits;
        let doubled = limits
            .first
            .saturating_mul(1 << (self.made - 1).min(16))
            .min(limits.longest);
        // Between half of the wait and all of it.
        let share = 0.5 + 0.5 * f64::from(self.patience.draw()) / f64::from(u32::MAX);
        let backoff = doubled.mul_f64(share);
        match retry {
            Retry::Never => None,
            Retry::Soon => Some(backoff),
            Retry::After(asked) if asked > LONGEST_ASKED => None,
            Retry::After(asked) => Some(asked.max(backoff)),
        }
    }

    fn spent(&self, error: Error) -> Error {
        match error.retry() {
            Retry::After(asked) if asked > LONGEST_ASKED => error.noting(&format!(
                "the registry asks to wait {} seconds",
                asked.as_secs()
            )),
            _ if self.made > 1 => error.noting(&format!("attempt {}", self.made)),
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::error::ErrorKind;
    use crate::progress::Silent;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse().expect("a name"),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn which_statuses_pass() {
        let none = HeaderMap::new();
        for (status, retry) in [
            (200, Retry::Never),
            (400, Retry::Never),
            (401, Retry::Never),
            (404, Retry::Never),
            (408, Retry::Soon),
            (429, Retry::Soon),
            (500, Retry::Soon),
            (501, Retry::Never),
            (503, Retry::Soon),
            (507, Retry::Never),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(of_status(status, &none), retry, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (pairs, expected) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (
                &[
                    ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"),
                    ("date", date),
                ],
                Some(60),
            ),
            (
                &[
                    ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"),
                    ("date", date),
                ],
                Some(0),
            ),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None),
            (&[], None),
        ] {
            let read = retry_after(&headers(pairs)).map(|wait| wait.as_secs());
            assert_eq!(read, expected, "{pairs:?}");
        }
    }

    fn failure(retry: Retry) -> Error {
        Error::new(ErrorKind::Unavailable, "down").retrying(retry)
    }

    async fn waits(retry: Retry, limits: Retries) -> (Vec<Duration>, Error) {
        let patience = Patience::new(limits);
        let mut attempts = patience.begin();
        let registry = "r.example".parse().expect("a registry");
        let mut waits = Vec::new();
        loop {
            let before = tokio::time::Instant::now();
            match attempts.wait(failure(retry), &registry, &Silent).await {
                Ok(()) => waits.push(before.elapsed()),
                Err(error) => return (waits, error),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest() {
        let limits = Retries {
            attempts: 8,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(10),
            seed: 42,
        };
        let (waits, error) = waits(Retry::Soon, limits).await;
        let most = [1, 2, 4, 8, 10, 10, 10];
        assert_eq!(waits.len(), most.len());
        for (wait, most) in waits.iter().zip(most) {
            let most = Duration::from_secs(most);
            assert!(*wait >= most / 2, "{wait:?} of {most:?}");
            // Timers of tokio count in milliseconds and round up.
            assert!(
                *wait <= most + Duration::from_millis(1),
                "{wait:?} of {most:?}"
            );
        }
        assert_eq!(error.to_string(), "down (attempt 8)");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_registry_asks_for_is_waited() {
        let asked = Duration::from_secs(9);
        let (waits, _) = waits(Retry::After(asked), Retries::default()).await;
        assert_eq!(waits, [asked; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_is_not_waited() {
        let (waits, error) =
            waits(Retry::After(Duration::from_secs(3600)), Retries::default()).await;
        assert_eq!(waits, []);
        assert_eq!(
            error.to_string(),
            "down (the registry asks to wait 3600 seconds)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_pass_is_not_tried_again() {
        let (waits, error) = waits(Retry::Never, Retries::default()).await;
        assert_eq!((waits, error.to_string()), (vec![], "down".to_owned()));
    }
}

//! When garbage is collected: every so often, and when somebody says so.
//!
//! One loop owns it, so that a process never collects twice at once; what is
//! collected, and how that is safe beside other replicas, is the store's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::{Collected, Policy};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::api::ApiError;
use crate::app::App;
use crate::settings::{Random, Schedule};

/// How long after a failure a collection is tried again, at first and at last.
const RETRY_FIRST: Duration = Duration::from_secs(15);
const RETRY_LAST: Duration = Duration::from_mins(10);

/// Starts a collection of garbage at once.
#[derive(Clone, Default)]
pub struct Trigger(Arc<Notify>);

impl Trigger {
    /// Has the server collect now. While it collects, it collects once more
    /// after that, however often it is told.
    pub fn fire(&self) {
        self.0.notify_one();
    }

    async fn fired(&self) {
        self.0.notified().await;
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trigger")
    }
}

/// Says how a collection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly,
}

/// Remembers which failure was logged, so that one that stays is logged once.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<String>);

impl Said {
    /// Says whether this was not said last.
    fn is_new(&self, text: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *said != text;
        text.clone_into(&mut said);
        is_new
    }
}

/// Collects garbage once.
pub(crate) async fn run(app: &App, policy: &Policy, said: &Said) -> Ended {
    let metrics = app.metrics().collection();
    let started = Instant::now();
    metrics.begins();
    let told = Mutex::new(Collected::default());
    let advance = |now: &Collected| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.advances(&told, now);
        *told = *now;
    };
    match app.collect(policy.clone(), &advance).await {
        Ok(all) => {
            advance(&all);
            metrics.done(app.now(), started.elapsed());
            // It says so after a failure too, so that the log has its end.
            if said.is_new("") || all.blobs + all.manifests + all.uploads > 0 {
                let Collected {
                    manifests,
                    blobs,
                    bytes,
                    uploads,
                    ..
                } = all;
                tracing::info!(manifests, blobs, bytes, uploads, "garbage was collected");
            }
            Ended::Well
        }
        Err(error) => {
            metrics.failed();
            let cause = ApiError::logged_cause(&error);
            if said.is_new(&cause) {
                tracing::error!(cause, "garbage can not be collected; it is tried again");
            }
            Ended::Badly
        }
    }
}

/// Runs `collect` by the schedule and by the trigger, until the server
/// stops. A run that ended badly is tried again soon, and then less and less
/// soon.
pub(crate) async fn collections<F: Future<Output = Ended>>(
    schedule: Schedule,
    (trigger, stopping): (&Trigger, &CancellationToken),
    random: &Random,
    collect: impl Fn() -> F,
) {
    let mut retry = None;
    loop {
        let regular = match schedule {
            Schedule::Off => None,
            Schedule::Every(interval) => Some(pause(interval, random)),
        };
        let next = [retry, regular].into_iter().flatten().min();
        let due = async {
            match next {
                None => std::future::pending().await,
                Some(next) => tokio::time::sleep(next).await,
            }
        };
        tokio::select! {
            () = due => {}
            () = trigger.fired() => {}
            () = stopping.cancelled() => return,
        }
        retry = match collect().await {
            Ended::Well => None,
            Ended::Badly => Some(retry.map_or(RETRY_FIRST, |last| (last * 2).min(RETRY_LAST))),
        };
    }
}

/// Makes a pause of the interval and up to a tenth of it.
fn pause(interval: Duration, random: &Random) -> Duration {
    let tenth = interval / 10;
    let permille = u32::try_from(random.next() % 1000).unwrap_or_default();
    interval + tenth / 1000 * permille
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::Instant;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Lists the seconds at which it collected in an hour; each takes 90, and
    /// the first ones fail.
    async fn hour(schedule: Schedule, fires: &[u64], failures: usize) -> Vec<u64> {
        let trigger = Trigger::default();
        let stopping = CancellationToken::new();
        let random = Random::new(|| 0);
        let start = Instant::now();
        let seen = RefCell::new(Vec::new());
        let busy = Cell::new(false);
        let collect = || async {
            assert!(!busy.replace(true), "two at once");
            seen.borrow_mut().push(start.elapsed().as_secs());
            tokio::time::sleep(Duration::from_secs(90)).await;
            busy.set(false);
            match seen.borrow().len() <= failures {
                true => Ended::Badly,
                false => Ended::Well,
            }
        };
        let telling = async {
            for at in fires {
                tokio::time::sleep_until(start + Duration::from_secs(*at)).await;
                trigger.fire();
            }
            tokio::time::sleep_until(start + 60 * MINUTE).await;
        };
        tokio::select! {
            () = collections(schedule, (&trigger, &stopping), &random, collect) => {}
            () = telling => {}
        }
        seen.take()
    }

    #[tokio::test(start_paused = true)]
    async fn by_itself_and_when_told() {
        let every = Schedule::Every(20 * MINUTE);
        assert_eq!(hour(every, &[], 0).await, [1200, 1200 + 90 + 1200]);
        assert_eq!(hour(Schedule::Off, &[], 0).await, [0; 0]);
        // Told twice while it runs, it runs once more.
        let fires = [5, 20, 30, 1000];
        assert_eq!(hour(Schedule::Off, &fires, 0).await, [5, 95, 1000]);
        assert_eq!(hour(every, &[600], 0).await, [600, 1890, 3180]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_one_is_tried_again() {
        assert_eq!(
            hour(Schedule::Off, &[0], 3).await,
            [0, 90 + 15, 195 + 30, 315 + 60]
        );
    }

    #[test]
    fn pauses_differ() {
        let random = Random::new(|| 999);
        assert_eq!(
            pause(10 * MINUTE, &random),
            10 * MINUTE + Duration::from_micros(59_940_000)
        );
    }
}

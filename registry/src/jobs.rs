//! Work that runs to its end whatever the client does.
//!
//! A handler is dropped when its connection breaks. What publishes or deletes
//! must not be: it runs here, as a task that the server owns, and the handler
//! only waits for it. So does what nobody asked for: collecting garbage.

mod collection;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use self::collection::Trigger;
use self::collection::{Ended, Said, collections, run};
use crate::app::App;
use crate::settings::Collection;

/// How long a collection may go on after the server was told to stop. It may
/// be cut off anywhere; the next one, or another replica, goes on from there.
const COLLECTION_PATIENCE: Duration = Duration::from_secs(5);

/// Owns the tasks of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobs {
    tasks: Arc<Mutex<JoinSet<()>>>,
    /// What runs until the server stops.
    background: Arc<Mutex<JoinSet<()>>>,
    stopping: CancellationToken,
}

/// Reports a task that did not come to its end: it panicked, or the server
/// was torn down under it.
#[derive(Debug, thiserror::Error)]
#[error("a task did not come to its end")]
pub(crate) struct Lost;

impl Jobs {
    /// Starts work, and waits for what it gives. Dropping the future that is
    /// returned does not end the work.
    pub(crate) fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, Lost>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        let work = work.in_current_span();
        tasks.spawn(async move {
            // Nobody has to be waiting.
            let _ = sender.send(work.await);
        });
        async move { receiver.await.map_err(|_gone| Lost) }
    }

    /// Collects garbage by the schedule and by the trigger, until
    /// [`Jobs::drain`].
    pub(crate) fn collect(&self, app: &App, collection: &Collection, trigger: &Trigger) {
        let (app, trigger, stopping) = (app.clone(), trigger.clone(), self.stopping.clone());
        let Collection { schedule, policy } = collection.clone();
        lock(&self.background).spawn(async move {
            let said = Said::default();
            let collect = || async {
                let cut = async {
                    stopping.cancelled().await;
                    tokio::time::sleep(COLLECTION_PATIENCE).await;
                };
                tokio::select! {
                    ended = run(&app, &policy, &said) => ended,
                    () = cut => Ended::Well,
                }
            };
            collections(schedule, (&trigger, &stopping), app.random(), collect).await;
        });
    }

    /// Waits until all work that was started has ended.
    pub(crate) async fn drain(&self) {
        self.stopping.cancel();
        let mut background = std::mem::take(&mut *lock(&self.background));
        while background.join_next().await.is_some() {}
        loop {
            let mut tasks = std::mem::take(&mut *lock(&self.tasks));
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }
}

fn lock(tasks: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    // A set of tasks is whole whatever its holder panicked on.
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits() {
        let jobs = Jobs::default();
        let (sender, receiver) = oneshot::channel();
        drop(jobs.run(async move {
            tokio::task::yield_now().await;
            let _ = sender.send(7);
        }));
        jobs.drain().await;
        assert_eq!(receiver.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_harms_nobody_else() {
        let jobs = Jobs::default();
        assert!(
            jobs.run(async { panic!("on purpose") as u8 })
                .await
                .is_err()
        );
        assert_eq!(jobs.run(async { 1 }).await.ok(), Some(1));
    }
}

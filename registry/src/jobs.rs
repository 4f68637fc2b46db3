//! Work that runs to its end whatever the client does.
//!
//! A handler is dropped when its connection breaks. What publishes or deletes
//! must not be: it runs here, as a task that the server owns, and the handler
//! only waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Owns the tasks of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobs {
    tasks: Arc<Mutex<JoinSet<()>>>,
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
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Nobody has to be waiting.
            let _ = sender.send(work.await);
        });
        async move { receiver.await.map_err(|_gone| Lost) }
    }

    /// Waits until all work that was started has ended.
    pub(crate) async fn drain(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.lock());
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        // A set of tasks is whole whatever its holder panicked on.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

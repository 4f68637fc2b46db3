//! The sandboxes of a build: one for each command that is run at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::blocking::{self, Begun};
use crate::error::Error;
use crate::pack::layers::locked;
use crate::request::Running;
use crate::snapshot::{Chain, Snapshots};

/// Is a sandbox with its directories, which one command has at a time.
pub(crate) type Sandbox = Arc<Mutex<Snapshots>>;

/// Keeps the sandboxes of a build that nobody uses at the moment.
#[derive(Debug)]
pub(crate) struct Sandboxes {
    running: Running,
    idle: Mutex<Vec<Sandbox>>,
    /// The first one, where a command is to come that is not cached.
    warming: Mutex<Option<Begun<Snapshots>>>,
    /// Whether one was made.
    has_made: AtomicBool,
    /// Held by who has layers unpacked, so that no two unpack the same one.
    pub(super) unpacking: tokio::sync::Mutex<()>,
}

/// Is a sandbox that somebody uses.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    pub(crate) sandbox: Sandbox,
    pool: &'a Sandboxes,
}

impl Sandboxes {
    /// Starts with none.
    pub(crate) fn new(running: Running) -> Self {
        Self {
            running,
            idle: Mutex::default(),
            warming: Mutex::default(),
            has_made: AtomicBool::new(false),
            unpacking: tokio::sync::Mutex::default(),
        }
    }

    /// Has the first sandbox be made while the step before its command is still
    /// being done.
    pub(crate) fn warm(&self) {
        let mut warming = locked(&self.warming);
        if warming.is_none() && !self.has_made.load(Ordering::Relaxed) {
            let running = self.running.clone();
            *warming = Some(Begun::new(move || Snapshots::start(&running)));
        }
    }

    /// Gives a sandbox if there is one that nobody uses, and that has each layer
    /// in a directory of its own.
    pub(crate) fn idle(&self) -> Option<Lease<'_>> {
        let mut idle = locked(&self.idle);
        let has_layers = |sandbox: &Sandbox| locked(sandbox).has_layers();
        let at = idle.iter().position(has_layers)?;
        let sandbox = idle.swap_remove(at);
        Some(Lease {
            sandbox,
            pool: self,
        })
    }

    /// Ends the sandboxes, which nobody uses any more: a kernel takes a moment
    /// for each.
    pub(crate) async fn close(&self) {
        let idle = std::mem::take(&mut *locked(&self.idle));
        // One that nobody took.
        let begun = locked(&self.warming).take();
        let warm = match begun {
            Some(begun) => begun.end().await.ok(),
            None => None,
        };
        let ended = blocking::run(move || {
            drop((idle, warm));
            Ok(())
        });
        // What stays, the next build clears up.
        let _ = ended.await;
    }

    /// Gives a sandbox that nobody uses, best one that has the file system of
    /// this chain, or else part of it; and whether it is the first one.
    pub(super) async fn take(&self, chain: &Chain) -> Result<(Lease<'_>, bool), Error> {
        let found = {
            let mut idle = locked(&self.idle);
            let best = (0..idle.len()).max_by_key(|at| {
                let sandbox = idle.get(*at);
                sandbox.map(|sandbox| locked(sandbox).has_of(chain))
            });
            best.map(|at| idle.swap_remove(at))
        };
        let (sandbox, is_first) = match found {
            Some(sandbox) => (sandbox, false),
            None => {
                let warming = locked(&self.warming).take();
                let snapshots = match warming {
                    Some(begun) => begun.end().await?,
                    None => {
                        let running = self.running.clone();
                        blocking::run(move || Snapshots::start(&running)).await?
                    }
                };
                let is_first = !self.has_made.swap(true, Ordering::Relaxed);
                (Arc::new(Mutex::new(snapshots)), is_first)
            }
        };
        let pool = self;
        Ok((Lease { sandbox, pool }, is_first))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // One that a thread still works in when its build was given up is not
        // for others.
        if Arc::strong_count(&self.sandbox) == 1 {
            locked(&self.pool.idle).push(Arc::clone(&self.sandbox));
        }
    }
}

//! Caches of a command: each held as it asks for, and filled from another
//! machine where it is empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::Sharing;
use oci::Platform;
use sandbox::Isolation;

use crate::cache::mounts::{self, Ledger, MountId, Seed};
use crate::error::Error;
use crate::events::{Event, Progress};
use crate::pack::layers::locked;
use crate::plan::excerpt;
use crate::snapshot::{Cache, Snapshots};
use crate::solve::run::Run;
use crate::solve::running::pool::Sandbox;
use crate::step::run::mounts::{PlannedKind, PlannedMount};

/// Is what a command's caches need.
pub(super) struct Caching {
    /// Where it is noted which the command had.
    ledger: Arc<Ledger>,
    /// The machine that the stage is for.
    platform: Platform,
    /// What empty ones are filled from, by the numbers of their mounts.
    seeds: BTreeMap<usize, Seed>,
    progress: Arc<dyn Progress>,
}

impl Run<'_> {
    /// Fetches what the empty caches of a command are filled from.
    pub(super) async fn caching(
        &self,
        platform: &Platform,
        mounts: &[PlannedMount],
        sandbox: &Sandbox,
    ) -> Caching {
        let sources = &self.request().caches.mounts.from;
        let mut seeds = BTreeMap::new();
        for mount in mounts {
            let PlannedKind::Cache { id, sharing, .. } = &mount.kind else {
                continue;
            };
            let lacks = || locked(sandbox).home().lacks_cache(id, *sharing);
            if sources.is_empty() || !lacks() {
                continue;
            }
            let of = MountId::new(id, platform);
            let images = &self.layers().images;
            if let Some(seed) = mounts::find(images, self.request(), sources, &of).await {
                seeds.insert(mount.number, seed);
            }
        }
        Caching {
            ledger: Arc::clone(&self.build.works.cache_mounts),
            platform: platform.clone(),
            seeds,
            progress: Arc::clone(&self.request().progress),
        }
    }
}

impl Caching {
    /// Holds the cache of a mount, filled where it can be. It blocks.
    pub(super) fn take(
        &self,
        snapshots: &Snapshots,
        mount: usize,
        (id, sharing): (&str, Sharing),
    ) -> Result<Cache, Error> {
        // What is moved in, nobody else can have meanwhile.
        let sharing = match (snapshots.tier().isolation, sharing) {
            (Isolation::Chroot, Sharing::Shared) => Sharing::Locked,
            (_, sharing) => sharing,
        };
        let seed = self.seeds.get(&mount);
        if let (Some(seed), Sharing::Shared) = (seed, sharing)
            && let Some(alone) = snapshots.home().cache_alone(id)?
        {
            self.sow(seed, snapshots, (id, &alone))?;
        }
        let cache = snapshots.home().cache(id, sharing, &|| {
            let message = format!("another command has the cache `{}`", excerpt(id));
            self.progress.note(&Event::Warned {
                message: &message,
                hint: "it is waited for; `sharing=private` takes another one",
            });
        })?;
        if let (Some(seed), Sharing::Locked | Sharing::Private) = (seed, sharing) {
            self.sow(seed, snapshots, (id, &cache))?;
        }
        let id = MountId::new(id, &self.platform);
        self.ledger.note(id, cache.directory.clone());
        Ok(cache)
    }

    /// Fills a cache that nobody else has, unless something is in it.
    fn sow(
        &self,
        seed: &Seed,
        snapshots: &Snapshots,
        (id, cache): (&str, &Cache),
    ) -> Result<(), Error> {
        let room = snapshots.room();
        let handle = room.handle();
        if cache.files.exists() && !handle.is_empty(&cache.files)? {
            return Ok(());
        }
        let fresh = cache.directory.join("seed");
        // Whoever was killed may have left a part of one.
        handle.remove(&fresh)?;
        if let Err(error) = seed.fill(handle, snapshots.how().1, &fresh) {
            let message = format!(
                "the cache `{}` can not be filled: {}",
                excerpt(id),
                mounts::chain(&error)
            );
            self.progress.note(&Event::Warned {
                message: &message,
                hint: "it starts empty",
            });
            return handle.remove(&fresh);
        }
        handle.remove(&cache.files)?;
        handle.rename(&fresh, &cache.files)
    }
}

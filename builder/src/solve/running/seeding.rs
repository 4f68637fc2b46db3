//! Caches of a command: each held as it asks for, and filled from another
//! machine where it is empty.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use dockerfile::Sharing;
use oci::Platform;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sandbox::Isolation;

use crate::cache::mounts::{self, Ledger, MountId, Seed};
use crate::error::{Error, ErrorKind};
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
    /// Each once, in the order in which they are taken.
    wanted: Vec<Wanted>,
    progress: Arc<dyn Progress>,
}

/// Is a cache that a command wants, at however many places.
struct Wanted {
    id: String,
    sharing: Sharing,
    /// What it is filled from if it is empty.
    seed: Option<Seed>,
}

/// After how long it is tried again to have a cache that another command has.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// Before which pause it is said that a cache is waited for: what only looks
/// whether one is free has it no longer by then.
const TELLING: u32 = 2;

impl Run<'_> {
    /// Fetches what the empty caches of a command are filled from.
    pub(super) async fn caching(
        &self,
        platform: &Platform,
        mounts: &[PlannedMount],
        sandbox: &Sandbox,
    ) -> Caching {
        let sources = &self.request().caches.mounts.from;
        let mut caches = Vec::new();
        for (id, sharing) in wanted(mounts) {
            let lacks = || locked(sandbox).home().lacks_cache(id, sharing);
            let mut seed = None;
            if !sources.is_empty() && lacks() {
                let of = MountId::new(id, platform);
                let images = &self.layers().images;
                seed = mounts::find(images, self.request(), sources, &of).await;
            }
            caches.push(Wanted {
                id: id.to_owned(),
                sharing,
                seed,
            });
        }
        Caching {
            ledger: Arc::clone(&self.build.works.cache_mounts),
            platform: platform.clone(),
            wanted: caches,
            progress: Arc::clone(&self.request().progress),
        }
    }
}

impl Caching {
    /// Holds all caches of the command, by their ids, each filled where it can
    /// be. It blocks for as long as other commands have them, or until the other
    /// end of `stop` is closed.
    pub(super) fn take(
        &self,
        snapshots: &Snapshots,
        stop: BorrowedFd<'_>,
    ) -> Result<BTreeMap<&str, Cache>, Error> {
        let mut held = BTreeMap::new();
        for wanted in &self.wanted {
            held.insert(wanted.id.as_str(), self.one(snapshots, wanted, stop)?);
        }
        Ok(held)
    }

    fn one(
        &self,
        snapshots: &Snapshots,
        Wanted { id, sharing, seed }: &Wanted,
        stop: BorrowedFd<'_>,
    ) -> Result<Cache, Error> {
        // What is moved in, nobody else can have meanwhile.
        let sharing = match (snapshots.tier().isolation, *sharing) {
            (Isolation::Chroot, Sharing::Shared) => Sharing::Locked,
            (_, sharing) => sharing,
        };
        if let (Some(seed), Sharing::Shared) = (seed, sharing)
            && let Some(alone) = snapshots.home().cache_alone(id)?
        {
            self.sow(seed, snapshots, (id, &alone))?;
        }
        let mut patience = Patience {
            id,
            stop,
            progress: self.progress.as_ref(),
            pauses: 0,
        };
        let home = snapshots.home();
        let cache = home.cache(id, sharing, &mut || patience.pause())?;
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

/// Says how a command has each of its caches. The order is that of their
/// directories, whatever that of the mounts is: two commands that take them in
/// different orders wait for each other. One that is mounted at several places
/// is taken once, since who has it alone waits for himself else, and as the
/// mount asks that lets others have it least.
fn wanted(mounts: &[PlannedMount]) -> Vec<(&str, Sharing)> {
    let mut wanted: BTreeMap<(String, &str), Sharing> = BTreeMap::new();
    for mount in mounts {
        if let PlannedKind::Cache { id, sharing, .. } = &mount.kind {
            let place = (Cache::place(id), id.as_str());
            let strongest = wanted.entry(place).or_insert(*sharing);
            *strongest = (*strongest).max(*sharing);
        }
    }
    let wanted = wanted.into_iter();
    wanted.map(|((_, id), sharing)| (id, sharing)).collect()
}

/// Waits for a cache that another command has.
struct Patience<'a> {
    id: &'a str,
    /// Its other end is closed when the build is given up.
    stop: BorrowedFd<'a>,
    progress: &'a dyn Progress,
    pauses: u32,
}

impl Patience<'_> {
    /// Waits for a moment; fails when there is nothing to wait for any more.
    fn pause(&mut self) -> Result<(), Error> {
        self.pauses += 1;
        if self.pauses == TELLING {
            let message = format!("another command has the cache `{}`", excerpt(self.id));
            self.progress.note(&Event::Warned {
                message: &message,
                hint: "it is waited for; `sharing=private` takes another one",
            });
        }
        match poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], Some(&PAUSE)) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Command, "the command was stopped")),
            Err(errno) => {
                let error = std::io::Error::from(errno);
                let context = format!("can not wait for the cache `{}`", excerpt(self.id));
                Err(Error::caused(ErrorKind::Storage, context, error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::sync::Mutex;

    use layer::EntryPath;

    use super::*;
    use crate::solve::running::output;
    use crate::step::run::mounts::{Access, Shape, Stub};

    fn mount(target: &str, id: &str, sharing: Sharing) -> PlannedMount {
        PlannedMount {
            number: 0,
            target: EntryPath::parse(target.as_bytes()).expect("a path"),
            stub: Stub::Tree,
            shape: Shape::Directory,
            kind: PlannedKind::Cache {
                id: id.to_owned(),
                sharing,
                access: Access {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                },
                from: None,
                source: "/".to_owned(),
                read_only: false,
            },
        }
    }

    #[test]
    fn all_commands_take_caches_in_one_order() {
        let mut ids = ["p", "q", "r", "s"];
        let planned = |ids: &[&str]| -> Vec<String> {
            let mounts = ids.iter().zip(["1", "2", "3", "4"]);
            let mounts: Vec<_> = mounts
                .map(|(id, target)| mount(target, id, Sharing::Locked))
                .collect();
            let ids = wanted(&mounts).into_iter().map(|(id, _)| id.to_owned());
            ids.collect()
        };
        let order = planned(&ids);
        for _ in 0..ids.len() {
            ids.rotate_left(1);
            assert_eq!(planned(&ids), order);
        }
        ids.reverse();
        assert_eq!(planned(&ids), order);
        assert!(order.is_sorted_by_key(|id| Cache::place(id)));
        // Some of them, too.
        let some = planned(&["s", "p"]);
        assert!(some.is_sorted_by_key(|id| Cache::place(id)));
    }

    #[test]
    fn a_cache_is_taken_once_as_others_may_have_it_least() {
        use Sharing::{Locked, Private, Shared};
        for (asked, expected) in [
            ([Shared, Shared, Shared], Shared),
            ([Shared, Private, Shared], Private),
            ([Private, Private, Shared], Private),
            ([Private, Locked, Shared], Locked),
            ([Locked, Shared, Locked], Locked),
        ] {
            let mounts = asked.into_iter().zip(["1", "2", "3"]);
            let mounts: Vec<_> = mounts
                .map(|(sharing, target)| mount(target, "x", sharing))
                .collect();
            assert_eq!(wanted(&mounts), [("x", expected)], "{asked:?}");
        }
    }

    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);

    impl Progress for Warnings {
        fn note(&self, event: &Event<'_>) {
            if let Event::Warned { message, .. } = event {
                locked(&self.0).push((*message).to_owned());
            }
        }
    }

    #[test]
    fn waiting_is_told_of_once_and_ends_with_the_build() {
        let (read, write) = output::pipe().expect("a pipe");
        let warnings = Warnings::default();
        let mut patience = Patience {
            id: "x",
            stop: read.as_fd(),
            progress: &warnings,
            pauses: 0,
        };
        patience.pause().expect("goes on");
        assert!(locked(&warnings.0).is_empty());
        patience.pause().expect("goes on");
        patience.pause().expect("goes on");
        drop(write);
        let error = patience.pause().expect_err("given up");
        assert_eq!(error.to_string(), "the command was stopped");
        let told = locked(&warnings.0).clone();
        assert_eq!(told, ["another command has the cache `x`"]);
    }
}

//! The directories of one build.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::{EntryPath, Form, Given, Marks, Observation, Operation, Rights, Settlement, Time};
use oci::Digest;
use sandbox::{Ids, Isolation, Probe, Tier, TierName};

use crate::error::{Error, ErrorKind};
use crate::request::{Running, SandboxChoice};
use crate::snapshot::chain::Chain;
use crate::snapshot::locks::Lock;
use crate::snapshot::store::{self, Home};
use crate::worker::{Handle, Overlay};

/// Has the directories of one build, and the worker that handles them.
/// Everything here blocks.
#[derive(Debug)]
pub(crate) struct Snapshots {
    room: Arc<Room>,
    tier: Tier,
    form: Form,
    rights: Rights,
    home: Home,
    /// The layers that are unpacked, and that nobody may take away meanwhile.
    ready: BTreeSet<Digest>,
    held: Vec<Lock>,
    /// What is in the one directory, where there is but one.
    live: Chain,
    /// How many commands have had a file system.
    count: usize,
}

/// Is the directory of a build, which is gone when nobody uses it any more.
#[derive(Debug)]
pub(crate) struct Room {
    handle: Handle,
    path: PathBuf,
    _lock: Lock,
}

impl Drop for Room {
    fn drop(&mut self) {
        // What stays, the next build clears up.
        let _ = self.handle.remove(&self.path);
    }
}

/// Is a file system that a command can be run in.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What becomes its root.
    pub(crate) root: PathBuf,
    /// A directory for what is made for the command alone.
    pub(crate) scratch: PathBuf,
    /// When it was made.
    pub(crate) started: Time,
    /// Where changes are looked for.
    changes: PathBuf,
    /// The directory of everything of this command.
    own: PathBuf,
    /// What was put there for mounts, and is to be taken away again.
    stubs: Vec<EntryPath>,
}

/// The rights of whoever builds in a tier.
fn rights(tier: &Tier) -> Rights {
    let (owners, devices, attributes) = match (&tier.ids, tier.isolation) {
        (Ids::Real, Isolation::Namespaces) => (Given::Really, Given::Really, Given::Really),
        (Ids::Real, Isolation::Chroot) => (Given::Really, Given::Really, Given::Recorded),
        (Ids::Mapped { .. }, _) => (Given::Really, Given::Recorded, Given::Recorded),
        (Ids::One, _) => (Given::Recorded, Given::Recorded, Given::Recorded),
    };
    Rights {
        owners,
        devices,
        attributes,
    }
}

/// Says how layers can be laid one on the other.
fn form(probe: &Probe, tier: &Tier) -> Form {
    let overlay = probe.facts.get(&tier.name()).map(|facts| &facts.overlay);
    match overlay {
        Some(Ok(sandbox::Marks::Trusted)) => Form::Overlay {
            marks: Marks::Trusted,
        },
        Some(Ok(sandbox::Marks::User)) => Form::Overlay { marks: Marks::User },
        Some(Err(_)) | None => Form::Plain,
    }
}

impl Snapshots {
    /// Finds the sandbox, and starts its worker.
    pub(crate) fn start(running: &Running) -> Result<Self, Error> {
        let failed = |error: sandbox::Error| {
            let hint = error.hint().map(str::to_owned);
            let told = Error::caused(ErrorKind::Sandbox, "`RUN` can not be done here", error);
            match hint {
                Some(hint) => told.with_hint(hint),
                None => told,
            }
        };
        store::make(&running.store)?;
        let asked = match running.sandbox {
            SandboxChoice::Best => TierName::ALL.as_slice(),
            SandboxChoice::Named(TierName::None) => {
                return Err(Error::new(
                    ErrorKind::Sandbox,
                    "`RUN` can not be done: `--sandbox=none` runs nothing",
                )
                .with_hint("leave the option out, or build a file without `RUN`"));
            }
            SandboxChoice::Named(ref name) => std::slice::from_ref(name),
        };
        let probe = Probe::first(&running.launch, &running.store, asked);
        let tier = match running.sandbox {
            SandboxChoice::Best => probe.best(),
            SandboxChoice::Named(name) => probe.tier(name),
        };
        let tier = tier.map_err(failed)?;
        let form = form(&probe, &tier);
        let handle = Handle::start(&running.launch, &tier)?;
        let home = Home::open(&running.store, &tier)?;
        home.clear_up(&handle);
        let (path, lock) = home.room()?;
        Ok(Self {
            room: Arc::new(Room {
                handle,
                path,
                _lock: lock,
            }),
            rights: rights(&tier),
            tier,
            form,
            home,
            ready: BTreeSet::new(),
            held: Vec::new(),
            live: Chain::default(),
            count: 0,
        })
    }

    /// Gives the sandbox.
    pub(crate) fn tier(&self) -> &Tier {
        &self.tier
    }

    /// Gives what directories there are, and what files can be given.
    pub(crate) fn how(&self) -> (Form, Rights) {
        (self.form, self.rights)
    }

    /// Says how many layers of a chain its one directory has, where it has but
    /// one.
    pub(crate) fn has_of(&self, chain: &Chain) -> usize {
        match self.live.is_below(chain) {
            true => self.live.links().len(),
            false => 0,
        }
    }

    /// Gives the worker, with the directory that it works in.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    /// Gives the directories that builds share.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Says whether each layer has a directory of its own.
    pub(crate) fn has_layers(&self) -> bool {
        self.form != Form::Plain
    }

    /// Holds the directory of a layer, where each has one of its own and this one
    /// is there.
    pub(crate) fn kept(&self, link: &Digest) -> Result<Option<Kept>, Error> {
        if !self.has_layers() {
            return Ok(None);
        }
        let lock = self.home.hold(link)?;
        Ok(lock.map(|lock| Kept {
            files: Left::of(self.room(), self.home.layer(link)),
            _lock: Arc::new(lock),
        }))
    }

    /// Lists which layers of a chain have to be unpacked, by their places from
    /// the lowest, in the order in which that has to be.
    pub(crate) fn missing(&mut self, chain: &Chain) -> Result<Vec<usize>, Error> {
        if self.form == Form::Plain {
            if !self.live.is_below(chain) {
                self.room.handle.remove(&self.plain())?;
                self.live = Chain::default();
            }
            return Ok((self.live.links().len()..chain.links().len()).collect());
        }
        let mut missing = Vec::new();
        for (at, link) in chain.links().iter().enumerate() {
            if self.ready.contains(link) {
                continue;
            }
            match self.home.hold(link)? {
                Some(lock) => {
                    self.held.push(lock);
                    self.ready.insert(*link);
                }
                None => missing.push(at),
            }
        }
        Ok(missing)
    }

    /// Unpacks the layer that is on top of a chain.
    pub(crate) fn unpack(
        &mut self,
        chain: &Chain,
        operations: Vec<Operation>,
        content: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let how = (self.form, self.rights);
        let handle = &self.room.handle;
        let Some(link) = chain.links().last() else {
            return Ok(());
        };
        if self.form == Form::Plain {
            handle.make(&self.plain())?;
            handle.perform(&self.plain(), operations, content, how)?;
            self.live = chain.clone();
            return Ok(());
        }
        let fresh = self.room.path.join("layer");
        handle.remove(&fresh)?;
        let files = fresh.join(store::FILES);
        handle.make(&files)?;
        let performed = handle.perform(&files, operations, content, how)?;
        self.publish(&fresh, link, performed.bytes)
    }

    /// Has a directory be that of a layer.
    fn publish(&mut self, fresh: &Path, link: &Digest, bytes: u64) -> Result<(), Error> {
        let lock = self.home.publish(&self.room.handle, fresh, link, bytes)?;
        self.held.push(lock);
        self.ready.insert(*link);
        Ok(())
    }

    fn plain(&self) -> PathBuf {
        self.room.path.join("plain")
    }

    /// Makes a file system that a command can be run in: all layers of a chain,
    /// with what mounts need to have a place.
    pub(crate) fn prepare(
        &mut self,
        chain: &Chain,
        root: &Operation,
        (stubs, new): (Vec<Operation>, Vec<EntryPath>),
    ) -> Result<Prepared, Error> {
        self.count += 1;
        let handle = &self.room.handle;
        let own = self.room.path.join(format!("r{}", self.count));
        let scratch = own.join("scratch");
        let started = handle.make(&scratch)?;
        let nothing = nothing()?;
        let how = (self.form, self.rights);
        let Form::Overlay { marks } = self.form else {
            let plain = self.plain();
            handle.make(&plain)?;
            handle.remember(&plain)?;
            handle.perform(&plain, stubs, nothing.as_fd(), how)?;
            return Ok(Prepared {
                root: plain.clone(),
                scratch,
                started,
                changes: plain,
                own,
                stubs: new,
            });
        };
        let (upper, work) = (own.join(store::FILES), own.join("w"));
        let (merged, low) = (own.join("m"), own.join("s"));
        for directory in [&upper, &work, &merged, &low] {
            handle.make(directory)?;
        }
        let of_root = vec![root.clone()];
        handle.perform(&upper, of_root.clone(), nothing.as_fd(), how)?;
        handle.perform(&low, [of_root, stubs].concat(), nothing.as_fd(), how)?;
        let below = chain.links().iter().rev();
        let lower = std::iter::once(low).chain(below.map(|link| self.home.layer(link)));
        handle.mount(Overlay {
            at: merged.clone(),
            base: self.home.path().to_owned(),
            lower: lower.collect(),
            upper: upper.clone(),
            work,
            marks,
        })?;
        Ok(Prepared {
            root: merged,
            scratch,
            started,
            changes: upper,
            own,
            stubs: Vec::new(),
        })
    }

    /// Looks at what a command made.
    pub(crate) fn look(&self, prepared: &Prepared) -> Result<Observation, Error> {
        let handle = &self.room.handle;
        if self.form == Form::Plain {
            handle.unstub(&prepared.changes, &prepared.stubs)?;
            return handle.compare(&prepared.changes, self.rights);
        }
        handle.unmount(&prepared.root)?;
        handle.observe(&prepared.changes, (self.form, self.rights))
    }

    /// Opens a file that a command made.
    pub(crate) fn source(&self, prepared: &Prepared) -> Left {
        Left {
            room: Arc::clone(&self.room),
            directory: prepared.changes.clone(),
        }
    }

    /// Has a file system be what its layers say.
    pub(crate) fn settle(
        &self,
        prepared: &Prepared,
        settlements: Vec<Settlement>,
    ) -> Result<(), Error> {
        let how = (self.form, self.rights);
        let handle = &self.room.handle;
        handle.settle(&prepared.changes, settlements, how)
    }

    /// Keeps a file system: it is now that of a chain with one layer more, or
    /// with as many as before.
    pub(crate) fn keep(
        &mut self,
        prepared: Prepared,
        chain: &Chain,
        added: Option<u64>,
    ) -> Result<(), Error> {
        if self.form == Form::Plain {
            self.live = chain.clone();
        } else if let (Some(bytes), Some(link)) = (added, chain.links().last()) {
            let fresh = self.room.path.join("layer");
            let handle = &self.room.handle;
            handle.remove(&fresh)?;
            handle.make(&fresh)?;
            handle.rename(&prepared.changes, &fresh.join(store::FILES))?;
            self.publish(&fresh, link, bytes)?;
        }
        self.room.handle.remove(&prepared.own)
    }

    /// Throws away what a command made that failed.
    pub(crate) fn discard(&mut self, prepared: &Prepared) -> Result<(), Error> {
        if self.form == Form::Plain {
            self.live = Chain::default();
            self.room.handle.remove(&self.plain())?;
        } else {
            // It may not be mounted any more.
            let _ = self.room.handle.unmount(&prepared.root);
        }
        self.room.handle.remove(&prepared.own)
    }
}

impl Prepared {
    /// Gives the directory of everything that is made for this command.
    pub(crate) fn own(&self) -> &Path {
        &self.own
    }
}

impl Room {
    /// Gives the worker.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Reaches the files that a command left.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    room: Arc<Room>,
    directory: PathBuf,
}

/// Reaches the files of a layer in its directory, which nobody takes away
/// meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    files: Left,
    _lock: Arc<Lock>,
}

impl Kept {
    /// Gives the files.
    pub(crate) fn files(&self) -> &Left {
        &self.files
    }
}

impl Left {
    /// Reaches the files of another directory.
    pub(crate) fn of(room: Arc<Room>, directory: PathBuf) -> Self {
        Self { room, directory }
    }

    /// Opens one.
    pub(crate) fn open(&self, path: &EntryPath) -> Result<OwnedFd, Error> {
        self.room.handle.open(&self.directory, path)
    }
}

/// Opens content for operations that have none.
fn nothing() -> Result<OwnedFd, Error> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(
        |errno| {
            let context = "can not open `/dev/null`";
            Error::caused(ErrorKind::Storage, context, std::io::Error::from(errno))
        },
    )
}

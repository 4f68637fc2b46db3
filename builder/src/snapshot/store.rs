//! What builds keep for each other on disk: layers as directories, and cache
//! mounts. All of it can be made again.
//!
//! ```text
//! real/ one/ mapped-…/   by whose the files are
//!   layers/NAME/         one layer: files/, and what it is: chain, size, lock
//!   caches/NAME/         one cache mount: files/, id, lock
//!   builds/…/            what a build has under way: lock
//! fingerprints/NAME      the digests of the files of one context
//! ```

mod caches;

use std::path::{Path, PathBuf};

use oci::{Algorithm, Digest, Hasher};
use sandbox::{IdRange, Ids, Launch, Probe, Tier};

use crate::error::{Error, ErrorKind};
use crate::snapshot::chain;
use crate::snapshot::locks::{Held, Lock};
use crate::worker::Handle;

/// The directory of the files of a layer, a cache or a command.
pub(crate) const FILES: &str = "f";
/// How many bytes of layers stay unpacked when no build uses them.
const KEPT_LIMIT: u64 = 20 * 1024 * 1024 * 1024;
const REAL: &str = "real";
const ONE: &str = "one";
const MAPPED: &str = "mapped-";
const LAYERS: &str = "layers";
const CACHES: &str = "caches";
const BUILDS: &str = "builds";
const LOCK: &str = "lock";
const CHAIN: &str = "chain";
const SIZE: &str = "size";
const ID: &str = "id";

pub(crate) use caches::Cache;

/// Is the part of a store whose files belong to the same users.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

/// Makes the directory of a store: nobody else may look into it, since what is
/// unpacked there has the set-id bits of images.
pub(crate) fn make(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| {
        let context = format!("can not make the directory `{}`", path.display());
        Error::caused(ErrorKind::Storage, context, error)
    })
}

/// Names the part of a store that a tier has.
fn kind(tier: &Tier) -> String {
    match &tier.ids {
        Ids::Real => REAL.to_owned(),
        Ids::One => ONE.to_owned(),
        Ids::Mapped { users, groups } => {
            let mut hasher = Hasher::unbroken(Algorithm::Sha256);
            let mut add = |ranges: &[IdRange]| {
                for range in ranges {
                    let IdRange {
                        inside,
                        outside,
                        count,
                    } = range;
                    hasher.update(format!("{inside} {outside} {count};").as_bytes());
                }
                hasher.update(b"/");
            };
            add(users);
            add(groups);
            format!("{MAPPED}{}", chain::name(&hasher.finish()))
        }
    }
}

fn stored(what: &str, path: &Path, error: std::io::Error) -> Error {
    let context = format!("can not {what} `{}`", path.display());
    Error::caused(ErrorKind::Storage, context, error)
}

impl Home {
    /// Opens the part of a store that a tier has.
    pub(crate) fn open(store: &Path, tier: &Tier) -> Result<Self, Error> {
        let path = store.join(kind(tier));
        for part in [LAYERS, CACHES, BUILDS] {
            make(&path.join(part))?;
        }
        // In a user namespace, whoever maps other numbers has to get through.
        Ok(Self { path })
    }

    /// Gives the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory of a layer's files.
    pub(crate) fn layer(&self, link: &Digest) -> PathBuf {
        self.path.join(LAYERS).join(chain::name(link)).join(FILES)
    }

    /// Sees to it that nobody takes a layer away; `None` where it is not here.
    pub(crate) fn hold(&self, link: &Digest) -> Result<Option<Lock>, Error> {
        let directory = self.path.join(LAYERS).join(chain::name(link));
        match fs_err::read_to_string(directory.join(CHAIN)) {
            Ok(text) if text == chain_text(link) => {}
            // Of another layer, or of before the machine was started: nothing
            // is synced here, so that it may be less than it was.
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(stored("read", &directory, error)),
        }
        match Lock::wait(&directory.join(LOCK), Held::Shared) {
            Ok(lock) => {
                // Only tells which layer was not used for longest.
                let _ = lock.touch();
                Ok(Some(lock))
            }
            // It was taken away just now.
            Err(_) if !directory.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has a directory be that of a layer, and holds it. Somebody else may have
    /// been faster.
    pub(crate) fn publish(
        &self,
        handle: &Handle,
        fresh: &Path,
        link: &Digest,
        bytes: u64,
    ) -> Result<Lock, Error> {
        let write = |name: &str, text: String| {
            let path = fresh.join(name);
            fs_err::write(&path, text).map_err(|error| stored("write", &path, error))
        };
        write(SIZE, bytes.to_string())?;
        write(CHAIN, chain_text(link))?;
        let at = self.path.join(LAYERS).join(chain::name(link));
        let lock = Lock::wait(&fresh.join(LOCK), Held::Shared)?;
        match fs_err::rename(fresh, &at) {
            Ok(()) => return Ok(lock),
            Err(error) if at.exists() => drop(error),
            Err(error) => return Err(stored("write", &at, error)),
        }
        if self.hold(link)?.is_none() {
            // It is of no use to anybody.
            if let Some(_alone) = Lock::attempt(&at.join(LOCK), Held::Alone)? {
                take_away(handle, &self.path, &at)?;
            }
            fs_err::rename(fresh, &at).map_err(|error| stored("write", &at, error))?;
            return Ok(lock);
        }
        drop(lock);
        handle.remove(fresh)?;
        self.hold(link)?.ok_or_else(|| {
            let message = format!("`{}` goes away while it is made", at.display());
            Error::new(ErrorKind::Storage, message)
        })
    }

    /// Makes a directory for a build.
    pub(crate) fn room(&self) -> Result<(PathBuf, Lock), Error> {
        let builds = self.path.join(BUILDS);
        let _alone = Lock::wait(&self.path.join(LOCK), Held::Alone)?;
        let room = tempfile::Builder::new().prefix("b").tempdir_in(&builds);
        let path = room
            .map_err(|error| stored("write into", &builds, error))?
            .keep();
        let lock = Lock::wait(&path.join(LOCK), Held::Alone)?;
        Ok((path, lock))
    }

    /// Takes away what builds left that are not there any more, and the layers
    /// that were not used for longest where there are too many. Whatever can
    /// not be done now, the next build does.
    pub(crate) fn clear_up(&self, handle: &Handle) {
        self.clear_rooms(handle);
        let layers = entries(&self.path.join(LAYERS));
        let mut bytes: u64 = layers.iter().map(|layer| size(layer)).sum();
        if bytes <= KEPT_LIMIT {
            return;
        }
        let used = |layer: &PathBuf| {
            let lock = fs_err::metadata(layer.join(LOCK));
            lock.and_then(|lock| lock.modified()).ok()
        };
        let mut by_age: Vec<_> = layers.iter().map(|layer| (used(layer), layer)).collect();
        by_age.sort();
        for (_, layer) in by_age {
            if bytes <= KEPT_LIMIT {
                return;
            }
            let of = size(layer);
            let lock = Lock::attempt(&layer.join(LOCK), Held::Alone);
            if matches!(lock, Ok(Some(_))) && take_away(handle, &self.path, layer).is_ok() {
                bytes = bytes.saturating_sub(of);
            }
        }
    }

    /// Takes away what builds left that are not there any more.
    fn clear_rooms(&self, handle: &Handle) {
        let Ok(_alone) = Lock::wait(&self.path.join(LOCK), Held::Alone) else {
            return;
        };
        for path in entries(&self.path.join(BUILDS)) {
            if let Ok(Some(_lock)) = Lock::attempt(&path.join(LOCK), Held::Alone) {
                let _ = handle.remove(&path);
            }
        }
    }
}

/// Says of which layer a directory is, and of which run of the machine.
fn chain_text(link: &Digest) -> String {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id");
    format!("{link} {}", boot.unwrap_or_default().trim())
}

/// Lists what is in a directory, as far as it can be read.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Is what builds keep for each other on disk.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    launch: Launch,
}

/// Says what a store has.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// How many layers are unpacked.
    pub layers: usize,
    /// The bytes of their files.
    pub layer_bytes: u64,
    /// How many of them a build uses just now.
    pub layers_in_use: usize,
    /// How many cache mounts there are.
    pub caches: usize,
    /// The bytes of their files.
    pub cache_bytes: u64,
}

/// Says what was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Pruned {
    /// How many layers.
    pub layers: usize,
    /// How many cache mounts.
    pub caches: usize,
    /// The bytes of all their files, and of what was remembered of contexts.
    pub bytes: u64,
    /// How many stayed, since a build uses them.
    pub in_use: usize,
}

/// Says what is to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Layers: the next build unpacks them again.
    Layers,
    /// Layers and cache mounts.
    All,
}

impl Store {
    /// Names a store.
    #[must_use]
    pub fn new(path: PathBuf, launch: Launch) -> Self {
        Self { path, launch }
    }

    /// Says what there is. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`] and [`ErrorKind::Sandbox`] when it can
    /// not be read.
    pub fn usage(&self) -> Result<Usage, Error> {
        let mut usage = Usage::default();
        self.each(|home, handle| {
            for layer in entries(&home.join(LAYERS)) {
                usage.layers += 1;
                usage.layer_bytes += size(&layer);
                if Lock::attempt(&layer.join(LOCK), Held::Alone)?.is_none() {
                    usage.layers_in_use += 1;
                }
            }
            for cache in entries(&home.join(CACHES)) {
                usage.caches += 1;
                usage.cache_bytes += handle.measure(&cache)?;
            }
            Ok(())
        })?;
        Ok(usage)
    }

    /// Takes away what no build uses. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`] and [`ErrorKind::Sandbox`] when
    /// something can not be removed; what was removed before is gone.
    pub fn prune(&self, what: Prune) -> Result<Pruned, Error> {
        let mut pruned = Pruned {
            bytes: crate::context::remove_fingerprints(&self.path),
            ..Pruned::default()
        };
        self.each(|home, handle| {
            Home {
                path: home.to_owned(),
            }
            .clear_up(handle);
            for layer in entries(&home.join(LAYERS)) {
                let Some(_lock) = Lock::attempt(&layer.join(LOCK), Held::Alone)? else {
                    pruned.in_use += 1;
                    continue;
                };
                pruned.bytes += size(&layer);
                take_away(handle, home, &layer)?;
                pruned.layers += 1;
            }
            if what == Prune::Layers {
                return Ok(());
            }
            for cache in entries(&home.join(CACHES)) {
                let Some(_lock) = Lock::attempt(&cache.join(LOCK), Held::Alone)? else {
                    pruned.in_use += 1;
                    continue;
                };
                pruned.bytes += handle.measure(&cache)?;
                take_away(handle, home, &cache)?;
                pruned.caches += 1;
            }
            Ok(())
        })?;
        Ok(pruned)
    }

    /// Does something with each part of the store, by a worker that may.
    fn each(&self, mut work: impl FnMut(&Path, &Handle) -> Result<(), Error>) -> Result<(), Error> {
        let is_home = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == REAL || name == ONE || name.starts_with(MAPPED)
        };
        // Whoever finds out what there is tries it here, too.
        let homes: Vec<PathBuf> = entries(&self.path).into_iter().filter(is_home).collect();
        if homes.is_empty() {
            return Ok(());
        }
        let probe = Probe::run(&self.launch, &self.path);
        for home in homes {
            let name = home.file_name().unwrap_or_default().to_string_lossy();
            let tier = probe.tiers.iter().find(|tier| kind(tier) == name);
            let Some(tier) = tier else {
                let message = format!(
                    "`{}` is of builds with users that are not to be had now",
                    home.display()
                );
                return Err(Error::new(ErrorKind::Sandbox, message).with_hint(
                    "its owners have to be in `/etc/subuid` and `/etc/subgid` as they were, or remove it as root",
                ));
            };
            work(&home, &Handle::start(&self.launch, tier)?)?;
        }
        Ok(())
    }
}

/// Takes a directory away: by another name first, so that nobody finds half of
/// it.
fn take_away(handle: &Handle, home: &Path, path: &Path) -> Result<(), Error> {
    let builds = home.join(BUILDS);
    let grave = tempfile::Builder::new().prefix("g").tempdir_in(&builds);
    let grave = grave
        .map_err(|error| stored("write into", &builds, error))?
        .keep();
    handle.rename(path, &grave.join(FILES))?;
    handle.remove(&grave)
}

fn size(layer: &Path) -> u64 {
    let text = fs_err::read_to_string(layer.join(SIZE));
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

//! Cache mounts between machines (`docs/adr/0013-cache-mounts.md`): what
//! commands keep in `RUN --mount=type=cache` as artefacts in a registry or a
//! directory, and caches filled from there.
//!
//! It decides neither when a command is run nor which directory a cache is:
//! that is of the store of snapshots. An artefact holds whatever commands left,
//! secrets among it, and is made for nobody who has not asked.

mod collect;
mod compose;
mod export;
mod group;
mod import;
mod name;
mod pack;
mod quota;
mod unpack;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use oci::{Digest, RegistryHost, RepositoryName};

use crate::error::Error;
use crate::pack::layers::locked;

pub(crate) use export::export;
pub(crate) use import::{Seed, find};
pub(crate) use name::MountId;

/// The bytes of files that an artefact has at most, unless somebody says
/// otherwise: two fifths of what CI services keep for a repository.
pub const MOUNT_QUOTA: u64 = 4 * 1024 * 1024 * 1024;
/// The bytes that an artefact may have without its compression for a cache to
/// be filled from it, unless somebody says otherwise.
pub const MOUNT_UNPACKED_LIMIT: u64 = 64 * 1024 * 1024 * 1024;

/// Says where cache mounts come from and go to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountCaches {
    /// Where a new or empty cache is filled from: the first that has it.
    pub from: Vec<MountSource>,
    /// Where the caches go that commands of the build had.
    pub to: Vec<MountTarget>,
}

/// Says where artefacts of cache mounts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountPlace {
    /// In a repository of a registry, under tags of their own.
    Registry(RegistryHost, RepositoryName),
    /// In a directory that is an OCI layout.
    Layout(PathBuf),
}

/// Says which cache mounts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKey {
    /// Those of no key: the newest.
    Newest,
    /// Those of a key file, by its digest.
    File(Digest),
}

/// Is one place that caches are filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSource {
    /// Where.
    pub place: MountPlace,
    /// The ids of the caches; all where there is none.
    pub ids: Vec<String>,
    /// Which artefact of each; where it is not there, the newest.
    pub key: MountKey,
    /// The bytes that one may have without its compression.
    pub quota: u64,
}

/// Is one place that caches go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountTarget {
    /// Where.
    pub place: MountPlace,
    /// The ids of the caches; all where there is none.
    pub ids: Vec<String>,
    /// Under which key beside the newest.
    pub key: MountKey,
    /// The bytes of files that one may have; those that were not used for
    /// longest are left out.
    pub quota: u64,
    /// Whether a build whose caches can not go there is one that failed.
    pub failure: MountFailure,
}

/// Says what becomes of a build whose caches can not be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountFailure {
    /// It fails, with its image in the library.
    #[default]
    Fails,
    /// It is warned of.
    Ignored,
}

/// Tells of a cache that was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountExported {
    /// The id of the cache.
    pub id: String,
    /// The machine that it is for, as `os/architecture/variant`.
    pub platform: String,
    /// Where it went.
    pub place: MountPlace,
    /// The digest of the artefact.
    pub digest: Digest,
    /// The bytes of the files in it.
    pub bytes: u64,
    /// How many files are in it.
    pub files: u64,
    /// How many files did not fit into the quota.
    pub left_out: u64,
    /// The bytes that were sent; 0 where it was there already.
    pub sent: u64,
}

/// Notes which caches the commands of a build had.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Their directories, by what they are.
    used: Mutex<BTreeMap<MountId, PathBuf>>,
}

impl Ledger {
    /// Notes that a command had a cache. Of several of one id, the first by
    /// its directory counts.
    pub(crate) fn note(&self, id: MountId, directory: PathBuf) {
        let mut used = locked(&self.used);
        let noted = used.entry(id).or_insert_with(|| directory.clone());
        if directory < *noted {
            *noted = directory;
        }
    }

    /// Lists them.
    pub(crate) fn used(&self) -> BTreeMap<MountId, PathBuf> {
        locked(&self.used).clone()
    }
}

/// Says whether a list of ids means one; an empty list means all.
fn is_meant(ids: &[String], id: &MountId) -> bool {
    ids.is_empty() || ids.iter().any(|meant| meant == id.id())
}

/// Gives an error and its causes in one line.
pub(crate) fn chain(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    let chain: Vec<String> = chain.map(ToString::to_string).collect();
    chain.join(": ")
}

#[cfg(test)]
mod tests;

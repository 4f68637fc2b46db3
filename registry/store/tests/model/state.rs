//! A state of everything, and what an operation does to it.

use std::hash::{Hash, Hasher};

use super::process::{At, Process};
use super::world::{
    BLOB, Keys, MANIFESTS, PROCESSES, REPOSITORIES, ROUNDS, Round, bytes, holder, link, record,
    reference,
};

/// The store, and every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) keys: Keys,
    pub(crate) round: Round,
    /// The removals of each plan whose keys are still as the plan says.
    pub(crate) plans: [Keys; ROUNDS],
    pub(crate) processes: [Process; PROCESSES],
    /// Records of manifests that were acknowledged and not deleted since.
    pub(crate) promised: Keys,
    /// Records that a client has deleted.
    pub(crate) deleted: Keys,
    /// Links that a client has deleted.
    pub(crate) taken: Keys,
    pub(crate) crashes: u8,
    /// Whether a blob was acknowledged that was not there.
    pub(crate) lied: bool,
    /// Whether removals ask for the version.
    pub(crate) conditional: bool,
}

impl State {
    pub(crate) fn new(processes: [Process; PROCESSES], conditional: bool) -> Self {
        Self {
            keys: 0,
            round: Round::FIRST,
            plans: [0; ROUNDS],
            processes,
            promised: 0,
            deleted: 0,
            taken: 0,
            crashes: 0,
            lied: false,
            conditional,
        }
    }

    pub(crate) fn has(&self, keys: Keys) -> bool {
        self.keys & keys == keys
    }

    /// Writes where there is nothing.
    pub(crate) fn create(&mut self, key: Keys) {
        self.keys |= key;
    }

    /// Writes whatever there is: nobody knows the key by its version any more.
    pub(crate) fn rewrite(&mut self, key: Keys) {
        self.forget(key);
        self.keys |= key;
    }

    pub(crate) fn delete(&mut self, key: Keys) {
        self.forget(key);
        self.keys &= !key;
    }

    fn forget(&mut self, key: Keys) {
        for process in &mut self.processes {
            process.held &= !key;
            // What was judged is only kept to be dropped.
            if process.told || process.at == At::Entries {
                process.entries &= !key;
            }
            if process.at == At::Entries {
                process.todo &= !key;
            }
            if self.conditional && matches!(process.at, At::Remove | At::HelpRemove) {
                process.todo &= !key;
            }
        }
        if self.conditional {
            for plan in &mut self.plans {
                *plan &= !key;
            }
        }
    }

    /// Replaces the round if it is as it was read.
    pub(crate) fn swap_round(&mut self, seen: Round, new: Round) -> bool {
        let same = self.round == seen;
        if same {
            self.round = new;
        }
        same
    }

    /// What a 201 says: the manifest is here, and all that it needs; and what
    /// protects that from the next collection.
    pub(crate) fn keeps_promises(&self) -> bool {
        if self.promised == 0 {
            return !self.lied;
        }
        for repository in 0..REPOSITORIES {
            for manifest in MANIFESTS {
                let its_record = record(repository, manifest);
                if self.promised & its_record == 0 {
                    continue;
                }
                let its_own = bytes(manifest)
                    | holder(manifest, repository)
                    | reference(repository, manifest);
                let its_link = link(repository);
                let its_blob = bytes(BLOB) | holder(BLOB, repository) | its_link;
                if !self.has(its_record | its_own)
                    || self.taken & its_link == 0 && !self.has(its_blob)
                {
                    return false;
                }
            }
        }
        !self.lied
    }

    pub(crate) fn is_over(&self) -> bool {
        self.processes.iter().all(|process| !process.runs())
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let pair = |low: Keys, high: Keys| u64::from(low) | u64::from(high) << 32;
        hasher.write_u64(pair(self.keys, self.round.packed()));
        hasher.write_u64(pair(self.promised, self.deleted));
        hasher.write_u64(pair(
            self.taken,
            u32::from(self.crashes) | u32::from(self.lied) << 8,
        ));
        for plans in self.plans.chunks_exact(2) {
            if let [first, second] = plans {
                hasher.write_u64(pair(*first, *second));
            }
        }
        for process in &self.processes {
            if process.task != u8::MAX {
                process.hash(hasher);
            }
        }
    }
}

//! A state of everything, and what an operation does to it.

use super::process::{At, Process};
use super::world::{
    BLOB, Digests, Keys, MANIFESTS, PROCESSES, Plan, REPOSITORIES, ROUNDS, Round, bytes, link,
    record,
};

/// The store, and every process.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) keys: Keys,
    pub(crate) round: Round,
    pub(crate) plans: [Plan; ROUNDS],
    pub(crate) processes: [Process; PROCESSES],
    /// Records of manifests that were acknowledged and not deleted since.
    pub(crate) promised: Keys,
    /// Records that a client has deleted.
    pub(crate) deleted: Keys,
    /// Links that a client has deleted.
    pub(crate) taken: Keys,
    pub(crate) crashes: u8,
    /// Whether removals ask for the version.
    pub(crate) conditional: bool,
}

impl State {
    pub(crate) fn has(&self, keys: Keys) -> bool {
        self.keys & keys == keys
    }

    /// Writes where there is nothing.
    pub(crate) fn create(&mut self, key: Keys) -> bool {
        let absent = !self.has(key);
        self.keys |= key;
        absent
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
            if self.conditional && matches!(process.at, At::Remove | At::HelpRemove) {
                process.todo &= !key;
            }
        }
        if self.conditional {
            for plan in &mut self.plans {
                plan.removals &= !key;
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

    /// What a 201 says: the manifest is here, and all that it needs.
    pub(crate) fn keeps_promises(&self) -> bool {
        for repository in 0..REPOSITORIES {
            for manifest in MANIFESTS {
                let its_record = record(repository, manifest);
                if self.promised & its_record == 0 {
                    continue;
                }
                if !self.has(its_record | bytes(manifest)) {
                    return false;
                }
                let its_link = link(repository);
                if self.taken & its_link == 0 && !self.has(its_link | bytes(BLOB)) {
                    return false;
                }
            }
        }
        true
    }

    pub(crate) fn is_over(&self) -> bool {
        self.processes.iter().all(|process| !process.runs())
    }
}

/// Says that a digest is among some.
pub(crate) fn among(digests: Digests, digest: usize) -> bool {
    digests & (1 << digest) != 0
}

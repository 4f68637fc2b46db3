//! What a process is and how far it has come. Every [`At`] but the last two
//! is one operation on one key, or one listing. Removing a plan is no step of
//! its own: by then each of its removals has lost its meaning.

use std::hash::{Hash, Hasher};

use super::world::{Digests, Keys, Round};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Finishes an upload of the blob.
    Push { to: usize },
    /// Mounts the blob.
    Mount { from: usize, to: usize },
    /// Puts a manifest.
    Put { to: usize, manifest: usize },
    /// Deletes a manifest.
    DeleteManifest { of: usize, manifest: usize },
    /// Takes the blob out of a repository.
    DeleteBlob { of: usize },
    /// Collects until nothing is due, or so many rounds have begun.
    Collect { rounds: u8 },
}

/// The next operation of a process.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum At {
    // Whoever writes or deletes.
    /// Reads the round before anything else.
    Raise,
    /// Looks for what is to be mounted.
    Source,
    /// Writes a due entry.
    Due,
    /// Reads one of the keys that somebody else has to have written.
    Affirm,
    /// Writes one of the maybes, or the bytes.
    State,
    /// Looks whether the truth is still there.
    Recheck,
    /// Writes the truth, or deletes it.
    Truth,
    /// Reads the round after everything else.
    Pass,
    /// Takes its digests out of the round.
    CutOut,
    /// Takes its own record back.
    Withdraw,
    /// Writes a due entry, and has failed.
    LastDue,
    // Whoever finishes the round of somebody else.
    HelpPlan,
    HelpRemove,
    HelpEnd,
    // A collector.
    /// Lists what is due.
    List,
    /// Reads which manifests among it are there.
    Expand,
    /// Reads the round.
    Round,
    /// Begins one.
    Judge,
    /// Ends the round of an owner that seems to be dead.
    TakeOver,
    /// Reads one key that has to do with the digests.
    Look,
    /// Lists the names of references or holders.
    Names,
    /// Writes the plan.
    Write,
    /// Commits it.
    Commit,
    /// Reads why the commit was lost.
    Lost,
    /// Removes one key.
    Remove,
    /// Ends the round.
    End,
    /// Removes one due entry.
    Entries,
    // Nothing any more.
    Ended,
    Crashed,
}

/// One process, with all that it has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// How many tasks it has done.
    pub(crate) task: u8,
    pub(crate) at: At,
    /// The round as it was last read.
    pub(crate) seen: Round,
    /// A writer: the number of the round before it looked at anything.
    pub(crate) number: u8,
    /// A collector: how many rounds it began.
    pub(crate) rounds: u8,
    /// Keys that are still to be operated on.
    pub(crate) todo: Keys,
    /// Lists that are still to be read.
    pub(crate) lists: Keys,
    /// Keys that are still as this process has read or written them.
    pub(crate) held: Keys,
    /// Keys that it has found.
    pub(crate) found: Keys,
    /// Manifests that were there when their entries were read, and holders
    /// that were listed.
    pub(crate) names: Keys,
    /// Due entries in work.
    pub(crate) entries: Keys,
    /// The digests in work.
    pub(crate) digests: Digests,
    /// A writer: whether the truth was written. A collector: whether the bytes
    /// were read, and later whether it was settled which entries go.
    pub(crate) told: bool,
    /// Whether a round was brought to its end since the last look.
    pub(crate) helped: bool,
    /// Whether the blob was not deleted since the task began.
    pub(crate) clean: bool,
}

impl Process {
    pub(crate) fn starting(task: u8, at: At) -> Self {
        Self {
            task,
            at,
            seen: Round::FIRST,
            number: 0,
            rounds: 0,
            todo: 0,
            lists: 0,
            held: 0,
            found: 0,
            names: 0,
            entries: 0,
            digests: 0,
            told: false,
            helped: false,
            clean: true,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        !matches!(self.at, At::Ended | At::Crashed)
    }
}

impl Hash for Process {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let pair = |low: Keys, high: Keys| u64::from(low) | u64::from(high) << 32;
        let flags = u8::from(self.told) | u8::from(self.helped) << 1 | u8::from(self.clean) << 2;
        hasher.write_u64(pair(self.todo, self.lists));
        hasher.write_u64(pair(self.held, self.found));
        hasher.write_u64(pair(self.names, self.entries));
        hasher.write_u64(pair(
            u32::from_le_bytes([self.task, self.at as u8, self.number, self.rounds]),
            u32::from_le_bytes([self.digests, flags, 0, 0]),
        ));
        hasher.write_u32(self.seen.packed());
    }
}

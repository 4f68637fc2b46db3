//! What a process is and how far it has come. Every [`At`] but the last two
//! is one operation on one key, or one listing.

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
    // A writer: the letters are those of the decision.
    /// a) Reads the round.
    Begin,
    /// Looks for what is to be mounted.
    Source,
    /// b) Writes one of the maybes, or the bytes.
    State,
    /// c) Reads one of the keys that it needs.
    Affirm,
    /// d) Writes the truth.
    Truth,
    /// e) Reads the round again.
    Again,
    /// Takes its digests out of the round.
    CutOut,
    /// Takes its own record back.
    Undo,
    // Whoever finishes the round of somebody else.
    HelpPlan,
    HelpRemove,
    HelpDrop,
    HelpEnd,
    // A deleter.
    DeleteDue,
    Delete,
    // A collector.
    /// 1. Lists what is due.
    List,
    /// 1. Reads the manifests among it.
    Manifests,
    /// 2. Reads the round.
    Round,
    /// 2. Begins one.
    Judge,
    /// Ends the round of an owner that seems to be dead.
    TakeOver,
    /// 3. Lists the names of references or holders.
    Names,
    /// 3. Reads one key that has to do with the digests.
    Look,
    /// 4. Writes the plan.
    Write,
    /// 4. Commits it.
    Commit,
    /// Reads why the commit was lost.
    Lost,
    /// 5. Removes one key.
    Remove,
    /// 6. Removes the plan.
    Drop,
    /// 6. Ends the round.
    End,
    /// Removes one due entry.
    Entries,
    // Nothing any more.
    Ended,
    Crashed,
}

/// One process, with all that it has in memory.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Process {
    /// How many tasks it has done.
    pub(crate) task: u8,
    pub(crate) at: At,
    /// The round as it was last read.
    pub(crate) seen: Round,
    /// The round as it was read before the truth was written.
    pub(crate) since: Round,
    /// Keys that are still to be operated on.
    pub(crate) todo: Keys,
    /// Keys that are still as this process has read or written them.
    pub(crate) held: Keys,
    /// Keys that it has found.
    pub(crate) found: Keys,
    /// Due entries in work.
    pub(crate) entries: Keys,
    /// The digests in work.
    pub(crate) digests: Digests,
    /// The manifests whose bytes could be read.
    pub(crate) readable: Digests,
    /// How often it began again, or how many rounds it began.
    pub(crate) tries: u8,
    /// Whether the truth was written.
    pub(crate) told: bool,
    /// Whether the blob was not deleted here since the task began.
    pub(crate) clean: bool,
}

impl Process {
    pub(crate) const NEW: Self = Self {
        task: 0,
        at: At::Begin,
        seen: Round::FIRST,
        since: Round::FIRST,
        todo: 0,
        held: 0,
        found: 0,
        entries: 0,
        digests: 0,
        readable: 0,
        tries: 0,
        told: false,
        clean: true,
    };

    pub(crate) fn stopped(task: u8, at: At) -> Self {
        Self {
            task,
            at,
            ..Self::NEW
        }
    }

    pub(crate) fn runs(&self) -> bool {
        !matches!(self.at, At::Ended | At::Crashed)
    }
}

//! What a build tells of while it runs. Events are data; whoever asked for
//! the build puts them into words.

use oci::Digest;

use crate::cache::Change;

/// Is told how a build comes on.
pub trait Progress: Send + Sync {
    /// Takes note of an event. It must not block.
    fn note(&self, event: &Event<'_>);
}

/// Takes no note of anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _: &Event<'_>) {}
}

/// Says what happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The build is planned: so many steps in so many stages.
    Planned {
        /// How many stages take part.
        stages: usize,
        /// How many instructions they have, with their `FROM`.
        steps: usize,
    },
    /// A step starts.
    Started {
        /// Which of the steps, from 1.
        step: usize,
        /// The stage, by its name or its number from 0.
        stage: &'a str,
        /// The instruction as it is written, in one line.
        text: &'a str,
    },
    /// A base was found.
    Resolved {
        /// Which of the steps.
        step: usize,
        /// The digest of its manifest.
        digest: &'a Digest,
        /// Where it was found.
        source: Source,
    },
    /// The layer of a base is read, for what it says of its files.
    Indexing {
        /// Which of the steps needs it.
        step: usize,
        /// The layer's digest.
        digest: &'a Digest,
        /// Its bytes that were read.
        position: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// Something is fetched from elsewhere.
    Fetching {
        /// From where, without what may be secret.
        url: &'a str,
        /// Its bytes that came; 0 where it starts.
        position: u64,
        /// Its size in bytes; 0 where nobody knows.
        size: u64,
    },
    /// A repository was fetched.
    CheckedOut {
        /// From where, without what may be secret.
        url: &'a str,
        /// The name of the commit, all of it.
        commit: &'a str,
    },
    /// Content is packed into a layer.
    Packing {
        /// Which of the steps.
        step: usize,
        /// The bytes of files that were packed.
        position: u64,
        /// The bytes of all files of the layer.
        size: u64,
    },
    /// The build is done once more, to see whether it comes to the same.
    Verifying,
    /// Commands are run in this sandbox.
    Sandboxed {
        /// Which.
        tier: sandbox::TierName,
    },
    /// A layer is unpacked, for commands to be run on it.
    Unpacking {
        /// Which of the steps needs it.
        step: usize,
        /// The layer's digest.
        digest: &'a Digest,
    },
    /// A command said something; secrets are masked.
    Output {
        /// Which of the steps.
        step: usize,
        /// Where it said so.
        stream: Stream,
        /// One line, without its end; what is no UTF-8 is replaced.
        line: &'a str,
    },
    /// A cache elsewhere was looked for.
    Imported {
        /// What it is called.
        name: &'a str,
        /// How many steps it has; 0 where there is none yet.
        steps: usize,
    },
    /// A step has to be done, and this is why.
    Missed {
        /// Which of the steps.
        step: usize,
        /// What is otherwise than in the nearest earlier build; at least one.
        changes: &'a [Change],
    },
    /// A registry has a layer, before the image is pushed.
    Sent {
        /// The layer's digest.
        digest: &'a Digest,
        /// The bytes that were sent; 0 where the registry had it, or took it
        /// over from another repository.
        bytes: u64,
    },
    /// A step is done.
    Finished {
        /// Which of the steps.
        step: usize,
        /// What came of it.
        outcome: Outcome,
    },
    /// Something is not as it may have been meant.
    Warned {
        /// What, in one line.
        message: &'a str,
        /// What would be right.
        hint: &'a str,
    },
}

/// Says where a base was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the local library, where somebody put it.
    Library,
    /// In its registry.
    Registry,
    /// In the layout that is named.
    Layout,
}

/// Says where a command said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// On standard output.
    Output,
    /// On standard error.
    Errors,
}

/// Says what came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing but the config changed, or nothing at all.
    NoLayer,
    /// A command was not run, since it came to nothing before.
    CachedNothing,
    /// The base was found.
    Base,
    /// A layer was packed.
    Packed {
        /// Its digest.
        digest: Digest,
        /// Its size in bytes, compressed.
        size: u64,
    },
    /// The same content was packed before.
    Cached {
        /// The layer's digest.
        digest: Digest,
        /// Its size in bytes, compressed.
        size: u64,
    },
}

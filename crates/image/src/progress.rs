//! What is told of a copy while it runs: data, for somebody else to render.

use oci::{Descriptor, Digest};

/// Is told how a copy comes on.
pub trait Progress: Send + Sync {
    /// Takes note of an event. It is called from the copy itself and must not
    /// wait.
    fn note(&self, event: &Event<'_>);
}

/// Takes no note of anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _event: &Event<'_>) {}
}

/// Is something that happened in a copy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// It is known what there is to copy.
    Planned {
        /// How many blobs, without manifests.
        blobs: u64,
        /// Their bytes together.
        bytes: u64,
    },
    /// The turn of a blob has come.
    Started {
        /// The blob.
        descriptor: &'a Descriptor,
        /// Its bytes.
        total: u64,
    },
    /// Bytes of a blob were moved.
    Advanced {
        /// The blob.
        digest: &'a Digest,
        /// How many of its bytes were moved so far. It falls back where an
        /// upload has to be tried again.
        position: u64,
        /// How many bytes were moved since the last event.
        bytes: u64,
    },
    /// A blob is done with.
    Finished {
        /// The blob.
        digest: &'a Digest,
        /// What was done.
        how: How,
    },
}

/// Says how a blob came to be at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its bytes were moved.
    Copied,
    /// It was there already.
    Present,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// It is not there: the source has none, and none is needed.
    Absent,
}

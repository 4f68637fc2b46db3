//! Progress as data: what is reported while bytes move. Nothing is printed
//! here.

use std::time::Duration;

use oci::{Digest, RegistryHost};

use crate::error::Error;

/// Is told what happens while a verb runs.
///
/// It is called on the threads that move the bytes, so it returns at once.
pub trait Progress: Send + Sync {
    /// Takes note of an event.
    fn note(&self, event: &Event<'_>);
}

/// Takes no note of anything.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _event: &Event<'_>) {}
}

/// Says what happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Bytes of a blob came in.
    Received {
        /// The blob.
        digest: &'a Digest,
        /// How many of its bytes are here. It does not go back.
        position: u64,
        /// How many bytes it has.
        size: u64,
    },
    /// Bytes of a blob were handed to the connection.
    Sent {
        /// The blob.
        digest: &'a Digest,
        /// How many of its bytes were sent. It goes back when an upload
        /// continues from what had really arrived.
        position: u64,
        /// How many bytes it has.
        size: u64,
    },
    /// A failure may pass, and is waited for.
    Retrying {
        /// The registry that failed.
        registry: &'a RegistryHost,
        /// How long it is waited.
        delay: Duration,
        /// What failed.
        error: &'a Error,
    },
}

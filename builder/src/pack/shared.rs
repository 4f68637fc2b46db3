//! What is worked out once for each digest, however many ask at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use oci::Digest;
use tokio::sync::OnceCell;

use crate::pack::layers::locked;

/// Keeps such things for a build.
#[derive(Debug)]
pub(crate) struct Shared<T>(Mutex<BTreeMap<Digest, Arc<OnceCell<T>>>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shared<T> {
    /// Gives the place of what belongs to a digest. Whoever comes first fills
    /// it, and the others wait; where that fails, the next one tries.
    pub(super) fn of(&self, digest: &Digest) -> Arc<OnceCell<T>> {
        Arc::clone(locked(&self.0).entry(*digest).or_default())
    }

    /// Keeps what is known anyway.
    pub(super) fn put(&self, digest: &Digest, value: T) {
        // What is there is the same.
        let _ = self.of(digest).set(value);
    }
}

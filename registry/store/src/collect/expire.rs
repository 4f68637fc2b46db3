//! Uploads that their clients gave up.
//!
//! The record says first that the upload expired, so that nobody continues
//! it; then its bytes go, and the record last: a crash leaves what the next
//! collection finds.

use blob::{Expected, Swapped};

use super::Policy;
use super::queue::{Entry, What};
use crate::error::Error;
use crate::keys;
use crate::records;
use crate::store::Store;

/// Says what became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// It is gone.
    Gone,
    /// Somebody may go on with it.
    GoesOn,
}

/// Says whether an upload was given up.
pub(crate) fn is_due(store: &Store, entry: &Entry, policy: &Policy) -> bool {
    let What::Upload(id, record) = &entry.what else {
        return false;
    };
    let writing = store
        .writing()
        .lock()
        // A set of names is whole whatever its holder panicked on.
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    record.expired || (policy.is_abandoned(record, store.now()) && !writing.contains(id))
}

/// Removes an upload that was given up.
pub(crate) async fn expire(store: &Store, entry: &Entry) -> Result<Expiry, Error> {
    let What::Upload(id, record) = &entry.what else {
        return Ok(Expiry::GoesOn);
    };
    let backend = store.backend();
    if !record.expired {
        let mut expired = record.clone();
        expired.expired = true;
        let expected = Expected::Version(entry.version.clone());
        let value = records::to_bytes(&expired);
        if backend.swap(&entry.key, expected, value).await? == Swapped::Lost {
            return Ok(Expiry::GoesOn);
        }
    }
    let place = keys::upload_data(id);
    let saved = match &record.saved {
        Some(saved) => saved.clone(),
        // Bytes may be there that were never acknowledged. Starting anew at
        // their place forgets them.
        None => backend.begin(&place).await?.save().await?,
    };
    backend.discard(&place, &saved).await?;
    backend.delete(&entry.key).await?;
    Ok(Expiry::Gone)
}

//! Blobs that the storage sends itself.

use std::time::Duration;

use oci::Digest;

use crate::error::Error;
use crate::repository::{Pull, Repository};

impl Repository<Pull> {
    /// Gives a URL under which anybody may read a blob for a while; `None`
    /// where the storage gives none. [`Repository::blob_size`] has just found
    /// the blob.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn blob_url(
        &self,
        digest: &Digest,
        valid: Duration,
    ) -> Result<Option<String>, Error> {
        let key = blob::blob_key(digest);
        Ok(self.store.backend().signed_url(&key, valid).await?)
    }
}

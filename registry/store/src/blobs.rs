//! Blobs as a repository sees them: a blob is visible where it was pushed to
//! or mounted in, and nowhere else.

use blob::{ByteRange, ByteStream};
use oci::{Digest, RepositoryName};

use crate::error::Error;
use crate::keys;
use crate::repository::{Delete, Grant, Pull, Push, Repository};

/// Says whether a mount was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// The blob is visible here now.
    Yes,
    /// No source had it; it has to be pushed.
    No,
}

impl Repository<Pull> {
    /// Gives the size of a blob, in bytes.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::BlobUnknown`] when it is not visible here.
    pub async fn blob_size(&self, digest: &Digest) -> Result<u64, Error> {
        if !self.has_blob(digest).await? {
            return Err(Error::BlobUnknown(*digest));
        }
        self.store
            .blobs()
            .size(digest)
            .await?
            .ok_or(Error::BlobUnknown(*digest))
    }

    /// Streams a part of a blob that [`Repository::blob_size`] has just found.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::BlobUnknown`] when it is gone since.
    pub async fn open_blob(&self, digest: &Digest, range: ByteRange) -> Result<ByteStream, Error> {
        self.store
            .blobs()
            .open(digest, range)
            .await?
            .ok_or(Error::BlobUnknown(*digest))
    }
}

impl Repository<Delete> {
    /// Takes a blob out of this repository; others that have it keep it.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::BlobUnknown`] when it is not visible here.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), Error> {
        if !self.has_blob(digest).await? {
            return Err(Error::BlobUnknown(*digest));
        }
        let backend = self.store.backend();
        backend.delete(&self.keys.blob_link(digest)).await?;
        self.forget_holder(digest).await
    }
}

impl Repository<Push> {
    /// The repositories that are looked through for one to mount from, where
    /// the caller names none.
    const MOUNT_SOURCES: usize = 64;

    /// Makes a blob of another repository visible here, without its bytes
    /// being sent again (distribution-spec, "Mounting a blob from another
    /// repository").
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn mount(&self, digest: &Digest, from: &Repository<Pull>) -> Result<Mounted, Error> {
        let present =
            from.has_blob(digest).await? && self.store.blobs().size(digest).await?.is_some();
        if !present {
            return Ok(Mounted::No);
        }
        self.store.state_fact(&self.keys.holder(digest)).await?;
        self.link_blob(digest).await?;
        Ok(Mounted::Yes)
    }

    /// Makes a blob visible here if some repository has it that the caller
    /// may pull from.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn mount_from_anywhere(
        &self,
        digest: &Digest,
        may_pull: impl Fn(&RepositoryName) -> bool + Send,
    ) -> Result<Mounted, Error> {
        let holders = self
            .store
            .backend()
            .page(&keys::links(digest), "", Self::MOUNT_SOURCES)
            .await?;
        for name in holders
            .names
            .iter()
            .filter_map(|encoded| keys::decode_repository(encoded))
        {
            if may_pull(&name)
                && self
                    .mount(digest, &self.store.repository(&name, Pull)?)
                    .await?
                    == Mounted::Yes
            {
                return Ok(Mounted::Yes);
            }
        }
        Ok(Mounted::No)
    }
}

impl<G: Grant> Repository<G> {
    /// Says whether a blob is visible here.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        self.store.is_fact(&self.keys.blob_link(digest)).await
    }

    /// Makes a blob visible here; its bytes and the key that finds this
    /// repository by the blob are there already.
    pub(crate) async fn link_blob(&self, digest: &Digest) -> Result<(), Error> {
        self.store.state_fact(&self.keys.blob_link(digest)).await?;
        // Whoever took the blob out meanwhile may have removed that key.
        self.store.state_fact(&self.keys.holder(digest)).await
    }

    /// Removes the key that finds this repository by a blob or manifest,
    /// unless it is here, as the one or the other.
    pub(crate) async fn forget_holder(&self, digest: &Digest) -> Result<(), Error> {
        if self.holds(digest).await? {
            return Ok(());
        }
        let key = self.keys.holder(digest);
        self.store.backend().delete(&key).await?;
        // A maybe-key may be left over, but never missing: if the blob came
        // back while this key went, it is written again.
        if self.holds(digest).await? {
            self.store.state_fact(&key).await?;
        }
        Ok(())
    }

    async fn holds(&self, digest: &Digest) -> Result<bool, Error> {
        Ok(self.has_blob(digest).await? || self.store.is_fact(&self.keys.manifest(digest)).await?)
    }
}

//! Blobs as a repository sees them: a blob is visible where it was pushed to
//! or mounted in, and nowhere else.

use blob::{ByteRange, ByteStream};
use oci::{Digest, RepositoryName};

use crate::collect::round::{ATTEMPTS, Fence, Passed, busy};
use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord, FactRecord};
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

    /// Gives the size of a blob, in bytes, to a client that may be about to
    /// push a manifest that needs it: the collector waits for that.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::BlobUnknown`] when it is not visible here.
    pub async fn offer_blob(&self, digest: &Digest) -> Result<u64, Error> {
        let key = self.keys.blob_link(digest);
        for _ in 0..ATTEMPTS {
            let found = records::read::<FactRecord>(self.store.backend(), &key).await?;
            let Some((fact, version)) = found else {
                return Err(Error::BlobUnknown(*digest));
            };
            if self.store.is_recent(&fact) {
                return self.blob_size(digest).await;
            }
            let mut fence = Fence::raise(&self.store, &[*digest]).await?;
            let size = self.blob_size(digest).await?;
            self.store.renew(&key, &fact, version).await?;
            if fence.pass(&self.store, &[*digest]).await? == Passed::Yes {
                return Ok(size);
            }
        }
        Err(busy())
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
        let mut fence = Fence::raise(&self.store, &[*digest]).await?;
        // The rest is removed by the collector, which alone can tell that
        // nobody is about to need it again.
        self.content_is_due(digest).await?;
        let backend = self.store.backend();
        backend.delete(&self.keys.blob_link(digest)).await?;
        // A round may have looked before the link was gone.
        if fence.pass(&self.store, &[*digest]).await? == Passed::LookAgain {
            self.content_is_due(digest).await?;
        }
        Ok(())
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
        let mut fence = Fence::raise(&self.store, &[*digest]).await?;
        if !from.has_blob(digest).await? || !self.has_bytes(digest).await? {
            return Ok(Mounted::No);
        }
        let holder = self.keys.holder(digest);
        tokio::try_join!(
            self.content_is_due(digest),
            self.store.state_lately(&holder),
        )?;
        self.state_link(digest).await?;
        for _ in 0..ATTEMPTS {
            if fence.pass(&self.store, &[*digest]).await? == Passed::Yes {
                return Ok(Mounted::Yes);
            }
            self.content_is_due(digest).await?;
            // The link is left to the collector: somebody else who pushes the
            // blob at this moment may rely on it already. Without bytes the
            // blob is not visible.
            if !self.has_bytes(digest).await? {
                return Ok(Mounted::No);
            }
            self.restate_link(digest).await?;
        }
        Err(busy())
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

    /// Says whether the bytes of a blob are there, for whomever.
    pub(crate) async fn has_bytes(&self, digest: &Digest) -> Result<bool, Error> {
        Ok(self.store.blobs().size(digest).await?.is_some())
    }

    /// Makes a blob visible here; its bytes and the key that finds this
    /// repository by the blob are there already.
    pub(crate) async fn state_link(&self, digest: &Digest) -> Result<(), Error> {
        self.store.state_lately(&self.keys.blob_link(digest)).await
    }

    /// Writes what makes a blob visible here, where a round of collection may
    /// have removed some of it.
    pub(crate) async fn restate_link(&self, digest: &Digest) -> Result<(), Error> {
        self.store.state_lately(&self.keys.holder(digest)).await?;
        self.state_link(digest).await
    }

    /// Makes the collector look whether a blob is needed here, when a client
    /// has had the time to push what needs it.
    pub(crate) async fn content_is_due(&self, digest: &Digest) -> Result<(), Error> {
        let what = DueRecord::Content {
            repository: self.name.clone(),
            digest: *digest,
        };
        self.store.make_due(self.store.now(), &what).await
    }
}

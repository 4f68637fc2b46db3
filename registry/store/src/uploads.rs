//! Uploads: blobs on their way in (distribution-spec, "Pushing blobs").
//!
//! What is acknowledged lies in the storage, not in this process: an
//! [`UploadRecord`] says how many bytes there are, where, and the state of the
//! hasher over them. A [`Writer`] holds the turn to write; there is one at a
//! time.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use blob::{Expected, Intake, Saved, Swapped, Version};
use bytes::Bytes;
use oci::{Algorithm, Digest, Hasher};

use crate::collect::round::{ATTEMPTS, Fence, Passed, busy};
use crate::error::Error;
use crate::keys;
use crate::records::{self, UploadRecord};
use crate::repository::{Push, Repository};
use crate::store::Store;

/// Names an upload by its time and 80 random bits, so that nobody finds
/// another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// The digits of the time, in front: the byte order of the names is the
    /// order in which the uploads were started.
    pub(crate) const TIME_DIGITS: usize = 12;

    /// Makes a name of the time, in milliseconds since 1970, and 80 random
    /// bits, the lowest of these.
    #[must_use]
    pub fn new(now: u64, random: u128) -> Self {
        let random = random & ((1 << 80) - 1);
        Self(format!("{:012x}{random:020x}", now & ((1 << 48) - 1)))
    }

    /// Gives the name as text: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for UploadId {
    type Err = Error;

    /// Whatever is no name of an upload names an unknown one.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::UploadUnknown)
        }
    }
}

/// Describes an upload as it was acknowledged.
#[derive(Debug, Clone)]
pub struct Upload {
    id: UploadId,
    record: UploadRecord,
    version: Version,
}

impl Upload {
    /// Gives the name.
    #[must_use]
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// Counts the bytes that were acknowledged.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.record.length
    }
}

impl Repository<Push> {
    /// Starts an upload that other requests will continue.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn start_upload(&self, id: UploadId, algorithm: Algorithm) -> Result<Upload, Error> {
        let record = UploadRecord {
            repository: self.name.clone(),
            algorithm,
            started: self.store.now(),
            touched: self.store.now(),
            length: 0,
            saved: None,
            hash: None,
            digest: None,
            turn: String::new(),
            expired: false,
        };
        let value = records::to_bytes(&record);
        let key = keys::upload(&id);
        // Two uploads of one name would need the same 128 random bits.
        let _created = self.store.backend().create(&key, value).await?;
        self.upload(&id).await
    }

    /// Looks at an upload.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::UploadUnknown`] when there is none of this name in
    /// this repository.
    pub async fn upload(&self, id: &UploadId) -> Result<Upload, Error> {
        let found = records::read::<UploadRecord>(self.store.backend(), &keys::upload(id)).await?;
        match found {
            Some((record, version)) if record.repository == self.name && !record.expired => {
                Ok(Upload {
                    id: id.clone(),
                    record,
                    version,
                })
            }
            _ => Err(Error::UploadUnknown),
        }
    }

    /// Takes the turn from whoever else has it in another process: what that
    /// one writes from now on is not acknowledged. A client that lost its
    /// connection need not wait until the other end has noticed.
    async fn claim(&self, mut upload: Upload) -> Result<Upload, Error> {
        let backend = self.store.backend();
        if !backend.is_shared() {
            return Ok(upload);
        }
        upload.record.turn = self.store.nonce();
        upload.record.touched = self.store.now();
        let expected = Expected::Version(upload.version.clone());
        let value = records::to_bytes(&upload.record);
        match backend
            .swap(&keys::upload(&upload.id), expected, value)
            .await?
        {
            Swapped::Done => self.claimed(upload).await,
            Swapped::Lost => Err(Error::UploadBusy),
        }
    }

    /// Reads back an upload whose turn was taken.
    async fn claimed(&self, upload: Upload) -> Result<Upload, Error> {
        let found = self.upload(&upload.id).await?;
        if found.record.turn == upload.record.turn {
            Ok(found)
        } else {
            Err(Error::UploadBusy)
        }
    }

    /// Cancels an upload and removes its bytes.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::UploadUnknown`] when there is none, and with
    /// [`Error::UploadBusy`] while another request writes to it.
    pub async fn cancel_upload(&self, id: &UploadId) -> Result<(), Error> {
        let _turn = Turn::take(&self.store, id)?;
        let upload = self.claim(self.upload(id).await?).await?;
        self.forget(&upload).await
    }

    /// Takes the turn to write to an upload from its acknowledged end.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::UploadUnknown`] when there is none, with
    /// [`Error::UploadBusy`] while another request writes to it, and with
    /// [`Error::UploadOffset`] when `start` is not the acknowledged end.
    pub async fn continue_upload(&self, id: &UploadId, start: Start) -> Result<Writer, Error> {
        let turn = Turn::take(&self.store, id)?;
        let upload = self.upload(id).await?;
        if let Start::At(start) = start
            && start != upload.length()
        {
            return Err(Error::UploadOffset {
                length: upload.length(),
                start,
            });
        }
        let upload = self.claim(upload).await?;
        Ok(Writer {
            repository: self.clone(),
            turn,
            start,
            algorithm: upload.record.algorithm,
            stored: Some(upload),
            intake: None,
        })
    }

    /// Takes in a whole blob in one request, which nobody can continue.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub fn receive_blob(&self, id: &UploadId, algorithm: Algorithm) -> Result<Writer, Error> {
        let turn = Turn::take(&self.store, id)?;
        Ok(Writer {
            repository: self.clone(),
            turn,
            start: Start::AtEnd,
            algorithm,
            stored: None,
            intake: None,
        })
    }

    /// Removes what an upload has left. The record goes last, so that what is
    /// left by a crash can still be found.
    async fn forget(&self, upload: &Upload) -> Result<(), Error> {
        let backend = self.store.backend();
        if let Some(saved) = &upload.record.saved {
            let place = keys::upload_data(&upload.id);
            backend.discard(&place, saved).await?;
        }
        Ok(backend.delete(&keys::upload(&upload.id)).await?)
    }
}

/// Says where the next bytes of an upload start, and so how they are hashed:
/// a client that counts its bytes sends them in parts, and the hasher's state
/// has to be kept between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where the upload ends.
    AtEnd,
    /// At this byte, as the client says.
    At(u64),
}

/// Holds the turn to write to one upload.
///
/// Dropped without [`Writer::save`], it leaves the upload as it was.
#[derive(Debug)]
pub struct Writer {
    repository: Repository<Push>,
    turn: Turn,
    start: Start,
    algorithm: Algorithm,
    /// The upload as it was acknowledged; absent for a blob that comes in one
    /// request.
    stored: Option<Upload>,
    /// Opened with the first bytes.
    intake: Option<Intake>,
}

impl Writer {
    /// Counts the bytes of the upload, acknowledged or not.
    #[must_use]
    pub fn length(&self) -> u64 {
        match (&self.intake, &self.stored) {
            (Some(intake), _) => intake.length(),
            (None, Some(upload)) => upload.length(),
            (None, None) => 0,
        }
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// Fails when the storage does; the upload stays as it was acknowledged.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        Ok(self.intake().await?.push(piece).await?)
    }

    /// Makes what came durable, so that any process can continue from here.
    ///
    /// # Errors
    ///
    /// Fails when the storage does, and with [`Error::UploadUnknown`] when
    /// the upload was cancelled or finished by another process meanwhile.
    pub async fn save(mut self) -> Result<Upload, Error> {
        let Some(upload) = self.stored.take() else {
            return Err(Error::UploadUnknown);
        };
        let Some(mut intake) = self.intake.take() else {
            return Ok(upload);
        };
        let saved = intake.save().await?;
        self.acknowledge(upload, &intake, saved).await
    }

    /// Writes down how far the upload has come.
    async fn acknowledge(
        &self,
        mut upload: Upload,
        intake: &Intake,
        (saved, hasher): (Saved, Hasher),
    ) -> Result<Upload, Error> {
        upload.record.length = intake.length();
        upload.record.touched = self.repository.store.now();
        upload.record.saved = Some(saved);
        upload.record.hash = hasher.save();
        upload.record.digest = upload.record.hash.is_none().then(|| hasher.finish());
        let backend = self.repository.store.backend();
        let expected = Expected::Version(upload.version.clone());
        let value = records::to_bytes(&upload.record);
        match backend
            .swap(&keys::upload(&upload.id), expected, value)
            .await?
        {
            Swapped::Done => self.repository.claimed(upload).await,
            // It is gone, or another process writes to it.
            Swapped::Lost => match self.repository.upload(&upload.id).await {
                Ok(_) => Err(Error::UploadBusy),
                Err(error) => Err(error),
            },
        }
    }

    /// Ends the upload: its bytes are the blob of this digest, durable and
    /// visible in the repository (distribution-spec, "Pushing blobs").
    ///
    /// # Errors
    ///
    /// Fails with [`Error::DigestMismatch`] when the bytes have another
    /// digest, and when the storage fails; the upload stays as it was
    /// acknowledged.
    pub async fn finish(mut self, digest: &Digest) -> Result<(), Error> {
        let repository = self.repository.clone();
        let mut fence = match self.publish_fenced(digest).await {
            Ok(fence) => fence,
            Err(error) => {
                // The first error is the one to tell; what can not be removed
                // is found by its age.
                let _left_over = self.restore().await;
                return Err(error);
            }
        };
        repository.state_link(digest).await?;
        for _ in 0..ATTEMPTS {
            if fence.pass(&repository.store, &[*digest]).await? == Passed::Yes {
                if let Some(upload) = &self.stored {
                    repository.forget(upload).await?;
                }
                return Ok(());
            }
            repository.content_is_due(digest).await?;
            // It came so slowly that it was collected before it was needed.
            if !repository.has_bytes(digest).await? {
                return Err(Error::UploadUnknown);
            }
            repository.restate_link(digest).await?;
        }
        Err(busy())
    }

    async fn publish_fenced(&mut self, digest: &Digest) -> Result<Fence, Error> {
        let store = self.repository.store.clone();
        let fence = Fence::raise(&store, &[*digest]).await?;
        self.publish_held(digest).await?;
        Ok(fence)
    }

    /// Publishes the bytes, and says who has them.
    async fn publish_held(&mut self, digest: &Digest) -> Result<(), Error> {
        let repository = self.repository.clone();
        let holder = repository.keys.holder(digest);
        let (published, held, due) = tokio::join!(
            self.publish(digest),
            repository.store.state_lately(&holder),
            repository.content_is_due(digest),
        );
        published.and(held).and(due)
    }

    /// Ends a turn that failed: keeps what came, if that can be kept, and
    /// else what was acknowledged before.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn settle(mut self) -> Result<(), Error> {
        if let Some(upload) = self.stored.clone()
            && let Some(mut intake) = self.intake.take()
        {
            if let Ok((saved, hasher)) = intake.save().await {
                return self
                    .acknowledge(upload, &intake, (saved, hasher))
                    .await
                    .map(|_upload| ());
            }
            self.intake = Some(intake);
        }
        self.restore().await
    }

    /// Frees what was not acknowledged.
    async fn restore(mut self) -> Result<(), Error> {
        let Some(intake) = self.intake.take() else {
            return Ok(());
        };
        let upload = self.stored.as_ref();
        match upload.and_then(|upload| upload.record.saved.as_ref()) {
            None => self.remove(intake).await,
            // Continuing forgets, and frees, what came since.
            Some(saved) => {
                drop(intake);
                let place = keys::upload_data(&self.turn.id);
                self.repository
                    .store
                    .backend()
                    .resume(&place, saved)
                    .await?;
                Ok(())
            }
        }
    }

    /// Removes bytes that no record knows of.
    async fn remove(&self, intake: Intake) -> Result<(), Error> {
        if let Some(saved) = intake.give_up().await? {
            let place = keys::upload_data(&self.turn.id);
            self.repository
                .store
                .backend()
                .discard(&place, &saved)
                .await?;
        }
        Ok(())
    }

    async fn publish(&mut self, digest: &Digest) -> Result<(), Error> {
        if let Some(published) = self.publish_as_digested(digest).await? {
            return Ok(published);
        }
        self.intake().await?;
        let intake = self.intake.as_mut().ok_or(Error::UploadUnknown)?;
        if digest.algorithm() != self.algorithm {
            intake.rehash(digest.algorithm()).await?;
        }
        intake
            .publish(digest)
            .await
            .map_err(|error| match error.kind() {
                blob::ErrorKind::Mismatch => Error::DigestMismatch { expected: *digest },
                _ => error.into(),
            })
    }

    /// Publishes without hashing, where all bytes came in one earlier request
    /// and that left their digest.
    async fn publish_as_digested(&mut self, digest: &Digest) -> Result<Option<()>, Error> {
        let (None, Some(upload)) = (&self.intake, &self.stored) else {
            return Ok(None);
        };
        let (Some(known), Some(saved)) = (upload.record.digest, &upload.record.saved) else {
            return Ok(None);
        };
        if known.algorithm() != digest.algorithm() {
            return Ok(None);
        }
        if known != *digest {
            return Err(Error::DigestMismatch { expected: *digest });
        }
        let backend = self.repository.store.backend();
        let bytes = backend
            .resume(&keys::upload_data(&upload.id), saved)
            .await?;
        match bytes {
            Some(bytes) => bytes.publish(&blob::blob_key(digest)).await?,
            // An earlier try published them, and came no further.
            None if self.repository.store.blobs().size(digest).await?.is_some() => {}
            None => return Err(Error::UploadUnknown),
        }
        Ok(Some(()))
    }

    /// Opens the bytes where they were acknowledged to end.
    async fn intake(&mut self) -> Result<&mut Intake, Error> {
        let intake = match self.intake.take() {
            Some(intake) => intake,
            None => self.open().await?,
        };
        Ok(self.intake.insert(intake))
    }

    async fn open(&self) -> Result<Intake, Error> {
        let store = &self.repository.store;
        let place = keys::upload_data(&self.turn.id);
        let record = self.stored.as_ref().map(|upload| &upload.record);
        let Some((saved, record)) =
            record.and_then(|record| Some((record.saved.as_ref()?, record)))
        else {
            let hasher = match self.start {
                Start::AtEnd => Hasher::unbroken(self.algorithm),
                Start::At(_) => Hasher::resumable(self.algorithm),
            };
            return Ok(store.blobs().begin(&place, hasher).await?);
        };
        let bytes = store
            .backend()
            .resume(&place, saved)
            .await?
            .ok_or(Error::UploadUnknown)?;
        match record.hash.as_ref().and_then(Hasher::resume) {
            Some(hasher) if hasher.length() == record.length => Ok(Intake::new(bytes, hasher)),
            // The state could not be kept, or another version kept it.
            _ => {
                let mut intake = Intake::new(bytes, Hasher::resumable(self.algorithm));
                intake.rehash(self.algorithm).await?;
                Ok(intake)
            }
        }
    }
}

/// Holds the right to write to one upload within this process.
#[derive(Debug)]
struct Turn {
    store: Store,
    id: UploadId,
}

impl Turn {
    fn take(store: &Store, id: &UploadId) -> Result<Self, Error> {
        if !writing(store).insert(id.clone()) {
            return Err(Error::UploadBusy);
        }
        Ok(Self {
            store: store.clone(),
            id: id.clone(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        writing(&self.store).remove(&self.id);
    }
}

fn writing(store: &Store) -> MutexGuard<'_, HashSet<UploadId>> {
    // A set of names is whole whatever its holder panicked on.
    store
        .writing()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

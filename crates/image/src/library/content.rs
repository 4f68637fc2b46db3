//! Content of the library: blobs by digest, and the small records that builds
//! keep beside them.

use std::fmt;

use blob::{ByteRange, Expected, Intake, Key, Swapped};
use bytes::Bytes;
use futures_util::StreamExt as _;
use oci::{Descriptor, Digest, Hasher};

use crate::error::Error;
use crate::library::Library;
use crate::source::{Pieces, mismatched};

impl Library {
    /// Says whether the library has a blob, of the size that is promised.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn has(&self, blob: &Descriptor) -> Result<bool, Error> {
        let size = self.blobs.size(&blob.digest).await;
        let size = size
            .map_err(|error| Error::stored(format!("can not look for `{}`", blob.digest), error))?;
        Ok(size == Some(blob.size))
    }

    /// Reads a small blob whole, and checks it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Fails when it has more than `limit` bytes, with
    /// [`ErrorKind::Mismatch`](crate::ErrorKind::Mismatch) when it is damaged,
    /// and with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Error> {
        let read = self.blobs.read(digest, limit).await;
        read.map_err(|error| Error::stored(format!("can not read `{digest}`"), error))
    }

    /// Keeps bytes under their digest, which is SHA-256.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn keep(&self, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::sha256(&bytes);
        self.keep_as(&digest, bytes).await?;
        Ok(digest)
    }

    pub(super) async fn keep_as(&self, digest: &Digest, bytes: Bytes) -> Result<(), Error> {
        let kept = self.blobs.put(&self.owner.place(), digest, bytes).await;
        kept.map_err(|error| Error::stored(format!("can not keep `{digest}`"), error))
    }

    /// Starts to take in a blob of a digest that this hasher will find.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn begin(&self, hasher: Hasher) -> Result<Incoming, Error> {
        let place = self.owner.place();
        let intake = self.blobs.begin(&place, hasher).await.map_err(unwritable)?;
        Ok(Incoming {
            library: self.clone(),
            place,
            intake,
        })
    }

    /// Gives the record that was noted under a topic and a digest.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn noted(&self, topic: Topic, about: &Digest) -> Result<Option<Bytes>, Error> {
        let record = self.notes.read(&topic.key(about)).await;
        let record =
            record.map_err(|error| Error::stored(format!("can not look up `{about}`"), error))?;
        Ok(record.map(|record| record.value))
    }

    /// Notes a small record under a topic and a digest, in the place of what
    /// was noted before. It is not synced: after a power cut it may be gone, or
    /// be damaged, which whoever reads it has to tell.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn note(&self, topic: Topic, about: &Digest, record: Bytes) -> Result<(), Error> {
        let noted = self
            .notes
            .swap(&topic.key(about), Expected::Anything, record)
            .await;
        match noted {
            // Another process noted something at the same time: the last
            // writer wins, whoever that is.
            Ok(Swapped::Done | Swapped::Lost) => Ok(()),
            Err(error) => Err(Error::stored(format!("can not note `{about}`"), error)),
        }
    }

    /// Opens a blob from `offset` on, unchecked; `None` where it is absent.
    pub(crate) async fn open_at(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Option<Pieces>, Error> {
        let digest = descriptor.digest;
        let failed =
            move |error| Error::stored(format!("can not read `{digest}` of the library"), error);
        let Some(actual) = self.blobs.size(&digest).await.map_err(failed)? else {
            return Ok(None);
        };
        if actual != descriptor.size {
            let expected = descriptor.size;
            return Err(mismatched(
                &digest,
                oci::Mismatch::Size { expected, actual },
            ));
        }
        let range = ByteRange {
            start: offset.min(actual),
            end: actual,
        };
        let opened = self.blobs.open(&digest, range).await.map_err(failed)?;
        Ok(opened.map(|stream| Box::pin(stream.map(move |piece| piece.map_err(failed))) as Pieces))
    }
}

/// Names what a record of the library is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// What a layer says, by the digest of its blob.
    Indexes,
    /// Layers that were built, by what they were built of.
    Layers,
    /// What steps came to, by what they were given.
    Steps,
    /// What the steps of earlier builds were given, by what was built.
    Traces,
}

impl Topic {
    fn key(self, about: &Digest) -> Key {
        let name = match self {
            Self::Indexes => "indexes",
            Self::Layers => "layers",
            Self::Steps => "steps",
            Self::Traces => "traces",
        };
        Key::top("notes")
            .child(name)
            .child(about.algorithm().as_str())
            .child(&about.hex())
    }
}

/// Takes in one blob. What is neither published nor discarded is removed when
/// the library is closed, or opened again by another process.
pub struct Incoming {
    library: Library,
    place: Key,
    intake: Intake,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("length", &self.intake.length())
            .finish_non_exhaustive()
    }
}

impl Incoming {
    /// Counts the bytes that were taken in.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.intake.length()
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        self.intake.push(piece).await.map_err(unwritable)
    }

    /// Makes the blob durable and visible.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`](crate::ErrorKind::Mismatch) when the
    /// content is not what the digest says, and with
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage).
    pub async fn publish(&mut self, digest: &Digest) -> Result<(), Error> {
        let published = self.intake.publish(digest).await;
        published.map_err(|error| Error::stored(format!("can not keep `{digest}`"), error))
    }

    /// Forgets what was taken in.
    pub async fn discard(self) {
        if let Ok(Some(saved)) = self.intake.give_up().await {
            // Whatever made the caller give up is the error to tell.
            let _ = self.library.backend.discard(&self.place, &saved).await;
        }
    }
}

fn unwritable(error: blob::Error) -> Error {
    Error::stored("can not write to the local library", error)
}

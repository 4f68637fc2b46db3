//! Content by digest: where blobs lie, and how they are taken in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use oci::{Algorithm, Digest, Hasher, Mismatch};
use tokio::task::JoinHandle;

use crate::backend::{Backend, Saved, Upload};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Names the place of a blob: `blobs/<algorithm>/<hex>`, as in an OCI layout
/// (image-spec, "OCI Image Layout", section "Blobs").
#[must_use]
pub fn blob_key(digest: &Digest) -> Key {
    Key::top("blobs")
        .child(digest.algorithm().as_str())
        .child(&digest.hex())
}

/// Keeps content under its digest in a backend.
#[derive(Debug, Clone)]
pub struct Blobs {
    backend: Arc<dyn Backend>,
}

impl Blobs {
    /// Keeps content in this backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Gives the size of a blob in bytes; `None` where it is absent.
    ///
    /// # Errors
    ///
    /// Fails when the backend does.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.backend.head(&blob_key(digest)).await
    }

    /// Streams a part of a blob, without checking its digest: who receives
    /// the bytes checks them, and a part has none.
    ///
    /// # Errors
    ///
    /// Fails when the backend does.
    pub async fn open(
        &self,
        digest: &Digest,
        range: ByteRange,
    ) -> Result<Option<ByteStream>, Error> {
        self.backend.open(&blob_key(digest), range).await
    }

    /// Reads a small blob whole, and checks it.
    ///
    /// # Errors
    ///
    /// Fails when the backend does, when the blob has more than `limit`
    /// bytes, and when its content is not what its digest says.
    pub async fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some(size) = self.size(digest).await? else {
            return Ok(None);
        };
        match self.open(digest, ByteRange::whole(size)).await? {
            Some(stream) => stream.verified(*digest).collect(limit).await.map(Some),
            None => Ok(None),
        }
    }

    /// Starts to take in a blob, with the fastest hasher for its digest.
    ///
    /// # Errors
    ///
    /// Fails when the backend does.
    pub async fn begin(&self, place: &Key, hasher: Hasher) -> Result<Intake, Error> {
        Ok(Intake::new(self.backend.begin(place).await?, hasher))
    }

    /// Takes in bytes that are in memory already, and publishes them.
    ///
    /// # Errors
    ///
    /// Fails when the backend does, or when the content is not what the
    /// digest says.
    pub async fn put(&self, place: &Key, digest: &Digest, content: Bytes) -> Result<(), Error> {
        let mut intake = self
            .begin(place, Hasher::unbroken(digest.algorithm()))
            .await?;
        intake.push(content).await?;
        intake.publish(digest).await
    }
}

/// The bytes that the intakes of this process have gathered.
static GATHERED: AtomicUsize = AtomicUsize::new(0);

/// How many that may be before each intake gathers less.
const GATHERED_LIMIT: usize = 32 * 1024 * 1024;

/// How much an intake gathers then: as little as is worth a hand-over between
/// threads.
const SMALL_PIECE: usize = 16 * 1024;

/// Takes in one blob: hashes and writes its bytes side by side, both off the
/// reactor, in pieces of [`Intake::PIECE`] bytes. While a piece is hashed the
/// next one is gathered.
#[derive(Debug)]
pub struct Intake {
    /// Absent once it was published.
    upload: Option<Box<dyn Upload>>,
    hashing: Hashing,
    gathered: BytesMut,
    /// The bytes that were written out.
    length: u64,
}

impl Intake {
    /// The bytes that are gathered before they are hashed and written: large
    /// enough that the hand-over between threads does not count, small enough
    /// that 200 uploads at once stay below 128 MiB.
    pub const PIECE: usize = 256 * 1024;

    /// Takes in bytes after those that the hasher has seen.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>, hasher: Hasher) -> Self {
        Self {
            length: upload.length(),
            upload: Some(upload),
            hashing: Hashing::Idle(Box::new(hasher)),
            gathered: BytesMut::new(),
        }
    }

    /// Counts the bytes that were taken in.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length + self.gathered.len() as u64
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// Fails when the backend does; the intake is spent then.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Error> {
        if self.gathered.is_empty() && piece.len() >= Self::PIECE {
            return self.write(piece).await;
        }
        let wanted = Self::wanted();
        if self.gathered.is_empty() {
            // Once for the whole piece; the memory of the last one is used
            // again where that is written and hashed.
            self.gathered.reserve(wanted + piece.len());
        }
        self.gathered.extend_from_slice(&piece);
        GATHERED.fetch_add(piece.len(), Ordering::Relaxed);
        if self.gathered.len() >= wanted {
            let piece = self.take();
            self.write(piece).await?;
        }
        Ok(())
    }

    /// Says how many bytes to gather: few where many uploads gather at once,
    /// since slow ones would hold large pieces for long.
    fn wanted() -> usize {
        match GATHERED.load(Ordering::Relaxed) {
            gathered if gathered > GATHERED_LIMIT => SMALL_PIECE,
            _ => Self::PIECE,
        }
    }

    /// Takes what was gathered; where memory is scarce, together with the room
    /// for what comes next.
    fn take(&mut self) -> Bytes {
        let is_scarce = Self::wanted() < Self::PIECE;
        GATHERED.fetch_sub(self.gathered.len(), Ordering::Relaxed);
        if is_scarce {
            std::mem::take(&mut self.gathered).freeze()
        } else {
            self.gathered.split().freeze()
        }
    }

    /// Writes out what was gathered.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = self.take();
        self.write(piece).await
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let hasher = self.hasher().await?;
        self.hashing = Hashing::Busy(hash(hasher, piece.clone()));
        let upload = self.upload.as_mut().ok_or_else(spent)?;
        if let Err(error) = upload.append(piece).await {
            self.hashing = Hashing::Spent;
            return Err(error);
        }
        self.length = upload.length();
        Ok(())
    }

    /// Waits for the hasher, which has then seen all that was written.
    async fn hasher(&mut self) -> Result<Hasher, Error> {
        match std::mem::replace(&mut self.hashing, Hashing::Spent) {
            Hashing::Idle(hasher) => Ok(*hasher),
            Hashing::Busy(busy) => busy.await.map_err(|error| {
                Error::caused(ErrorKind::Unavailable, "hashing was cut off", error)
            }),
            Hashing::Spent => Err(spent()),
        }
    }

    /// Makes what was taken in durable, and says how to continue: where the
    /// bytes are, and the hasher over them.
    ///
    /// # Errors
    ///
    /// Fails when the backend does; the intake is spent then.
    pub async fn save(&mut self) -> Result<(Saved, Hasher), Error> {
        self.flush().await?;
        let hasher = self.hasher().await?;
        let upload = self.upload.as_mut().ok_or_else(spent)?;
        let saved = upload.save().await?;
        self.hashing = Hashing::Idle(Box::new(hasher.clone()));
        Ok((saved, hasher))
    }

    /// Makes the blob visible under its digest.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the content is not what the
    /// digest says, and when the backend fails. Nothing is visible then.
    pub async fn publish(&mut self, digest: &Digest) -> Result<(), Error> {
        self.flush().await?;
        let hasher = self.hasher().await?;
        let actual = hasher.finish();
        if actual != *digest {
            return Err(Error::caused(
                ErrorKind::Mismatch,
                "content is not what was promised",
                Mismatch::Digest {
                    expected: *digest,
                    actual,
                },
            ));
        }
        let upload = self.upload.take().ok_or_else(spent)?;
        upload.publish(&blob_key(digest)).await
    }

    /// Gives up what was taken in, and says what to discard.
    ///
    /// # Errors
    ///
    /// Fails when the backend does; what is left has no name then, and is
    /// found by its age.
    pub async fn give_up(mut self) -> Result<Option<Saved>, Error> {
        match &mut self.upload {
            Some(upload) => upload.save().await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads back what was taken in, and hashes it by this algorithm: for
    /// bytes whose hasher was lost, or was another one.
    ///
    /// # Errors
    ///
    /// Fails when the backend does; the intake is spent then.
    pub async fn rehash(&mut self, algorithm: Algorithm) -> Result<(), Error> {
        self.flush().await?;
        self.hashing = Hashing::Idle(Box::new(Hasher::resumable(algorithm)));
        let mut stream = self.upload.as_mut().ok_or_else(spent)?.read_back().await?;
        while let Some(piece) = stream.next().await {
            let hasher = self.hasher().await?;
            self.hashing = Hashing::Busy(hash(hasher, piece?));
        }
        // What was read back is hashed before it is relied on.
        let hasher = self.hasher().await?;
        self.hashing = Hashing::Idle(Box::new(hasher));
        Ok(())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        GATHERED.fetch_sub(self.gathered.len(), Ordering::Relaxed);
    }
}

/// Where the hasher is.
#[derive(Debug)]
enum Hashing {
    /// Here, after all that was written.
    Idle(Box<Hasher>),
    /// With the last piece.
    Busy(JoinHandle<Hasher>),
    /// Lost, in a call that failed or was dropped.
    Spent,
}

/// Hashes a piece where that may take its time.
fn hash(mut hasher: Hasher, piece: Bytes) -> JoinHandle<Hasher> {
    tokio::task::spawn_blocking(move || {
        hasher.update(&piece);
        hasher
    })
}

fn spent() -> Error {
    Error::new(ErrorKind::Unavailable, "the upload failed before")
}

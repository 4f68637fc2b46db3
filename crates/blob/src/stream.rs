//! Streams of bytes whose length is known before they start.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use oci::{Digest, Verifier};

use crate::error::{Error, ErrorKind};

/// Names a part of a blob, in bytes: from `start` up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
}

impl ByteRange {
    /// Names all bytes of a blob of this size.
    #[must_use]
    pub fn whole(size: u64) -> Self {
        Self {
            start: 0,
            end: size,
        }
    }

    /// Counts the bytes of the part.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// Streams bytes in pieces, and fails where fewer or more come than promised.
///
/// [`ByteStream::verified`] makes it fail as well where the content is not
/// what its digest says: whoever keeps the bytes reads through that.
pub struct ByteStream {
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    length: u64,
    remaining: u64,
    verifier: Option<Verifier>,
    done: bool,
}

impl ByteStream {
    /// Promises that the pieces hold exactly `length` bytes.
    pub fn new(
        length: u64,
        pieces: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
    ) -> Self {
        Self {
            pieces: Box::pin(pieces),
            length,
            remaining: length,
            verifier: None,
            done: false,
        }
    }

    /// Streams bytes that are in memory already.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        let pieces = (!bytes.is_empty()).then_some(Ok(bytes.clone()));
        Self::new(bytes.len() as u64, futures_util::stream::iter(pieces))
    }

    /// Counts the bytes that were promised.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Checks the bytes against their digest while they pass: the stream can
    /// not end well with other content.
    ///
    /// The check hashes on the thread that polls; a stream of more than a few
    /// megabytes belongs into an [`crate::Intake`], which hashes beside.
    #[must_use]
    pub fn verified(mut self, digest: Digest) -> Self {
        self.verifier = Some(Verifier::new(digest, self.length));
        self
    }

    /// Collects the bytes of a stream that is known to be small.
    ///
    /// # Errors
    ///
    /// Fails when the promise exceeds `limit` bytes, and when the stream does.
    pub async fn collect(mut self, limit: u64) -> Result<Bytes, Error> {
        use futures_util::StreamExt as _;
        if self.length > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "{} bytes are more than the {limit} that are read here",
                    self.length
                ),
            ));
        }
        let mut all = Vec::with_capacity(usize::try_from(self.length).unwrap_or_default());
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.into())
    }

    fn check(&mut self, piece: &Bytes) -> Result<(), Error> {
        let size = piece.len() as u64;
        self.remaining = self.remaining.checked_sub(size).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("more than the promised {} bytes", self.length),
            )
        })?;
        if let Some(verifier) = &mut self.verifier {
            verifier.update(piece).map_err(corrupt)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.remaining > 0 {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{} of {} bytes are missing", self.remaining, self.length),
            ));
        }
        match self.verifier.take() {
            Some(verifier) => verifier.finish().map_err(corrupt),
            None => Ok(()),
        }
    }
}

fn corrupt(mismatch: oci::Mismatch) -> Error {
    Error::caused(
        ErrorKind::Corrupt,
        "content is not what its digest says",
        mismatch,
    )
}

impl Stream for ByteStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let outcome = match std::task::ready!(self.pieces.as_mut().poll_next(cx)) {
            Some(Ok(piece)) => self.check(&piece).map(|()| Some(piece)),
            Some(Err(error)) => Err(error),
            None => self.finish().map(|()| None),
        };
        self.done = !matches!(outcome, Ok(Some(_)));
        Poll::Ready(outcome.transpose())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.remaining).ok())
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

//! The body of an upload: exactly the promised bytes of a source, counted as
//! they go.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use oci::Digest;

use crate::error::BoxError;
use crate::progress::{Event, Progress};
use crate::source::SourceStream;
use crate::transport::Pulse;

/// Holds what went wrong with a source, which the HTTP machinery would report
/// as a broken connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<BoxError>>>);

impl Fault {
    pub(super) fn take(&self) -> Option<BoxError> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BoxError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Streams the bytes of a source from `position` up to `end`.
pub(super) struct Metered {
    pub(super) pieces: SourceStream,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) position: u64,
    pub(super) end: u64,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) pulse: Pulse,
    pub(super) fault: Fault,
}

impl Stream for Metered {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let left = self.end - self.position;
        if left == 0 {
            return Poll::Ready(None);
        }
        let cause = match ready!(self.pieces.as_mut().poll_next(cx)) {
            Some(Ok(mut piece)) => {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                let length = piece.len() as u64;
                self.position += length;
                self.pulse.beat(length);
                self.progress.note(&Event::Sent {
                    digest: &self.digest,
                    position: self.position,
                    size: self.size,
                });
                return Poll::Ready(Some(Ok(piece)));
            }
            Some(Err(cause)) => cause,
            None => format!("it ended {left} bytes early").into(),
        };
        *self.fault.lock() = Some(cause);
        Poll::Ready(Some(Err(std::io::Error::other("the source failed"))))
    }
}

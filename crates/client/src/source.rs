//! Where the bytes of an upload come from.

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use crate::error::BoxError;

/// Streams bytes in pieces.
pub type SourceStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Has the bytes of a blob, and can stream them from any place on.
#[async_trait]
pub trait Source: Send + Sync {
    /// Streams the bytes from `offset` to the end.
    ///
    /// # Errors
    ///
    /// Fails when the bytes can not be had.
    async fn open(&self, offset: u64) -> Result<SourceStream, BoxError>;

    /// Says whether the bytes can be had more than once. Where they can not, a
    /// broken upload is reported instead of tried again.
    fn replay(&self) -> Replay {
        Replay::Possible
    }
}

/// Says whether the bytes of a [`Source`] can be had more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// They can.
    Possible,
    /// They are gone when they were read.
    Impossible,
}

#[async_trait]
impl Source for Bytes {
    async fn open(&self, offset: u64) -> Result<SourceStream, BoxError> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let rest = self.slice(start..);
        Ok(Box::pin(futures_util::stream::iter([Ok(rest)])))
    }
}

/// Is a source that can be read once, such as the output of a program.
pub struct Once(Mutex<Option<SourceStream>>);

impl Once {
    /// Takes the stream.
    pub fn new(stream: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::pin(stream))))
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for Once {
    async fn open(&self, offset: u64) -> Result<SourceStream, BoxError> {
        let stream = match self.0.lock() {
            Ok(mut stream) => stream.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        match stream {
            Some(stream) if offset == 0 => Ok(stream),
            _ => Err("the bytes could be read once only".into()),
        }
    }

    fn replay(&self) -> Replay {
        Replay::Impossible
    }
}

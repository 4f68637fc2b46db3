//! Bodies as they come: how slow they may be, and how large.
//!
//! A client that moves is waited for, however long it takes altogether. One
//! that sends next to nothing would hold its request for ever. The time that
//! the storage takes is not the client's.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::error::{ApiError, Code};
use super::range::content_length;

/// How long the next [`MOVING_BYTES`] of a body may take.
const BODY_PAUSE: Duration = Duration::from_secs(60);

/// The bytes that have to come in that time, unless the body ends.
const MOVING_BYTES: usize = 1024;

/// Reads a body.
pub(super) struct Coming {
    pieces: BodyDataStream,
    code: Code,
    limit: Limit,
    /// All that came.
    came: u64,
    /// What came since the body last moved, and how long that was waited for.
    little: usize,
    waited: Duration,
}

/// Says how large a body may be, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) bytes: u64,
}

impl Limit {
    fn exceeded(self) -> ApiError {
        let message = format!("{} has at most {} bytes", self.what, self.bytes);
        ApiError::new(413, Code::SizeInvalid, message)
    }
}

impl Coming {
    /// Reads this body, whose failures are told by this code.
    ///
    /// # Errors
    ///
    /// Fails where more is announced than there may be.
    pub(super) fn new(
        body: Body,
        headers: &HeaderMap,
        code: Code,
        limit: Limit,
    ) -> Result<Self, ApiError> {
        if content_length(headers).is_some_and(|length| length > limit.bytes) {
            return Err(limit.exceeded());
        }
        Ok(Self {
            pieces: body.into_data_stream(),
            code,
            limit,
            came: 0,
            little: 0,
            waited: Duration::ZERO,
        })
    }

    /// Gives the next piece; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let started = Instant::now();
        let patience = BODY_PAUSE.saturating_sub(self.waited);
        let piece = tokio::time::timeout(patience, self.pieces.next()).await;
        let piece = piece.map_err(|_elapsed| {
            let message = "the body paused for more than 60 seconds";
            ApiError::new(408, self.code, message)
        })?;
        let Some(piece) = piece else {
            return Ok(None);
        };
        let piece = piece.map_err(|error| {
            ApiError::new(400, self.code, format!("the body broke off: {error}"))
        })?;
        self.little = self.little.saturating_add(piece.len());
        self.waited += started.elapsed();
        if self.little >= MOVING_BYTES {
            (self.little, self.waited) = (0, Duration::ZERO);
        }
        self.came = self.came.saturating_add(piece.len() as u64);
        if self.came > self.limit.bytes {
            return Err(self.limit.exceeded());
        }
        Ok(Some(piece))
    }
}

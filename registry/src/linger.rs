//! Reading on a little after a refusal.
//!
//! A server that answers and closes while its client still sends makes the
//! client's system throw the answer away: it sees a broken connection instead
//! of the reason. So what a refused client is sending is read and dropped, up
//! to a limit, before the connection is let go.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::EXPECT;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::observe::Metrics;

/// The bytes that are read and dropped, at most. A client that sends more
/// than this after a refusal is a client that does not listen.
const LINGER_LIMIT: usize = 8 * 1024 * 1024;

/// How long that may take.
const LINGER_PATIENCE: Duration = Duration::from_secs(5);

/// Lends the body of a request to its handler, and gives what reads on after
/// it.
pub(crate) fn lend(request: Request<Body>, metrics: &Metrics) -> (Request<Body>, Rest) {
    let rest = Rest {
        // Who asked to be told first has not sent anything yet, and reading
        // would tell him to.
        is_read: !request.headers().contains_key(EXPECT),
        ..Rest::default()
    };
    if request.body().is_end_stream() {
        return (request, rest);
    }
    let request = request.map(|body| {
        Body::new(Lent {
            body: Some(body),
            rest: rest.clone(),
            metrics: metrics.clone(),
        })
    });
    (request, rest)
}

async fn drop_all(mut body: Body) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > LINGER_LIMIT {
            return;
        }
    }
}

/// Counts the bytes of a body that came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds what a handler has left of a body.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    body: Arc<Mutex<Option<Body>>>,
    received: Received,
    is_read: bool,
}

impl Rest {
    /// Gives where the bytes that came are counted.
    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    /// Reads on where the request was refused.
    pub(crate) async fn linger(&self, status: StatusCode) {
        let refused = status.is_client_error() || status.is_server_error();
        let Some(body) = self.take().filter(|_| refused && self.is_read) else {
            return;
        };
        let _timed_out = tokio::time::timeout(LINGER_PATIENCE, drop_all(body)).await;
    }

    fn take(&self) -> Option<Body> {
        self.body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn keep(&self, body: Body) {
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

/// Lends a body to a handler, counts its bytes, and keeps what is left of it.
struct Lent {
    body: Option<Body>,
    rest: Rest,
    metrics: Metrics,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.rest.received.0.fetch_add(bytes, Ordering::Relaxed);
            self.metrics.http().received.inc_by(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            self.rest.keep(body);
        }
    }
}

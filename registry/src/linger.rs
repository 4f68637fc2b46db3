//! Reading on a little after a refusal.
//!
//! A server that answers and closes while its client still sends makes the
//! client's system throw the answer away: it sees a broken connection instead
//! of the reason. So what a refused client is sending is read and dropped, up
//! to a limit, before the connection is let go.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::EXPECT;
use axum::http::{Request, Response};
use axum::middleware::Next;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The bytes that are read and dropped, at most. A client that sends more
/// than this after a refusal is a client that does not listen.
const LINGER_LIMIT: usize = 8 * 1024 * 1024;

/// How long that may take.
const LINGER_PATIENCE: Duration = Duration::from_secs(5);

/// Answers a request, and reads on where it was refused.
pub(crate) async fn linger(request: Request<Body>, next: Next) -> Response<Body> {
    // Who asked to be told first has not sent anything yet, and reading
    // would tell him to.
    if request.headers().contains_key(EXPECT) || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let rest = Rest::default();
    let kept = rest.clone();
    let response = next
        .run(request.map(|body| {
            Body::new(Lent {
                body: Some(body),
                rest,
            })
        }))
        .await;
    let refused = response.status().is_client_error() || response.status().is_server_error();
    if let Some(body) = kept.take().filter(|_| refused) {
        let _timed_out = tokio::time::timeout(LINGER_PATIENCE, drop_all(body)).await;
    }
    response
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

/// Holds what a handler has left of a body.
#[derive(Clone, Default)]
struct Rest(Arc<Mutex<Option<Body>>>);

impl Rest {
    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, body: Body) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

/// Lends a body to a handler, and keeps what is left of it.
struct Lent {
    body: Option<Body>,
    rest: Rest,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
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

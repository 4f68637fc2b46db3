//! What is seen of a request from outside: its id, its span, its lines in the
//! log, its counts.
//!
//! A [`Watch`] begins with the head of a request, and ends with the last byte
//! of the answer or with the client.

mod collecting;
mod metered;
mod metrics;
mod trace;

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use axum::http::{HeaderValue, Method, Request, Response, Uri};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tracing::Span;

use crate::api::Cause;
use crate::app::App;
use crate::auth::Caller;

pub(crate) use self::metered::Metered;
pub(crate) use self::metrics::{Metrics, UploadEvent};

/// The target of spans that are made to be traced, at level `DEBUG`: a log
/// that does not ask for them pays nothing.
const SPANS: &str = "span";

/// Names a request in its answer and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Says which version of the API this is; docker 20.10 takes it for a sign
/// that there is no older one.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The status that is counted for a client that went away before its answer,
/// as other servers write it.
const GONE: u16 = 499;

/// How much of a `User-Agent` is logged, in characters.
const AGENT_EXCERPT: usize = 200;

/// Watches a request to its end.
#[derive(Debug)]
pub(crate) struct Watch {
    app: App,
    id: u64,
    started: Instant,
    method: Method,
    uri: Uri,
    span: Span,
    route: &'static str,
    status: u16,
    sent: u64,
    line: Option<Box<Line>>,
}

/// What the access log tells besides.
#[derive(Debug)]
struct Line {
    peer: SocketAddr,
    agent: Option<HeaderValue>,
    caller: Caller,
    received: crate::linger::Received,
}

impl Watch {
    /// Begins with the head of a request.
    pub(crate) fn begin(app: &App, peer: SocketAddr, request: &Request<Body>) -> Self {
        app.metrics().http().in_flight.inc();
        let id = app.new_request_id();
        let line = app.logs_access().then(|| {
            Box::new(Line {
                peer,
                agent: request.headers().get(USER_AGENT).cloned(),
                caller: Caller::Anonymous,
                received: crate::linger::Received::default(),
            })
        });
        Self {
            app: app.clone(),
            id,
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            span: trace::span(request, id),
            route: "none",
            status: GONE,
            sent: 0,
            line,
        }
    }

    /// Gives the span of the request.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes what the request is for.
    pub(crate) fn is_for(&mut self, route: &'static str) {
        self.route = route;
    }

    /// Notes who asks.
    pub(crate) fn is_by(&mut self, caller: &Caller) {
        if let Some(line) = &mut self.line {
            line.caller = caller.clone();
        }
    }

    /// Notes where the bytes of the body are counted.
    pub(crate) fn receives(&mut self, received: &crate::linger::Received) {
        if let Some(line) = &mut self.line {
            line.received = received.clone();
        }
    }

    /// Marks an answer, and watches its body to the end.
    pub(crate) fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        self.status = response.status().as_u16();
        let cause = response.extensions_mut().remove::<Cause>();
        let headers = response.headers_mut();
        let id = format!("{:016x}", self.id);
        if let Some(Cause(cause)) = cause {
            let (method, path, status) = (&self.method, self.uri.path(), self.status);
            tracing::error!(id, %method, path, status, cause, "request failed");
        }
        if let Some(value) = trace::answer(&self.span, self.status) {
            headers.insert(trace::TRACE_RESPONSE, value);
        }
        if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(id)) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        match response.body().size_hint().exact() {
            // What is in memory already is as good as sent.
            Some(size) => {
                self.sent = size;
                response
            }
            None => response.map(|body| Body::new(Watched { body, watch: self })),
        }
    }

    fn log(&self, line: &Line, milliseconds: f64) {
        let agent = line.agent.as_ref().map(|agent| {
            let text = String::from_utf8_lossy(agent.as_bytes());
            text.chars().take(AGENT_EXCERPT).collect::<String>()
        });
        let caller = match &line.caller {
            Caller::Anonymous => "-",
            Caller::User(name) => name,
        };
        // Neither queries nor headers besides: they may hold secrets.
        tracing::info!(
            target: "access",
            id = format_args!("{:016x}", self.id),
            peer = %line.peer,
            caller,
            method = %self.method,
            path = self.uri.path(),
            status = self.status,
            received = line.received.bytes(),
            sent = self.sent,
            milliseconds,
            agent = agent.as_deref().unwrap_or("-"),
            trace = trace::id(&self.span),
            "request"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let http = self.app.metrics().http();
        http.in_flight.dec();
        http.answered((self.route, known(&self.method)), self.status, elapsed);
        http.sent.inc_by(self.sent);
        if let Some(line) = &self.line {
            self.log(line, elapsed.as_secs_f64() * 1000.0);
        }
        self.span.record("http.route", self.route);
    }
}

/// Is a body whose end is waited for.
struct Watched {
    body: Body,
    watch: Watch,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.watch.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                let cause = crate::api::ApiError::logged_cause(error);
                let id = format!("{:016x}", self.watch.id);
                tracing::error!(
                    id,
                    path = self.watch.uri.path(),
                    cause,
                    "an answer broke off"
                );
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// `GET /metrics`: the counts, as Prometheus reads them.
pub(crate) fn show_metrics(app: &App) -> Response<Body> {
    let text = app.metrics().render().unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    let media_type =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// Names a method without letting a client invent labels.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

//! What is seen of a request from outside: its id, its log line, its counts.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::HeaderName;
use axum::http::{HeaderValue, Request, Response};
use axum::middleware::Next;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::Cause;
use crate::app::App;

/// Names a request in its answer and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Says which version of the API this is; docker 20.10 takes it for a sign
/// that there is no older one.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The upper bounds of the latency histogram, in seconds: from a cached
/// manifest to a large layer.
const LATENCIES: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// Counts what the server does.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    sent: Counter<u64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Histogram::new(LATENCIES),
            sent: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts the bytes of content that an answer will have.
    pub(crate) fn sending(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    fn render(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("wharf");
        registry.register(
            "http_requests",
            "Requests by method and status",
            self.requests.clone(),
        );
        registry.register(
            "http_request_seconds",
            "Time until a request is answered",
            self.seconds.clone(),
        );
        registry.register(
            "content_sent_bytes",
            "Bytes of manifests and blobs sent",
            self.sent.clone(),
        );
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// `GET /metrics`: the counts, as Prometheus reads them.
pub(crate) async fn show_metrics(State(app): State<App>) -> Response<Body> {
    let text = app.metrics().render().unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    let media_type =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response
        .headers_mut()
        .insert(axum::http::header::CONTENT_TYPE, media_type);
    response
}

/// Gives a request its id, and writes its log line when it is answered.
pub(crate) async fn observe(
    State(app): State<App>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let id = app.new_request_id();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let started = Instant::now();
    let mut response = next.run(request).await;
    let elapsed = started.elapsed();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    let status = response.status().as_u16();
    let cause = response.extensions_mut().remove::<Cause>();
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    match cause {
        Some(Cause(cause)) => {
            tracing::error!(id, %method, path, status, milliseconds, cause, "request failed");
        }
        None => tracing::info!(id, %method, path, status, milliseconds, "request"),
    }
    let labels = RequestLabels {
        method: known(&method),
        status,
    };
    app.metrics().requests.get_or_create(&labels).inc();
    app.metrics().seconds.observe(elapsed.as_secs_f64());
    response
}

/// Names a method without letting a client invent labels.
fn known(method: &axum::http::Method) -> &'static str {
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

//! The counts that Prometheus reads, made once; whoever counts holds the
//! handle of what it counts.
//!
//! No label is taken from a client: routes, methods, operations and outcomes
//! are words of ours, so that the number of series is bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::collecting::CollectionMetrics;
use super::metered::StorageMetrics;

/// The upper bounds of the latencies of requests, in seconds: from a manifest
/// in memory to a large layer over a slow line.
const REQUEST_LATENCIES: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0,
];

/// Counts what the server does.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    http: HttpMetrics,
    storage: StorageMetrics,
    collection: CollectionMetrics,
}

/// Counts requests, bodies and connections.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// The requests that are worked on, to the end of their answers.
    pub(crate) in_flight: Gauge,
    /// The bytes of bodies that came.
    pub(crate) received: Counter<u64, AtomicU64>,
    /// The bytes of bodies that were sent.
    pub(crate) sent: Counter<u64, AtomicU64>,
    /// The connections that are open.
    pub(crate) connections: Gauge,
    /// The connections that were let go at once, since their address has too
    /// many.
    pub(crate) turned_away: Counter,
    /// The bodies of blobs that are coming in.
    pub(crate) bodies: Gauge,
    /// The bodies of blobs that wait for their turn.
    pub(crate) waiting: Gauge,
    uploads: Family<UploadLabels, Counter>,
}

/// Says what became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum UploadEvent {
    /// It began.
    Started,
    /// Its blob is here.
    Finished,
    /// Its client gave it up.
    Cancelled,
    /// A body of it did not come whole; it can be continued.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UploadLabels {
    event: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("wharf");
        let http = HttpMetrics::new();
        http.register(&mut registry);
        let storage = StorageMetrics::new(&mut registry);
        let collection = CollectionMetrics::new(&mut registry);
        Self {
            inner: Arc::new(Inner {
                registry,
                http,
                storage,
                collection,
            }),
        }
    }
}

impl Metrics {
    pub(crate) fn http(&self) -> &HttpMetrics {
        &self.inner.http
    }

    pub(crate) fn storage(&self) -> &StorageMetrics {
        &self.inner.storage
    }

    pub(crate) fn collection(&self) -> &CollectionMetrics {
        &self.inner.collection
    }

    /// Writes all counts as text (OpenMetrics 1.0).
    pub(super) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry)?;
        Ok(text)
    }
}

impl HttpMetrics {
    fn new() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_LATENCIES)),
            in_flight: Gauge::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            bodies: Gauge::default(),
            waiting: Gauge::default(),
            uploads: Family::default(),
        }
    }

    /// Counts an answer whose last byte was handed over, or whose client went
    /// away before.
    pub(super) fn answered(
        &self,
        (route, method): (&'static str, &'static str),
        status: u16,
        elapsed: Duration,
    ) {
        let labels = RequestLabels {
            route,
            method,
            status,
        };
        self.requests.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&RouteLabels { route, method })
            .observe(elapsed.as_secs_f64());
    }

    /// Counts what becomes of uploads.
    pub(crate) fn upload(&self, event: UploadEvent) {
        let event = event.word();
        self.uploads.get_or_create(&UploadLabels { event }).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests by route, method and status; 499 where the client went away",
            self.requests.clone(),
        );
        registry.register(
            "http_request_seconds",
            "Time from the head of a request to the end of its answer",
            self.seconds.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests whose answer has not ended",
            self.in_flight.clone(),
        );
        registry.register(
            "http_received_bytes",
            "Bytes of bodies that came",
            self.received.clone(),
        );
        registry.register(
            "http_sent_bytes",
            "Bytes of bodies that were sent",
            self.sent.clone(),
        );
        registry.register(
            "http_connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "http_connections_turned_away",
            "Connections let go at once, since their address had too many",
            self.turned_away.clone(),
        );
        registry.register(
            "upload_bodies",
            "Bodies of blobs that are coming in",
            self.bodies.clone(),
        );
        registry.register(
            "upload_bodies_waiting",
            "Bodies of blobs that wait for their turn",
            self.waiting.clone(),
        );
        registry.register(
            "uploads",
            "Uploads that started, finished, were cancelled, or broke off for now",
            self.uploads.clone(),
        );
    }
}

impl UploadEvent {
    fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Broken => "broken",
        }
    }
}

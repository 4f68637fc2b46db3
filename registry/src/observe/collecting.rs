//! What collections of garbage have done, as Prometheus reads it.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use store::Collected;

/// Counts what collections do.
#[derive(Debug, Default)]
pub(crate) struct CollectionMetrics {
    running: Gauge,
    runs: Family<OutcomeLabels, Counter>,
    last: Gauge<f64, AtomicU64>,
    seconds: Gauge<f64, AtomicU64>,
    removed: Family<KindLabels, Counter>,
    bytes: Counter,
    entries: Counter,
    rounds: Counter,
    kept: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl CollectionMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // A series that is there from the start can be watched for a change.
        for outcome in ["done", "failed"] {
            let _made = metrics.runs.get_or_create(&OutcomeLabels { outcome });
        }
        for kind in ["manifest", "link", "blob", "upload"] {
            let _made = metrics.removed.get_or_create(&KindLabels { kind });
        }
        metrics.register(registry);
        metrics
    }

    /// Says that a collection runs.
    pub(crate) fn begins(&self) {
        self.running.set(1);
    }

    /// Counts what was done since the progress that was told last.
    pub(crate) fn advances(&self, from: &Collected, to: &Collected) {
        let more = |before: u64, after: u64| after.saturating_sub(before);
        for (kind, before, after) in [
            ("manifest", from.manifests, to.manifests),
            ("link", from.links, to.links),
            ("blob", from.blobs, to.blobs),
            ("upload", from.uploads, to.uploads),
        ] {
            let labels = KindLabels { kind };
            self.removed
                .get_or_create(&labels)
                .inc_by(more(before, after));
        }
        self.bytes.inc_by(more(from.bytes, to.bytes));
        self.entries.inc_by(more(from.entries, to.entries));
        self.rounds.inc_by(more(from.rounds, to.rounds));
        self.kept.set(i64::try_from(to.kept).unwrap_or(i64::MAX));
    }

    /// Says that a collection came to its end, at this time in milliseconds
    /// since 1970.
    pub(crate) fn done(&self, now: u64, took: Duration) {
        let outcome = "done";
        self.runs.get_or_create(&OutcomeLabels { outcome }).inc();
        self.last.set(Duration::from_millis(now).as_secs_f64());
        self.seconds.set(took.as_secs_f64());
        self.running.set(0);
    }

    /// Says that a collection failed.
    pub(crate) fn failed(&self) {
        let outcome = "failed";
        self.runs.get_or_create(&OutcomeLabels { outcome }).inc();
        self.running.set(0);
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "collection_running",
            "1 while this process collects garbage",
            self.running.clone(),
        );
        registry.register(
            "collections",
            "Collections of garbage by outcome",
            self.runs.clone(),
        );
        registry.register(
            "collection_last_success_timestamp_seconds",
            "When the last collection of this process came to its end",
            self.last.clone(),
        );
        registry.register(
            "collection_last_duration_seconds",
            "How long the last collection that came to its end took",
            self.seconds.clone(),
        );
        registry.register(
            "collection_removed",
            "What collections removed, by kind",
            self.removed.clone(),
        );
        registry.register(
            "collection_freed_bytes",
            "Bytes of the blobs that collections removed",
            self.bytes.clone(),
        );
        registry.register(
            "collection_entries",
            "Entries of the queue that collections settled",
            self.entries.clone(),
        );
        registry.register(
            "collection_rounds",
            "Rounds in which something was removed",
            self.rounds.clone(),
        );
        registry.register(
            "collection_lagging_entries",
            "Entries of the queue that are due and could not be settled yet",
            self.kept.clone(),
        );
    }
}

//! A backend whose operations are counted and timed.
//!
//! Each operation costs two looks at the clock and the box that the trait
//! wants; nothing is looked up by name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use blob::{
    Backend, ByteRange, ByteStream, Error, ErrorKind, Expected, Key, Page, Record, Saved, Swapped,
    Upload, Version,
};
use bytes::Bytes;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Instrument as _;

use super::{Metrics, SPANS};

/// The upper bounds of the latencies of storage operations, in seconds: from
/// a record in memory to a part that is sent to a bucket.
const STORAGE_LATENCIES: [f64; 10] = [
    0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0,
];

/// Names what is asked of the storage.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Read,
    Head,
    Open,
    Create,
    Swap,
    Delete,
    Version,
    DeleteIf,
    Page,
    Begin,
    Resume,
    Discard,
    Sign,
    Append,
    Save,
    ReadBack,
    Publish,
}

/// Every operation, in the order of the enumeration.
const OPERATIONS: [(Operation, &str); 17] = [
    (Operation::Read, "read"),
    (Operation::Head, "head"),
    (Operation::Open, "open"),
    (Operation::Create, "create"),
    (Operation::Swap, "swap"),
    (Operation::Delete, "delete"),
    (Operation::Version, "version"),
    (Operation::DeleteIf, "delete_if"),
    (Operation::Page, "page"),
    (Operation::Begin, "begin"),
    (Operation::Resume, "resume"),
    (Operation::Discard, "discard"),
    (Operation::Sign, "sign"),
    (Operation::Append, "append"),
    (Operation::Save, "save"),
    (Operation::ReadBack, "read_back"),
    (Operation::Publish, "publish"),
];

/// Counts operations of the storage by kind and outcome.
#[derive(Debug)]
pub(crate) struct StorageMetrics {
    kinds: [Outcomes; OPERATIONS.len()],
}

#[derive(Debug, Clone)]
struct Outcomes {
    done: Histogram,
    full: Histogram,
    failed: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    outcome: &'static str,
}

impl StorageMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let seconds: Family<Labels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(STORAGE_LATENCIES));
        let kinds = OPERATIONS.map(|(_, operation)| {
            let of = |outcome| seconds.get_or_create_owned(&Labels { operation, outcome });
            Outcomes {
                done: of("done"),
                full: of("full"),
                failed: of("failed"),
            }
        });
        registry.register(
            "storage_operation_seconds",
            "Operations of the storage by kind and outcome",
            seconds,
        );
        Self { kinds }
    }

    fn count<T>(&self, operation: Operation, outcome: &Result<T, Error>, elapsed: Duration) {
        // Both tables have one entry an operation.
        let Some(outcomes) = self.kinds.get(operation as usize) else {
            return;
        };
        let seconds = match outcome.as_ref().map_err(Error::kind) {
            Ok(_) => &outcomes.done,
            Err(ErrorKind::Full) => &outcomes.full,
            Err(_) => &outcomes.failed,
        };
        seconds.observe(elapsed.as_secs_f64());
    }
}

/// Counts and times what is asked of a backend, and has it traced.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: Arc<dyn Backend>,
    metrics: Metrics,
}

impl Metered {
    pub(crate) fn new(inner: Arc<dyn Backend>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }

    fn upload(&self, place: &Key, inner: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(MeteredUpload {
            inner,
            place: place.clone(),
            metrics: self.metrics.clone(),
        })
    }
}

impl Metrics {
    async fn timed<T>(
        &self,
        operation: Operation,
        key: &Key,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let name = OPERATIONS.get(operation as usize).map_or("", |(_, n)| n);
        let span = tracing::debug_span!(target: SPANS, "storage", otel.name = name, %key);
        let started = Instant::now();
        let outcome = work.instrument(span).await;
        self.storage().count(operation, &outcome, started.elapsed());
        outcome
    }
}

#[async_trait]
impl Backend for Metered {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let work = self.inner.read(key);
        self.metrics.timed(Operation::Read, key, work).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        let work = self.inner.head(key);
        self.metrics.timed(Operation::Head, key, work).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        let work = self.inner.open(key, range);
        self.metrics.timed(Operation::Open, key, work).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        let work = self.inner.create(key, value);
        self.metrics.timed(Operation::Create, key, work).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        let work = self.inner.swap(key, expected, value);
        self.metrics.timed(Operation::Swap, key, work).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let work = self.inner.delete(key);
        self.metrics.timed(Operation::Delete, key, work).await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        let work = self.inner.version(key);
        self.metrics.timed(Operation::Version, key, work).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        let work = self.inner.delete_if(key, version);
        self.metrics.timed(Operation::DeleteIf, key, work).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        let work = self.inner.page(key, after, limit);
        self.metrics.timed(Operation::Page, key, work).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        let work = self.inner.begin(place);
        let begun = self.metrics.timed(Operation::Begin, place, work).await?;
        Ok(self.upload(place, begun))
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        let work = self.inner.resume(place, saved);
        let resumed = self.metrics.timed(Operation::Resume, place, work).await?;
        Ok(resumed.map(|upload| self.upload(place, upload)))
    }

    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error> {
        let work = self.inner.discard(place, saved);
        self.metrics.timed(Operation::Discard, place, work).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn signed_url(&self, key: &Key, valid: Duration) -> Result<Option<String>, Error> {
        let work = self.inner.signed_url(key, valid);
        self.metrics.timed(Operation::Sign, key, work).await
    }
}

#[derive(Debug)]
struct MeteredUpload {
    inner: Box<dyn Upload>,
    place: Key,
    metrics: Metrics,
}

#[async_trait]
impl Upload for MeteredUpload {
    fn length(&self) -> u64 {
        self.inner.length()
    }

    async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        let work = self.inner.append(piece);
        let metrics = &self.metrics;
        metrics.timed(Operation::Append, &self.place, work).await
    }

    async fn save(&mut self) -> Result<Saved, Error> {
        let work = self.inner.save();
        let metrics = &self.metrics;
        metrics.timed(Operation::Save, &self.place, work).await
    }

    async fn read_back(&mut self) -> Result<ByteStream, Error> {
        let work = self.inner.read_back();
        let metrics = &self.metrics;
        metrics.timed(Operation::ReadBack, &self.place, work).await
    }

    async fn publish(self: Box<Self>, key: &Key) -> Result<(), Error> {
        let work = self.inner.publish(key);
        self.metrics.timed(Operation::Publish, key, work).await
    }
}

#[cfg(test)]
mod tests {
    use blob::Object;

    use super::*;

    #[test]
    fn each_operation_has_its_name() {
        for (place, (operation, name)) in OPERATIONS.iter().enumerate() {
            assert_eq!(*operation as usize, place, "{name}");
        }
    }

    #[tokio::test]
    async fn a_metered_backend_is_a_backend_like_another() {
        let metrics = Metrics::default();
        blob::testing::conformance(async || {
            let inner: Arc<dyn Backend> = Arc::new(Object::in_memory());
            Arc::new(Metered::new(inner, metrics.clone())) as Arc<dyn Backend>
        })
        .await;
        let text = metrics.render().expect("text");
        for (_, name) in OPERATIONS {
            let done = format!("operation=\"{name}\",outcome=\"done\"");
            let counted = |line: &str| {
                line.starts_with("wharf_storage_operation_seconds_count")
                    && line.contains(&done)
                    && !line.ends_with(" 0")
            };
            assert!(
                name == "sign" || text.lines().any(counted),
                "{name}\n{text}"
            );
        }
    }
}

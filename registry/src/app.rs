//! The store behind its permissions.
//!
//! The store is private to this module. A handler asks [`App::open`] for what
//! it wants to do, and gets a handle that can do that and no more, or an
//! error that says why not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oci::RepositoryName;
use store::{
    Clock, Collected, Collector, Delete, Grant, Names, Policy, Pull, Push, Repository, Store,
    UploadId,
};

use crate::api::ApiError;
use crate::auth::{Authenticator, Caller, Right};
use crate::crowd::Crowd;
use crate::hosts::Hosts;
use crate::jobs::Jobs;
use crate::observe::Metrics;
use crate::settings::{AccessLog, Exposure, Random, Redirects, Settings};

/// The manifests of more than 64 KiB that come in at once, each of at most
/// 4 MiB in memory.
const LARGE_MANIFESTS: usize = 16;

/// An odd number whose products with numbers in a row look random.
const MIX: u64 = 0xbf58_476d_1ce4_e5b9;

/// Holds what every handler needs.
#[derive(Debug, Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    authenticator: Authenticator,
    hosts: Hosts,
    jobs: Jobs,
    metrics: Metrics,
    random: Random,
    clock: Clock,
    requests: AtomicU64,
    bodies: Crowd,
    large_manifests: Crowd,
    redirects: Redirects,
    exposure: Exposure,
    access_log: AccessLog,
}

/// Says which right a grant takes.
pub(crate) trait Needs: Grant {
    const RIGHT: Right;
    const GRANT: Self;
}

impl Needs for Pull {
    const RIGHT: Right = Right::Read;
    const GRANT: Self = Pull;
}

impl Needs for Push {
    const RIGHT: Right = Right::Write;
    const GRANT: Self = Push;
}

impl Needs for Delete {
    const RIGHT: Right = Right::Write;
    const GRANT: Self = Delete;
}

impl App {
    pub(crate) fn new(store: Store, settings: &Settings, metrics: Metrics) -> Self {
        let authenticator = Authenticator::new(&settings.access, &settings.clock, &settings.random);
        Self {
            inner: Arc::new(Inner {
                store,
                authenticator,
                hosts: settings.hosts.clone(),
                jobs: Jobs::default(),
                metrics,
                random: settings.random.clone(),
                clock: settings.clock.clone(),
                requests: AtomicU64::new(settings.random.next() as u64),
                bodies: Crowd::new(settings.limits.uploads),
                large_manifests: Crowd::new(LARGE_MANIFESTS),
                redirects: settings.redirects,
                exposure: settings.metrics,
                access_log: settings.access_log,
            }),
        }
    }

    /// Opens a repository for what the caller may do with it.
    pub(crate) fn open<G: Needs>(
        &self,
        caller: &Caller,
        name: &RepositoryName,
        _wanted: G,
    ) -> Result<Repository<G>, ApiError> {
        self.inner.authenticator.check(caller, G::RIGHT)?;
        Ok(self.inner.store.repository(name, G::GRANT)?)
    }

    /// Lists the repositories that the caller may see.
    pub(crate) async fn catalog(
        &self,
        caller: &Caller,
        after: &str,
        limit: usize,
    ) -> Result<Names<RepositoryName>, ApiError> {
        self.inner.authenticator.check(caller, Right::Read)?;
        Ok(self.inner.store.catalog(after, limit).await?)
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.inner.hosts
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Makes a name for a new upload.
    pub(crate) fn new_upload_id(&self) -> UploadId {
        UploadId::new(self.inner.store.now(), self.inner.random.next())
    }

    /// Makes a name for a request, for its log line and its 5xx answer. Each
    /// is another number, in an order that looks like none.
    pub(crate) fn new_request_id(&self) -> u64 {
        let number = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let mixed = (number ^ (number >> 30)).wrapping_mul(MIX);
        mixed ^ (mixed >> 31)
    }

    /// Gives the places for bodies of blobs that come in.
    pub(crate) fn bodies(&self) -> &Crowd {
        &self.inner.bodies
    }

    /// Gives the places for large manifests that come in.
    pub(crate) fn large_manifests(&self) -> &Crowd {
        &self.inner.large_manifests
    }

    /// Says whether clients are sent to the storage for blobs.
    pub(crate) fn redirects(&self) -> bool {
        self.inner.redirects == Redirects::On
    }

    /// Says whether the counts are shown beside the registry.
    pub(crate) fn shows_metrics(&self) -> bool {
        self.inner.exposure == Exposure::Beside
    }

    /// Says whether each request has its line in the log.
    pub(crate) fn logs_access(&self) -> bool {
        self.inner.access_log == AccessLog::On
    }

    pub(crate) fn random(&self) -> &Random {
        &self.inner.random
    }

    /// Tells the time, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.inner.clock.now()
    }

    /// Collects garbage until none is due, and says how far it is.
    pub(crate) async fn collect(
        &self,
        policy: Policy,
        report: &(dyn Fn(&Collected) + Send + Sync),
    ) -> Result<Collected, store::Error> {
        Collector::new(self.inner.store.clone(), policy)
            .collect(report)
            .await
    }

    /// Says whether the storage answers.
    pub(crate) async fn is_ready(&self) -> Result<(), store::Error> {
        self.inner.store.catalog("", 1).await.map(|_page| ())
    }
}

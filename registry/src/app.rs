//! The store behind its permissions.
//!
//! The store is private to this module. A handler asks [`App::open`] for what
//! it wants to do, and gets a handle that can do that and no more, or an
//! error that says why not.

use std::sync::Arc;

use oci::RepositoryName;
use store::{Delete, Grant, Names, Pull, Push, Repository, Store, UploadId};

use crate::api::ApiError;
use crate::auth::{Authenticator, Caller, Right};
use crate::hosts::Hosts;
use crate::jobs::Jobs;
use crate::observe::Metrics;
use crate::settings::{Random, Settings};

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
    pub(crate) fn new(store: Store, settings: &Settings) -> Self {
        let authenticator = Authenticator::new(&settings.access, &settings.clock, &settings.random);
        Self {
            inner: Arc::new(Inner {
                store,
                authenticator,
                hosts: settings.hosts.clone(),
                jobs: Jobs::default(),
                metrics: Metrics::default(),
                random: settings.random.clone(),
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
        UploadId::from_random(self.inner.random.next())
    }

    /// Makes a name for a request, for its log line and its 5xx answer.
    pub(crate) fn new_request_id(&self) -> String {
        format!("{:016x}", self.inner.random.next() >> 64)
    }

    /// Says whether the storage answers.
    pub(crate) async fn is_ready(&self) -> Result<(), store::Error> {
        self.inner.store.catalog("", 1).await.map(|_page| ())
    }
}

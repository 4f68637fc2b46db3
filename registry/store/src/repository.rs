//! The handle to one repository. What can be done with it is written by noun:
//! `blobs.rs`, `uploads.rs`, `manifests.rs`, `tags.rs`, `referrers.rs`.

use std::marker::PhantomData;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::RepositoryName;

use crate::error::Error;
use crate::keys::RepositoryKeys;
use crate::store::Store;

/// Grants what a repository's handle can do: [`Pull`], [`Push`] or [`Delete`].
pub trait Grant: Copy + std::fmt::Debug + Send + Sync + 'static {}

/// Grants reading.
#[derive(Debug, Clone, Copy)]
pub struct Pull;

/// Grants adding: uploads, mounts, manifests and tags.
#[derive(Debug, Clone, Copy)]
pub struct Push;

/// Grants removing.
#[derive(Debug, Clone, Copy)]
pub struct Delete;

impl Grant for Pull {}
impl Grant for Push {}
impl Grant for Delete {}

/// Gives access to one repository, as far as `G` grants it.
///
/// The handle is the permission: a method that the grant does not cover does
/// not exist on the handle.
#[derive(Debug, Clone)]
pub struct Repository<G> {
    pub(crate) store: Store,
    pub(crate) name: RepositoryName,
    pub(crate) keys: RepositoryKeys,
    grant: PhantomData<G>,
}

/// The storage calls of one request that run at once: a manifest of hundreds
/// of layers must not take every thread there is.
pub(crate) const AT_ONCE: usize = 16;

impl<G: Grant> Repository<G> {
    pub(crate) fn new(store: Store, name: RepositoryName) -> Result<Self, Error> {
        let keys = RepositoryKeys::new(&name)?;
        Ok(Self {
            store,
            name,
            keys,
            grant: PhantomData,
        })
    }

    /// Gives the name.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Says whether a manifest was ever pushed here.
    pub(crate) async fn exists(&self) -> Result<bool, Error> {
        self.store.is_fact(&self.keys.catalog_entry()).await
    }
}

/// The removals of the collector that run at once: a disk makes many of them
/// durable in the time that it takes for one.
const REMOVED_AT_ONCE: usize = 64;

/// Runs removals, many at once, to the end or to the first failure.
pub(crate) async fn in_bulk(
    calls: Vec<impl Future<Output = Result<(), Error>>>,
) -> Result<(), Error> {
    futures_util::stream::iter(calls)
        .buffer_unordered(REMOVED_AT_ONCE)
        .try_collect()
        .await
}

/// Runs storage calls side by side, to the end or to the first failure, and
/// keeps the order of their answers. They come in a vector, since a lazy
/// iterator held across an await would tie the future to one lifetime.
pub(crate) async fn side_by_side<T>(
    calls: Vec<impl Future<Output = Result<T, Error>>>,
) -> Result<Vec<T>, Error> {
    futures_util::stream::iter(calls)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

//! The OCI distribution API: one file a noun, one table of errors.

pub(crate) mod blobs;
mod body;
pub(crate) mod catalog;
mod endpoint;
mod error;
pub(crate) mod manifests;
pub(crate) mod mounts;
mod page;
pub(crate) mod ping;
mod query;
mod range;
pub(crate) mod referrers;
mod respond;
pub(crate) mod tags;
pub(crate) mod uploads;

pub(crate) use endpoint::{Endpoint, Target};
pub(crate) use error::{ApiError, Cause, Code};

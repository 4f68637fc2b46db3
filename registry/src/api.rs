//! The OCI distribution API: one file a noun, one table of errors.

use std::time::Duration;

pub(crate) mod blobs;
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

/// How long a body may pause. A client that is gone without a word would hold
/// its request for ever.
const BODY_PAUSE: Duration = Duration::from_secs(60);

//! Repositories, manifests, tags, uploads and referrers over one
//! [`blob::Backend`].
//!
//! The rules of a registry live here, in a registry's language: what makes a
//! blob visible, what a manifest must have, what deleting means. There is no
//! HTTP, no network, no environment and no clock of its own, so that the OCI
//! API and the ECR API can stand on the same rules.
//!
//! A [`Repository`] is the handle to everything in one repository. Who may
//! have which handle is decided above, in `registry`.

mod blobs;
mod catalog;
mod collect;
mod error;
mod keys;
mod manifest_cache;
mod manifests;
mod records;
mod redirect;
mod referrers;
mod repository;
mod scrub;
mod store;
mod tags;
mod uploads;

pub use blobs::Mounted;
pub use collect::{Collected, Collector, Foreseen, Policy};
pub use error::Error;
pub use manifests::{Pushed, StoredManifest};
pub use referrers::Referrers;
pub use repository::{Delete, Grant, Pull, Push, Repository};
pub use scrub::{Damage, Done, Finding, Mode, Rate, Scrub, Scrubbed};
pub use store::{Clock, Options, Store};
pub use tags::{Names, TagPatterns};
pub use uploads::{Start, Upload, UploadId, Writer};

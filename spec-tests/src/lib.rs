//! Black-box tests of the specifications: the harness.
//!
//! Knows processes, HTTP and files; imports none of the wharf crates, so that what
//! the tests say is what somebody else's client would find.
//!
//! ```no_run
//! use spec_tests::{Registry, blob, digest};
//!
//! let registry = Registry::start();
//! let repository = registry.repository();
//! let layer = registry.push_blob(&repository, &blob(1, 4096));
//! let answer = registry.get(&format!("/v2/{repository}/blobs/{layer}")).send();
//! assert_eq!(answer.status, 200);
//! assert_eq!(digest(&answer.body), layer);
//! ```
//!
//! * [`Registry::start`] runs the built program as [`Deployment`] says, on a directory or
//!   on a bucket of an [`s3`] server, alone or behind a [`Balancer`]; or takes the
//!   registry that `WHARF_REGISTRY_URL` names (with `WHARF_REGISTRY_USER` and
//!   `WHARF_REGISTRY_PASSWORD`); [`Registry::builder`] adds flags, and is skipped when
//!   a URL was given, since somebody else's server takes none.
//! * [`Registry::get`] and its siblings build ordinary requests: redirects are not
//!   followed, and every status is an [`Answer`].
//! * [`Registry::raw`] sends bytes as they are, for requests that no library makes.
//! * [`Content`] and the functions beside it are the fixtures: the same bytes in every
//!   run.
//! * [`Wharf`] runs the program's other commands, each caller with a home of its own.
//! * [`skip`] is how a test says that it lacks something.

mod balancer;
mod deployment;
mod environment;
mod fixtures;
mod http;
mod push;
mod raw;
mod registry;
pub mod s3;
mod wharf;

pub use balancer::Balancer;
pub use deployment::Deployment;
pub use environment::{program, skip};
pub use fixtures::{Content, Image, blob, descriptor, digest, digest_sha512, media};
pub use http::{Answer, Request};
pub use push::with_query;
pub use raw::RawAnswer;
pub use registry::{Builder, Registry};
pub use wharf::{Ran, Wharf};

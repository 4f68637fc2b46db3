//! The distribution specification, 1.1 and its development branch, asked of a running
//! registry: a file per URL or verb.
//!
//! `requirements.toml` names the requirement behind each test. Runs against the built
//! program, or against any registry that `WHARF_REGISTRY_URL` names.

mod auth;
mod blobs;
mod catalog;
mod chunks;
mod deletes;
mod errors;
mod headers;
mod kinds;
mod manifests;
mod mounts;
mod ping;
mod ranges;
mod referrers;
mod server;
mod sha512;
mod subjects;
mod tag_parameters;
mod tags;
mod tls;
mod uploads;
mod walk;

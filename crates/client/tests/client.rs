//! The client against a registry made for these tests, which misbehaves on
//! command, and against a real one. A file per verb.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests too; a test that can not run says so"
)]

#[path = "client/auth.rs"]
mod auth;
#[path = "client/blob.rs"]
mod blob;
#[path = "client/fake.rs"]
mod fake;
#[path = "client/listing.rs"]
mod listing;
#[path = "client/manifest.rs"]
mod manifest;
#[path = "client/memory.rs"]
mod memory;
#[path = "client/mirror.rs"]
mod mirror;
#[path = "client/real.rs"]
mod real;
#[path = "client/referrers.rs"]
mod referrers;
#[path = "client/tls.rs"]
mod tls;
#[path = "client/upload.rs"]
mod upload;

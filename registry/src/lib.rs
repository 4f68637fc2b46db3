//! The registry server: HTTP over [`store`].
//!
//! | module | what it is |
//! |---|---|
//! | `router` | every route, in reading order |
//! | `api` | the OCI distribution API: one file a noun, one table of errors |
//! | `app` | the store behind its permissions: a handler gets a repository only from here |
//! | `auth` | who calls, and what they may do |
//! | `crowd` | places for so many at once, of which no address takes all |
//! | `hosts` | names by which the registry may be called |
//! | `linger` | reading on after a refusal |
//! | `jobs` | work that runs to its end whatever the client does |
//! | `observe` | request ids, spans and log lines of requests, metrics |
//! | `pulse` | connections that stand still, told from slow ones |
//! | `serve` | sockets, TLS, and the way down |
//!
//! The crate reads no environment, no file and no clock: [`Settings`] holds
//! all it needs.

mod api;
mod app;
mod auth;
mod crowd;
mod health;
mod hosts;
mod jobs;
mod linger;
mod observe;
mod pulse;
mod router;
mod serve;
mod settings;
mod tls;

pub use auth::{Htpasswd, HtpasswdError};
pub use hosts::Hosts;
pub use jobs::Trigger;
pub use serve::{ServeError, Server};
pub use settings::{
    Access, AccessLog, Anonymous, Collection, Exposure, Limits, Random, Redirects, Schedule,
    Settings,
};
pub use store::{Clock, Policy, TagPatterns};
// For work on a storage that nobody serves.
pub use store::{
    Collected, Collector, Damage, Done, Finding, Foreseen, Mode, Options, Rate, Scrub, Scrubbed,
    Store,
};
pub use tls::{Certificate, CertificateError};

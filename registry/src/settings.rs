//! What a server is made of; the program builds it once.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use blob::{Backend, Mark};
use store::{Clock, Policy, Store, TagPatterns};

use crate::auth::Htpasswd;
use crate::hosts::Hosts;
use crate::tls::Certificate;

/// Says how a registry is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub backend: Arc<dyn Backend>,
    /// Who may do what.
    pub access: Access,
    /// By which names it may be called.
    pub hosts: Hosts,
    /// The certificate, where connections are encrypted.
    pub certificate: Option<Certificate>,
    /// The tags that mean one manifest for ever.
    pub immutable: TagPatterns,
    /// What tells the time.
    pub clock: Clock,
    /// What makes names that nobody guesses.
    pub random: Random,
    /// When garbage is collected, and what is garbage.
    pub collection: Collection,
    /// Whether clients are sent to the storage for blobs.
    pub redirects: Redirects,
    /// How much is done at once.
    pub limits: Limits,
    /// Where the counts are shown.
    pub metrics: Exposure,
    /// Whether each request has its line in the log.
    pub access_log: AccessLog,
}

impl Settings {
    /// How a directory says that a registry's storage is in it.
    pub const MARK: Mark = Store::MARK;
}

/// Says when garbage is collected, and what is garbage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// When the server collects by itself.
    pub schedule: Schedule,
    /// What is garbage.
    pub policy: Policy,
}

/// Says when the server collects garbage by itself. Told to by its
/// [`Trigger`](crate::Trigger), it always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Never.
    Off,
    /// About every so often: each pause is up to a tenth longer, so that
    /// replicas do not collect in step.
    Every(Duration),
}

/// Says whether clients are sent to the storage for blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// The registry sends all content itself.
    Off,
    /// Where the storage gives a signed URL, the client is told to go there.
    On,
}

/// Says how much is done at once. What is more waits, and is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The connections that are served.
    pub connections: usize,
    /// The bodies of blobs that are taken in.
    pub uploads: usize,
}

impl Default for Limits {
    /// Serves 4096 connections, of which 1024 may send blobs.
    fn default() -> Self {
        Self {
            connections: 4096,
            uploads: 1024,
        }
    }
}

/// Says where `/metrics` is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Nowhere.
    Off,
    /// Beside the registry, to whoever reaches it.
    Beside,
    /// On an address of its own, in plain HTTP, with `/healthz` and `/readyz`.
    At(SocketAddr),
}

/// Says whether each request has its line in the log, under the target
/// `access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// Only failures of the server have one.
    Off,
    /// Each request has one.
    On,
}

/// Says who may do what.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever has a password may do everything, others nothing.
    Passwords(Htpasswd),
    /// Everybody may do this much.
    Anonymous(Anonymous),
}

/// Says what a caller without credentials may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Read.
    Pull,
    /// Read, write and delete.
    Push,
}

/// Makes random numbers. It is made by the program and by each test, never
/// here.
#[derive(Clone)]
pub struct Random(Arc<dyn Fn() -> u128 + Send + Sync>);

impl Random {
    /// Makes numbers by this function, which must be fit for secrets.
    pub fn new(next: impl Fn() -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    pub(crate) fn next(&self) -> u128 {
        (self.0)()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

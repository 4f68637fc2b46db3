//! What a server is made of; the program builds it once.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use blob::{Backend, Mark};
use store::{Clock, Store};

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
    /// What tells the time.
    pub clock: Clock,
    /// What makes names that nobody guesses.
    pub random: Random,
}

impl Settings {
    /// How a directory says that a registry's storage is in it.
    pub const MARK: Mark = Store::MARK;
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

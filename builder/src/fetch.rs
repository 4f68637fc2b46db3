//! What a build takes from elsewhere: files by their URL, and repositories of
//! git. The one place of this crate for either.
//!
//! It reads neither environment nor clock: proxies, certificates and the agent
//! of SSH are values of [`Network`]. It does not unpack, copy or normalise what
//! it fetched.

mod checksum;
mod download;
mod git;
mod name;
mod network;
mod remote;
mod repository;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::events::Progress;

pub(crate) use checksum::Checksum;
pub(crate) use download::{Fetched, url, url_checked};
pub(crate) use git::{Checkout, git};
pub use network::Network;
pub(crate) use remote::{Remote, remote, remote_context, shown, without_secrets};
pub(crate) use repository::GitSource;

/// Says by what way things are fetched, and where to.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) network: &'a Network,
    /// A directory for files that have no name, and for repositories.
    pub(crate) scratch: &'a Path,
    pub(crate) progress: &'a dyn Progress,
}

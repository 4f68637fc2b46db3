//! What the processes of one command tell each other.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::exec::{Ended, Step};
use crate::tier::Tier;

/// Is what a keeper is started for. With it come the descriptors of output,
/// errors and stop, those of agents' sockets, and those that mounts name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) tier: Tier,
    pub(crate) step: Step,
    /// The OCI runtime that does it, where that is not this program.
    pub(crate) runtime: Option<PathBuf>,
    /// The process that started the keeper.
    pub(crate) parent: u32,
    /// How many sockets of agents come along, for mounts that are in place
    /// already.
    pub(super) listeners: usize,
}

/// Is what the init, and the command before it is one, tell the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The root stands. With it come the listening sockets of the agents, in
    /// the order of their mounts.
    Ready,
    /// Comes with the listener of the record filter.
    Recorded,
    /// The command is not started, and will not be.
    Failed(Error),
    /// The command has ended.
    Ended(Ended),
}

pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|source| {
        Error::new(
            ErrorKind::Broken,
            format!("cannot write a message: {source}"),
        )
    })
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|source| {
        Error::new(
            ErrorKind::Broken,
            format!("cannot read a message: {source}"),
        )
    })
}

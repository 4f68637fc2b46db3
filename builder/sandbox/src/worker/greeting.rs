//! What the two processes say to each other until the worker is ready.

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::tier::Tier;

/// Is the first message to a worker.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Greeting {
    /// Where it is to be.
    pub(crate) tier: Tier,
    /// The number of the process that it belongs to.
    pub(crate) parent: u32,
}

/// Is what a worker says to it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Answer {
    /// It is in a user namespace that has no numbers yet. It waits for an
    /// empty message.
    NeedsMaps,
    /// It is where it is to be.
    Ready,
    /// It is not, and ends.
    Failed(Error),
}

/// Sends a message of the start.
pub(crate) fn send(channel: &mut Channel, message: &impl serde::Serialize) -> Result<(), Error> {
    let bytes = postcard::to_allocvec(message).map_err(strange)?;
    channel.send(&bytes, &[])
}

/// Waits for a message of the start.
pub(crate) fn receive<T: serde::de::DeserializeOwned>(channel: &mut Channel) -> Result<T, Error> {
    let (bytes, _) = channel.receive()?.ok_or_else(|| {
        let context = "the other process of the build ended while the worker was started";
        Error::new(ErrorKind::Broken, context)
    })?;
    postcard::from_bytes(&bytes).map_err(strange)
}

fn strange(source: postcard::Error) -> Error {
    let context = format!("a message between processes of the build: {source}");
    Error::new(ErrorKind::Broken, context)
}

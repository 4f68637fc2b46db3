//! This program again, in the namespaces of a tier.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::tier::Tier;

/// Says how this program is started again.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program: `/proc/self/exe` where that can be read.
    pub program: std::path::PathBuf,
}

/// Is a worker that runs. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Worker {
    channel: Channel,
}

impl Worker {
    /// Starts a worker in the namespaces of a tier. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`] when the kernel does not allow them.
    pub fn start(launch: &Launch, tier: &Tier) -> Result<Self, Error> {
        let _ = (launch, tier);
        Err(Error::new(ErrorKind::Broken, "not written yet"))
    }

    /// Gives the channel to it.
    pub fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }
}

/// Does what this program was started for by itself, and `None` where somebody
/// else started it. `arguments` are all of the program, its name first. It has
/// to be called before there is any other thread. `serve` answers the messages
/// of a worker until the channel is closed.
pub fn dispatch(
    arguments: &[OsString],
    serve: impl FnOnce(Channel, Tier) -> Result<(), Error>,
) -> Option<ExitCode> {
    let _ = (arguments, serve);
    None
}

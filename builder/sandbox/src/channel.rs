//! Framed messages with file descriptors, over a socket between two processes
//! of this program. It knows nothing of what the messages say.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::{Error, ErrorKind};

/// Is one end of a socket pair.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// The longest message, in bytes: the operations of a layer with millions of
/// files.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024 * 1024 - 1;

impl Channel {
    /// Takes an end of a socket pair.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Sends a message with file descriptors. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Broken`] when nobody listens.
    pub fn send(&mut self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let _ = (&self.socket, message, descriptors);
        Err(Error::new(ErrorKind::Broken, "not written yet"))
    }

    /// Waits for a message; `None` when the other end is closed.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Broken`] when the message is cut off.
    pub fn receive(&mut self) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>, Error> {
        Err(Error::new(ErrorKind::Broken, "not written yet"))
    }
}

//! Framed messages with file descriptors, over a socket between two processes
//! of this program. It knows nothing of what the messages say.
//!
//! ```text
//! u32, little endian    how many bytes follow; its first byte has the descriptors with it
//! bytes
//! ```

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg,
    send, sendmsg, socketpair,
};

use crate::error::{Error, ErrorKind};

#[cfg(test)]
mod tests;

/// Is one end of a socket pair.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// Is what comes in one message: its bytes and its file descriptors.
pub type Message = (Vec<u8>, Vec<OwnedFd>);

/// The longest message, in bytes: the operations of a layer with millions of
/// files.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024 * 1024 - 1;

/// The most descriptors that a message has: as many as Linux passes at a time.
pub const DESCRIPTOR_LIMIT: usize = 253;

/// How many bytes of a message there is memory for before they come: a length
/// alone takes nothing.
const PIECE: usize = 1024 * 1024;

/// How many bytes say the length of a message.
const HEADER: usize = 4;

impl Channel {
    /// Makes two ends that are connected.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::System`] when there can be no more sockets.
    pub fn pair() -> Result<(Self, Self), Error> {
        let made = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        );
        let (one, other) = made.map_err(|source| Error::system("making a socket pair", source))?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// Takes an end of a socket pair.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Sends a message with file descriptors. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Broken`] when nobody listens, or when there are
    /// more bytes than [`MESSAGE_LIMIT`] or more descriptors than
    /// [`DESCRIPTOR_LIMIT`].
    pub fn send(&mut self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let length = u32::try_from(message.len())
            .ok()
            .filter(|_| message.len() <= MESSAGE_LIMIT)
            .ok_or_else(|| broken(format!("a message of {} bytes is too long", message.len())))?;
        if descriptors.len() > DESCRIPTOR_LIMIT {
            let count = descriptors.len();
            return Err(broken(format!("{count} descriptors are too many")));
        }
        let header = length.to_le_bytes();
        let sent = self.send_first(&header, message, descriptors)?;
        // Whatever of the first piece was taken has the descriptors with it.
        let rest = header.get(sent..).unwrap_or_default();
        self.send_all(rest)?;
        let rest = message.get(sent.saturating_sub(HEADER)..);
        self.send_all(rest.unwrap_or_default())
    }

    /// Waits for a message; `None` when the other end is closed.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Broken`] when the message is cut off, or when
    /// its descriptors are more than this process may have.
    pub fn receive(&mut self) -> Result<Option<Message>, Error> {
        let mut descriptors = Vec::new();
        let Some(length) = self.receive_header(&mut descriptors)? else {
            return Ok(None);
        };
        let length = usize::try_from(length)
            .map_err(|source| broken(format!("the message is too long: {source}")))?;
        let mut message = Vec::new();
        let mut filled: usize = 0;
        while filled < length {
            if message.len() == filled {
                // Growing by what is there already keeps the number of copies
                // low, and the memory below twice of what came.
                let more = length.saturating_sub(filled).min(filled.max(PIECE));
                let size = filled.saturating_add(more);
                message
                    .try_reserve_exact(more)
                    .map_err(|source| broken(format!("a message of {length} bytes: {source}")))?;
                message.resize(size, 0);
            }
            let rest = message.get_mut(filled..).unwrap_or_default();
            let got = retry_on_intr(|| recv(&self.socket, &mut *rest, RecvFlags::empty()));
            let (_, got) = got.map_err(lost)?;
            if got == 0 {
                return Err(cut_off());
            }
            filled = filled.saturating_add(got);
        }
        Ok(Some((message, descriptors)))
    }

    /// Sends the beginning of a message, with its descriptors. It gives how
    /// many bytes were taken, which is at least one.
    fn send_first(
        &self,
        header: &[u8],
        message: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<usize, Error> {
        let mut space = [MaybeUninit::uninit(); ANCILLARY];
        loop {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty()
                && !control.push(SendAncillaryMessage::ScmRights(descriptors))
            {
                return Err(broken("the descriptors do not fit"));
            }
            let slices = [IoSlice::new(header), IoSlice::new(message)];
            match sendmsg(&self.socket, &slices, &mut control, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                Err(source) => return Err(lost(source)),
                Ok(sent) => return Ok(sent),
            }
        }
    }

    fn send_all(&self, mut rest: &[u8]) -> Result<(), Error> {
        while !rest.is_empty() {
            let sent = retry_on_intr(|| send(&self.socket, rest, SendFlags::NOSIGNAL));
            rest = rest.get(sent.map_err(lost)?..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits for the length of the next message and its descriptors.
    fn receive_header(&self, descriptors: &mut Vec<OwnedFd>) -> Result<Option<u32>, Error> {
        let mut header = [0; HEADER];
        let mut filled = 0;
        while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let mut space = [MaybeUninit::uninit(); ANCILLARY];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [std::io::IoSliceMut::new(rest)];
            let got = retry_on_intr(|| {
                recvmsg(
                    &self.socket,
                    &mut slices,
                    &mut control,
                    RecvFlags::CMSG_CLOEXEC,
                )
            });
            let got = match got {
                // The other end died with something of ours unread.
                Err(Errno::CONNRESET) if filled == 0 => return Ok(None),
                got => got.map_err(lost)?,
            };
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(passed) = part {
                    descriptors.extend(passed);
                }
            }
            if got.flags.contains(ReturnFlags::CTRUNC) {
                return Err(broken("descriptors of a message are lost")
                    .with_hint("this process may not open more files: raise `ulimit -n`"));
            }
            if got.bytes == 0 {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(cut_off())
                };
            }
            filled = filled.saturating_add(got.bytes);
        }
        Ok(Some(u32::from_le_bytes(header)))
    }
}

/// How much room the descriptors of a message take beside it.
const ANCILLARY: usize = rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT));

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.socket
    }
}

fn broken(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Broken, context)
}

fn cut_off() -> Error {
    broken("a message between processes of the build is cut off")
}

fn lost(source: Errno) -> Error {
    match source {
        Errno::PIPE | Errno::CONNRESET => broken("the other process of the build is gone"),
        source => Error::system("passing a message between processes of the build", source),
    }
}

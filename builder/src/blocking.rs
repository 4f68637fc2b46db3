//! Work that blocks, and the streams between it and work that waits. The one
//! place of this crate that hands work to other threads.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use image::BlobStream;
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind};

/// How many pieces wait between the two sides of a stream.
const PIECES: usize = 8;
/// The bytes of a piece on its way out.
const PIECE: usize = 256 * 1024;

/// Runs work to its end, whether or not anybody still waits for it.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    Begun::new(work).end().await
}

/// Is work that was begun before anybody needs what it comes to.
#[derive(Debug)]
pub(crate) struct Begun<T>(tokio::task::JoinHandle<Result<T, Error>>);

impl<T: Send + 'static> Begun<T> {
    /// Begins it. It comes to its end, whether or not anybody waits for it.
    pub(crate) fn new(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Self {
        Self(tokio::task::spawn_blocking(work))
    }

    /// Waits for it.
    pub(crate) async fn end(self) -> Result<T, Error> {
        self.0.await.map_err(|error| {
            Error::caused(ErrorKind::Storage, "work on files was cut off", error)
        })?
    }
}

/// Runs work that reads a stream from its first to its last byte.
pub(crate) async fn consume<T: Send + 'static>(
    mut stream: BlobStream,
    work: impl FnOnce(&mut Incoming) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let mut incoming = Incoming {
        pieces: receiver,
        rest: Bytes::new(),
    };
    let working = run(move || {
        let done = work(&mut incoming)?;
        // What comes last decides whether the content was right.
        io::copy(&mut incoming, &mut io::sink())
            .map_err(|error| Error::caused(ErrorKind::Storage, "a layer can not be read", error))?;
        Ok(done)
    });
    let feeding = async {
        while let Some(piece) = stream.next().await {
            let failed = piece.is_err();
            // Whoever works has had enough when nobody takes it.
            if sender.send(piece).await.is_err() || failed {
                break;
            }
        }
        drop(sender);
    };
    let (done, ()) = tokio::join!(working, feeding);
    done
}

/// Reads what a stream brings.
pub(crate) struct Incoming {
    pieces: mpsc::Receiver<Result<Bytes, image::Error>>,
    rest: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Runs work that writes a stream, and takes the pieces as they come.
pub(crate) async fn produce<T: Send + 'static>(
    work: impl FnOnce(&mut Outgoing) -> Result<T, Error> + Send + 'static,
    mut take: impl AsyncFnMut(Bytes) -> Result<(), Error>,
) -> Result<T, Error> {
    let (sender, mut receiver) = mpsc::channel(PIECES);
    let mut outgoing = Outgoing {
        pieces: sender,
        gathered: BytesMut::with_capacity(PIECE),
    };
    let working = run(move || {
        let done = work(&mut outgoing)?;
        outgoing.flush().map_err(|error| {
            Error::caused(ErrorKind::Storage, "a layer can not be written", error)
        })?;
        Ok(done)
    });
    let taking = async {
        while let Some(piece) = receiver.recv().await {
            if let Err(error) = take(piece).await {
                // Whoever works finds that nobody listens, and stops.
                receiver.close();
                return Err(error);
            }
        }
        Ok(())
    };
    let (done, taken) = tokio::join!(working, taking);
    taken?;
    done
}

/// Writes a stream.
pub(crate) struct Outgoing {
    pieces: mpsc::Sender<Bytes>,
    gathered: BytesMut,
}

impl Write for Outgoing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(buffer);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = self.gathered.split().freeze();
        self.pieces
            .blocking_send(piece)
            .map_err(|_closed| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(pieces: Vec<&'static [u8]>) -> BlobStream {
        Box::pin(futures_util::stream::iter(
            pieces
                .into_iter()
                .map(|piece| Ok(Bytes::from_static(piece))),
        ))
    }

    #[tokio::test]
    async fn what_comes_in_is_read_in_order() {
        let read = consume(stream(vec![b"ab", b"", b"c"]), |incoming| {
            let mut text = String::new();
            let read = incoming.read_to_string(&mut text);
            read.map_err(|error| Error::caused(ErrorKind::Storage, "read", error))?;
            Ok(text)
        });
        assert_eq!(read.await.expect("read"), "abc");
    }

    #[tokio::test]
    async fn what_goes_out_is_taken_in_order() {
        let mut taken = Vec::new();
        let written = produce(
            |outgoing| {
                for _ in 0..3 {
                    outgoing
                        .write_all(&vec![7; PIECE - 1])
                        .map_err(|error| Error::caused(ErrorKind::Storage, "write", error))?;
                }
                Ok(5)
            },
            async |piece: Bytes| {
                taken.extend_from_slice(&piece);
                Ok(())
            },
        );
        assert_eq!(written.await.expect("written"), 5);
        assert_eq!(taken, vec![7; 3 * (PIECE - 1)]);
    }

    #[tokio::test]
    async fn who_can_not_take_stops_the_work() {
        let written = produce(
            |outgoing| {
                loop {
                    outgoing
                        .write_all(&[0; PIECE])
                        .map_err(|error| Error::caused(ErrorKind::Storage, "stopped", error))?;
                }
                #[expect(unreachable_code, reason = "says what the closure gives")]
                Ok(())
            },
            async |_| Err(Error::new(ErrorKind::Storage, "full")),
        );
        assert_eq!(written.await.expect_err("full").to_string(), "full");
    }
}

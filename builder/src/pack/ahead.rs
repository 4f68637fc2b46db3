//! Reading on a thread of its own: what comes is made while what came is used.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many pieces wait to be used.
const PIECES: usize = 8;
/// The bytes of a piece, but of the last.
const PIECE: usize = 128 * 1024;

/// Is what was read ahead.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Piece>>,
    /// Pieces that were used, to be filled again.
    used: SyncSender<Vec<u8>>,
    piece: Piece,
    /// How many bytes of the piece were used.
    at: usize,
}

/// Is some bytes, of which the first so many were read.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    length: usize,
}

/// Has `take` be done while another thread reads ahead of it. What the reader
/// gives last is not read if `take` does not want it.
///
/// # Errors
///
/// Fails when there can be no other thread.
pub(super) fn read_ahead<T>(
    reader: impl Read + Send,
    take: impl FnOnce(&mut Ahead) -> T,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let (filled, pieces) = sync_channel(PIECES);
        let (used, empty) = sync_channel(PIECES);
        let thread = std::thread::Builder::new().name("read".into());
        thread.spawn_scoped(scope, move || fill(reader, &filled, &empty))?;
        // Gone at the end, by which the other thread knows that it is one.
        let mut ahead = Ahead {
            pieces,
            used,
            piece: Piece::default(),
            at: 0,
        };
        Ok(take(&mut ahead))
    })
}

/// Reads until nothing more comes, or nobody wants it.
fn fill(mut reader: impl Read, filled: &SyncSender<io::Result<Piece>>, empty: &Receiver<Vec<u8>>) {
    loop {
        // Those that come back are as long as they were.
        let mut bytes = empty.try_recv().unwrap_or_default();
        bytes.resize(PIECE, 0);
        let (length, ended) = fill_one(&mut reader, &mut bytes);
        if filled.send(Ok(Piece { bytes, length })).is_err() {
            return;
        }
        match ended {
            None => {}
            Some(Ok(())) => return,
            Some(Err(error)) => {
                let _unwanted = filled.send(Err(error));
                return;
            }
        }
    }
}

/// Fills a piece as far as there is something; says how far, and why no
/// further.
fn fill_one(reader: &mut impl Read, piece: &mut [u8]) -> (usize, Option<io::Result<()>>) {
    let mut length = 0;
    while let Some(room @ [_, ..]) = piece.get_mut(length..) {
        match reader.read(room) {
            Ok(0) => return (length, Some(Ok(()))),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Some(Err(error))),
        }
    }
    (length, None)
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.length {
            let Ok(next) = self.pieces.recv() else {
                return Ok(0);
            };
            let used = std::mem::replace(&mut self.piece, next?);
            self.at = 0;
            // It may have ended.
            let _ = self.used.try_send(used.bytes);
        }
        let rest = self.piece.bytes.get(self.at..self.piece.length);
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        let (Some(from), Some(into)) = (rest.get(..length), buffer.get_mut(..length)) else {
            return Ok(0);
        };
        into.copy_from_slice(from);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes, a few at a time, and then an error.
    struct Broken(u64);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer
                .len()
                .min(1000)
                .min(usize::try_from(self.0).unwrap_or(1000));
            buffer[..length].fill(7);
            self.0 -= length as u64;
            match length {
                0 => Err(io::Error::other("broken")),
                _ => Ok(length),
            }
        }
    }

    #[test]
    fn all_of_it_comes_in_order() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 20 * PIECE + 5] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let read = read_ahead(&content[..], |ahead| {
                let mut read = Vec::new();
                ahead.read_to_end(&mut read).map(|_| read)
            });
            assert_eq!(read.expect("a thread").expect("read"), content);
        }
    }

    #[test]
    fn an_error_comes_after_what_was_before_it() {
        let length = PIECE + 10;
        let read = read_ahead(Broken(length as u64), |ahead| {
            let mut read = Vec::new();
            (ahead.read_to_end(&mut read).map(|_| ()), read)
        });
        let (ended, read) = read.expect("a thread");
        assert_eq!(ended.expect_err("broken").to_string(), "broken");
        assert_eq!(read, vec![7; length]);
    }

    #[test]
    fn who_has_enough_is_not_waited_for() {
        let first = read_ahead(io::repeat(3), |ahead| {
            let mut first = [0; 4];
            ahead.read_exact(&mut first).map(|()| first)
        });
        assert_eq!(first.expect("a thread").expect("read"), [3; 4]);
    }
}

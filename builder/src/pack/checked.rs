//! Layers on their way in: what is read of one is checked to its last byte.

use std::io::{self, Read};

use oci::{Digest, Hasher};

use crate::error::{Error, ErrorKind};
use crate::pack::ahead::{Ahead, read_ahead};
use crate::pack::contents::Bounded;

/// The bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// Tells of the bytes that are read.
pub(super) struct Tapped<R, F> {
    reader: R,
    tell: F,
}

impl<R: Read, F: FnMut(&[u8])> Tapped<R, F> {
    pub(super) fn new(reader: R, tell: F) -> Self {
        Self { reader, tell }
    }
}

impl<R: Read, F: FnMut(&[u8])> Read for Tapped<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        (self.tell)(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Reads a layer without its compression, and checks what it holds.
pub(super) struct Unpacking<'a> {
    plain: Bounded<&'a mut Ahead>,
    hasher: Hasher,
    layer: Digest,
}

/// Says why a layer was not read to its end.
pub(super) enum Halt {
    /// Of what is in it.
    Content(Error),
    /// Of something else.
    Other(Error),
}

/// Has a layer read, and checks all of it. It is decompressed ahead of `take`.
pub(super) fn verified<T>(
    packed: &mut (impl Read + Send),
    layer: Digest,
    diff_id: &Digest,
    take: impl FnOnce(&mut Unpacking<'_>) -> Result<T, Halt>,
) -> Result<T, Error> {
    let read = |packed| {
        let plain = layer::decompress(packed).map_err(|error| {
            let context = format!("the layer `{layer}` can not be read");
            Halt::Content(Error::layer(context, error))
        })?;
        let read = read_ahead(plain, |plain| {
            let mut checked = Unpacking::new(plain, layer, diff_id);
            let taken = take(&mut checked)?;
            checked.finish(diff_id).map_err(Halt::Content)?;
            Ok(taken)
        });
        read.unwrap_or_else(|error| Err(Halt::Other(unreadable(layer, error))))
    };
    let mut packed = Remembering::new(packed);
    match read(&mut packed) {
        Ok(taken) => Ok(taken),
        Err(Halt::Other(error)) => Err(error),
        // Bytes that were not promised may look like anything: whether they
        // were, only the last of them tells, and then that is the reason.
        Err(Halt::Content(error)) => match packed.end() {
            Ok(()) => Err(error),
            Err(broken) => Err(unreadable(layer, broken)),
        },
    }
}

/// Keeps the error of a reader, which gives it once, to whoever that is.
struct Remembering<R> {
    reader: R,
    failed: Option<io::Error>,
}

impl<R: Read> Remembering<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            failed: None,
        }
    }

    /// Reads the rest, and gives the error that came, now or before.
    fn end(mut self) -> io::Result<()> {
        if self.failed.is_none() {
            let _told_below = io::copy(&mut self, &mut io::sink());
        }
        self.failed.map_or(Ok(()), Err)
    }
}

impl<R: Read> Read for Remembering<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let told = io::Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(told);
                }
                read => return read,
            }
        }
    }
}

fn unreadable(layer: Digest, error: io::Error) -> Error {
    let context = format!("the layer `{layer}` can not be read");
    Error::caused(ErrorKind::Storage, context, error)
}

/// Writes all of a layer to a file while it is taken, and tells the failures of
/// the two apart.
pub(super) fn pour<R: Read, T>(
    plain: R,
    (file, layer): (&mut fs_err::File, Digest),
    stored: impl Fn(io::Error) -> Error,
    take: impl FnOnce(&mut Pouring<'_, R>) -> Result<T, Halt>,
) -> Result<T, Halt> {
    let mut pouring = Pouring {
        plain,
        file,
        failed: None,
    };
    let taken = take(&mut pouring).and_then(|taken| {
        let mut buffer = vec![0; PIECE];
        loop {
            match pouring.read(&mut buffer) {
                Ok(0) => return Ok(taken),
                Ok(_) => {}
                Err(error) => return Err(Halt::Content(unreadable(layer, error))),
            }
        }
    });
    match pouring.failed.take() {
        Some(error) => Err(Halt::Other(stored(error))),
        None => taken,
    }
}

/// Writes what is read to a file.
pub(super) struct Pouring<'a, R> {
    plain: R,
    file: &'a mut fs_err::File,
    /// Why it could not be written.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Pouring<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        io::Write::write_all(self.file, piece).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            io::Error::from(kind)
        })?;
        Ok(read)
    }
}

impl<'a> Unpacking<'a> {
    /// Digests by the algorithm of what the config says, whichever that is.
    fn new(plain: &'a mut Ahead, layer: Digest, diff_id: &Digest) -> Self {
        Self {
            plain: Bounded::new(plain),
            hasher: Hasher::unbroken(diff_id.algorithm()),
            layer,
        }
    }

    /// Reads the rest, and compares the whole with what the config says.
    fn finish(mut self, diff_id: &Digest) -> Result<(), Error> {
        let layer = self.layer;
        io::copy(&mut self, &mut io::sink()).map_err(|error| unreadable(layer, error))?;
        let actual = self.hasher.finish();
        if actual != *diff_id {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!(
                    "the layer `{layer}` holds `{actual}`, and its config promises `{diff_id}`"
                ),
            ));
        }
        Ok(())
    }
}

impl Read for Unpacking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use oci::Algorithm;

    use super::*;

    /// Gives bytes in pieces, an error once, and then nothing more.
    struct Breaking {
        left: usize,
        error: Option<io::Error>,
    }

    impl Read for Breaking {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.left.min(buffer.len()).min(5000);
            if length == 0 {
                return self.error.take().map_or(Ok(0), Err);
            }
            buffer[..length].fill(b'?');
            self.left -= length;
            Ok(length)
        }
    }

    #[test]
    fn what_the_last_bytes_tell_is_the_reason_whoever_reads_them() {
        let layer = Digest::sha256(b"a layer");
        for left in [0, 1, 5000, 15_000, 3_000_000] {
            let error = io::Error::other("other bytes were promised");
            let mut breaking = Breaking {
                left,
                error: Some(error),
            };
            // An archive that is none is given up at once.
            let error = verified(&mut breaking, layer, &layer, |_plain| {
                let error = Error::new(ErrorKind::Storage, "no archive");
                Err::<(), _>(Halt::Content(error))
            });
            let error = error.expect_err("no layer");
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let expected = Some("other bytes were promised");
            assert_eq!(cause.as_deref(), expected, "behind {left}");
        }
    }

    #[test]
    fn what_a_layer_holds_is_checked_whatever_digests_it() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = |bytes: &[u8]| {
                let mut hasher = Hasher::unbroken(algorithm);
                hasher.update(bytes);
                hasher.finish()
            };
            let archive = [0; 1024];
            let layer = Digest::sha256(&archive);
            let read = |diff_id| {
                verified(&mut &archive[..], layer, &diff_id, |plain| {
                    let mut all = Vec::new();
                    plain.read_to_end(&mut all).expect("readable");
                    Ok(all)
                })
            };
            assert_eq!(read(digest(&archive)).expect("as promised"), archive);
            let error = read(digest(b"another")).expect_err("another layer");
            assert_eq!(error.kind(), ErrorKind::Mismatch);
        }
    }
}

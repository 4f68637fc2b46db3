//! Layers and other archives without their compression, whoever compressed
//! them. What is in them is for [`LayerIndex`](crate::LayerIndex) to read.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use crate::error::{Error, ErrorKind};

/// How formats begin: gzip (RFC 1952), zstd (RFC 8878), bzip2 and xz.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// How frames begin that zstd reads over, behind a first byte whose upper half
/// is [`SKIPPED_HALF`] (RFC 8878, section 3.1.2).
const SKIPPED: &[u8] = b"\x2a\x4d\x18";
const SKIPPED_HALF: u8 = 0x50;
/// The bytes that are looked at to know a format.
const HEAD: usize = 6;
/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// The largest window that zstd may ask for, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The most memory that xz may ask for, in KiB: for the largest dictionary that
/// its presets have, 64 MiB, with as much again for others.
const XZ_MEMORY: u32 = 128 * 1024;

/// Reads a layer without its compression, which its first bytes tell: gzip
/// with any number of members, zstd with any number of frames, or none. The
/// memory that this takes does not depend on the length of the layer.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`] for bzip2 and xz, which no layer may
/// have, and with [`ErrorKind::Io`] when the first bytes can not be read.
/// Reading fails with an error of the kind [`ErrorKind::Invalid`] where the
/// compression is damaged, and as `input` does.
pub fn decompress<'a>(input: impl Read + Send + 'a) -> Result<Box<dyn Read + Send + 'a>, Error> {
    let (form, input) = Form::find(input)?;
    match form {
        Form::Bzip2 | Form::Xz => {
            let name = form.name();
            let message = format!("{name} is not read, but gzip and zstd are");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        form => form.open(input),
    }
}

/// Reads an archive that is no layer without its compression: as [`decompress`]
/// does, and bzip2 and xz with any number of streams too. The memory that this
/// takes does not depend on the length of the archive.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`] when the first bytes can not be read. Reading
/// fails with an error of the kind [`ErrorKind::Invalid`] where the compression
/// is damaged or asks for more than 128 MiB of memory, and as `input` does.
pub fn decompress_archive<'a>(
    input: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>, Error> {
    let (form, input) = Form::find(input)?;
    form.open(input)
}

/// Is a form of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// Is an input from its first byte on, of which some were looked at.
type Peeked<R> = BufReader<io::Chain<Cursor<Vec<u8>>, Source<R>>>;

impl Form {
    /// Looks at the first bytes.
    fn find<R: Read>(input: R) -> Result<(Self, Peeked<R>), Error> {
        let mut input = Source(input);
        let mut head = Vec::with_capacity(HEAD);
        // Pipes and sockets may give less than that at first.
        let peeked = input.by_ref().take(HEAD as u64).read_to_end(&mut head);
        peeked.map_err(|error| unreadable(told(error)))?;
        let is_skipped =
            |(first, rest): (&u8, &[u8])| first & 0xf0 == SKIPPED_HALF && rest.starts_with(SKIPPED);
        let form = if head.starts_with(GZIP) {
            Self::Gzip
        } else if head.starts_with(ZSTD) || head.split_first().is_some_and(is_skipped) {
            Self::Zstd
        } else if head.starts_with(BZIP2) {
            Self::Bzip2
        } else if head.starts_with(XZ) {
            Self::Xz
        } else {
            Self::None
        };
        let input = BufReader::with_capacity(PIECE, Cursor::new(head).chain(input));
        Ok((form, input))
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    fn open<'a, R: Read + Send + 'a>(
        self,
        input: Peeked<R>,
    ) -> Result<Box<dyn Read + Send + 'a>, Error> {
        Ok(match self {
            Self::None => Box::new(Told(input)),
            Self::Gzip => Box::new(Plain(flate2::bufread::MultiGzDecoder::new(input))),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(input).map_err(unreadable)?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG)
                    .map_err(unreadable)?;
                Box::new(Plain(decoder))
            }
            Self::Bzip2 => Box::new(Plain(bzip2::bufread::MultiBzDecoder::new(input))),
            Self::Xz => Box::new(Plain(lzma_rust2::XzReader::new_mem_limit(
                input, true, XZ_MEMORY,
            ))),
        })
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::io("can not read the layer", error)
}

/// Marks what reading fails with, so that it is not taken for a failure of the
/// decoder above.
struct Source<R>(R);

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, Marked(error)),
        })
    }
}

/// Reads without compression, and tells failures apart.
struct Plain<D>(D);

impl<D: Read> Read for Plain<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted || is_marked(&error) {
                return told(error);
            }
            let message = format!("the compression is damaged: {error}");
            Error::new(ErrorKind::Invalid, message).into()
        })
    }
}

/// Reads what has no compression.
struct Told<R>(R);

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(told)
    }
}

/// Is what a source failed with.
#[derive(Debug)]
struct Marked(io::Error);

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Marked {}

fn is_marked(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Marked>())
}

/// Gives the error as the source gave it.
fn told(error: io::Error) -> io::Error {
    match error.downcast::<Marked>() {
        Ok(marked) => marked.0,
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;

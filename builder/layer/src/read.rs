//! Layers that others wrote: without their compression, and entry by entry.

use std::io::{self, BufRead, BufReader, Read};

use crate::error::{Error, ErrorKind};

/// How formats begin: gzip (RFC 1952), zstd (RFC 8878, a frame and a frame to
/// skip), bzip2 and xz.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// The bytes that are looked at to know a format.
const HEAD: usize = 6;
/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// The largest window that zstd may ask for, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Reads a layer without its compression, which its first bytes tell: gzip
/// with any number of members, zstd, or none.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`] for bzip2 and xz, which no layer may
/// have, and with [`ErrorKind::Io`] when the first bytes can not be read.
pub fn decompress<'a>(
    input: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>, Error> {
    let unreadable = |error| Error::io("can not read the layer", error);
    let mut input = BufReader::with_capacity(PIECE, input);
    let head = peek(&mut input).map_err(unreadable)?;
    if head.starts_with(GZIP) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(input)));
    }
    if head.starts_with(ZSTD) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(unreadable)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(unreadable)?;
        return Ok(Box::new(decoder));
    }
    for (magic, name) in [(BZIP2, "bzip2"), (XZ, "xz")] {
        if head.starts_with(magic) {
            let message = format!("{name} is not read: layers are compressed with gzip or zstd");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    Ok(Box::new(input))
}

/// Looks at the first bytes, as far as they come at once.
fn peek<R: Read>(input: &mut BufReader<R>) -> io::Result<Vec<u8>> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(bytes) => return Ok(bytes.iter().copied().take(HEAD).collect()),
        }
    }
}

//! Archives that `ADD` unpacks (Dockerfile reference, "Adding local tar
//! archives"): found by what is in them, never by their names.

use std::io::Read;

use layer::{Contents, File};

use crate::error::Error;
use crate::pack::contents::Shelf;

/// The bytes of a block of a tar archive.
const BLOCK: usize = 512;
/// Where the checksum stands in a header, and how long it is.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Says what a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// A tar archive, compressed or not.
    Archive,
    /// Something that begins as if it were compressed, and can not be read.
    Broken,
    /// Anything else.
    Other,
}

/// Looks at how a file begins. It blocks.
pub(crate) fn look(shelf: &Shelf, file: &File) -> Result<Held, Error> {
    let failed = |error| Error::layer("can not look whether a file is an archive", error);
    // A file that is compressed and no archive is copied as it is.
    let packed = shelf.open(file.place, file.size).map_err(failed)?;
    let plain = layer::decompress_archive(packed).map_err(failed)?;
    let mut first = [0; BLOCK];
    Ok(match fill(plain, &mut first) {
        Ok(BLOCK) if is_header(&first) => Held::Archive,
        Ok(_) => Held::Other,
        Err(_) => Held::Broken,
    })
}

/// Reads as much as there is.
fn fill(mut reader: impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..)
        && !rest.is_empty()
    {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Says whether a block is the header of an entry: by its checksum, as the
/// oldest archives have it too.
fn is_header(block: &[u8; BLOCK]) -> bool {
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if CHECKSUM.contains(&at) {
                u32::from(b' ')
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    let field = block.get(CHECKSUM).unwrap_or_default();
    let text = String::from_utf8_lossy(field);
    let digits = text.trim_matches([' ', '\0']);
    block.first() != Some(&0) && u32::from_str_radix(digits, 8) == Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_checksum() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a").expect("short");
        header.set_size(0);
        header.set_cksum();
        let mut block = *header.as_bytes();
        assert!(is_header(&block));
        block[0] = b'b';
        assert!(!is_header(&block));
        assert!(!is_header(&[0; BLOCK]));
        assert!(!is_header(&[b'7'; BLOCK]));
    }
}

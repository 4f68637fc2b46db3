//! One block that says what an entry of an archive is, in the forms that are
//! around: the oldest one, ustar (POSIX.1-2024, `pax`, "ustar Interchange
//! Format"), star's and GNU's. Where they leave room for opinions, it is read
//! as those read it who run images, so that all see the same files.

use std::ops::Range;

use crate::error::{Error, ErrorKind};

/// The unit of an archive in bytes.
pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
pub(super) const MODE: Range<usize> = 100..108;
pub(super) const UID: Range<usize> = 108..116;
pub(super) const GID: Range<usize> = 116..124;
pub(super) const SIZE: Range<usize> = 124..136;
pub(super) const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
pub(super) const MAJOR: Range<usize> = 329..337;
pub(super) const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;
const PREFIX_OF_STAR: Range<usize> = 345..476;
const TRAILER: Range<usize> = 508..512;

/// The parts of a sparse file in the header of GNU: four of them, whether
/// blocks with more follow, and the size of the whole file.
const RUNS: Range<usize> = 386..482;
const HAS_MORE: usize = 482;
pub(super) const REAL_SIZE: Range<usize> = 483..495;
/// The same in a block with more.
const MORE_RUNS: Range<usize> = 0..504;
const MORE_HAS_MORE: usize = 504;
/// The length of a number in them.
const RUN_NUMBER: usize = 12;

/// Is a block that is a header.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// Takes a block whose checksum is right: of its bytes with or without a
    /// sign, as old systems had it.
    pub(super) fn read(block: &'a [u8; BLOCK]) -> Result<Self, Error> {
        let header = Self(block);
        let counted = |(at, byte): (usize, &u8)| match CHECKSUM.contains(&at) {
            true => b' ',
            false => *byte,
        };
        let sum: i64 = block.iter().enumerate().map(counted).map(i64::from).sum();
        let signed = block.iter().enumerate().map(counted);
        let signed: i64 = signed.map(|byte| i64::from(byte.cast_signed())).sum();
        match header.number(CHECKSUM) {
            Some(said) if said == sum || said == signed => Ok(header),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                "a header of the archive has a wrong checksum",
            )),
        }
    }

    /// Gives the letter that says what the entry is.
    pub(super) fn flag(&self) -> u8 {
        self.0.get(FLAG).copied().unwrap_or_default()
    }

    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(self.field(NAME));
        let prefix = match self.field(MAGIC) {
            b"ustar\0" if self.field(TRAILER) == b"tar\0" => PREFIX_OF_STAR,
            b"ustar\0" => PREFIX,
            // GNU has other things there, and the oldest form nothing.
            _ => return name.to_vec(),
        };
        match until_nul(self.field(prefix)) {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(self.field(LINK)).to_vec()
    }

    /// Reads a number: octal digits, or a sign and bytes; nothing is 0.
    pub(super) fn number(&self, field: Range<usize>) -> Option<i64> {
        number(self.field(field))
    }

    /// Gives the parts of a sparse file, each an offset and a length, and
    /// whether a block with more of them follows.
    pub(super) fn runs(&self) -> Option<(Vec<u64>, bool)> {
        Some((runs(self.field(RUNS))?, self.0.get(HAS_MORE) != Some(&0)))
    }

    fn field(&self, field: Range<usize>) -> &'a [u8] {
        self.0.get(field).unwrap_or_default()
    }
}

/// Gives the parts of a sparse file that a block after the header has, and
/// whether one more follows.
pub(super) fn more_runs(block: &[u8; BLOCK]) -> Option<(Vec<u64>, bool)> {
    let numbers = block.get(MORE_RUNS).unwrap_or_default();
    Some((runs(numbers)?, block.get(MORE_HAS_MORE) != Some(&0)))
}

/// Reads pairs of numbers; an empty one ends them.
fn runs(field: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for pair in field.chunks_exact(2 * RUN_NUMBER) {
        if pair.first() == Some(&0) {
            break;
        }
        for field in pair.chunks_exact(RUN_NUMBER) {
            numbers.push(u64::try_from(number(field)?).ok()?);
        }
    }
    Some(numbers)
}

fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // The highest bit says that bytes follow, the next one is the sign.
        let start = if first & 0x40 != 0 { -1 } else { 0 };
        let start = (start << 6) | i128::from(first & 0x3f);
        let rest = field.get(1..)?;
        let value = rest
            .iter()
            .fold(start, |value, byte| (value << 8) | i128::from(*byte));
        return i64::try_from(value).ok();
    }
    let digits = field.split(|byte| *byte == 0).find(|part| !part.is_empty());
    let digits = digits.unwrap_or_default().trim_ascii();
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    i64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Gives what is before the first NUL.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

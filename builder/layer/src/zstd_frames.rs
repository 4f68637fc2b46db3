//! Deterministic Zstandard (RFC 8878): an archive is split in blocks of a fixed
//! length, each of which becomes one frame on its own, by one version of one
//! library with one thread. Readers take frames one after the other.
//!
//! It compresses alone; what is read may come from any other program.

use zstd::bulk;
use zstd::zstd_safe::CParameter;

use crate::error::Error;

/// The length of a block in bytes; only the last one of an archive is shorter.
/// Shorter ones would cost more of the size: 10 parts of 100 at a quarter of
/// it, where these cost 4.
pub(crate) const BLOCK: usize = 4 * 1024 * 1024;

/// Compresses blocks, one at a time; none depends on those before it.
pub(crate) struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    pub(crate) fn new(level: i32) -> Result<Self, Error> {
        let failed = |error| Error::io("can not set up zstd", error);
        let mut compressor = bulk::Compressor::new(level).map_err(failed)?;
        // Each frame says how long its content is, and has a checksum of it.
        for parameter in [
            CParameter::ContentSizeFlag(true),
            CParameter::ChecksumFlag(true),
        ] {
            compressor.set_parameter(parameter).map_err(failed)?;
        }
        Ok(Self(compressor))
    }

    /// Gives the frame that a block of at most [`BLOCK`] bytes becomes.
    pub(crate) fn frame(&mut self, block: &[u8]) -> Vec<u8> {
        self.0.compress(block).expect("the bound holds")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn frames_are_read_back_and_stand_alone() {
        let text = b"a line that comes again\n".repeat(100_000);
        for level in [1, 3, 19] {
            let mut used = Compressor::new(level).expect("a level");
            let mut all = Vec::new();
            for block in [&[0][..], &noise(70_000), &text] {
                let frame = used.frame(block);
                let mut fresh = Compressor::new(level).expect("a level");
                assert!(frame == fresh.frame(block));
                all.extend(frame);
            }
            let mut read = Vec::new();
            zstd::stream::read::Decoder::new(all.as_slice())
                .expect("frames")
                .read_to_end(&mut read)
                .expect("valid");
            assert!(read == [&[0][..], &noise(70_000), &text].concat());
        }
    }

    #[test]
    fn noise_hardly_grows() {
        let mut compressor = Compressor::new(3).expect("a level");
        let frame = compressor.frame(&noise(BLOCK));
        assert!(frame.len() < BLOCK + BLOCK / 1000, "{}", frame.len());
    }
}

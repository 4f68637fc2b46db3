//! Deterministic gzip (RFC 1952): an archive is split in blocks of a fixed
//! length, each of which becomes one member on its own, by one version of one
//! library at one level. `docs/adr/0008-layer-format.md` says why.
//!
//! It compresses alone; what is read may come from any other program.

mod dense;

use libdeflater::CompressionLvl;

/// The length of a block in bytes; only the last one of an archive is shorter.
pub(crate) const BLOCK: usize = 1024 * 1024;

/// The level where none is said, in numbers of libdeflate.
pub(crate) const LEVEL: i32 = 5;

/// The header of every member: deflate, no flags, no time, nothing said of the
/// level, unknown operating system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The length of what stands behind the content of a member, in bytes: a
/// checksum and a length (RFC 1952, section 2.3.1).
const TRAILER: usize = 8;

/// Compresses blocks, one at a time; none depends on those before it.
pub(crate) struct Compressor {
    usual: libdeflater::Compressor,
    /// For what is compressed already.
    stored: libdeflater::Compressor,
}

impl Compressor {
    pub(crate) fn new(level: i32) -> Self {
        let at = |level| {
            let level = CompressionLvl::new(level).expect("the library has the level");
            libdeflater::Compressor::new(level)
        };
        Self {
            usual: at(level),
            stored: at(0),
        }
    }

    /// Gives the member that a block of at most [`BLOCK`] bytes becomes.
    pub(crate) fn member(&mut self, block: &[u8]) -> Vec<u8> {
        let compressor = match dense::is_dense(block) {
            true => &mut self.stored,
            false => &mut self.usual,
        };
        let bound = compressor.deflate_compress_bound(block.len());
        let mut member = Vec::with_capacity(HEADER.len() + bound + TRAILER);
        member.extend_from_slice(&HEADER);
        member.resize(HEADER.len() + bound, 0);
        let content = member.get_mut(HEADER.len()..).unwrap_or_default();
        let length = compressor
            .deflate_compress(block, content)
            .expect("the bound holds");
        member.truncate(HEADER.len() + length);
        member.extend_from_slice(&libdeflater::crc32(block).to_le_bytes());
        member.extend_from_slice(&(block.len() as u32).to_le_bytes());
        member
    }
}

#[cfg(test)]
mod tests;

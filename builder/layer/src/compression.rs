//! How the archive of a layer is compressed: the ways to choose from, and what
//! does it block by block. The bytes of every way are the same on any machine;
//! `docs/adr/0008-layer-format.md` says how.

use crate::error::{Error, ErrorKind};
use crate::gzip;
use crate::zstd_frames as zstd;

/// Says how the archive of a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compression {
    method: Method,
    /// In the numbers of the library that compresses.
    level: i32,
}

/// Names a way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Gzip (RFC 1952), which everybody reads.
    Gzip,
    /// Zstandard (RFC 8878): smaller and faster, and not read by all.
    Zstd,
    /// None at all.
    Uncompressed,
}

/// The levels of libdeflate for those of gzip, from 0 on: each makes about as
/// much of a layer as `gzip` does at the same level, or less. The sixth is what
/// layers have had from the first version on.
const GZIP_LEVELS: [i32; 10] = [0, 1, 2, 3, 4, 4, gzip::LEVEL, 6, 8, 9];
/// The lowest and the highest level of zstd.
const ZSTD_LEVELS: std::ops::RangeInclusive<u32> = 1..=22;
/// The level of zstd where none is said, as everywhere.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// Compresses in this way, at the level that is best for most.
    #[must_use]
    pub const fn of(method: Method) -> Self {
        let level = match method {
            Method::Gzip => gzip::LEVEL,
            Method::Zstd => ZSTD_LEVEL,
            Method::Uncompressed => 0,
        };
        Self { method, level }
    }

    /// Compresses in this way at a level: 0 to 9 of gzip, of which 6 is what
    /// [`Compression::of`] gives, and 1 to 22 of zstd, of which 3 is.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Unsupported`] for a level that there is not.
    pub fn at(method: Method, level: u32) -> Result<Self, Error> {
        let refused = |what: &str| Error::new(ErrorKind::Unsupported, what);
        let level = match method {
            Method::Gzip => usize::try_from(level)
                .ok()
                .and_then(|level| GZIP_LEVELS.get(level).copied())
                .ok_or_else(|| refused("gzip has the levels 0 to 9"))?,
            Method::Zstd => i32::try_from(level)
                .ok()
                .filter(|_| ZSTD_LEVELS.contains(&level))
                .ok_or_else(|| refused("zstd has the levels 1 to 22"))?,
            Method::Uncompressed => return Err(refused("without compression there is no level")),
        };
        Ok(Self { method, level })
    }

    /// Gives the way.
    #[must_use]
    pub const fn method(self) -> Method {
        self.method
    }

    /// Gives a short text that is another one wherever the bytes of a layer
    /// may be others.
    #[must_use]
    pub fn name(self) -> String {
        let word = match self.method {
            Method::Gzip => "gzip",
            Method::Zstd => "zstd",
            Method::Uncompressed => return "uncompressed".to_owned(),
        };
        format!("{word}-{}", self.level)
    }

    /// Gives the length of the blocks that are compressed each by itself.
    pub(crate) const fn block(self) -> usize {
        match self.method {
            Method::Gzip | Method::Uncompressed => gzip::BLOCK,
            Method::Zstd => zstd::BLOCK,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::of(Method::Gzip)
    }
}

/// Compresses blocks, one at a time; none depends on those before it.
pub(crate) enum Compressor {
    Gzip(gzip::Compressor),
    Zstd(zstd::Compressor),
    Uncompressed,
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> Result<Self, Error> {
        Ok(match compression.method {
            Method::Gzip => Self::Gzip(gzip::Compressor::new(compression.level)),
            Method::Zstd => Self::Zstd(zstd::Compressor::new(compression.level)?),
            Method::Uncompressed => Self::Uncompressed,
        })
    }

    /// Gives what a block becomes, and a buffer of one to be used again.
    pub(crate) fn pack(&mut self, block: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Gzip(compressor) => (compressor.member(&block), block),
            Self::Zstd(compressor) => (compressor.frame(&block), block),
            Self::Uncompressed => (block, Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_that_there_are() {
        assert_eq!(
            Compression::at(Method::Gzip, 6).expect("a level"),
            Compression::default()
        );
        assert_eq!(
            Compression::at(Method::Zstd, 3).expect("a level"),
            Compression::of(Method::Zstd)
        );
        for level in 0..=9 {
            assert!(Compression::at(Method::Gzip, level).is_ok());
        }
        for (method, level) in [
            (Method::Gzip, 10),
            (Method::Gzip, u32::MAX),
            (Method::Zstd, 0),
            (Method::Zstd, 23),
            (Method::Zstd, u32::MAX),
            (Method::Uncompressed, 0),
        ] {
            let refused = Compression::at(method, level).expect_err("no such level");
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn names_tell_ways_apart() {
        assert_eq!(Compression::default().name(), "gzip-5");
        assert_eq!(Compression::of(Method::Zstd).name(), "zstd-3");
        assert_eq!(Compression::of(Method::Uncompressed).name(), "uncompressed");
        let least = Compression::at(Method::Gzip, 0).expect("a level");
        assert_eq!(least.name(), "gzip-0");
    }
}

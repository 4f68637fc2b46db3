//! `--compression`: how layers are compressed.

use builder::{Compression, CompressionMethod};

use crate::report::{hinted, usage};

/// Says how layers are compressed that the build makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[group(id = "compressing")]
pub(super) struct Flags {
    /// How layers are compressed that the build makes; those of bases stay as they are [default: gzip]
    #[arg(long, value_name = "METHOD")]
    compression: Option<Name>,

    /// How hard they are compressed: 0 to 9 with gzip, where 6 is usual, and 1 to 22 with zstd, where 3 is
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<u32>,

    /// Compress the layers of bases anew: not done, since their digests would no longer be those of the base
    #[arg(long, hide = true)]
    force_compression: bool,
}

/// Names a way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Gzip, which everybody reads
    Gzip,
    /// Zstandard: smaller and faster, for OCI images alone
    Zstd,
    /// None at all
    #[value(alias = "none")]
    Uncompressed,
}

impl Flags {
    /// Gives what was chosen.
    pub(super) fn compression(&self) -> anyhow::Result<Compression> {
        if self.force_compression {
            let error = usage("`--force-compression` is not supported");
            return Err(hinted(
                error,
                "layers of bases keep their digests, so that registries have them already",
            ));
        }
        let method = match self.compression {
            None | Some(Name::Gzip) => CompressionMethod::Gzip,
            Some(Name::Zstd) => CompressionMethod::Zstd,
            Some(Name::Uncompressed) => CompressionMethod::Uncompressed,
        };
        let Some(level) = self.compression_level else {
            return Ok(Compression::of(method));
        };
        Compression::at(method, level)
            .map_err(|refused| usage(format!("`--compression-level {level}`: {refused}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(compression: Option<Name>, level: Option<u32>) -> anyhow::Result<Compression> {
        let flags = Flags {
            compression,
            compression_level: level,
            force_compression: false,
        };
        flags.compression()
    }

    #[test]
    fn flags_choose() {
        let name = |compression, level| chosen(compression, level).expect("there is").name();
        assert_eq!(name(None, None), "gzip-5");
        assert_eq!(name(None, Some(6)), "gzip-5");
        assert_eq!(name(Some(Name::Gzip), Some(9)), "gzip-9");
        assert_eq!(name(Some(Name::Zstd), None), "zstd-3");
        assert_eq!(name(Some(Name::Zstd), Some(19)), "zstd-19");
        assert_eq!(name(Some(Name::Uncompressed), None), "uncompressed");
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for (compression, level, message) in [
            (
                None,
                Some(10),
                "`--compression-level 10`: gzip has the levels 0 to 9",
            ),
            (
                Some(Name::Zstd),
                Some(0),
                "`--compression-level 0`: zstd has the levels 1 to 22",
            ),
            (
                Some(Name::Uncompressed),
                Some(1),
                "`--compression-level 1`: without compression there is no level",
            ),
        ] {
            let error = chosen(compression, level).expect_err("it is refused");
            assert_eq!(error.to_string(), message);
        }
        let flags = Flags {
            force_compression: true,
            ..Flags::default()
        };
        assert!(flags.compression().is_err());
    }
}

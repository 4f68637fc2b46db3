//! What a file has to be, as `ADD --checksum` says it. Registries know fewer
//! algorithms, so this is no [`Digest`].

use std::fmt;
use std::str::FromStr;

use oci::{Algorithm, Digest, Hasher};
use sha2::Digest as _;

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// The prefix of a SHA-384, which `oci` does not know.
const SHA384: &str = "sha384";
/// The bytes of a SHA-384.
const SHA384_SIZE: usize = 48;

/// Says what the bytes of a file have to be: `sha256:`, `sha384:` or `sha512:`
/// and the hash in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// By what registries know too.
    Digest(Digest),
    /// By SHA-384.
    Sha384([u8; SHA384_SIZE]),
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            let message = format!("`{}` is no checksum of a file", excerpt(text));
            Error::new(ErrorKind::Step, message).with_hint(
                "it is `sha256:` and 64 hexadecimal digits; `sha384:` and `sha512:` are known too",
            )
        };
        let Some(digits) = text.strip_prefix("sha384:") else {
            let digest = text.parse().map(Self::Digest);
            return digest.map_err(|_where| refused());
        };
        let mut hash = [0; SHA384_SIZE];
        hex::decode_to_slice(digits, &mut hash).map_err(|_not_hex| refused())?;
        Ok(Self::Sha384(hash))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Sha384(hash) => write!(f, "{SHA384}:{}", hex::encode(hash)),
        }
    }
}

/// Takes the checksum of a file, of the kind that another has.
pub(super) enum Summing {
    Digest(Box<Hasher>),
    Sha384(Box<sha2::Sha384>),
}

impl Summing {
    pub(super) fn like(checksum: &Checksum) -> Self {
        match checksum {
            Checksum::Digest(digest) => Self::by(digest.algorithm()),
            Checksum::Sha384(_) => Self::Sha384(Box::default()),
        }
    }

    fn by(algorithm: Algorithm) -> Self {
        Self::Digest(Box::new(Hasher::unbroken(algorithm)))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Digest(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        match self {
            Self::Digest(hasher) => Checksum::Digest(hasher.finish()),
            Self::Sha384(hasher) => Checksum::Sha384(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-4, examples for `abc`.
        for text in [
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7",
        ] {
            let checksum: Checksum = text.parse().expect("a checksum");
            assert_eq!(checksum.to_string(), text);
            let mut summing = Summing::like(&checksum);
            summing.update(b"a");
            summing.update(b"bc");
            assert_eq!(summing.finish(), checksum);
        }
    }

    #[test]
    fn refused() {
        for text in ["", "sha384:", "sha384:00", "md5:00", "sha256:zz"] {
            assert!(text.parse::<Checksum>().is_err(), "{text}");
        }
    }
}

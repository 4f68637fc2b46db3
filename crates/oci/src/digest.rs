//! Digests: an algorithm and the bytes it gave (image-spec, "Descriptor",
//! section "Digests").

use std::fmt;
use std::str::FromStr;

use crate::hasher::Hasher;
use crate::parse::{ParseError, serde_as_text};

/// Names a hash algorithm that wharf computes itself.
///
/// The image specification registers exactly these two as safe; content under
/// any other algorithm can not be verified and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which every registry and client supports.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Names the algorithm as digests spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Says how many bytes the algorithm gives.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| {
                ParseError::new("digest algorithm", text, "expected `sha256` or `sha512`")
            })
    }
}

serde_as_text!(Algorithm);

/// Identifies content by its bytes: `sha256:<64 hex>` or `sha512:<128 hex>`.
///
/// A small `Copy` value that orders as its text does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The hash, followed by zeros up to the widest algorithm's size.
    bytes: [u8; Self::WIDEST],
}

impl Digest {
    const WIDEST: usize = 64;

    /// Takes the SHA-256 digest of bytes that are already in memory.
    #[must_use]
    pub fn sha256(content: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, content)
    }

    /// Takes the digest of bytes that are already in memory.
    #[must_use]
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::unbroken(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// Builds a digest from the raw output of its algorithm; the caller owns
    /// the length.
    pub(crate) fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Self {
        let mut bytes = [0; Self::WIDEST];
        bytes[..algorithm.size()].copy_from_slice(raw);
        Self { algorithm, bytes }
    }

    /// Takes the bytes of a SHA-256 that was kept as such.
    #[must_use]
    pub fn from_sha256(raw: [u8; 32]) -> Self {
        Self::from_raw(Algorithm::Sha256, &raw)
    }

    /// Names the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Spells the hash alone, in lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        // `hex::encode` goes digit by digit, which takes ten times as long.
        let mut digits = vec![0; 2 * self.algorithm.size()];
        hex::encode_to_slice(&self.bytes[..self.algorithm.size()], &mut digits)
            .expect("two digits for each byte");
        String::from_utf8(digits).expect("digits are ASCII")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits";
        let invalid = || ParseError::new("digest", text, EXPECTED);
        let (algorithm, encoded) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|known| known.as_str() == algorithm)
            .ok_or_else(invalid)?;
        // `hex` would take capitals, which name the same bytes by other text.
        if encoded.len() != 2 * algorithm.size() || encoded.bytes().any(|b| b.is_ascii_uppercase())
        {
            return Err(invalid());
        }
        let mut bytes = [0; Self::WIDEST];
        if hex::decode_to_slice(encoded, &mut bytes[..algorithm.size()]).is_err() {
            return Err(invalid());
        }
        Ok(Self { algorithm, bytes })
    }
}

serde_as_text!(Digest);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(
            Digest::sha256(b"abc").to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            Digest::of(Algorithm::Sha512, b"abc").to_string(),
            "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn refused() {
        let upper = "A".repeat(64);
        let short = "a".repeat(63);
        let long = "a".repeat(65);
        for text in [
            String::new(),
            ":".into(),
            "sha256".into(),
            "sha256:".into(),
            format!("sha256:{short}"),
            format!("sha256:{long}"),
            format!("sha256:{upper}"),
            format!("sha256:{}g", short),
            format!("md5:{}", "a".repeat(32)),
            format!("SHA256:{}", "a".repeat(64)),
            format!("sha256:é{}", "a".repeat(62)),
        ] {
            assert!(text.parse::<Digest>().is_err(), "accepted `{text}`");
        }
    }

    proptest! {
        #[test]
        fn text_and_value_are_one(content: Vec<u8>, wide: bool) {
            let algorithm = if wide { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &content);
            prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        }

        #[test]
        fn any_text_has_an_answer(text: String) {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}

//! Content: noise, and its digest.

use sha2::{Digest as _, Sha256};

/// The media type of an image's manifest.
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Returns noise that does not compress (splitmix64).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = seed;
    while bytes.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Returns the digest of some bytes, by SHA-256.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    digest_of_parts(&[bytes])
}

/// Returns the digest of bytes that lie in several places, by SHA-256.
pub(crate) fn digest_of_parts(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_length_and_differs_by_seed() {
        assert_eq!(noise(1, 13).len(), 13);
        assert_eq!(noise(1, 16)[..13], noise(1, 13));
        assert_ne!(noise(1, 64), noise(2, 64));
    }

    #[test]
    fn digests_are_of_the_bytes() {
        let wanted = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_of(b""), wanted);
        assert_eq!(digest_of_parts(&[b"ab", b"c"]), digest_of(b"abc"));
    }
}

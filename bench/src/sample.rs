//! What everybody serves: a manifest of usual size, its blobs, and one large blob.

use sha2::{Digest as _, Sha256};

use crate::connection::{Body, Connection};
use crate::error::Error;
use crate::load::{Way, push};
use crate::peer::Peer;

/// The repository of the sample.
pub(crate) const REPOSITORY: &str = "bench/sample";

/// The media type of the sample's manifest.
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Size of the large blob, in bytes: 100 MiB.
pub(crate) const LARGE: usize = 100 << 20;

/// Layers of the sample beside the large one.
const SMALL_LAYERS: u64 = 6;

/// Size of each of them, in bytes.
const SMALL: usize = 4096;

/// The sample image.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) manifest: Vec<u8>,
    /// The blobs with their digests; the last one is the large one.
    pub(crate) blobs: Vec<(String, Vec<u8>)>,
}

impl Sample {
    pub(crate) fn make() -> Self {
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}"#;
        let small = (1..=SMALL_LAYERS).map(|seed| noise(seed, SMALL));
        let contents = [config.to_vec()].into_iter().chain(small);
        let blobs: Vec<(String, Vec<u8>)> = contents
            .chain([noise(0, LARGE)])
            .map(|bytes| (digest_of(&bytes), bytes))
            .collect();
        let described: Vec<String> = blobs
            .iter()
            .enumerate()
            .map(|(number, (digest, bytes))| {
                let kind = if number == 0 {
                    "config.v1+json"
                } else {
                    "layer.v1.tar+gzip"
                };
                format!(
                    "{{\"mediaType\":\"application/vnd.oci.image.{kind}\",\
                     \"digest\":\"{digest}\",\"size\":{}}}",
                    bytes.len()
                )
            })
            .collect();
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",\"config\":{},\"layers\":[{}]}}",
            described[0],
            described[1..].join(",")
        );
        let manifest = manifest.into_bytes();
        Self { manifest, blobs }
    }

    /// Puts the sample into a registry; nginx has it as files.
    ///
    /// # Errors
    /// Says what was refused.
    pub(crate) fn push(&self, peer: &Peer) -> Result<(), Error> {
        if !peer.is_registry() {
            return Ok(());
        }
        for (digest, bytes) in &self.blobs {
            push(peer.address(), REPOSITORY, (digest, bytes), Way::Put)?;
        }
        let mut connection = Connection::open(peer.address())?;
        let line = format!("PUT {}", Self::manifest_path());
        connection.ask(&line, IMAGE, Body::Whole(&self.manifest), 201)?;
        Ok(())
    }

    /// Returns the path of the manifest by its tag.
    pub(crate) fn manifest_path() -> String {
        format!("/v2/{REPOSITORY}/manifests/latest")
    }

    /// Returns the path of the large blob.
    pub(crate) fn large_path(&self) -> String {
        let (digest, _) = self.blobs.last().expect("there is a large blob");
        format!("/v2/{REPOSITORY}/blobs/{digest}")
    }
}

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
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
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
    }
}

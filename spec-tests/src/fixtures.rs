//! Blobs, manifests and digests: the same bytes in every run and on every machine.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

/// Media types, in one place so that a misspelt one fails everywhere at once.
pub mod media {
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// OCI layer, gzipped.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer that registries need not hold, gzipped.
    pub const FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    /// The two bytes `{}`.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// Docker manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image config.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker layer, gzipped.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker layer that registries need not hold.
    pub const DOCKER_FOREIGN_LAYER: &str =
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

/// Annotations that bring a manifest to about 3.9 MB: how many, and of how many bytes.
const LARGE: (usize, usize) = (390, 10_000);

/// Makes `length` bytes that look random and depend on `seed` alone.
#[must_use]
pub fn blob(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Returns `sha256:` and 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Returns `sha512:` and 128 lower-case hexadecimal digits.
#[must_use]
pub fn digest_sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex::encode(Sha512::digest(bytes)))
}

/// A manifest's exact bytes and what they say they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The Content-Type to push with.
    pub media_type: String,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

impl Content {
    /// Makes content of any type from any bytes.
    #[must_use]
    pub fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        }
    }

    /// Writes a JSON document with the indentation that no re-serialiser would choose,
    /// so that bytes that were not kept are found.
    #[must_use]
    pub fn json(media_type: &str, document: &Value) -> Self {
        let text = serde_json::to_string_pretty(document).expect("it came from JSON");
        Self::new(media_type, format!("{}\n ", text.replace("  ", "   ")))
    }

    /// Returns the sha256 digest.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// Returns the sha512 digest.
    #[must_use]
    pub fn digest_sha512(&self) -> String {
        digest_sha512(&self.bytes)
    }

    /// Returns a descriptor of this content.
    #[must_use]
    pub fn descriptor(&self) -> Value {
        descriptor(&self.media_type, &self.bytes)
    }

    /// Returns an OCI image with the config `{}` and one layer; see
    /// [`crate::Registry::push_parts`]. `fields` are added or replace what is there.
    #[must_use]
    pub fn manifest(fields: &Value) -> Self {
        let base = json!({
            "schemaVersion": 2,
            "mediaType": media::MANIFEST,
            "config": descriptor(media::CONFIG, b"{}"),
            "layers": [descriptor(media::LAYER, &blob(1, 64))],
        });
        Self::json(media::MANIFEST, &merged(base, fields))
    }

    /// Returns an artifact manifest (empty config, no layers) of a type, about a subject.
    #[must_use]
    pub fn artifact(artifact_type: &str, subject: &Value) -> Self {
        Self::manifest(&json!({
            "artifactType": artifact_type,
            "config": descriptor(media::EMPTY, b"{}"),
            "layers": [],
            "subject": subject,
            "annotations": { "org.example.kind": artifact_type },
        }))
    }

    /// Returns an OCI index over descriptors. `fields` are added or replace.
    #[must_use]
    pub fn index(children: &[Value], fields: &Value) -> Self {
        let base = json!({
            "schemaVersion": 2,
            "mediaType": media::INDEX,
            "manifests": children,
        });
        Self::json(media::INDEX, &merged(base, fields))
    }

    /// Returns a Docker schema 2 manifest with the config `{}` and one layer.
    #[must_use]
    pub fn docker() -> Self {
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::DOCKER_MANIFEST,
            "config": descriptor(media::DOCKER_CONFIG, b"{}"),
            "layers": [descriptor(media::DOCKER_LAYER, &blob(1, 64))],
        });
        Self::json(media::DOCKER_MANIFEST, &document)
    }

    /// Returns a Docker manifest list over descriptors.
    #[must_use]
    pub fn docker_list(children: &[Value]) -> Self {
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::DOCKER_LIST,
            "manifests": children,
        });
        Self::json(media::DOCKER_LIST, &document)
    }

    /// Returns a manifest of about 3.9 MB, which every registry must take (the
    /// recommended limit is 4 MiB).
    #[must_use]
    pub fn large_manifest() -> Self {
        let (count, length) = LARGE;
        let annotations = (0..count).map(|number| {
            let value = Value::String("a".repeat(length));
            (format!("org.example.{number}"), value)
        });
        let annotations: serde_json::Map<String, Value> = annotations.collect();
        Self::manifest(&json!({ "annotations": annotations }))
    }
}

/// An image with a config and two layers, all its own.
#[derive(Debug, Clone)]
pub struct Image {
    /// The config's bytes.
    pub config: Vec<u8>,
    /// The layers' bytes.
    pub layers: Vec<Vec<u8>>,
    /// The OCI manifest over them.
    pub manifest: Content,
}

impl Image {
    /// Makes the image of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": { "seed": seed.to_string() } },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config = config.to_string().into_bytes();
        let layers = vec![blob(seed + 1000, 4096), blob(seed + 2000, 70_000)];
        let manifest = Content::manifest(&json!({
            "config": descriptor(media::CONFIG, &config),
            "layers": layers.iter().map(|layer| descriptor(media::LAYER, layer)).collect::<Vec<_>>(),
        }));
        Self {
            config,
            layers,
            manifest,
        }
    }
}

/// Returns a descriptor of any bytes.
#[must_use]
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": digest(bytes),
        "size": bytes.len(),
    })
}

/// Puts the members of one object over those of another; `null` takes a member away.
fn merged(mut base: Value, fields: &Value) -> Value {
    if let (Value::Object(base), Value::Object(fields)) = (&mut base, fields) {
        for (name, value) in fields {
            if value.is_null() {
                base.remove(name);
            } else {
                base.insert(name.clone(), value.clone());
            }
        }
    }
    base
}

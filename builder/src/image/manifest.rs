//! Manifests of images that were built (image-spec, "Image Manifest"; Docker's
//! "Image Manifest V 2, Schema 2").

use bytes::Bytes;
use oci::{Descriptor, Digest, MediaType};
use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// Says in whose types an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// OCI's.
    #[default]
    Oci,
    /// Docker's.
    Docker,
}

/// Is a layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerOf {
    /// The blob.
    pub(crate) descriptor: Descriptor,
    /// The digest of what it holds, uncompressed.
    pub(crate) diff_id: Digest,
}

/// What a manifest is written from, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u8,
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Format {
    /// Gives the type of the manifest.
    pub(crate) fn manifest(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_MANIFEST,
            Self::Docker => MediaType::DOCKER_MANIFEST,
        }
    }

    /// Gives the type of an index.
    pub(crate) fn index(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_INDEX,
            Self::Docker => MediaType::DOCKER_LIST,
        }
    }

    /// Gives the type of the config.
    pub(crate) fn config(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_CONFIG,
            Self::Docker => MediaType::DOCKER_CONFIG,
        }
    }

    /// Gives the type of a layer that is compressed with gzip.
    pub(crate) fn layer(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_LAYER_GZIP,
            Self::Docker => MediaType::DOCKER_LAYER_GZIP,
        }
    }

    /// Gives the type by which this format knows the layer of a base. The
    /// bytes are the same in both.
    fn translate(self, layer: &MediaType) -> Result<MediaType, Error> {
        const BOTH: [(MediaType, MediaType); 2] = [
            (MediaType::OCI_LAYER_GZIP, MediaType::DOCKER_LAYER_GZIP),
            (MediaType::OCI_LAYER, MediaType::DOCKER_LAYER),
        ];
        for (oci, docker) in BOTH {
            if *layer == oci || *layer == docker {
                return Ok(match self {
                    Self::Oci => oci,
                    Self::Docker => docker,
                });
            }
        }
        if self == Self::Oci {
            return Ok(layer.clone());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("Docker's format has no word for a layer of the type `{layer}`"),
        )
        .with_hint("build without `--format docker`"))
    }
}

/// Writes the manifest of an image.
pub(crate) fn compose(format: Format, config: &Bytes, layers: &[LayerOf]) -> Result<Bytes, Error> {
    let mut descriptors = Vec::with_capacity(layers.len());
    for layer in layers {
        // What else a base says of its layers, such as annotations that
        // another builder left, is about its own manifest.
        let LayerOf { descriptor, .. } = layer;
        let media_type = format.translate(&descriptor.media_type)?;
        let mut written = Descriptor::new(media_type, descriptor.digest, descriptor.size);
        written.urls.clone_from(&descriptor.urls);
        descriptors.push(written);
    }
    let written = Written {
        schema_version: 2,
        media_type: format.manifest(),
        config: Descriptor::new(format.config(), Digest::sha256(config), config.len() as u64),
        layers: descriptors,
    };
    // Strings and numbers always serialise.
    Ok(serde_json::to_vec(&written).unwrap_or_default().into())
}

/// What an index is written from, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenIndex {
    schema_version: u8,
    media_type: MediaType,
    manifests: Vec<Descriptor>,
}

/// Writes the index of images (image-spec, "Image Index").
pub(crate) fn compose_index(format: Format, manifests: Vec<Descriptor>) -> Bytes {
    let written = WrittenIndex {
        schema_version: 2,
        media_type: format.index(),
        manifests,
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&written).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(media_type: MediaType) -> LayerOf {
        LayerOf {
            descriptor: Descriptor::new(media_type, Digest::sha256(b"layer"), 5),
            diff_id: Digest::sha256(b"tar"),
        }
    }

    #[test]
    fn the_bytes_of_a_manifest_are_these() {
        let config = Bytes::from_static(b"{}");
        let layers = [
            layer(MediaType::DOCKER_LAYER_GZIP),
            layer(MediaType::OCI_LAYER_ZSTD),
        ];
        let written = compose(Format::Oci, &config, &layers).expect("known types");
        let (config, layer) = (Digest::sha256(b"{}"), Digest::sha256(b"layer"));
        let expected = format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"#,
                r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{layer}","size":5}},"#,
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"{layer}","size":5}}]}}"#,
            ),
            config = config,
            layer = layer
        );
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }

    #[test]
    fn docker_has_no_word_for_zstd() {
        let layers = [layer(MediaType::OCI_LAYER_ZSTD)];
        let refused = compose(Format::Docker, &Bytes::from_static(b"{}"), &layers);
        assert_eq!(
            refused.expect_err("no such type").kind(),
            ErrorKind::Unsupported
        );
    }
}

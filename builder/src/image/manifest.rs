//! Manifests of images that were built (image-spec, "Image Manifest"; Docker's
//! "Image Manifest V 2, Schema 2").

use std::collections::BTreeMap;

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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Is what a manifest or an index says beside what it needs to.
pub(crate) type Noted = BTreeMap<String, String>;

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

    /// Gives the type of a layer that is made, by how it is compressed. Docker
    /// has none for zstd; [`Format::check_layers`] says so before anything is
    /// built.
    pub(crate) fn layer(self, method: layer::Method) -> MediaType {
        match (self, method) {
            (Self::Oci, layer::Method::Gzip) => MediaType::OCI_LAYER_GZIP,
            (Self::Docker, layer::Method::Gzip) => MediaType::DOCKER_LAYER_GZIP,
            (_, layer::Method::Zstd) => MediaType::OCI_LAYER_ZSTD,
            (Self::Oci, layer::Method::Uncompressed) => MediaType::OCI_LAYER,
            (Self::Docker, layer::Method::Uncompressed) => MediaType::DOCKER_LAYER,
        }
    }

    /// Refuses layers that the format has no word for.
    pub(crate) fn check_layers(self, method: layer::Method) -> Result<(), Error> {
        self.translate(&self.layer(method)).map(drop)
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
        .with_hint("build without `--format docker`, or with `--compression gzip`"))
    }
}

impl Format {
    /// Refuses annotations where there is no place for them.
    fn check(self, annotations: &Noted) -> Result<(), Error> {
        if self == Self::Oci || annotations.is_empty() {
            return Ok(());
        }
        let message = "manifests in Docker's format have no annotations";
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("build without `--format docker`, or use labels"))
    }
}

/// Writes the manifest of an image.
pub(crate) fn compose(
    format: Format,
    config: &Bytes,
    layers: &[LayerOf],
    annotations: Noted,
) -> Result<Bytes, Error> {
    format.check(&annotations)?;
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
        annotations,
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Writes the index of images (image-spec, "Image Index").
pub(crate) fn compose_index(
    format: Format,
    manifests: Vec<Descriptor>,
    annotations: Noted,
) -> Result<Bytes, Error> {
    format.check(&annotations)?;
    for manifest in &manifests {
        format.check(&manifest.annotations)?;
    }
    let written = WrittenIndex {
        schema_version: 2,
        media_type: format.index(),
        manifests,
        annotations,
    };
    // Strings and numbers always serialise.
    Ok(serde_json::to_vec(&written).unwrap_or_default().into())
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
        let written = compose(Format::Oci, &config, &layers, Noted::new()).expect("known types");
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
    fn annotations_stand_last() {
        let noted = Noted::from([("b", "2"), ("a", "\"1\"")].map(|(k, v)| (k.into(), v.into())));
        let config = Bytes::from_static(b"{}");
        let written = compose(Format::Oci, &config, &[], noted.clone()).expect("OCI's");
        let text = String::from_utf8_lossy(&written);
        let end = r#""layers":[],"annotations":{"a":"\"1\"","b":"2"}}"#;
        assert!(text.ends_with(end), "{text}");
        let index = compose_index(Format::Oci, Vec::new(), noted.clone()).expect("OCI's");
        assert_eq!(
            String::from_utf8_lossy(&index),
            concat!(
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","#,
                r#""manifests":[],"annotations":{"a":"\"1\"","b":"2"}}"#
            )
        );
        let mut listed = Descriptor::new(MediaType::DOCKER_MANIFEST, Digest::sha256(b""), 0);
        assert!(compose_index(Format::Docker, vec![listed.clone()], Noted::new()).is_ok());
        listed.annotations.clone_from(&noted);
        for refused in [
            compose(Format::Docker, &config, &[], noted.clone()),
            compose_index(Format::Docker, Vec::new(), noted),
            compose_index(Format::Docker, vec![listed], Noted::new()),
        ] {
            let error = refused.expect_err("Docker's");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn layers_have_the_type_of_their_compression() {
        use ::layer::Method;
        for (format, method, media_type) in [
            (Format::Oci, Method::Gzip, MediaType::OCI_LAYER_GZIP),
            (Format::Oci, Method::Zstd, MediaType::OCI_LAYER_ZSTD),
            (Format::Oci, Method::Uncompressed, MediaType::OCI_LAYER),
            (Format::Docker, Method::Gzip, MediaType::DOCKER_LAYER_GZIP),
            (
                Format::Docker,
                Method::Uncompressed,
                MediaType::DOCKER_LAYER,
            ),
        ] {
            assert_eq!(format.layer(method), media_type);
            assert!(format.check_layers(method).is_ok());
        }
        let refused = Format::Docker.check_layers(Method::Zstd);
        assert_eq!(
            refused.expect_err("no such type").kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn docker_has_no_word_for_zstd() {
        let layers = [layer(MediaType::OCI_LAYER_ZSTD)];
        let refused = compose(
            Format::Docker,
            &Bytes::from_static(b"{}"),
            &layers,
            Noted::new(),
        );
        assert_eq!(
            refused.expect_err("no such type").kind(),
            ErrorKind::Unsupported
        );
    }
}

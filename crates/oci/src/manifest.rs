//! Manifests and indexes: exact bytes, and a view of what they point at
//! (image-spec, "Image Manifest" and "Image Index"; Docker's schema 2).
//!
//! A [`Manifest`] is never written back from its view: its identity is its
//! bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::descriptor::{Descriptor, or_default};
use crate::digest::{Algorithm, Digest};
use crate::media_type::MediaType;
use crate::parse::serde_as_object;

/// The largest manifest that is read, in bytes. Clients read at most 4 MiB
/// (distribution-spec, "Pushing Manifests").
pub const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

/// The largest `index.json` of an OCI layout that is read, in bytes. A layout
/// that holds a whole mirror lists every image in one file.
pub const LAYOUT_MANIFEST_LIMIT: u64 = 64 * 1024 * 1024;

/// Says what a manifest points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// One image or artifact: a config and layers.
    Image,
    /// A list of manifests.
    Index,
    /// A type that wharf does not know; its bytes are kept all the same.
    Other,
}

/// Holds a manifest's exact bytes and a view of what they point at.
#[derive(Debug, Clone)]
pub struct Manifest {
    bytes: Bytes,
    media_type: MediaType,
    kind: ManifestKind,
    view: View,
}

/// What is read of a manifest, whatever its kind.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct View {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    /// The layers of the artifact manifest of image-spec 1.1's release
    /// candidates, which some registries still hold.
    blobs: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

serde_as_object!(View, "a JSON object");

impl Manifest {
    /// Reads a manifest whose type was declared beside it, as in a
    /// `Content-Type` header.
    ///
    /// # Errors
    ///
    /// Fails when the bytes are no JSON object, when they name another media
    /// type than the declared one, or when they lack what their type demands.
    pub fn parse(bytes: Bytes, declared: &MediaType) -> Result<Self, ManifestError> {
        // A field that is not looked at must be text as well.
        std::str::from_utf8(&bytes).map_err(ManifestError::Text)?;
        let kind = kind_of(declared);
        let view = match kind {
            // A type that wharf does not know may use the same words for
            // other things.
            ManifestKind::Other => lenient_view(&bytes)?,
            _ => serde_json::from_slice::<View>(&bytes).map_err(ManifestError::Json)?,
        };
        if let Some(inner) = &view.media_type
            && inner != declared
        {
            return Err(ManifestError::MediaType {
                declared: declared.clone(),
                inner: inner.clone(),
            });
        }
        check_shape(kind, &view)?;
        Ok(Self {
            bytes,
            media_type: declared.clone(),
            kind,
            view,
        })
    }

    /// Reads a manifest that has to say itself what it is: by its `mediaType`,
    /// or by its fields where the writer left that out, as OCI permits.
    ///
    /// # Errors
    ///
    /// Fails as [`Manifest::parse`] does, and when nothing tells the type.
    pub fn detect(bytes: Bytes) -> Result<Self, ManifestError> {
        let view = lenient_view(&bytes)?;
        let media_type = match (&view.media_type, &view.manifests, &view.config) {
            (Some(media_type), _, _) => media_type.clone(),
            (None, Some(_), None) => MediaType::OCI_INDEX,
            (None, None, Some(_)) => MediaType::OCI_MANIFEST,
            _ => return Err(ManifestError::Unknown),
        };
        Self::parse(bytes, &media_type)
    }

    /// Gives the exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Gives the media type.
    #[must_use]
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Says what the manifest points at.
    #[must_use]
    pub fn kind(&self) -> ManifestKind {
        self.kind
    }

    /// Takes the digest of the exact bytes.
    #[must_use]
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// Points at the manifest by SHA-256.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            self.media_type.clone(),
            self.digest(Algorithm::Sha256),
            self.bytes.len() as u64,
        )
    }

    /// Gives the config of an image.
    #[must_use]
    pub fn config(&self) -> Option<&Descriptor> {
        self.view.config.as_ref()
    }

    /// Gives the layers of an image, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        self.view.layers.as_deref().unwrap_or_default()
    }

    /// Gives the manifests of an index.
    #[must_use]
    pub fn children(&self) -> &[Descriptor] {
        self.view.manifests.as_deref().unwrap_or_default()
    }

    /// Gives the manifest that this one refers to, if it is a referrer.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        self.view.subject.as_ref()
    }

    /// Gives what was written on the manifest.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.view.annotations
    }

    /// Gives the type of artifact: the `artifactType`, or the config's media
    /// type where an image has none (distribution-spec, "Listing Referrers").
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        match (&self.view.artifact_type, self.kind, &self.view.config) {
            (Some(artifact_type), _, _) if !artifact_type.is_empty() => Some(artifact_type),
            (_, ManifestKind::Image, Some(config)) => Some(config.media_type.as_str()),
            _ => None,
        }
    }

    /// Iterates over the blobs that must be present for the manifest to be
    /// whole: config and layers, without the layers that are never pushed.
    pub fn required_blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let image = self.kind == ManifestKind::Image;
        self.view
            .config
            .iter()
            .chain(self.layers())
            .filter(move |blob| image && blob.media_type.is_distributable())
    }

    /// Iterates over everything that the manifest points at, present or not:
    /// what has to be kept as long as the manifest is. The subject is not
    /// among them; a referrer does not keep its subject.
    pub fn references(&self) -> impl Iterator<Item = &Descriptor> {
        let blobs = self.view.blobs.as_deref().unwrap_or_default();
        self.view
            .config
            .iter()
            .chain(self.layers())
            .chain(self.children())
            .chain(blobs)
    }
}

fn kind_of(media_type: &MediaType) -> ManifestKind {
    if *media_type == MediaType::OCI_MANIFEST || *media_type == MediaType::DOCKER_MANIFEST {
        ManifestKind::Image
    } else if *media_type == MediaType::OCI_INDEX || *media_type == MediaType::DOCKER_LIST {
        ManifestKind::Index
    } else {
        ManifestKind::Other
    }
}

/// Reads the fields that happen to have the known shape.
fn lenient_view(bytes: &[u8]) -> Result<View, ManifestError> {
    fn field<T: serde::de::DeserializeOwned>(
        object: &mut serde_json::Map<String, serde_json::Value>,
        name: &str,
    ) -> Option<T> {
        serde_json::from_value(object.remove(name)?).ok()
    }
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
    let object = &mut object;
    Ok(View {
        schema_version: field(object, "schemaVersion"),
        media_type: field(object, "mediaType"),
        artifact_type: field(object, "artifactType"),
        config: field(object, "config"),
        layers: field(object, "layers"),
        manifests: field(object, "manifests"),
        blobs: field(object, "blobs"),
        subject: field(object, "subject"),
        annotations: field(object, "annotations").unwrap_or_default(),
    })
}

fn check_shape(kind: ManifestKind, view: &View) -> Result<(), ManifestError> {
    if kind == ManifestKind::Other {
        return Ok(());
    }
    if view.schema_version != Some(2) {
        return Err(ManifestError::SchemaVersion);
    }
    // Bytes that can be read as image and as index mean different images to
    // different clients (image-spec advisory on ambiguous manifests).
    if view.manifests.is_some() && (view.config.is_some() || view.layers.is_some()) {
        return Err(ManifestError::Ambiguous);
    }
    match kind {
        ManifestKind::Image if view.config.is_none() => Err(ManifestError::Missing("config")),
        ManifestKind::Index if view.manifests.is_none() => Err(ManifestError::Missing("manifests")),
        _ => Ok(()),
    }
}

/// Reports bytes that are no manifest of the declared type.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are no text.
    #[error("manifest is not UTF-8 text: {0}")]
    Text(std::str::Utf8Error),
    /// The bytes are no JSON, or a field has a wrong shape.
    #[error("manifest is not valid JSON of its media type: {0}")]
    Json(serde_json::Error),
    /// The bytes name another type than was declared beside them.
    #[error("manifest says its media type is `{inner}`, but was declared as `{declared}`")]
    MediaType {
        /// What stood beside the bytes.
        declared: MediaType,
        /// What stands in the bytes.
        inner: MediaType,
    },
    /// The `schemaVersion` is not 2.
    #[error("manifest lacks `\"schemaVersion\": 2`")]
    SchemaVersion,
    /// A field that the type demands is missing.
    #[error("manifest lacks the field `{0}`")]
    Missing(&'static str),
    /// The bytes can be read as image and as index.
    #[error("manifest has both `manifests` and `config` or `layers`")]
    Ambiguous,
    /// Neither `mediaType` nor the fields tell what it is.
    #[error("manifest does not say what it is: `mediaType` is missing")]
    Unknown,
}

/// Lists manifests, for writing: an `index.json`, a referrers list.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u8,
    #[serde(default = "oci_index")]
    media_type: MediaType,
    /// What is listed, in order.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// What is written on the list.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

fn oci_index() -> MediaType {
    MediaType::OCI_INDEX
}

impl Index {
    /// Lists these manifests.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX,
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// Writes the list as JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests;

//! The manifest of an artefact (image-spec, "Guidelines for Artifact Usage"):
//! written, and read again.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, ManifestKind, MediaType};
use serde::Serialize;

use crate::cache::mounts::{MountId, MountKey};
use crate::error::{Error, ErrorKind};

/// What artefacts of caches are.
pub(super) const ARTIFACT_TYPE: &str = "application/vnd.wharf.cache-mount.v1";
/// The content of a config that says nothing (image-spec, "Guidance for an
/// Empty Descriptor").
pub(super) const EMPTY: &[u8] = b"{}";
/// The annotation that names the cache: the digest of its id and platform. The
/// id itself may tell more than a registry need know.
const MOUNT: &str = "dev.wharf.cache-mount";
/// The annotation that names the machine.
const PLATFORM: &str = "dev.wharf.cache-mount.platform";
/// The annotation that names the key file, by its digest.
const KEY: &str = "dev.wharf.cache-mount.key";
/// The annotation of a layer that says what it was made of, by a digest.
const GROUP: &str = "dev.wharf.cache-mount.group";
/// How many layers an artefact has at most: more than any that is written.
const LAYERS_LIMIT: usize = 8192;

/// What a manifest is written from, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u8,
    media_type: MediaType,
    artifact_type: &'static str,
    config: Descriptor,
    layers: &'a [Descriptor],
    annotations: BTreeMap<&'static str, String>,
}

/// Points at a layer that was made of what has this digest.
pub(super) fn described(group: &Digest, (digest, size): (Digest, u64)) -> Descriptor {
    let mut descriptor = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size);
    let annotation = (GROUP.to_owned(), group.to_string());
    descriptor.annotations = BTreeMap::from([annotation]);
    descriptor
}

/// Writes the manifest of a cache with these layers.
pub(super) fn compose(id: &MountId, key: &MountKey, layers: &[Descriptor]) -> Bytes {
    let mut annotations = BTreeMap::from([
        (MOUNT, id.digest().to_string()),
        (PLATFORM, id.platform().to_owned()),
    ]);
    if let MountKey::File(digest) = key {
        annotations.insert(KEY, digest.to_string());
    }
    let written = Written {
        schema_version: 2,
        media_type: MediaType::OCI_MANIFEST,
        artifact_type: ARTIFACT_TYPE,
        config: Descriptor::new(
            MediaType::OCI_EMPTY,
            Digest::sha256(EMPTY),
            EMPTY.len() as u64,
        ),
        layers,
        annotations,
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&written).unwrap_or_default().into()
}

/// Gives the layers of an artefact, the frame first, after it was checked that
/// it is one of this cache.
pub(super) fn layers<'a>(manifest: &'a Manifest, id: &MountId) -> Result<&'a [Descriptor], Error> {
    let wrong = |what: String| Err(Error::new(ErrorKind::Image, what));
    if manifest.kind() != ManifestKind::Image || manifest.artifact_type() != Some(ARTIFACT_TYPE) {
        return wrong(format!("it is no artefact of the type `{ARTIFACT_TYPE}`"));
    }
    if manifest.annotations().get(MOUNT) != Some(&id.digest().to_string()) {
        return wrong("it is of another cache".to_owned());
    }
    match manifest.layers() {
        [] => wrong("it has no layer".to_owned()),
        layers if layers.len() > LAYERS_LIMIT => {
            wrong(format!("it has more than {LAYERS_LIMIT} layers"))
        }
        layers => Ok(layers),
    }
}

/// Lists the layers of an artefact by what they were made of.
pub(super) fn known(layers: &[Descriptor]) -> BTreeMap<Digest, Descriptor> {
    let known = layers.iter().filter_map(|layer| {
        let group: Digest = layer.annotations.get(GROUP)?.parse().ok()?;
        // Whatever else was said of it is not repeated.
        let is_ours = layer.media_type == MediaType::OCI_LAYER_GZIP;
        is_ours.then(|| (group, described(&group, (layer.digest, layer.size))))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use oci::Platform;

    use super::*;

    fn id(name: &str) -> MountId {
        let platform = Platform {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        };
        MountId::new(name, &platform)
    }

    #[test]
    fn the_bytes_of_a_manifest_are_these() {
        let (group, blob) = (Digest::sha256(b"group"), Digest::sha256(b"blob"));
        let layers = [described(&group, (blob, 4))];
        let written = compose(&id("x"), &MountKey::File(group), &layers);
        let expected = format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""artifactType":"application/vnd.wharf.cache-mount.v1","#,
                r#""config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}},"#,
                r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{blob}","size":4,"#,
                r#""annotations":{{"dev.wharf.cache-mount.group":"{group}"}}}}],"#,
                r#""annotations":{{"dev.wharf.cache-mount":"{id}","dev.wharf.cache-mount.key":"{group}","dev.wharf.cache-mount.platform":"linux/amd64"}}}}"#,
            ),
            blob = blob,
            group = group,
            id = id("x").digest(),
        );
        assert_eq!(String::from_utf8_lossy(&written), expected);
        let manifest = Manifest::parse(written, &MediaType::OCI_MANIFEST).expect("a manifest");
        let read = self::layers(&manifest, &id("x")).expect("of this cache");
        assert_eq!(known(read), BTreeMap::from([(group, layers[0].clone())]));
        let error = self::layers(&manifest, &id("y")).expect_err("of another cache");
        assert_eq!(error.to_string(), "it is of another cache");
    }

    #[test]
    fn an_image_is_no_cache() {
        let bytes = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
        let manifest = Manifest::detect(bytes.into()).expect("a manifest");
        let error = layers(&manifest, &id("x")).expect_err("an image");
        assert!(
            error.to_string().starts_with("it is no artefact"),
            "{error}"
        );
        let empty = compose(&id("x"), &MountKey::Newest, &[]);
        let manifest = Manifest::detect(empty).expect("a manifest");
        let error = layers(&manifest, &id("x")).expect_err("it can not be filled from");
        assert_eq!(error.to_string(), "it has no layer");
    }
}

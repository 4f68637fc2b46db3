use proptest::prelude::*;
use serde_json::json;

use super::*;

fn descriptor(content: &[u8]) -> serde_json::Value {
    json!({"mediaType": "application/octet-stream", "digest": Digest::sha256(content), "size": content.len()})
}

fn image() -> serde_json::Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": descriptor(b"{}"),
        "layers": [descriptor(b"layer"), {
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": Digest::sha256(b"foreign"), "size": 7, "urls": ["https://example.com/x"],
        }],
        "annotations": null,
        "custom": {"kept": true},
    })
}

fn parse(value: &serde_json::Value, media_type: &MediaType) -> Result<Manifest, String> {
    Manifest::parse(Bytes::from(value.to_string()), media_type).map_err(|error| error.to_string())
}

#[test]
fn an_image_points_at_config_and_layers() {
    let manifest = parse(&image(), &MediaType::OCI_MANIFEST).expect("valid");
    let required: Vec<_> = manifest.required_blobs().map(|blob| blob.digest).collect();
    assert_eq!(required, [Digest::sha256(b"{}"), Digest::sha256(b"layer")]);
    assert_eq!(manifest.references().count(), 3);
    assert_eq!(manifest.artifact_type(), Some("application/octet-stream"));
    assert_eq!(manifest.bytes(), image().to_string().as_bytes());
}

#[test]
fn what_is_wrong_is_named() {
    let mut both = image();
    both["manifests"] = json!([]);
    let mut old = image();
    old["schemaVersion"] = json!(1);
    let mut bare = image();
    bare.as_object_mut().expect("an object").remove("config");
    let mut negative = image();
    negative["layers"][0]["size"] = json!(-1);
    for (value, media_type, expected) in [
        (
            image(),
            MediaType::DOCKER_MANIFEST,
            "manifest says its media type is",
        ),
        (both, MediaType::OCI_MANIFEST, "manifest has both"),
        (
            old,
            MediaType::OCI_MANIFEST,
            "manifest lacks `\"schemaVersion\": 2`",
        ),
        (
            bare,
            MediaType::OCI_MANIFEST,
            "manifest lacks the field `config`",
        ),
        (
            negative,
            MediaType::OCI_MANIFEST,
            "manifest is not valid JSON of its media type: invalid value",
        ),
        (
            json!([]),
            MediaType::OCI_MANIFEST,
            "manifest is not valid JSON",
        ),
        (
            json!({"schemaVersion": 2}),
            MediaType::OCI_INDEX,
            "manifest lacks the field `manifests`",
        ),
    ] {
        let message = parse(&value, &media_type).expect_err("invalid");
        assert!(message.starts_with(expected), "`{message}` for {value}");
    }
}

#[test]
fn unknown_types_keep_what_they_reference() {
    let media_type: MediaType = "application/vnd.example+json"
        .parse()
        .expect("a media type");
    let value =
        json!({"layers": "not a list", "blobs": [descriptor(b"a")], "subject": descriptor(b"s")});
    let manifest = parse(&value, &media_type).expect("any object");
    assert_eq!(manifest.kind(), ManifestKind::Other);
    assert_eq!(manifest.required_blobs().count(), 0);
    assert_eq!(manifest.references().count(), 1);
    assert_eq!(
        manifest.subject().map(|s| s.digest),
        Some(Digest::sha256(b"s"))
    );
}

#[test]
fn types_are_detected_from_the_bytes() {
    let mut untyped = image();
    untyped
        .as_object_mut()
        .expect("an object")
        .remove("mediaType");
    for (value, expected) in [
        (image(), Some(MediaType::OCI_MANIFEST)),
        (untyped, Some(MediaType::OCI_MANIFEST)),
        (
            json!({"schemaVersion": 2, "manifests": []}),
            Some(MediaType::OCI_INDEX),
        ),
        (json!({"schemaVersion": 2}), None),
    ] {
        let detected = Manifest::detect(Bytes::from(value.to_string())).ok();
        assert_eq!(
            detected.map(|m| m.media_type().clone()),
            expected,
            "{value}"
        );
    }
}

#[test]
fn only_objects_are_objects() {
    let mut listed = image();
    listed["config"] = json!([
        "application/octet-stream",
        Digest::sha256(b"{}"),
        2,
        [],
        {},
        null,
        null,
        null
    ]);
    let message = parse(&listed, &MediaType::OCI_MANIFEST).expect_err("invalid");
    assert!(
        message.contains("expected a descriptor, which is a JSON object"),
        "{message}"
    );
    let list = json!([2, null, null, null, null, null, null, null, {}]);
    assert!(parse(&list, &MediaType::OCI_MANIFEST).is_err());
}

#[test]
fn every_byte_is_text() {
    let mut bytes = image().to_string().into_bytes();
    let kept = bytes
        .windows(4)
        .position(|four| four == b"kept")
        .expect("the field");
    bytes[kept] = 0xff;
    let error = Manifest::parse(bytes.into(), &MediaType::OCI_MANIFEST).expect_err("invalid");
    assert!(
        error.to_string().starts_with("manifest is not UTF-8 text"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes: Vec<u8>) {
        let _ = Manifest::parse(bytes.clone().into(), &MediaType::OCI_MANIFEST);
        let _ = Manifest::detect(bytes.into());
    }
}

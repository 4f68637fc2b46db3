//! Every kind of document that `/v2/<name>/manifests/` must take and give back byte for
//! byte, with its type untouched.

use serde_json::{Value, json};
use spec_tests::{Content, Registry, blob, descriptor, digest, media};

/// Pushes a document by tag and by digest and checks that it comes back as it is.
#[track_caller]
fn round_trip(registry: &Registry, repository: &str, document: &Content) {
    registry.push_manifest(repository, "kind", document);
    registry.push_manifest(repository, &document.digest(), document);
    for reference in ["kind".to_owned(), document.digest()] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = registry.get(&path).header("accept", &document.media_type);
        let answer = request.send().expect(200);
        assert!(answer.body == document.bytes, "other bytes came back");
        assert_eq!(
            answer.header("content-type"),
            Some(document.media_type.as_str())
        );
        let name = document.digest();
        assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    }
}

/// Starts a registry with a repository that holds the parts of small manifests.
fn with_parts() -> (Registry, String) {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    (registry, repository)
}

/// A descriptor of content that nobody pushed.
fn absent(media_type: &str) -> Value {
    descriptor(media_type, b"never pushed")
}

#[test]
fn image() {
    let (registry, repository) = with_parts();
    round_trip(&registry, &repository, &Content::manifest(&json!({})));
}

#[test]
fn image_without_layers() {
    let (registry, repository) = with_parts();
    round_trip(
        &registry,
        &repository,
        &Content::manifest(&json!({ "layers": [] })),
    );
}

#[test]
fn image_without_media_type() {
    let (registry, repository) = with_parts();
    round_trip(
        &registry,
        &repository,
        &Content::manifest(&json!({ "mediaType": null })),
    );
}

#[test]
fn image_with_one_layer_twice() {
    let (registry, repository) = with_parts();
    let layer = descriptor(media::LAYER, &blob(1, 64));
    let document = Content::manifest(&json!({ "layers": [layer, layer] }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn artifact() {
    let (registry, repository) = with_parts();
    let document = Content::manifest(&json!({
        "artifactType": "application/vnd.example.thing",
        "config": descriptor(media::EMPTY, b"{}"),
        "layers": [descriptor("application/vnd.example.data", &blob(1, 64))],
    }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn artifact_without_layers() {
    let (registry, repository) = with_parts();
    let document = Content::manifest(&json!({
        "artifactType": "application/vnd.example.thing",
        "config": descriptor(media::EMPTY, b"{}"),
        "layers": [descriptor(media::EMPTY, b"{}")],
    }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn unknown_media_types_inside() {
    let (registry, repository) = with_parts();
    let document = Content::manifest(&json!({
        "config": descriptor("application/vnd.example.config.v9+json", b"{}"),
        "layers": [descriptor("application/vnd.example.layer.v9+zstd", &blob(1, 64))],
    }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn custom_fields() {
    let (registry, repository) = with_parts();
    let mut layer = descriptor(media::LAYER, &blob(1, 64));
    layer["org.example.field"] = json!({ "nested": [1, 2.50, null] });
    let document = Content::manifest(&json!({
        "layers": [layer],
        "org.example.unknown": { "a": [true] },
        "annotations": { "org.example.é": "日本語" },
    }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn data_field() {
    let (registry, repository) = with_parts();
    let mut config = descriptor(media::EMPTY, b"{}");
    config["data"] = json!("e30=");
    round_trip(
        &registry,
        &repository,
        &Content::manifest(&json!({ "config": config })),
    );
}

#[test]
fn docker_image() {
    let (registry, repository) = with_parts();
    round_trip(&registry, &repository, &Content::docker());
}

#[test]
fn docker_list() {
    let (registry, repository) = with_parts();
    let child = Content::docker();
    registry.push_manifest(&repository, &child.digest(), &child);
    let mut entry = child.descriptor();
    entry["platform"] = json!({ "architecture": "arm", "os": "linux", "variant": "v7" });
    round_trip(&registry, &repository, &Content::docker_list(&[entry]));
}

#[test]
fn index() {
    let (registry, repository) = with_parts();
    let child = Content::manifest(&json!({}));
    registry.push_manifest(&repository, &child.digest(), &child);
    let mut entry = child.descriptor();
    entry["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    round_trip(
        &registry,
        &repository,
        &Content::index(&[entry], &json!({})),
    );
}

#[test]
fn index_of_indexes() {
    let (registry, repository) = with_parts();
    let image = Content::manifest(&json!({}));
    registry.push_manifest(&repository, &image.digest(), &image);
    let inner = Content::index(&[image.descriptor()], &json!({}));
    registry.push_manifest(&repository, &inner.digest(), &inner);
    round_trip(
        &registry,
        &repository,
        &Content::index(&[inner.descriptor()], &json!({})),
    );
}

#[test]
fn empty_index() {
    let (registry, repository) = with_parts();
    round_trip(&registry, &repository, &Content::index(&[], &json!({})));
}

#[test]
fn index_with_an_artifact_type() {
    let (registry, repository) = with_parts();
    let fields =
        json!({ "artifactType": "application/vnd.example.set", "annotations": { "a": "b" } });
    round_trip(&registry, &repository, &Content::index(&[], &fields));
}

#[test]
fn index_whose_children_are_absent() {
    let (registry, repository) = with_parts();
    let children = [absent(media::MANIFEST), absent(media::INDEX)];
    round_trip(
        &registry,
        &repository,
        &Content::index(&children, &json!({})),
    );
}

#[test]
fn index_whose_children_are_blobs() {
    // Build caches of older builders are indexes over layers.
    let (registry, repository) = with_parts();
    let children = [
        descriptor(media::LAYER, &blob(1, 64)),
        descriptor("application/vnd.buildkit.cacheconfig.v0", b"{}"),
    ];
    round_trip(
        &registry,
        &repository,
        &Content::index(&children, &json!({})),
    );
}

#[test]
fn docker_list_whose_children_are_absent() {
    let (registry, repository) = with_parts();
    let document = Content::docker_list(&[absent(media::DOCKER_MANIFEST)]);
    round_trip(&registry, &repository, &document);
}

#[test]
fn layers_that_need_not_be_pushed() {
    let (registry, repository) = with_parts();
    let mut foreign = absent(media::FOREIGN_LAYER);
    foreign["urls"] = json!(["https://layers.example.org/1"]);
    let plain = absent("application/vnd.oci.image.layer.nondistributable.v1.tar");
    let squeezed = absent("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd");
    let document = Content::manifest(&json!({ "layers": [foreign, plain, squeezed] }));
    round_trip(&registry, &repository, &document);
}

#[test]
fn docker_layers_that_need_not_be_pushed() {
    let (registry, repository) = with_parts();
    let mut foreign = absent(media::DOCKER_FOREIGN_LAYER);
    foreign["urls"] = json!(["https://layers.example.org/1"]);
    let document = json!({
        "schemaVersion": 2,
        "mediaType": media::DOCKER_MANIFEST,
        "config": descriptor(media::DOCKER_CONFIG, b"{}"),
        "layers": [foreign],
    });
    let document = Content::json(media::DOCKER_MANIFEST, &document);
    round_trip(&registry, &repository, &document);
}

#[test]
fn a_type_that_nobody_knows() {
    let (registry, repository) = with_parts();
    let document = json!({ "schemaVersion": 7, "things": [digest(b"x")] });
    let document = Content::json("application/vnd.example.thing.v7+json", &document);
    round_trip(&registry, &repository, &document);
}

#[test]
fn white_space_and_order_are_kept() {
    let (registry, repository) = with_parts();
    let layer = descriptor(media::LAYER, &blob(1, 64));
    let config = descriptor(media::CONFIG, b"{}");
    let text = format!(
        "\n {{\t\"layers\" : [{layer}],\r\n\"zebra\":1e2,\"config\":{config} ,\"mediaType\":\"{}\",\"schemaVersion\":2}}\n\n",
        media::MANIFEST.replace('/', "\\/")
    );
    round_trip(&registry, &repository, &Content::new(media::MANIFEST, text));
}

//! What a copy must not change: bytes, digests, types and fields, known or not.

use serde_json::{Value, json};
use spec_tests::{Content, Image, blob, descriptor, digest, media};

use crate::bench::{Bench, Layout};

/// Pushes the parts of small manifests and a document under the tag `kind`, copies it
/// into a layout and from there back under `in`, and checks that both have its bytes.
#[track_caller]
fn there_and_back(bench: &Bench, document: &Content) -> Layout {
    bench.registry.push_parts(&bench.repository);
    bench
        .registry
        .push_manifest(&bench.repository, "kind", document);
    let layout = bench.copy_out("kind");
    assert_eq!(layout.blob(&document.digest()), document.bytes);
    let entry = &layout.index()["manifests"][0];
    assert_eq!(entry["mediaType"], json!(document.media_type));
    assert_eq!(entry["digest"], json!(document.digest()));
    let source = format!("oci:{}:kind", layout.directory.display());
    let there = bench.registry.repository();
    let target = format!("docker://{}/{there}:in", bench.registry.host());
    let _ = bench.wharf.does(&["copy", &source, &target]);
    let path = format!("/v2/{there}/manifests/in");
    let request = bench
        .registry
        .get(&path)
        .header("accept", &document.media_type);
    let answer = request.send().expect(200);
    assert_eq!(answer.body, document.bytes);
    assert_eq!(
        answer.header("content-type"),
        Some(document.media_type.as_str())
    );
    layout
}

#[test]
fn an_image() {
    let bench = Bench::new();
    let layout = there_and_back(&bench, &Content::manifest(&json!({})));
    assert_eq!(layout.blob(&digest(&blob(1, 64))), blob(1, 64));
}

#[test]
fn an_image_without_layers() {
    there_and_back(&Bench::new(), &Content::manifest(&json!({ "layers": [] })));
}

#[test]
fn an_artifact() {
    let document = Content::manifest(&json!({
        "artifactType": "application/vnd.example.thing",
        "config": descriptor(media::EMPTY, b"{}"),
        "layers": [descriptor("application/vnd.example.data", &blob(1, 64))],
    }));
    there_and_back(&Bench::new(), &document);
}

#[test]
fn unknown_media_types() {
    let document = Content::manifest(&json!({
        "config": descriptor("application/vnd.example.config.v9+json", b"{}"),
        "layers": [descriptor("application/vnd.example.layer.v9", &blob(1, 64))],
    }));
    let bench = Bench::new();
    let layout = there_and_back(&bench, &document);
    assert_eq!(layout.blob(&digest(b"{}")), b"{}");
}

#[test]
fn unknown_fields_and_annotations() {
    let mut layer = descriptor(media::LAYER, &blob(1, 64));
    layer["annotations"] = json!({ "org.example.layer": "first" });
    layer["org.example.more"] = json!([1, 2.50, null]);
    let document = Content::manifest(&json!({
        "layers": [layer],
        "annotations": { "org.example.é": "日本語" },
        "org.example.unknown": { "kept": true },
    }));
    there_and_back(&Bench::new(), &document);
}

#[test]
fn data_in_a_descriptor() {
    let mut config = descriptor(media::EMPTY, b"{}");
    config["data"] = json!("e30=");
    there_and_back(
        &Bench::new(),
        &Content::manifest(&json!({ "config": config })),
    );
}

#[test]
fn a_docker_image_stays_one() {
    there_and_back(&Bench::new(), &Content::docker());
}

#[test]
fn layers_that_registries_need_not_hold() {
    let mut foreign = descriptor(media::FOREIGN_LAYER, b"never pushed");
    foreign["urls"] = json!(["https://layers.example.invalid/1"]);
    let document = Content::manifest(&json!({ "layers": [foreign] }));
    let bench = Bench::new();
    let layout = there_and_back(&bench, &document);
    assert!(!layout.blobs().contains(&digest(b"never pushed")));
}

/// Pushes two images and gives the descriptors of both with their platforms.
fn two_platforms(bench: &Bench) -> (Vec<Image>, Vec<Value>) {
    let images: Vec<Image> = (0..2)
        .map(|seed| {
            bench
                .registry
                .push_image(&bench.repository, "child", 220 + seed)
        })
        .collect();
    let entries = images
        .iter()
        .zip(["amd64", "riscv64"])
        .map(|(image, architecture)| {
            let mut entry = image.manifest.descriptor();
            entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
            entry
        });
    let entries = entries.collect();
    (images, entries)
}

#[test]
fn an_index_with_all_its_platforms() {
    let bench = Bench::new();
    let (images, entries) = two_platforms(&bench);
    let index = Content::index(&entries, &json!({ "annotations": { "a": "b" } }));
    let layout = there_and_back(&bench, &index);
    for image in &images {
        assert_eq!(layout.blob(&image.manifest.digest()), image.manifest.bytes);
        for part in image.layers.iter().chain([&image.config]) {
            assert!(&layout.blob(&digest(part)) == part);
        }
    }
}

#[test]
fn a_docker_list_with_all_its_platforms() {
    let bench = Bench::new();
    bench.registry.push_parts(&bench.repository);
    let child = Content::docker();
    bench
        .registry
        .push_manifest(&bench.repository, "child", &child);
    let mut entry = child.descriptor();
    entry["platform"] = json!({ "architecture": "arm", "os": "linux", "variant": "v7" });
    let layout = there_and_back(&bench, &Content::docker_list(&[entry]));
    assert_eq!(layout.blob(&child.digest()), child.bytes);
}

#[test]
fn an_index_in_an_index() {
    let bench = Bench::new();
    let (images, entries) = two_platforms(&bench);
    let inner = Content::index(&entries, &json!({}));
    bench
        .registry
        .push_manifest(&bench.repository, "inner", &inner);
    let outer = Content::index(&[inner.descriptor()], &json!({}));
    let layout = there_and_back(&bench, &outer);
    assert_eq!(layout.blob(&inner.digest()), inner.bytes);
    assert_eq!(
        layout.blob(&images[1].manifest.digest()),
        images[1].manifest.bytes
    );
}

#[test]
fn an_empty_index() {
    there_and_back(&Bench::new(), &Content::index(&[], &json!({})));
}

#[test]
fn a_layout_with_more_than_it_must_have() {
    let bench = Bench::new();
    let image = Image::new(230);
    let blobs = [
        image.config.as_slice(),
        &image.layers[0],
        &image.layers[1],
        b"nobody names this",
    ];
    let layout = Layout::write(&bench.path("more"), &blobs, &image.manifest);
    let version = "{\"imageLayoutVersion\": \"1.0.0\", \"org.example.more\": [1]}\n";
    fs_err::write(layout.directory.join("oci-layout"), version).expect("a file");
    fs_err::write(layout.directory.join("README"), "beside").expect("a file");
    bench.copy_in("more");
    assert_eq!(bench.stored("in", media::MANIFEST), image.manifest.bytes);
}

#[test]
fn a_layout_with_entries_of_other_types() {
    // An entry of a type that nobody knows must not keep the others from being read.
    let bench = Bench::new();
    let image = Image::new(231);
    let blobs = [image.config.as_slice(), &image.layers[0], &image.layers[1]];
    let layout = Layout::write(&bench.path("mixed"), &blobs, &image.manifest);
    let strange = descriptor("application/vnd.example.unknown", b"not there");
    let mut entry = image.manifest.descriptor();
    entry["annotations"] = json!({ crate::bench::NAME: "one" });
    layout.write_index(&[strange, entry]);
    let source = format!("oci:{}:one", layout.directory.display());
    let _ = bench.wharf.does(&["copy", &source, &bench.image("in")]);
    assert_eq!(bench.stored("in", media::MANIFEST), image.manifest.bytes);
}

#[test]
fn a_layout_from_a_tar() {
    let bench = Bench::new();
    let image = bench.registry.push_image(&bench.repository, "one", 232);
    let archive = format!("oci-archive:{}:one", bench.path("one.tar").display());
    let _ = bench.wharf.does(&["copy", &bench.image("one"), &archive]);
    let _ = bench.wharf.does(&["copy", &archive, &bench.image("in")]);
    assert_eq!(bench.stored("in", media::MANIFEST), image.manifest.bytes);
}

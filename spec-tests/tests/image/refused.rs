//! Layouts that are not what they say: nothing of them reaches the registry under a tag.

use serde_json::json;
use spec_tests::{Content, Image, digest};

use crate::bench::{Bench, Layout, NAME};

/// Writes a layout with a whole image in it.
fn whole(bench: &Bench, name: &str) -> (Layout, Image) {
    let image = Image::new(241);
    let blobs = [image.config.as_slice(), &image.layers[0], &image.layers[1]];
    let layout = Layout::write(&bench.path(name), &blobs, &image.manifest);
    (layout, image)
}

#[test]
fn a_layer_with_other_bytes() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "altered");
    let name = digest(&image.layers[0]);
    let mut bytes = image.layers[0].clone();
    bytes[17] ^= 1;
    fs_err::write(layout.path(&name), bytes).expect("a file");
    let words = bench.refuses_in("altered");
    assert!(
        words.contains(&name[..19]),
        "it does not name the blob: {words}"
    );
}

#[test]
fn a_layer_that_is_shorter() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "shorter");
    let bytes = &image.layers[0][..100];
    fs_err::write(layout.path(&digest(&image.layers[0])), bytes).expect("a file");
    bench.refuses_in("shorter");
}

#[test]
fn a_config_with_other_bytes() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "config");
    let other = image.config.to_ascii_uppercase();
    fs_err::write(layout.path(&digest(&image.config)), other).expect("a file");
    bench.refuses_in("config");
}

#[test]
fn a_manifest_with_other_bytes() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "manifest");
    let mut bytes = image.manifest.bytes.clone();
    let last = bytes.len() - 1;
    bytes[last] = b'\n';
    fs_err::write(layout.path(&image.manifest.digest()), bytes).expect("a file");
    bench.refuses_in("manifest");
}

#[test]
fn a_missing_layer() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "missing");
    fs_err::remove_file(layout.path(&digest(&image.layers[1]))).expect("a file");
    bench.refuses_in("missing");
}

#[test]
fn a_descriptor_with_another_size() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "size");
    let mut entry = image.manifest.descriptor();
    entry["size"] = json!(image.manifest.bytes.len() + 1);
    entry["annotations"] = json!({ NAME: "one" });
    layout.write_index(&[entry]);
    bench.refuses_in("size");
}

#[test]
fn another_version() {
    let bench = Bench::new();
    let (layout, _) = whole(&bench, "version");
    let version = "{\"imageLayoutVersion\":\"7.0.0\"}";
    fs_err::write(layout.directory.join("oci-layout"), version).expect("a file");
    bench.refuses_in("version");
}

#[test]
fn no_version_at_all() {
    let bench = Bench::new();
    let (layout, _) = whole(&bench, "versionless");
    fs_err::remove_file(layout.directory.join("oci-layout")).expect("a file");
    bench.refuses_in("versionless");
}

#[test]
fn a_name_that_is_not_in_it() {
    let bench = Bench::new();
    let (layout, _) = whole(&bench, "named");
    let source = format!("oci:{}:other", layout.directory.display());
    let ran = bench.wharf.refuses(&["copy", &source, &bench.image("in")]);
    assert!(ran.words.contains("other"), "{}", ran.words);
}

#[test]
fn several_images_and_no_name() {
    let bench = Bench::new();
    let (layout, image) = whole(&bench, "several");
    let second = Content::manifest(
        &json!({ "layers": [], "config": spec_tests::descriptor("x/y", &image.config) }),
    );
    fs_err::write(layout.path(&second.digest()), &second.bytes).expect("a file");
    let entries = [
        ("one", image.manifest.descriptor()),
        ("two", second.descriptor()),
    ];
    let entries = entries.map(|(name, mut entry)| {
        entry["annotations"] = json!({ NAME: name });
        entry
    });
    layout.write_index(&entries);
    bench.refuses_in("several");
}

#[test]
fn no_layout_at_all() {
    let bench = Bench::new();
    fs_err::create_dir_all(bench.path("empty")).expect("a directory");
    bench.refuses_in("empty");
    bench.refuses_in("nowhere");
}

//! The shape of a layout that `wharf copy … oci:DIR:TAG` writes (image-layout.md).

use serde_json::json;
use spec_tests::{digest, digest_sha512, media};

use crate::bench::{Bench, NAME};

#[test]
fn the_version_file() {
    let bench = Bench::new();
    bench.registry.push_image(&bench.repository, "one", 201);
    let layout = bench.copy_out("one");
    let text = fs_err::read(layout.directory.join("oci-layout")).expect("oci-layout");
    let version: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(version["imageLayoutVersion"], json!("1.0.0"));
}

#[test]
fn the_index_is_an_image_index() {
    let bench = Bench::new();
    bench.registry.push_image(&bench.repository, "one", 202);
    let index = bench.copy_out("one").index();
    assert_eq!(index["schemaVersion"], json!(2));
    assert_eq!(index["mediaType"], json!(media::INDEX));
    assert!(index["manifests"].is_array());
}

#[test]
fn the_index_names_the_image() {
    let bench = Bench::new();
    let image = bench.registry.push_image(&bench.repository, "one", 203);
    let index = bench.copy_out("one").index();
    let entries = index["manifests"].as_array().expect("manifests");
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry["mediaType"], json!(media::MANIFEST));
    assert_eq!(entry["digest"], json!(image.manifest.digest()));
    assert_eq!(entry["size"], json!(image.manifest.bytes.len()));
    assert_eq!(entry["annotations"][NAME], json!("one"));
}

#[test]
fn blobs_lie_under_their_digests() {
    let bench = Bench::new();
    let image = bench.registry.push_image(&bench.repository, "one", 204);
    let layout = bench.copy_out("one");
    let mut expected: Vec<String> = image.layers.iter().map(|layer| digest(layer)).collect();
    expected.push(digest(&image.config));
    expected.push(image.manifest.digest());
    expected.sort();
    assert_eq!(layout.blobs(), expected);
    for name in &expected {
        assert_eq!(&digest(&layout.blob(name)), name);
    }
}

#[test]
fn nothing_else_lies_in_it() {
    let bench = Bench::new();
    bench.registry.push_image(&bench.repository, "one", 205);
    let layout = bench.copy_out("one");
    let entries = fs_err::read_dir(&layout.directory).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn a_second_image_leaves_the_first() {
    let bench = Bench::new();
    let one = bench.registry.push_image(&bench.repository, "one", 206);
    let two = bench.registry.push_image(&bench.repository, "two", 207);
    bench.copy_out("one");
    let layout = bench.copy_out("two");
    let index = layout.index();
    let entries = index["manifests"].as_array().expect("manifests");
    let mut named: Vec<(String, String)> = entries
        .iter()
        .map(|entry| {
            let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
            (text(&entry["annotations"][NAME]), text(&entry["digest"]))
        })
        .collect();
    named.sort();
    let expected = [
        ("one", one.manifest.digest()),
        ("two", two.manifest.digest()),
    ];
    assert_eq!(
        named,
        expected.map(|(name, digest)| (name.to_owned(), digest))
    );
    assert_eq!(layout.blob(&one.manifest.digest()), one.manifest.bytes);
}

#[test]
fn the_same_name_names_the_new_image() {
    let bench = Bench::new();
    bench.registry.push_image(&bench.repository, "one", 208);
    bench.copy_out("one");
    let new = bench.registry.push_image(&bench.repository, "one", 209);
    let index = bench.copy_out("one").index();
    let entries = index["manifests"].as_array().expect("manifests");
    let named: Vec<_> = entries
        .iter()
        .filter(|entry| entry["annotations"][NAME] == json!("one"))
        .collect();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0]["digest"], json!(new.manifest.digest()));
}

#[test]
fn blobs_of_another_algorithm_have_their_own_directory() {
    let bench = Bench::new();
    let config = b"{\"architecture\":\"amd64\",\"os\":\"linux\"}";
    let name = digest_sha512(config);
    bench
        .registry
        .push_blob_as(&bench.repository, config, &name);
    let mut entry = spec_tests::descriptor(media::CONFIG, config);
    entry["digest"] = json!(name);
    let manifest = spec_tests::Content::manifest(&json!({ "config": entry, "layers": [] }));
    bench
        .registry
        .push_manifest(&bench.repository, "one", &manifest);
    let layout = bench.copy_out("one");
    assert!(name.starts_with("sha512:"));
    assert_eq!(layout.blob(&name), config);
}

#[test]
fn a_layout_in_a_tar_has_the_same_shape() {
    let bench = Bench::new();
    let image = bench.registry.push_image(&bench.repository, "one", 210);
    let archive = bench.path("out.tar");
    let target = format!("oci-archive:{}:one", archive.display());
    let _ = bench.wharf.does(&["copy", &bench.image("one"), &target]);
    let mut tar = tar::Archive::new(fs_err::File::open(&archive).expect("the archive"));
    let mut found = std::collections::BTreeMap::new();
    for entry in tar.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("its bytes");
        found.insert(path.trim_start_matches("./").to_owned(), bytes);
    }
    assert!(found.contains_key("oci-layout"));
    let index: serde_json::Value = serde_json::from_slice(&found["index.json"]).expect("JSON");
    assert_eq!(index["manifests"][0]["annotations"][NAME], json!("one"));
    for bytes in image
        .layers
        .iter()
        .chain([&image.config, &image.manifest.bytes])
    {
        let path = format!("blobs/{}", digest(bytes).replace(':', "/"));
        assert!(found.get(&path) == Some(bytes), "{path} is not there");
    }
}

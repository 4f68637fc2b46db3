//! Caches in layouts, and what else may lie in their place.

use std::path::Path;

use oci::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use super::scene::{self, Machine, Said, chain, from_layout, image, key, step, to_layout};
use crate::cache::record::Record;
use crate::cache::remote::export::{ExportedStep, choose, export_all};
use crate::cache::remote::import::{Cost, import_all, import_within};
use crate::cache::remote::{CacheExtent, CacheFailure, CacheTarget, cache_tag};
use crate::error::ErrorKind;
use crate::solve::here;

#[tokio::test]
async fn a_cache_goes_to_another_machine() {
    let (one, other) = (Machine::new(), Machine::new());
    let layout = one.path("cache");
    let nothing = step("nothing", true, None, here(&key("nothing")));
    let steps = [
        one.step("a", true).await,
        one.step("b", false).await,
        nothing,
    ];

    let (result, all) = (CacheExtent::Result, CacheExtent::All);
    let (result, all) = (to_layout(&layout, result), to_layout(&layout, all));
    let least = one.export(&result, &steps).await.expect("written");
    assert_eq!((least.steps, least.left_out), (2, 0));
    // The layer and the config.
    assert_eq!((least.blobs_sent, least.blobs_present), (2, 0));
    let read = other.import(&from_layout(&layout)).await.expect("readable");
    let read = read.expect("there");
    assert_eq!(read.records.len(), 4);
    assert_eq!(*read.records[&key("a")], scene::read("a", &steps[0]));
    assert_eq!(
        *read.records[&key("the content of a")],
        scene::read("a", &steps[0])
    );
    assert_eq!(
        *read.records[&key("nothing")],
        scene::read("nothing", &steps[2])
    );
    assert!(!read.records.contains_key(&key("b")));
    let layer = steps[0].record.layer.as_ref().expect("a layer");
    let blob = other.images.blob(&read.place, &layer.descriptor).await;
    assert!(blob.is_ok(), "the layer is where the cache is");

    let most = one.export(&all, &steps).await.expect("written");
    assert_eq!((most.steps, most.blobs_sent, most.blobs_present), (3, 2, 1));
    let read = other.import(&from_layout(&layout)).await.expect("readable");
    let read_all = read.expect("there");
    assert!(read_all.records.contains_key(&key("b")));

    // What was found by one of its keys goes on by all.
    let found = steps.clone().map(|step| {
        let first = step.keys[..1].to_vec();
        let record = Record::clone(&read_all.records[&first[0]]);
        ExportedStep {
            keys: first,
            record,
            ..step
        }
    });
    let again = one.export(&all, &found).await.expect("written");
    assert_eq!(again.digest, most.digest);

    // The same in another order is the same, and moves nothing.
    let turned: Vec<_> = steps.iter().rev().cloned().collect();
    let again = one.export(&all, &turned).await.expect("written");
    assert_eq!(again.digest, most.digest);
    assert_eq!((again.blobs_sent, again.blobs_present), (0, 3));
}

#[tokio::test]
async fn what_no_cache_names_any_more_is_removed_and_nothing_else() {
    let machine = Machine::new();
    let layout = machine.path("cache");
    let first = [machine.step("a", true).await, machine.step("b", true).await];
    let target = to_layout(&layout, CacheExtent::Result);
    machine.export(&target, &first).await.expect("written");
    // What somebody else put there.
    let kept = put(&layout, b"a config", "image");
    fs_err::write(layout.join("blobs/sha256/notes.txt"), "mine").expect("writable");
    let second = [machine.step("a", true).await, machine.step("c", true).await];
    machine.export(&target, &second).await.expect("written");

    let there = |digest: &Digest| layout.join("blobs/sha256").join(digest.hex()).exists();
    let layer = |step: &ExportedStep| {
        let layer = step.record.layer.as_ref().expect("a layer");
        layer.descriptor.digest
    };
    assert!(there(&layer(&second[0])));
    assert!(there(&layer(&second[1])));
    assert!(!there(&layer(&first[1])), "an old layer stays for ever");
    assert!(kept.iter().all(there), "somebody's image was damaged");
    assert!(layout.join("blobs/sha256/notes.txt").exists());
    let files = fs_err::read_dir(layout.join("blobs/sha256")).expect("readable");
    // Two layers, a config, a manifest; an image of two; a file.
    assert_eq!(files.count(), 7);

    // While somebody else writes, nothing is removed.
    let third = [machine.step("d", true).await];
    let writer = machine.images.delivery(&target_place(&layout)).await;
    machine.export(&target, &third).await.expect("written");
    assert!(there(&layer(&second[1])));
    drop(writer);
    machine.export(&target, &third).await.expect("written");
    assert!(!there(&layer(&second[1])));
}

#[tokio::test]
async fn an_image_keeps_its_name() {
    let machine = Machine::new();
    let layout = machine.path("images");
    let kept = put(&layout, b"a config", cache_tag().as_str());
    let before = fs_err::read(layout.join("index.json")).expect("a list");
    let steps = [machine.step("a", true).await];
    let target = to_layout(&layout, CacheExtent::Result);
    let refused = machine.export(&target, &steps).await;
    let refused = refused.expect_err("an image");
    assert_eq!(refused.kind(), ErrorKind::Image);
    let said = refused.to_string();
    assert!(
        said.ends_with("is an image, whose name the cache would take"),
        "{said}"
    );
    let after = fs_err::read(layout.join("index.json")).expect("a list");
    assert_eq!(after, before);
    let there = |digest: &Digest| layout.join("blobs/sha256").join(digest.hex()).exists();
    assert!(kept.iter().all(there), "the image is whole");
    // What can not be told is none of ours either.
    fs_err::write(layout.join("index.json"), "{").expect("writable");
    let refused = machine.export(&target, &steps).await;
    assert_eq!(refused.expect_err("no list").kind(), ErrorKind::Image);
    let after = fs_err::read(layout.join("index.json")).expect("a list");
    assert_eq!(after, b"{");
}

fn target_place(layout: &Path) -> ::image::Place {
    ::image::Place::layout(layout, "other".parse().expect("a tag"))
}

#[tokio::test]
async fn what_is_not_there_yet_is_no_error() {
    let machine = Machine::new();
    let absent = machine.import(&from_layout(&machine.path("none"))).await;
    assert!(absent.expect("no error").is_none());
    let layout = machine.path("other");
    put(&layout, b"{}", "another-tag");
    let absent = machine.import(&from_layout(&layout)).await;
    assert!(absent.expect("no error").is_none());
}

#[tokio::test]
async fn a_layer_that_is_gone_leaves_its_step_out() {
    let machine = Machine::new();
    let gone = Descriptor::new(MediaType::OCI_LAYER_GZIP, key("gone"), 4);
    let steps = [
        machine.step("a", true).await,
        step("gone", true, Some(gone), here(&key("gone"))),
    ];
    let layout = machine.path("cache");
    let target = to_layout(&layout, CacheExtent::Result);
    let sent = machine.export(&target, &steps).await.expect("written");
    assert_eq!((sent.steps, sent.left_out), (1, 1));
    let read = machine.import(&from_layout(&layout)).await;
    let records = read.expect("readable").expect("there").records;
    assert!(records.contains_key(&key("a")) && !records.contains_key(&key("gone")));
}

#[tokio::test]
async fn a_cache_that_can_not_be_written_fails_the_build_or_not() {
    let machine = Machine::new();
    let occupied = machine.path("sources");
    fs_err::create_dir(&occupied).expect("writable");
    fs_err::write(occupied.join("main.c"), "").expect("writable");
    let steps = [machine.step("a", true).await];
    let fails = to_layout(&occupied, CacheExtent::Result);
    let refused = machine.export(&fails, &steps).await.expect_err("occupied");
    assert_eq!(refused.kind(), ErrorKind::Image);
    let layout = machine.path("cache");
    let targets = [
        CacheTarget {
            failure: CacheFailure::Warns,
            ..fails
        },
        to_layout(&layout, CacheExtent::Result),
    ];
    let said = Said::default();
    let all = export_all(&machine.images, &targets, &steps, &image(), &said).await;
    assert_eq!(all.expect("ignored").sent.len(), 1);
    let said = said.0.into_inner().expect("no panic");
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("`main.c`"), "{said:?}");
}

#[tokio::test]
async fn caches_of_others_are_passed_over() {
    let machine = Machine::new();
    let buildkit = json!({"mediaType": "application/vnd.buildkit.cacheconfig.v0"});
    for (number, (manifest, expected)) in [
        (
            manifest(&buildkit, b"{}"),
            "is a cache of BuildKit's, which only BuildKit reads",
        ),
        (
            json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [
                    described("application/vnd.oci.image.layer.v1.tar+gzip", b"a layer"),
                    described("application/vnd.buildkit.cacheconfig.v0", b"{}"),
                ],
            }),
            "is a cache of BuildKit's, which only BuildKit reads",
        ),
        (
            manifest(
                &json!({"mediaType": "application/vnd.oci.image.config.v1+json"}),
                br#"{"moby.buildkit.cache.v0":"W10="}"#,
            ),
            "is an image with an inline cache of BuildKit's, which only BuildKit reads",
        ),
        (
            manifest(
                &json!({"mediaType": "application/vnd.oci.image.config.v1+json"}),
                b"{}",
            ),
            "is an image that no cache refers to",
        ),
        (
            manifest(
                &json!({"mediaType": "application/vnd.wharf.cache.config.v2+json"}),
                b"{}",
            ),
            "is a cache of a newer wharf",
        ),
        (
            manifest(
                &json!({"mediaType": "application/vnd.cncf.helm.config.v1+json"}),
                b"{}",
            ),
            "is no cache and no image",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let layout = machine.path(&format!("layout{number}"));
        put_manifest(&layout, &manifest, "latest");
        let refused = machine.import(&from_layout(&layout)).await;
        let refused = refused.expect_err(expected);
        let name = format!("`{}:latest` ", layout.display());
        assert_eq!(refused.to_string(), format!("{name}{expected}"));
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.hint().is_some());
    }
}

#[tokio::test]
async fn what_is_damaged_is_a_warning() {
    let machine = Machine::new();
    let own = json!({"mediaType": "application/vnd.wharf.cache.config.v1+json"});
    // A config that is not what its digest says.
    let damaged = machine.path("damaged");
    put_manifest(
        &damaged,
        &manifest(&own, b"{\"version\":1,\"steps\":[]}"),
        "latest",
    );
    let config = Digest::sha256(b"{\"version\":1,\"steps\":[]}");
    let config = damaged.join("blobs/sha256").join(config.hex());
    fs_err::write(&config, "{\"version\":1,\"steps\":{}}").expect("writable");
    let refused = machine.import(&from_layout(&damaged)).await;
    let refused = chain(&refused.expect_err("damaged"));
    assert!(refused.contains("is not what was promised"), "{refused}");

    fs_err::remove_file(&config).expect("there");
    let refused = machine.import(&from_layout(&damaged)).await;
    let refused = chain(&refused.expect_err("no config"));
    assert!(
        refused.ends_with("can not be used: its config is not there"),
        "{refused}"
    );

    // Sizes that are promised, and need not be true.
    for (size, expected) in [
        (u64::MAX, "its config has 18446744073709551615 bytes"),
        (5 * 1024 * 1024, "is not what was promised"),
    ] {
        let huge = machine.path(&format!("huge{size}"));
        let mut manifest = manifest(&own, b"{}");
        manifest["config"]["size"] = json!(size);
        put_manifest(&huge, &manifest, "latest");
        let refused = machine.import(&from_layout(&huge)).await;
        let refused = chain(&refused.expect_err("too large"));
        assert!(refused.contains(expected), "{refused}");
    }

    let said = Said::default();
    let good = machine.path("good");
    let steps = [machine.step("a", true).await];
    let target = to_layout(&good, CacheExtent::Result);
    machine.export(&target, &steps).await.expect("written");
    let sources = [&damaged, &machine.path("absent"), &good].map(|path| from_layout(path));
    let all = import_all(&machine.images, &sources, &said).await;
    assert_eq!(all.len(), 1);
    assert_eq!(said.0.into_inner().expect("no panic").len(), 1);
}

#[tokio::test]
async fn there_is_room_for_so_many_bytes_of_a_source() {
    let machine = Machine::new();
    let steps = [machine.step("a", true).await, machine.step("b", true).await];
    let sources = ["small", "large"].map(|name| from_layout(&machine.path(name)));
    for (name, steps) in [("small", &steps[..1]), ("large", &steps[..])] {
        let target = to_layout(&machine.path(name), CacheExtent::Result);
        machine.export(&target, steps).await.expect("written");
    }
    // A step takes some 340 bytes.
    let cost = Cost {
        bytes: 500,
        ..Cost::USUAL
    };
    let said = Said::default();
    let all = import_within(&machine.images, &sources, &said, cost).await;
    let lengths: Vec<usize> = all.iter().map(|one| one.records.len()).collect();
    assert_eq!(lengths, [2, 0]);
    let said = said.0.into_inner().expect("no panic");
    assert_eq!(said.len(), 1, "{said:?}");
    let expected = format!("the caches of `{}` list steps in more than 500", sources[1]);
    assert!(said[0].starts_with(&expected), "{said:?}");
}

#[test]
fn the_steps_of_the_image_come_first() {
    let at = here(&key("x"));
    let steps = ["a", "b", "c", "d"].map(|word| step(word, word > "b", None, at.clone()));
    let chosen = choose(&steps, CacheExtent::All);
    let of_result: Vec<bool> = chosen.iter().map(|step| step.of_result).collect();
    assert_eq!(of_result, [true, true, false, false]);
    assert_eq!(choose(&steps, CacheExtent::Result).len(), 2);
}

fn described(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::sha256(bytes), "size": bytes.len()})
}

/// A manifest of a config of some type, whose bytes go beside it.
fn manifest(config: &Value, bytes: &[u8]) -> Value {
    let config = described(config["mediaType"].as_str().expect("a type"), bytes);
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [],
        "annotations": {"content": String::from_utf8_lossy(bytes)},
    })
}

/// Puts an image of a config alone into a layout, and gives its digests.
fn put(layout: &Path, config: &[u8], tag: &str) -> [Digest; 2] {
    let image = json!({"mediaType": "application/vnd.oci.image.config.v1+json"});
    let manifest = manifest(&image, config);
    put_manifest(layout, &manifest, tag);
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    [Digest::sha256(&manifest), Digest::sha256(config)]
}

fn put_manifest(layout: &Path, manifest: &Value, tag: &str) {
    let blobs = layout.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).expect("writable");
    let write = |bytes: &[u8]| {
        let path = blobs.join(Digest::sha256(bytes).hex());
        fs_err::write(path, bytes).expect("writable");
    };
    let bytes = serde_json::to_vec(manifest).expect("JSON");
    write(&bytes);
    if let Some(content) = manifest["annotations"]["content"].as_str() {
        write(content.as_bytes());
    }
    let index = layout.join("index.json");
    let list =
        fs_err::read(&index).unwrap_or_else(|_| b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec());
    let mut list: Value = serde_json::from_slice(&list).expect("JSON");
    let mut entry = described(manifest["mediaType"].as_str().expect("a type"), &bytes);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    list["manifests"]
        .as_array_mut()
        .expect("a list")
        .push(entry);
    fs_err::write(&index, serde_json::to_vec(&list).expect("JSON")).expect("writable");
    let mark = r#"{"imageLayoutVersion":"1.0.0"}"#;
    fs_err::write(layout.join("oci-layout"), mark).expect("writable");
}

//! What goes in comes out, byte for byte.

use std::sync::{Arc, Mutex};

use image::{CopyOptions, ErrorKind, Event, How, PlatformChoice, Progress};
use oci::{Digest, MediaType};
use serde_json::Value;

use crate::fixture::{Content, Room, chain, digest_of, entries, listing, write_files};

/// An index of two images, a third one that is not there, and its layout.
fn sparse(room: &Room) -> (Content, Value) {
    let mut content = Content::default();
    let amd64 = content.image("one", "amd64");
    let arm64 = content.image("two", "arm64");
    let mut elsewhere = Content::default();
    let absent = elsewhere.image("three", "s390x");
    let index = content.index(&[amd64, arm64, absent]);
    write_files(&room.path("in"), &content.layout(&[("v1", &index)]));
    (content, index)
}

#[tokio::test]
async fn an_index_goes_through_every_place() {
    let room = Room::new();
    let (content, index) = sparse(&room);
    let digest = digest_of(&index);
    let mut from = "oci:@/in:v1".to_owned();
    // 2 configs and 3 layers, of which both images share one.
    for to in [
        "oci-archive:@/a.tar:v2",
        "local:base:1",
        "oci:@/b/deep:v3",
        "oci-archive:@/c.tar",
        "oci:@/out:v1",
    ] {
        let copied = room.copy(&from, to).await.expect(to);
        assert_eq!(copied.digest, digest, "{to}");
        assert_eq!(copied.media_type, MediaType::OCI_INDEX);
        assert_eq!((copied.blobs_copied, copied.blobs_present), (5, 0), "{to}");
        assert_eq!(copied.absent.len(), 1);
        from = to.to_owned();
    }
    let mut expected: Vec<String> = content.0.keys().cloned().collect();
    expected.extend(["index.json".to_owned(), "oci-layout".to_owned()]);
    assert_eq!(listing(&room.path("out")), expected);
    for (name, bytes) in &content.0 {
        assert_eq!(
            fs_err::read(room.path("out").join(name)).expect(name),
            *bytes
        );
    }
    let archived: Vec<String> = entries(&room.path("a.tar"))
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(archived, expected);
    // Once more: everything is there.
    let again = room
        .copy("oci:@/in:v1", "oci:@/out:v1")
        .await
        .expect("again");
    assert_eq!(
        (again.blobs_copied, again.bytes_copied, again.blobs_present),
        (0, 0, 5)
    );
    assert_eq!(listing(&room.path("out")), expected);
    // The same archive from another place has the same bytes.
    room.copy("oci:@/out:v1", "oci-archive:@/d.tar:v2")
        .await
        .expect("an archive");
    assert_eq!(
        fs_err::read(room.path("a.tar")).expect("a file"),
        fs_err::read(room.path("d.tar")).expect("a file")
    );
}

#[tokio::test]
async fn one_platform_is_copied_alone() {
    let room = Room::new();
    let (_, index) = sparse(&room);
    let options = CopyOptions {
        platform: "linux/arm64".parse().expect("a platform"),
        ..CopyOptions::default()
    };
    let (from, to) = (room.place("oci:@/in"), room.place("local:arm"));
    let copied = room
        .images
        .copy(&from, &to, &options)
        .await
        .expect("a copy");
    assert_eq!(copied.media_type, MediaType::OCI_MANIFEST);
    assert_ne!(copied.digest, digest_of(&index));
    assert_eq!(copied.blobs_copied, 3);
    let inspected = room
        .images
        .inspect(&to, &PlatformChoice::All)
        .await
        .expect("an image");
    let config = String::from_utf8(inspected.config.expect("a config").to_vec()).expect("text");
    assert!(config.contains("\"architecture\":\"arm64\""), "{config}");
    // A single image has a platform as well.
    let wrong = "linux/amd64".parse().expect("a platform");
    let error = room
        .images
        .inspect(&to, &wrong)
        .await
        .expect_err("another machine");
    assert_eq!(
        chain(&error),
        "NotFound: the image is for `linux/arm64`, not for `linux/amd64`"
    );
    let whole = room
        .images
        .inspect(&from, &PlatformChoice::All)
        .await
        .expect("an index");
    assert_eq!((whole.digest, whole.config), (digest_of(&index), None));
}

#[tokio::test]
async fn a_docker_archive_keeps_config_and_diff_ids() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let copied = room
        .copy("oci:@/in", "docker-archive:@/a.tar:x:1")
        .await
        .expect("saved");
    assert_eq!(copied.digest, digest_of(&image));
    let saved = entries(&room.path("a.tar"));
    let names: Vec<&str> = saved.iter().map(|entry| entry.0.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.len(), 4);
    for (name, bytes) in &saved[..3] {
        assert!(name.starts_with(&Digest::sha256(bytes).hex()), "{name}");
    }
    let list: Value = serde_json::from_slice(&saved[3].1).expect("JSON");
    assert_eq!(list[0]["RepoTags"][0], "docker.io/library/x:1");
    // Read back: the config is the same, and the way from here on changes
    // nothing any more.
    let first = room
        .copy("docker-archive:@/a.tar", "oci:@/b:1")
        .await
        .expect("loaded");
    assert_eq!(first.media_type, MediaType::DOCKER_MANIFEST);
    room.copy("oci:@/b", "docker-archive:@/c.tar:x:1")
        .await
        .expect("saved");
    assert_eq!(
        fs_err::read(room.path("a.tar")).expect("a file"),
        fs_err::read(room.path("c.tar")).expect("a file")
    );
    let second = room
        .copy("docker-archive:@/c.tar:x:1", "local:x")
        .await
        .expect("loaded");
    assert_eq!(first.digest, second.digest);
}

#[tokio::test]
async fn a_layout_keeps_what_others_wrote() {
    let room = Room::new();
    let mut content = Content::default();
    let (one, two) = (content.image("one", "amd64"), content.image("two", "amd64"));
    write_files(
        &room.path("in"),
        &content.layout(&[("1", &one), ("2", &two)]),
    );
    let foreign = br#"{"schemaVersion":2,"x-note":[1],"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0,"x":"y","annotations":{"org.opencontainers.image.ref.name":"kept"}}]}"#;
    write_files(
        &room.path("out"),
        &[
            ("index.json".to_owned(), foreign.to_vec()),
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.1.0"}"#.to_vec(),
            ),
        ],
    );
    room.copy("oci:@/in:1", "oci:@/out:t")
        .await
        .expect("a copy");
    room.copy("oci:@/in:1", "oci:@/out").await.expect("a copy");
    room.copy("oci:@/in:1", "oci:@/out").await.expect("a copy");
    room.copy("oci:@/in:2", "oci:@/out:t")
        .await
        .expect("the tag moves");
    let list = fs_err::read(room.path("out/index.json")).expect("a list");
    let list: Value = serde_json::from_slice(&list).expect("JSON");
    let digests: Vec<&Value> = list["manifests"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(list["x-note"][0], 1);
    assert_eq!(digests.len(), 3);
    assert_eq!(digests[0]["x"], "y");
    assert_eq!(digests[1]["digest"], two["digest"]);
    assert_eq!(digests[2]["digest"], one["digest"]);
    assert_eq!(
        room.refused("oci:@/out", "local:x").await,
        "Ambiguous: `@/out` has several images, choose one: `kept`, `t`, 1 without a tag"
    );
    assert_eq!(
        room.refused("oci:@/out:none", "local:x").await,
        "NotFound: `@/out` has no image `none`, only `kept`, `t`, 1 without a tag"
    );
    room.images
        .remove(&room.place("oci:@/out:t"))
        .await
        .expect("removed");
    let error = room
        .images
        .remove(&room.place("oci:@/out:t"))
        .await
        .expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let list = fs_err::read_to_string(room.path("out/index.json")).expect("a list");
    assert!(
        list.contains("\"kept\"") && !list.contains("\"t\""),
        "{list}"
    );
}

#[tokio::test]
async fn wrong_content_is_never_kept() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    let victim = digest_of(&content.describe(
        "x/y",
        &crate::fixture::gzip(&crate::fixture::layer("etc/word", b"word")),
    ));
    let name = format!("blobs/sha256/{}", victim.hex());
    let right = content.0[&name].clone();
    let mut changed = right.clone();
    changed[40] ^= 1;
    let longer = [right.as_slice(), b"x"].concat();
    for (wrong, expected) in [
        (changed, "expected digest"),
        (right[1..].to_vec(), "bytes, got"),
        (longer, "bytes, got"),
    ] {
        content.0.insert(name.clone(), wrong);
        let room = Room::new();
        write_files(&room.path("in"), &content.layout(&[("", &image)]));
        for to in [
            "oci:@/out:1",
            "local:x",
            "oci-archive:@/a.tar",
            "docker-archive:@/d.tar",
        ] {
            let error = room.settled("oci:@/in", to);
            assert!(
                error.starts_with("Mismatch: ") && error.contains(expected),
                "{to}: {error}"
            );
        }
        for (place, kept) in [("out", 3), ("home", 4)] {
            let found = listing(&room.path(place));
            assert!(
                !found.iter().any(|file| file.contains(&victim.hex())),
                "{found:?}"
            );
            assert!(
                !found.iter().any(|file| file.contains("index.json")
                    || file.contains("names/")
                    || file.contains(".wharf")),
                "{found:?}"
            );
            assert!(found.len() <= kept + 2, "{found:?}");
        }
        assert!(!room.path("a.tar").exists() && !room.path("d.tar").exists());
        let left = listing(room.directory.path());
        assert!(
            !left.iter().any(|file| file.contains(".wharf-")),
            "{left:?}"
        );
    }
    content.0.remove(&name);
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let error = room.refused("oci:@/in", "oci:@/out:1").await;
    assert_eq!(
        error,
        format!("NotFound: the source has no blob `{victim}`")
    );
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn note(&self, event: &Event<'_>) {
        let text = match event {
            Event::Planned { blobs, bytes } => format!("planned {blobs} {bytes}"),
            Event::Started { descriptor, total } => format!("{} of {total}", descriptor.digest),
            Event::Advanced {
                digest,
                position,
                bytes,
            } => format!("{digest} {position} +{bytes}"),
            Event::Finished { digest, how } => format!("{digest} {how:?}"),
            _ => return,
        };
        self.0.lock().expect("notes").push(text);
    }
}

#[tokio::test]
async fn progress_tells_every_byte() {
    let room = Room::new();
    let mut content = Content::default();
    let config = content.describe("application/vnd.oci.empty.v1+json", b"{}");
    let big = vec![7; 600_000];
    let big = content.describe("application/octet-stream", &big);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{big}]}}"#);
    let image = content.describe(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.as_bytes(),
    );
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let notes = Arc::new(Notes::default());
    let options = CopyOptions {
        at_once: 1,
        progress: notes.clone(),
        ..CopyOptions::default()
    };
    room.images
        .copy(&room.place("oci:@/in"), &room.place("oci:@/out"), &options)
        .await
        .expect("a copy");
    let (small, big) = (digest_of(&config), digest_of(&big));
    assert_eq!(
        *notes.0.lock().expect("notes"),
        [
            "planned 2 600002".to_owned(),
            format!("{small} of 2"),
            format!("{small} 2 +2"),
            format!("{small} Copied"),
            format!("{big} of 600000"),
            format!("{big} 262144 +262144"),
            format!("{big} 524288 +262144"),
            format!("{big} 600000 +75712"),
            format!("{big} {:?}", How::Copied),
        ]
    );
    assert_eq!(
        room.refused("oci:@/in", "docker-archive:@/a.tar").await,
        "Unsupported: a docker archive holds images, and this is something else"
    );
}

//! What layouts and archives of them say beside the content, and which
//! directories are taken for one.

use serde_json::{Value, json};

use crate::fixture::{Content, Room, digest_of, entries, listing, write_files};

/// Gives the annotations in a list of images, by image.
fn annotations(list: &[u8]) -> Vec<Value> {
    let list: Value = serde_json::from_slice(list).expect("JSON");
    let images = list["manifests"].as_array().expect("a list");
    images
        .iter()
        .map(|image| image["annotations"].clone())
        .collect()
}

fn only(tag: &str) -> Value {
    json!({"org.opencontainers.image.ref.name": tag})
}

fn both(tag: &str, name: &str) -> Value {
    json!({
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": tag,
    })
}

#[tokio::test]
async fn layouts_have_the_whole_name_beside_its_tag() {
    let room = Room::new();
    let mut content = Content::default();
    let (one, two) = (content.image("one", "amd64"), content.image("two", "amd64"));
    write_files(
        &room.path("in"),
        &content.layout(&[("1", &one), ("2", &two)]),
    );
    let digest = digest_of(&one);
    let pinned = format!("local:localhost:5000/shop@{digest}");
    for (from, to) in [
        ("oci:@/in:1", "local:localhost:5000/shop:1"),
        ("oci:@/in:1", "local:shop:2"),
        ("oci:@/in:1", pinned.as_str()),
        ("oci:@/in:2", "local:localhost:5000/other:1"),
    ] {
        room.copy(from, to).await.expect(to);
    }
    let shop = "localhost:5000/shop:1";
    let both_pinned = format!("local:{shop}@{digest}");
    for (from, tag, expected) in [
        ("local:localhost:5000/shop:1", ":1", both("1", shop)),
        (both_pinned.as_str(), ":1", both("1", shop)),
        ("local:shop:2", ":2", both("2", "docker.io/library/shop:2")),
        ("local:localhost:5000/shop:1", ":2", only("2")),
        (pinned.as_str(), ":1", only("1")),
        ("oci:@/in:1", ":1", only("1")),
        ("local:localhost:5000/shop:1", "", Value::Null),
    ] {
        let (archive, layout) = (
            format!("oci-archive:@/a.tar{tag}"),
            format!("oci:@/out{tag}"),
        );
        for to in [&archive, &layout] {
            let copied = room.copy(from, to).await.expect(to);
            assert_eq!(copied.digest, digest, "{from} {to}");
            // What was written is found by the tag, and is the same.
            let back = room.copy(to, "oci:@/back:1").await.expect(to);
            assert_eq!(back.digest, digest, "{to}");
        }
        let archived = entries(&room.path("a.tar"));
        let (_, in_archive) = archived
            .iter()
            .find(|entry| entry.0 == "index.json")
            .expect("a list");
        let in_layout = fs_err::read(room.path("out/index.json")).expect("a list");
        assert_eq!(*in_archive, in_layout, "{from} {tag}");
        assert_eq!(annotations(in_archive), [expected], "{from} {tag}");
        fs_err::remove_dir_all(room.path("out")).expect("removed");
    }
    // One tag is one image, whatever its names are.
    for from in [
        "local:localhost:5000/shop:1",
        "local:localhost:5000/other:1",
    ] {
        room.copy(from, "oci:@/out:1").await.expect(from);
    }
    let list = fs_err::read(room.path("out/index.json")).expect("a list");
    assert_eq!(annotations(&list), [both("1", "localhost:5000/other:1")]);
    let back = room.copy("oci:@/out:1", "local:back").await.expect("there");
    assert_eq!(back.digest, digest_of(&two));
}

fn file(name: &str, text: &str) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_bytes().to_vec())
}

#[tokio::test]
async fn only_a_layout_is_added_to() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("1", &image)]));
    let mark = r#"{"imageLayoutVersion":"1.0.0"}"#;
    let cases = [
        (
            vec![
                file("src/main.c", ""),
                file("Makefile", ""),
                file("blobs/x", ""),
            ],
            Some("Invalid: `@/out` is no OCI layout: it has `Makefile`, and no file `oci-layout`"),
        ),
        (
            vec![file(".git/HEAD", "")],
            Some("Invalid: `@/out` is no OCI layout: it has `.git`, and no file `oci-layout`"),
        ),
        (
            vec![file("a\nb", "")],
            Some("Invalid: `@/out` is no OCI layout: it has `a\\nb`, and no file `oci-layout`"),
        ),
        (
            vec![file("index.json", "x"), file("blobs/sha256/x", "")],
            Some(
                "Invalid: `@/out` has an `index.json` that is no image index: expected value at line 1 column 1",
            ),
        ),
        (
            vec![file("oci-layout", r#"{"imageLayoutVersion":"2"}"#)],
            Some("Unsupported: `@/out` is an OCI layout of version `2`, only 1.x is supported"),
        ),
        // Whole, and with something beside it.
        (vec![file("oci-layout", mark), file("README", "")], None),
        // Begun, and killed: before there was a list, a mark or anything.
        (
            vec![file("oci-layout", mark), file("blobs/sha256/x", "")],
            None,
        ),
        (
            vec![file("blobs/sha256/x", ""), file(".wharf-1-0", "{")],
            None,
        ),
        (
            vec![
                file("blobs/x", ""),
                file("index.json", r#"{"schemaVersion":2,"manifests":[]}"#),
            ],
            None,
        ),
        (vec![], None),
    ];
    for (files, expected) in cases {
        let room_out = room.path("out");
        fs_err::create_dir_all(&room_out).expect("a directory");
        write_files(&room_out, &files);
        let before = listing(&room_out);
        match expected {
            None => {
                let copied = room.copy("oci:@/in:1", "oci:@/out:1").await;
                assert_eq!(copied.expect("taken").digest, digest_of(&image));
            }
            Some(expected) => {
                assert_eq!(room.refused("oci:@/in:1", "oci:@/out:1").await, expected);
                assert_eq!(listing(&room_out), before);
            }
        }
        fs_err::remove_dir_all(&room_out).expect("removed");
    }
}

#[tokio::test]
async fn what_is_no_layout_is_said() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("1", &image)]));
    fs_err::write(room.path("out"), "a file").expect("written");
    let error = room.refused("oci:@/in:1", "oci:@/out:1").await;
    assert!(
        error.starts_with("Storage: can not write the layout `@/out`: "),
        "{error}"
    );
    write_files(&room.path("tree"), &[file("main.c", "")]);
    let error = room.copy("oci:@/in:1", "oci:@/tree").await;
    let hint = error.expect_err("no layout").hint();
    assert_eq!(
        hint,
        Some("choose a directory that is empty, absent or an OCI layout")
    );
}

#[tokio::test]
async fn an_archive_needs_a_directory() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("1", &image)]));
    for to in ["oci-archive:@/none/a.tar:1", "docker-archive:@/none/a.tar"] {
        assert_eq!(
            room.refused("oci:@/in:1", to).await,
            "Storage: can not write the archive `@/none/a.tar`: there is no directory `@/none`"
        );
    }
    assert!(!room.path("none").exists());
}

//! skopeo reads what was written here, and writes what is read here.

#![expect(clippy::print_stdout, reason = "a test that can not run says so")]

use std::process::Command;

use oci::Digest;
use serde_json::Value;

use crate::fixture::{Content, Room, digest_of, entries, write_files};

/// Runs skopeo; `None` where there is none.
fn skopeo(room: &Room, arguments: &[&str]) -> Option<Vec<u8>> {
    let root = room.directory.path().to_str().expect("text");
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "--tmpdir", root])
        .args(arguments.iter().map(|argument| argument.replace('@', root)))
        .output();
    let Ok(output) = output else {
        println!("skipped: `skopeo` is not installed");
        return None;
    };
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}

fn raw_digest(room: &Room, place: &str) -> Option<Digest> {
    skopeo(room, &["inspect", "--raw", place]).map(|raw| Digest::sha256(&raw))
}

#[tokio::test]
async fn skopeo_reads_and_writes_layouts_and_archives() {
    let room = Room::new();
    let mut content = Content::default();
    let images = [content.image("one", "amd64"), content.image("two", "arm64")];
    let index = content.index(&images);
    let digest = digest_of(&index);
    write_files(&room.path("in"), &content.layout(&[("v1", &index)]));
    for (ours, theirs) in [
        ("oci:@/ours:v1", "oci:@/theirs:v1"),
        ("oci-archive:@/ours.tar:v1", "oci-archive:@/theirs.tar:v1"),
    ] {
        room.copy("oci:@/in:v1", ours).await.expect(ours);
        let Some(read) = raw_digest(&room, ours) else {
            return;
        };
        assert_eq!(read, digest, "{ours}");
        if skopeo(&room, &["copy", "--all", ours, theirs]).is_none() {
            return;
        }
        let back = room.copy(theirs, "local:back").await.expect(theirs);
        assert_eq!((back.digest, back.absent.len()), (digest, 0), "{theirs}");
        // They add to a layout of ours, and we to one of theirs.
        room.copy("oci:@/in:v1", ours).await.expect(ours);
    }
    skopeo(&room, &["copy", "--all", "oci:@/in:v1", "oci:@/ours:v2"]);
    room.copy("oci:@/ours:v2", "oci:@/theirs:v3")
        .await
        .expect("v3");
    assert_eq!(raw_digest(&room, "oci:@/theirs:v3"), Some(digest));
    assert_eq!(raw_digest(&room, "oci:@/theirs:v1"), Some(digest));
}

#[tokio::test]
async fn skopeo_reads_and_writes_docker_archives() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("v1", &image)]));
    room.copy("oci:@/in:v1", "docker-archive:@/ours.tar:x:1")
        .await
        .expect("saved");
    let Some(raw) = skopeo(
        &room,
        &["inspect", "--raw", "docker-archive:@/ours.tar:x:1"],
    ) else {
        return;
    };
    let raw: Value = serde_json::from_slice(&raw).expect("JSON");
    let loaded = room
        .copy("docker-archive:@/ours.tar", "oci:@/back:1")
        .await
        .expect("loaded");
    let place = room.place("oci:@/back:1");
    let inspected = room
        .images
        .inspect(&place, &image::PlatformChoice::All)
        .await
        .expect("an image");
    assert_eq!(inspected.digest, loaded.digest);
    assert_eq!(
        raw["config"]["digest"].as_str(),
        inspected
            .manifest
            .config()
            .map(|config| config.digest.to_string())
            .as_deref()
    );
    let theirs: Vec<&str> = raw["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .filter_map(|l| l["digest"].as_str())
        .collect();
    let ours: Vec<String> = inspected
        .manifest
        .layers()
        .iter()
        .map(|l| l.digest.to_string())
        .collect();
    assert_eq!(theirs, ours);
    skopeo(
        &room,
        &["copy", "oci:@/in:v1", "docker-archive:@/theirs.tar:x:1"],
    );
    let back = room
        .copy("docker-archive:@/theirs.tar:x:1", "oci:@/again:1")
        .await
        .expect("loaded");
    assert_eq!(back.digest, loaded.digest);
    assert_eq!(entries(&room.path("ours.tar")).len(), 4);
}

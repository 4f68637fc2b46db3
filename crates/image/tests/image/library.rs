//! The local library of names.

use image::{Error, ErrorKind, Library, PlatformChoice};

use crate::fixture::{Content, Room, digest_of, listing, write_files};

#[tokio::test]
async fn names_are_set_listed_and_removed() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    let digest = digest_of(&image);
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let by_digest = format!("local:quay.io/a/b@{digest}");
    for name in [
        "local:x:2",
        "local:localhost:5000/a/b-c/d:1",
        by_digest.as_str(),
        "local:x:1",
    ] {
        room.copy("oci:@/in", name).await.expect(name);
    }
    let library = room.images.library().expect("a library");
    let listed = library.list().await.expect("a list");
    let names: Vec<String> = listed.iter().map(|named| named.name.to_string()).collect();
    assert_eq!(
        names,
        [
            "docker.io/library/x:1".to_owned(),
            "docker.io/library/x:2".to_owned(),
            "localhost:5000/a/b-c/d:1".to_owned(),
            format!("quay.io/a/b@{digest}"),
        ]
    );
    assert!(listed.iter().all(|named| named.descriptor.digest == digest));
    let records: Vec<String> = listing(&room.path("home"))
        .into_iter()
        .filter(|file| file.starts_with("names/"))
        .collect();
    assert_eq!(
        records,
        [
            "names/docker.io/library.~x/1".to_owned(),
            "names/docker.io/library.~x/2".to_owned(),
            "names/localhost%3A5000/a.~b-c.~d/1".to_owned(),
            format!("names/quay.io/a.~b/sha256%3A{}", digest.hex()),
        ]
    );
    rename_and_remove(&room, &digest).await;
}

async fn rename_and_remove(room: &Room, digest: &oci::Digest) {
    let library = room.images.library().expect("a library");
    let resolved = library
        .resolve(&format!("x@{digest}").parse().expect("a name"))
        .await;
    assert_eq!(resolved.expect("by digest").descriptor.digest, *digest);
    room.images
        .tag(
            &"x:1".parse().expect("a name"),
            &"y".parse().expect("a name"),
        )
        .await
        .expect("tagged");
    room.images
        .remove(&room.place("local:x:1"))
        .await
        .expect("removed");
    let gone = room
        .images
        .inspect(&room.place("local:x:1"), &PlatformChoice::All)
        .await;
    let error: Error = gone.expect_err("gone");
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            ErrorKind::NotFound,
            "the local library has no image `docker.io/library/x:1`".to_owned()
        )
    );
    assert!(
        room.images
            .inspect(&room.place("local:y"), &PlatformChoice::All)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_digest_in_a_name_has_to_be_right() {
    let room = Room::new();
    let mut content = Content::default();
    let (one, two) = (content.image("one", "amd64"), content.image("two", "amd64"));
    write_files(
        &room.path("in"),
        &content.layout(&[("1", &one), ("2", &two)]),
    );
    let name = format!("local:x:1@{}", digest_of(&two));
    let error = room.refused("oci:@/in:1", &name).await;
    assert!(
        error.starts_with("Mismatch: the image is `sha256:"),
        "{error}"
    );
    room.copy("oci:@/in:2", &name).await.expect("the right one");
    room.copy("oci:@/in:1", "local:x:1")
        .await
        .expect("the tag moves");
    let error = room.refused(&name, "oci:@/out").await;
    assert!(error.starts_with("NotFound: "), "{error}");
}

#[test]
fn an_unusable_home_is_an_error_of_its_own() {
    let room = Room::new();
    fs_err::write(room.path("file"), "x").expect("a file");
    let error = Library::open(&room.path("file/home")).expect_err("no directory");
    assert_eq!(error.kind(), ErrorKind::Home);
}

#[tokio::test]
async fn two_processes_share_a_library() {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    // Another handle has locks and numbers of its own, as a process has.
    let other = Library::open(&room.path("home")).expect("shared");
    let client = client::Client::new(client::Options::new("test/1")).expect("a client");
    let other = image::Images::new(client, Some(other), room.path("scratch"));
    let options = image::CopyOptions::default();
    let from = room.place("oci:@/in");
    let (here, there) = (room.place("local:a"), room.place("local:b"));
    let (one, two) = tokio::join!(
        room.images.copy(&from, &here, &options),
        other.copy(&from, &there, &options),
    );
    assert_eq!(one.expect("here").digest, two.expect("there").digest);
    let listed = room
        .images
        .library()
        .expect("a library")
        .list()
        .await
        .expect("a list");
    assert_eq!(listed.len(), 2);
    room.copy("local:b", "oci:@/out").await.expect("whole");
}

/// Writes a small file, and the directories above it.
fn write(path: &std::path::Path) {
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs_err::write(path, "x").expect("written");
}

#[test]
fn what_killed_processes_left_is_removed() {
    let room = Room::new();
    let home = room.path("home");
    let left = home.join("uploads/0123456789abcdef-4");
    write(&left);
    let _library = Library::open(&home).expect("opens");
    assert!(!left.exists());
}

#[test]
fn a_library_is_not_taken_for_something_else_nor_is_anything_for_a_library() {
    let room = Room::new();
    // As a registry's storage begins.
    let registry = room.path("registry");
    write(&registry.join("format"));
    let error = Library::open(&registry).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Home);
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    let told = "is no library of images: it has `format`, and no file `library`";
    assert!(cause.ends_with(told), "{cause}");
    assert_eq!(listing(&registry), ["format"]);

    // As another version will mark its own.
    let newer = room.path("newer");
    fs_err::create_dir(&newer).expect("made");
    fs_err::write(newer.join("library"), r#"{"library":2}"#).expect("written");
    let error = Library::open(&newer).expect_err("refused");
    assert!(error.to_string().ends_with(
        r#"is a library of another version: its file `library` is not `{"library":1}`"#
    ));

    // As it was before there was a mark.
    let old = room.path("old");
    write(&old.join("names/docker.io/x/1"));
    write(&old.join("blobs/sha256/00"));
    drop(Library::open(&old).expect("opens"));
    let marked = [
        "blobs/sha256/00",
        "library",
        "lock",
        "names/docker.io/x/1",
        "turn",
    ];
    assert_eq!(listing(&old), marked);
}

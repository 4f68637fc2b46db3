//! Docker archives as the programs of several years wrote them, and damaged
//! ones.

use oci::{Digest, MediaType};
use serde_json::{Value, json};
use tar::EntryType;

use crate::fixture::{Room, config, gzip, layer, listing, odd_tape, tape};

type Files = Vec<(String, Vec<u8>)>;

fn file(name: &str, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), content.into())
}

fn list(images: &Value) -> (String, Vec<u8>) {
    file("manifest.json", images.to_string())
}

/// Two layers and their image, with these names for them.
fn image(first: &str, second: &str) -> Files {
    let layers = [layer("a", b"one"), layer("b", b"two")];
    let [one, two] = layers.clone();
    vec![
        file("c.json", config("amd64", &layers)),
        file(first, one),
        file(second, two),
        list(&json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": [first, second]}])),
    ]
}

fn refused(bytes: &[u8]) -> String {
    let room = Room::new();
    fs_err::write(room.path("x.tar"), bytes).expect("a file");
    let images = room.images.clone().unpacking_at_most(1024 * 1024);
    let room = Room { images, ..room };
    let error = room.settled("docker-archive:@/x.tar", "oci:@/out:1");
    let outside = listing(room.directory.path());
    assert!(
        !outside
            .iter()
            .any(|file| file.ends_with("index.json") || file.contains(".wharf")),
        "{outside:?}"
    );
    error
}

#[tokio::test]
async fn every_shape_gives_the_same_image() {
    let layers = [layer("a", b"one"), layer("b", b"two")];
    let (one, two) = (Digest::sha256(&layers[0]), Digest::sha256(&layers[1]));
    let modern = image(
        &format!("blobs/sha256/{}", one.hex()),
        &format!("blobs/sha256/{}", two.hex()),
    );
    let legacy = image("111/layer.tar", "222/layer.tar");
    let config = config("amd64", &layers);
    let images =
        json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["1.tar", "2/layer.tar"]}])
            .to_string();
    let linked = odd_tape(&[
        ("2/", EntryType::Directory, "", b""),
        ("2/layer.tar", EntryType::Symlink, "../two.tar", b""),
        ("1.tar", EntryType::Link, "one.tar", b""),
        ("one.tar", EntryType::Regular, "", &layers[0]),
        ("two.tar", EntryType::Regular, "", &layers[1]),
        ("c.json", EntryType::Regular, "", &config),
        ("manifest.json", EntryType::Regular, "", images.as_bytes()),
    ]);
    let packed = gzip(&tape(&legacy));
    let mut digests = Vec::new();
    for bytes in [tape(&modern), tape(&legacy), linked, packed] {
        let room = Room::new();
        fs_err::write(room.path("x.tar"), bytes).expect("a file");
        let copied = room
            .copy("docker-archive:@/x.tar", "oci:@/out:1")
            .await
            .expect("an image");
        assert_eq!(copied.blobs_copied, 3);
        let mut expected = vec![
            format!("blobs/sha256/{}", one.hex()),
            format!("blobs/sha256/{}", two.hex()),
            format!("blobs/sha256/{}", Digest::sha256(&config).hex()),
            format!("blobs/sha256/{}", copied.digest.hex()),
            "index.json".to_owned(),
            "oci-layout".to_owned(),
        ];
        expected.sort();
        assert_eq!(listing(&room.path("out")), expected);
        digests.push(copied.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn compressed_layers_stay_as_they_are() {
    let mut files = image("1.tar", "2.tar");
    files[1].1 = gzip(&files[1].1);
    let packed = Digest::sha256(&files[1].1);
    let room = Room::new();
    fs_err::write(room.path("x.tar"), tape(&files)).expect("a file");
    room.copy("docker-archive:@/x.tar", "local:x")
        .await
        .expect("an image");
    let place = room.place("local:x");
    let inspected = room
        .images
        .inspect(&place, &image::PlatformChoice::All)
        .await
        .expect("an image");
    let layer = &inspected.manifest.layers()[0];
    assert_eq!(
        (&layer.media_type, layer.digest),
        (&MediaType::DOCKER_LAYER_GZIP, packed)
    );
    files[1].1 = gzip(b"something else");
    assert!(
        refused(&tape(&files))
            .starts_with("Mismatch: in the archive `@/x.tar`: the layer `1.tar` is not what its diff ID says: expected digest `sha256:")
    );
    files[1].1 = gzip(&vec![0; 2 * 1024 * 1024]);
    assert_eq!(
        refused(&tape(&files)),
        "Invalid: in the archive `@/x.tar`: the layer `1.tar` has more than 1048576 bytes when decompressed"
    );
    files[1].1 = gzip(b"x")[..12].to_vec();
    assert!(refused(&tape(&files)).starts_with(
        "Invalid: in the archive `@/x.tar`: the layer `1.tar` is no whole gzip stream"
    ));
    files[1].1 = vec![0x28, 0xb5, 0x2f, 0xfd, 0];
    assert_eq!(
        refused(&tape(&files)),
        "Unsupported: the layer `1.tar` is compressed with zstd, which is not supported yet"
    );
}

#[tokio::test]
async fn a_layer_may_be_listed_twice() {
    let one = layer("a", b"one");
    let twice = [one.clone(), one.clone()];
    let files = vec![
        file("c.json", config("amd64", &twice)),
        file("1.tar", one),
        list(&json!([{"Config": "c.json", "RepoTags": null, "Layers": ["1.tar", "1.tar"]}])),
    ];
    let room = Room::new();
    fs_err::write(room.path("x.tar"), tape(&files)).expect("a file");
    let copied = room
        .copy("docker-archive:@/x.tar", "docker-archive:@/y.tar")
        .await
        .expect("an image");
    assert_eq!(copied.blobs_copied, 2);
    let again = room
        .copy("docker-archive:@/y.tar", "local:x")
        .await
        .expect("an image");
    assert_eq!(again.digest, copied.digest);
    let place = room.place("local:x");
    let inspected = room
        .images
        .inspect(&place, &image::PlatformChoice::All)
        .await
        .expect("an image");
    assert_eq!(inspected.manifest.layers().len(), 2);
    // Listed twice where the config wants two different ones.
    let mut files = image("1.tar", "2.tar");
    files[3] = list(&json!([{"Config": "c.json", "Layers": ["1.tar", "1.tar"]}]));
    assert!(refused(&tape(&files)).starts_with("Mismatch: the content of `sha256:"));
}

#[tokio::test]
async fn one_of_several_images_has_to_be_named() {
    let mut files = image("1.tar", "2.tar");
    files[3] = list(&json!([
        {"Config": "c.json", "RepoTags": ["x:1", "localhost:5000/y:2"], "Layers": ["1.tar", "2.tar"]},
        {"Config": "gone.json", "RepoTags": ["z:3"], "Layers": []},
    ]));
    let room = Room::new();
    fs_err::write(room.path("x.tar"), tape(&files)).expect("a file");
    for (from, expected) in [
        (
            "docker-archive:@/x.tar",
            "Ambiguous: the archive `@/x.tar` has 2 images, choose one: `x:1`, `localhost:5000/y:2`, `z:3`",
        ),
        (
            "docker-archive:@/x.tar:w",
            "NotFound: the archive `@/x.tar` has no image `docker.io/library/w:latest`, only `x:1`, `localhost:5000/y:2`, `z:3`",
        ),
        (
            "docker-archive:@/x.tar:z:3",
            "NotFound: in the archive `@/x.tar`: the config `gone.json` is missing",
        ),
    ] {
        assert_eq!(room.refused(from, "local:x").await, expected);
    }
    for from in [
        "docker-archive:@/x.tar:x:1",
        "docker-archive:@/x.tar:localhost:5000/y:2",
    ] {
        room.copy(from, "local:x").await.expect(from);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table reads well at length")]
fn damaged_ones_are_refused() {
    let good = image("1.tar", "2.tar");
    let without = |at: usize| {
        let mut files = good.clone();
        files.remove(at);
        tape(&files)
    };
    let listing = |text: &str| {
        let mut files = good.clone();
        files[3] = file("manifest.json", text);
        tape(&files)
    };
    let config = |text: &str| {
        let mut files = good.clone();
        files[0] = file("c.json", text);
        tape(&files)
    };
    let wrong = {
        let mut files = good.clone();
        files[2].1[600] ^= 1;
        tape(&files)
    };
    let huge = listing(&format!("[{}]", " ".repeat(4 * 1024 * 1024)));
    for (bytes, expected) in [
        (
            without(0),
            "NotFound: in the archive `@/x.tar`: the config `c.json` is missing",
        ),
        (
            without(1),
            "NotFound: in the archive `@/x.tar`: the layer `1.tar` is missing",
        ),
        (
            without(3),
            "Invalid: in the archive `@/x.tar`: there is no `manifest.json`, so it is no docker archive",
        ),
        (
            listing("not JSON"),
            "Invalid: in the archive `@/x.tar`: `manifest.json` does not list images: expected ident",
        ),
        (
            listing("{}"),
            "Invalid: in the archive `@/x.tar`: `manifest.json` does not list images: invalid type",
        ),
        (
            listing("[]"),
            "NotFound: the archive `@/x.tar` has no image",
        ),
        (
            huge,
            "Invalid: in the archive `@/x.tar`: `manifest.json` has 4194306 bytes, more than the 4194304 that are read",
        ),
        (
            listing(r#"[{"Config":"c.json","Layers":["1.tar"]}]"#),
            "Invalid: in the archive `@/x.tar`: `manifest.json` lists 1 layers and the config 2;",
        ),
        (
            listing(r#"[{"Config":"../../c.json","Layers":[]}]"#),
            "Invalid: in the archive `@/x.tar`: the name `../../c.json` leads out of it",
        ),
        (
            listing(r#"[{"Config":"/etc/passwd","Layers":[]}]"#),
            "Invalid: in the archive `@/x.tar`: the name `/etc/passwd` leads out of it",
        ),
        (
            config("{}"),
            "Invalid: in the archive `@/x.tar`: `c.json` is no config of an image: ",
        ),
        (
            config(
                r#"{"architecture":"a","os":"b","rootfs":{"type":"layers","diff_ids":["../x"]}}"#,
            ),
            "Invalid: in the archive `@/x.tar`: `c.json` is no config of an image: ",
        ),
        (wrong, "Mismatch: the content of `sha256:"),
    ] {
        let error = refused(&bytes);
        assert!(error.starts_with(expected), "{error}\n{expected}");
    }
    let loops = odd_tape(&[
        ("manifest.json", EntryType::Symlink, "b", b""),
        ("b", EntryType::Symlink, "manifest.json", b""),
    ]);
    assert_eq!(
        refused(&loops),
        "Invalid: in the archive `@/x.tar`: more than 8 links follow one another from `manifest.json`"
    );
}

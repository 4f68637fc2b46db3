//! Where other builders' digests come to differ, one test a source: what is so
//! on this machine and not on another must not show in any byte.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use builder::Built;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::scene::Scene;

const BLOCK: usize = 512;

/// Builds a small tree before and after something is done to it, and expects
/// no other image.
async fn shows_nothing(deed: impl FnOnce(&Scene)) {
    let scene = furnished();
    let before = copied(&scene).await;
    deed(&scene);
    let after = copied(&scene).await;
    assert_eq!(before.descriptor, after.descriptor);
    // The cache may not be what makes them equal.
    let mut request = scene.request(COPIES);
    request.cache = builder::Cache::Refresh;
    let anew = scene.run(request).await.expect("it can be built");
    assert_eq!(before.descriptor, anew.descriptor);
}

const COPIES: &str = "FROM scratch\nCOPY . /srv/deep/\n";

fn furnished() -> Scene {
    let scene = Scene::new();
    scene.write("a", "first");
    scene.write("d/b", "second");
    scene.write("d/c", vec![0; 100_000]);
    scene
}

async fn copied(scene: &Scene) -> Built {
    scene.build(COPIES).await
}

fn set_times(path: &Path, atime: Timespec, mtime: Timespec) {
    let times = Timestamps {
        last_access: atime,
        last_modification: mtime,
    };
    let set = rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    set.expect("our own file");
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(path, permissions).expect("our own file");
}

/// Lists the headers of a layer of short names and plain files.
fn headers(bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while rest[0] != 0 {
        let (header, after) = rest.split_at(BLOCK);
        let size = std::str::from_utf8(&header[124..135]).expect("digits");
        let size = usize::from_str_radix(size, 8).expect("octal digits");
        found.push(header);
        rest = &after[size.div_ceil(BLOCK) * BLOCK..];
    }
    found
}

#[tokio::test]
async fn times_of_files_show_nothing_whether_old_or_new() {
    for seconds in [0, 1, 86_400, 1_700_000_000, 4_102_444_800] {
        shows_nothing(|scene| {
            let time = Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            };
            for name in ["a", "d/b", "d", "."] {
                set_times(&scene.path(name), time, time);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn parts_of_seconds_and_times_of_access_and_change_show_nothing() {
    shows_nothing(|scene| {
        let part = Timespec {
            tv_sec: 5,
            tv_nsec: 123_456_789,
        };
        let other = Timespec {
            tv_sec: 6,
            tv_nsec: 999_999_999,
        };
        set_times(&scene.path("a"), part, other);
        // Each sets the time of change.
        set_mode(&scene.path("d/b"), 0o600);
        set_mode(&scene.path("d/b"), 0o644);
    })
    .await;
}

#[tokio::test]
async fn the_order_in_which_files_were_made_shows_nothing() {
    let mut digests = Vec::new();
    for backwards in [false, true] {
        let scene = Scene::new();
        let mut numbers: Vec<u32> = (0..200).collect();
        if backwards {
            numbers.reverse();
        }
        for number in numbers {
            scene.write(&format!("d/{number}"), number.to_string());
        }
        digests.push(copied(&scene).await.descriptor);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn what_a_directory_once_held_shows_nothing() {
    shows_nothing(|scene| {
        for number in 0..2000 {
            scene.write(&format!("d/{number}"), "");
        }
        for number in 0..2000 {
            fs_err::remove_file(scene.path(&format!("d/{number}"))).expect("just made");
        }
    })
    .await;
}

#[tokio::test]
async fn parents_that_are_made_have_the_time_of_the_build() {
    let scene = furnished();
    let built = copied(&scene).await;
    let bytes = scene.unpacked(&built, 0).await;
    let names: Vec<(&[u8], &[u8])> = headers(&bytes)
        .iter()
        .map(|header| {
            let end = header.iter().position(|byte| *byte == 0);
            (&header[..end.expect("a short name")], &header[136..147])
        })
        .collect();
    let zero: &[u8] = b"00000000000";
    let expected: [&[u8]; 6] = [
        b"srv/",
        b"srv/deep/",
        b"srv/deep/a",
        b"srv/deep/d/",
        b"srv/deep/d/b",
        b"srv/deep/d/c",
    ];
    assert_eq!(names, expected.map(|name| (name, zero)));
}

#[tokio::test]
async fn headers_say_no_more_than_they_have_to() {
    let scene = furnished();
    let built = copied(&scene).await;
    let bytes = scene.unpacked(&built, 0).await;
    for header in headers(&bytes) {
        // Permissions alone, no kind; owners by number, not by name.
        let mode = &header[100..108];
        assert!(
            [b"0000644\0", b"0000755\0"]
                .iter()
                .any(|known| mode == *known)
        );
        assert_eq!(&header[108..124], b"0000000\x000000000\0");
        assert_eq!(&header[257..265], b"ustar\x0000");
        assert_eq!(header[265..329], [0; 64], "the names of the owners");
        assert!([b'0', b'5'].contains(&header[156]), "no extended headers");
    }
    // Two blocks of zeros end it, and nothing is filled up to a larger unit.
    let content: usize = [5, 6, 100_000]
        .iter()
        .map(|size: &usize| size.div_ceil(BLOCK))
        .sum();
    assert_eq!(bytes.len(), (6 + content + 2) * BLOCK);
}

#[tokio::test]
async fn the_first_name_is_the_file_whichever_was_made_first() {
    let mut digests = Vec::new();
    for order in [["m", "k", "z"], ["z", "m", "k"], ["k", "z", "m"]] {
        let scene = Scene::new();
        scene.write(order[0], "one file");
        for name in &order[1..] {
            fs_err::hard_link(scene.path(order[0]), scene.path(name)).expect("one file system");
        }
        let built = copied(&scene).await;
        let bytes = scene.unpacked(&built, 0).await;
        let links: Vec<u8> = headers(&bytes).iter().map(|header| header[156]).collect();
        assert_eq!(links, *b"55011");
        for link in &headers(&bytes)[3..] {
            // Of an absolute path other programs make another file.
            assert_eq!(&link[157..168], b"srv/deep/k\0");
        }
        digests.push(built.descriptor);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn a_umask_shows_nothing() {
    for (file, directory) in [
        (0o600, 0o700),
        (0o640, 0o750),
        (0o664, 0o775),
        (0o666, 0o777),
    ] {
        shows_nothing(|scene| {
            for name in ["a", "d/b", "d/c"] {
                set_mode(&scene.path(name), file);
            }
            for name in ["d", "."] {
                set_mode(&scene.path(name), directory);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn owners_show_nothing() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give files to others");
        return;
    }
    shows_nothing(|scene| {
        for (number, name) in ["a", "d/b", "d"].into_iter().enumerate() {
            let id = 3_000_000_000 + u32::try_from(number).expect("small");
            let path = scene.path(name);
            fs_err::os::unix::fs::chown(path, Some(id), Some(id)).expect("root may");
        }
    })
    .await;
}

#[tokio::test]
async fn attributes_show_nothing() {
    let set = |scene: &Scene| {
        rustix::fs::setxattr(scene.path("a"), "user.note", b"mine", XattrFlags::empty())
    };
    if set(&furnished()) == Err(Errno::NOTSUP) {
        println!("skipped: this file system keeps no extended attributes");
        return;
    }
    shows_nothing(|scene| set(scene).expect("it can be set")).await;
}

#[tokio::test]
async fn holes_in_files_show_nothing() {
    shows_nothing(|scene| {
        let path = scene.path("d/c");
        fs_err::remove_file(&path).expect("made before");
        let file = fs_err::File::create(&path).expect("writable");
        file.set_len(100_000).expect("writable");
    })
    .await;
}

#[tokio::test]
async fn the_clock_shows_nothing() {
    let scene = furnished();
    let built = copied(&scene).await;
    let config: Value =
        serde_json::from_slice(&scene.blob(&built.images[0].config).await).expect("a config");
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    let history = config["history"].as_array().expect("a list");
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["created"], "1970-01-01T00:00:00Z");
}

#[tokio::test]
async fn neither_builder_nor_machine_leaves_a_mark() {
    let scene = furnished();
    let built = copied(&scene).await;
    let config: Value =
        serde_json::from_slice(&scene.blob(&built.images[0].config).await).expect("a config");
    let keys: Vec<&str> = config
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "created",
            "architecture",
            "os",
            "config",
            "rootfs",
            "history"
        ]
    );
    assert_eq!(config["config"]["Labels"], Value::Null);
    assert_eq!(
        config["history"],
        json!([{"created": "1970-01-01T00:00:00Z", "created_by": "COPY . /srv/deep/"}])
    );
    let manifest: Value =
        serde_json::from_slice(&scene.blob(&built.descriptor.digest).await).expect("a manifest");
    assert_eq!(manifest["annotations"], Value::Null);
    assert_eq!(manifest["subject"], Value::Null);
}

#[tokio::test]
async fn the_compressor_names_neither_time_nor_system() {
    let scene = furnished();
    let built = copied(&scene).await;
    let packed = scene
        .blob(&built.images[0].layers[0].descriptor.digest)
        .await;
    // No flags and no name; a time of 0; no hint of the level; system unknown.
    assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
}

#[tokio::test]
async fn the_spelling_of_a_platform_shows_nothing() {
    let scene = furnished();
    let mut digests = Vec::new();
    for (architecture, variant) in [("arm64", None), ("arm64", Some("v8")), ("aarch64", None)] {
        let mut request = scene.request(COPIES);
        request.platforms[0].architecture = architecture.to_owned();
        request.platforms[0].variant = variant.map(ToOwned::to_owned);
        let built = scene.run(request).await.expect("it can be built");
        digests.push(built.descriptor.digest);
        let stated = variant.map_or_else(String::new, |variant| format!("/{variant}"));
        let file =
            format!("FROM --platform=linux/{architecture}{stated} scratch\nCOPY . /srv/deep/\n");
        digests.push(scene.build(&file).await.descriptor.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

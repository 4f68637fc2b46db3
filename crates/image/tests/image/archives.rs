//! OCI archives that are damaged or meant to do harm: each is refused with a
//! text that says what and where, and nothing is written.

use std::io::Write as _;

use tar::EntryType;

use crate::fixture::{Content, Room, gzip, listing, odd_tape, tape};

/// Refuses an archive, and gives the error.
fn refused(bytes: &[u8]) -> String {
    let room = Room::new();
    fs_err::write(room.path("x.tar"), bytes).expect("a file");
    let images = room.images.clone().unpacking_at_most(1024 * 1024);
    let room = Room { images, ..room };
    let error = room.settled("oci-archive:@/x.tar", "oci:@/out:1");
    let outside = listing(room.directory.path());
    assert!(
        outside
            .iter()
            .all(|file| file == "x.tar" || file.starts_with("home/")),
        "{outside:?}"
    );
    error
}

fn good() -> Vec<(String, Vec<u8>)> {
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    content.layout(&[("", &image)])
}

#[test]
fn entries_that_lead_elsewhere_are_refused() {
    for (name, expected) in [
        ("../evil", "the entry `../evil` leads out of it"),
        ("/etc/evil", "the entry `/etc/evil` leads out of it"),
        ("a/../../evil", "the entry `a/../../evil` leads out of it"),
    ] {
        let bytes = odd_tape(&[(name, EntryType::Regular, "", b"x")]);
        assert_eq!(
            refused(&bytes),
            format!("Invalid: in the archive `@/x.tar`: {expected}")
        );
    }
}

#[test]
fn links_stay_inside_and_end() {
    for (link, target, expected) in [
        (
            EntryType::Symlink,
            "/etc/passwd",
            "the link `oci-layout` leads out of it",
        ),
        (
            EntryType::Symlink,
            "../x",
            "the link `oci-layout` leads out of it",
        ),
        (
            EntryType::Link,
            "../x",
            "the link `oci-layout` leads out of it",
        ),
        (
            EntryType::Symlink,
            "oci-layout",
            "more than 8 links follow one another from `oci-layout`",
        ),
    ] {
        let bytes = odd_tape(&[("oci-layout", link, target, b"")]);
        assert_eq!(
            refused(&bytes),
            format!("Invalid: in the archive `@/x.tar`: {expected}")
        );
    }
}

#[test]
fn entries_that_no_image_has_are_refused() {
    for (kind, shown) in [
        (EntryType::GNUSparse, "S"),
        (EntryType::Char, "3"),
        (EntryType::Block, "4"),
        (EntryType::Fifo, "6"),
        (EntryType::Continuous, "7"),
        (EntryType::new(b'?'), "?"),
    ] {
        let bytes = odd_tape(&[("dev", kind, "", b"")]);
        assert_eq!(
            refused(&bytes),
            format!(
                "Invalid: in the archive `@/x.tar`: the entry `dev` is of type `{shown}`, which has no place in it"
            )
        );
    }
    let sparse = odd_tape(&[("x", EntryType::XHeader, "", b"22 GNU.sparse.major=1\n")]);
    assert_eq!(
        refused(&sparse),
        "Invalid: in the archive `@/x.tar`: a sparse file at its start"
    );
}

#[test]
fn duplicates_are_refused() {
    for second in ["index.json", "./index.json", "index.json/"] {
        let bytes = odd_tape(&[
            ("index.json", EntryType::Regular, "", b"{}"),
            (second, EntryType::Regular, "", b"{}"),
        ]);
        assert_eq!(
            refused(&bytes),
            "Invalid: in the archive `@/x.tar`: the entry `index.json` is there twice"
        );
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    for (bytes, expected) in [
        (b"".to_vec(), "Invalid: `@/x.tar` is no tar archive".to_owned()),
        (b"hello".to_vec(), "Invalid: `@/x.tar` is no tar archive".to_owned()),
        (vec![b'x'; 4096], "Invalid: `@/x.tar` is no tar archive".to_owned()),
        (
            vec![0; 1024],
            "Invalid: `@/x.tar` is no OCI layout: it has no `oci-layout`".to_owned(),
        ),
        (
            vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0],
            "Unsupported: the archive `@/x.tar` is compressed with zstd, only gzip is supported".to_owned(),
        ),
        (
            tape(&[("oci-layout".into(), b"{}".to_vec())]),
            "Invalid: `@/x.tar` has an `oci-layout` that can not be read: missing field `imageLayoutVersion` at line 1 column 2".to_owned(),
        ),
        (
            tape(&[("oci-layout".into(), br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec())]),
            "Unsupported: `@/x.tar` is an OCI layout of version `2.0.0`, only 1.x is supported".to_owned(),
        ),
        (
            tape(&[
                ("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
                ("index.json".into(), b"not JSON".to_vec()),
            ]),
            "Invalid: `@/x.tar` has an `index.json` that is no image index: expected ident at line 1 column 2".to_owned(),
        ),
        (
            odd_tape(&[("a\u{fffd}", EntryType::XHeader, "", b"99 path=x\n")]),
            "Invalid: `@/x.tar` is no tar archive".to_owned(),
        ),
        (
            odd_tape(&[("x", EntryType::GNULongName, "", &[b'a'; 5000])]),
            "Invalid: in the archive `@/x.tar`: an extended header has 5000 bytes, more than 4096 at its start".to_owned(),
        ),
    ] {
        assert_eq!(refused(&bytes), expected);
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let whole = tape(&good());
    for cut in (0..whole.len() - 1024).step_by(509) {
        let error = refused(&whole[..cut]);
        assert!(
            error
                .starts_with("Invalid: in the archive `@/x.tar`: it is cut off behind the entry `")
                || error
                    .starts_with("Invalid: in the archive `@/x.tar`: it is cut off at its start")
                || error == "Invalid: `@/x.tar` is no tar archive",
            "{cut}: {error}"
        );
    }
    let packed = gzip(&whole);
    for cut in [3, 20, packed.len() / 2, packed.len() - 1] {
        let error = refused(&packed[..cut]);
        assert!(
            error.starts_with("Invalid: the archive `@/x.tar` is no whole gzip stream"),
            "{cut}: {error}"
        );
    }
}

#[test]
fn a_bomb_is_refused() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&[0; 1024 * 1024]).expect("memory");
    }
    assert_eq!(
        refused(&bomb.finish().expect("memory")),
        "Invalid: the archive `@/x.tar` has more than 1048576 bytes when decompressed"
    );
    // A header that promises more than there is.
    let mut promise = odd_tape(&[("big", EntryType::Regular, "", b"")]);
    promise[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 = promise[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    promise[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(
        refused(&promise),
        "Invalid: `@/x.tar` is no tar archive".replace(
            "`@/x.tar` is no tar archive",
            "in the archive `@/x.tar`: it is cut off at its start"
        )
    );
}

#[tokio::test]
async fn archives_of_other_programs_are_read() {
    let files: Vec<_> = good()
        .into_iter()
        .rev()
        .map(|(name, content)| (format!("./{name}"), content))
        .collect();
    let room = Room::new();
    fs_err::write(room.path("dots.tar"), tape(&files)).expect("a file");
    fs_err::write(room.path("gzip.tar"), gzip(&tape(&files))).expect("a file");
    let one = room
        .copy("oci-archive:@/dots.tar", "local:x")
        .await
        .expect("dots");
    let two = room
        .copy("oci-archive:@/gzip.tar", "oci:@/out")
        .await
        .expect("gzip");
    assert_eq!(one.digest, two.digest);
    assert_eq!(listing(&room.path("scratch")), Vec::<String>::new());
    let copied = room.copy("oci:@/out", "oci-archive:@/out/none/a.tar").await;
    assert_eq!(
        copied.expect_err("no directory").kind(),
        image::ErrorKind::Storage
    );
}

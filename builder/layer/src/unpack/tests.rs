use std::io::Read;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;

use super::*;
use crate::entry::{DeviceKind, Metadata};
use crate::error::ErrorKind;
use crate::index::LayerIndex;
use crate::sample::{archive, every_kind, path};
use crate::time::Time;
use crate::tree::File;

/// Is an archive in memory.
struct Memory {
    archive: Vec<u8>,
    index: LayerIndex,
}

impl Contents for Memory {
    fn open(&self, place: ContentPlace, size: u64) -> Result<Box<dyn Read + Send + '_>, Error> {
        let record = &self.index.records()[usize::try_from(place.position).expect("small")];
        let stored = record.content.as_ref().expect("a file");
        let content =
            &self.archive[usize::try_from(stored.offset.expect("whole")).expect("small")..];
        Ok(Box::new(content.take(size)))
    }
}

/// Gives the same bytes for each file, whatever its size.
struct Same(&'static [u8]);

impl Contents for Same {
    fn open(&self, _: ContentPlace, _: u64) -> Result<Box<dyn Read + Send + '_>, Error> {
        Ok(Box::new(self.0))
    }
}

fn node(mode: u16, mtime: i64, kind: NodeKind) -> Node {
    let metadata = Metadata {
        mode,
        mtime: Time::from_seconds(mtime),
        ..Metadata::default()
    };
    Node { metadata, kind }
}

fn file(position: u64, size: u64) -> NodeKind {
    let place = ContentPlace {
        origin: 0,
        position,
    };
    NodeKind::File(File {
        size,
        place,
        digest: None,
    })
}

fn put(tree: &mut Tree, at: &str, node: Node) {
    tree.insert(&path(at), node).expect("in order");
}

fn directory(mode: u16) -> Node {
    node(mode, 5, Node::directory(Metadata::default()).kind)
}

/// Gives a tree with one file of three bytes in a directory.
fn small() -> Tree {
    let mut tree = Tree::new();
    put(&mut tree, "d", directory(0o755));
    put(&mut tree, "d/f", node(0o644, 7, file(0, 3)));
    tree
}

fn unpacked(tree: &Tree, into: &Path) -> Result<Unpacked, Error> {
    unpack(
        tree,
        &Same(b"abc"),
        &Directory::open(into).expect("it is there"),
    )
}

#[test]
fn all_that_is_in_a_tree_is_on_disk() {
    let archive = archive(&every_kind());
    let index = LayerIndex::read(&mut archive.as_slice()).expect("valid");
    let mut tree = Tree::new();
    tree.apply(0, &index).expect("well formed");
    let contents = Memory { archive, index };
    let into = tempfile::tempdir().expect("space");
    let directory = Directory::open(into.path()).expect("it is there");
    // Again, over what is there, it is the same.
    for _ in 0..2 {
        let unpacked = unpack(&tree, &contents, &directory).expect("space");
        assert_eq!(
            unpacked.skipped,
            ["dev/block", "dev/far", "dev/null"].map(path)
        );
        for (at, node) in tree.walk(&EntryPath::root()).skip(1) {
            let found = directory.stat(&at).expect("readable");
            let Some(found) = found else {
                assert!(unpacked.skipped.contains(&at), "{at}");
                continue;
            };
            // A time may be more than the file system has room for.
            assert_eq!(
                found.mtime.0,
                node.metadata.mtime.seconds().min(0x3_7fff_ffff),
                "{at}"
            );
            if let NodeKind::Symlink { target } = &node.kind {
                assert_eq!(directory.link(&at).expect("a link"), *target);
                continue;
            }
            let mode = match node.kind {
                NodeKind::File(_) => node.metadata.mode & !SET_ID,
                _ => node.metadata.mode,
            };
            assert_eq!(found.mode, mode, "{at}");
            if let NodeKind::File(file) = &node.kind {
                assert_eq!(found.size, file.size, "{at}");
                // Only root may read what nobody may read.
                if found.mode & 0o400 == 0 {
                    continue;
                }
                let (mut read, mut expected) = (Vec::new(), Vec::new());
                directory
                    .read(&at, &found)
                    .expect("a file")
                    .read_to_end(&mut read)
                    .expect("readable");
                contents
                    .open(file.place, file.size)
                    .expect("it is there")
                    .read_to_end(&mut expected)
                    .expect("memory");
                assert!(read == expected, "{at}");
            }
        }
        let links = ["first", "second", "third"].map(|name| {
            let found = fs_err::metadata(into.path().join("dir").join(name)).expect("it is there");
            (found.ino(), found.nlink())
        });
        assert_eq!(links, [(links[0].0, 3); 3]);
        let pipe = fs_err::symlink_metadata(into.path().join("dev/pipe")).expect("it is there");
        assert!(pipe.file_type().is_fifo());
    }
}

#[test]
fn links_that_are_there_are_not_followed() {
    let (into, outside) = (
        tempfile::tempdir().expect("space"),
        tempfile::tempdir().expect("space"),
    );
    let victim = outside.path().join("f");
    fs_err::write(&victim, "untouched").expect("space");
    // In the place of the directory, of the file, and of both.
    symlink(outside.path(), into.path().join("d")).expect("space");
    unpacked(&small(), into.path()).expect("the link is replaced");
    assert!(
        fs_err::symlink_metadata(into.path().join("d"))
            .expect("it is there")
            .is_dir()
    );
    fs_err::remove_file(into.path().join("d/f")).expect("it is there");
    symlink(&victim, into.path().join("d/f")).expect("space");
    unpacked(&small(), into.path()).expect("the link is replaced");
    assert_eq!(
        fs_err::read(into.path().join("d/f")).expect("a file"),
        b"abc"
    );
    // A second name of a file of others is not written through.
    fs_err::remove_file(into.path().join("d/f")).expect("it is there");
    fs_err::hard_link(&victim, into.path().join("d/f")).expect("the same disk");
    unpacked(&small(), into.path()).expect("the name is replaced");
    assert_eq!(fs_err::read(&victim).expect("a file"), b"untouched");
    let found = fs_err::metadata(&victim).expect("a file");
    assert_ne!(found.mtime(), 7);
    // Links of the tree itself lead out, and are not followed either.
    let mut tree = small();
    put(
        &mut tree,
        "out",
        node(
            0o777,
            0,
            NodeKind::Symlink {
                target: b"/tmp"[..].into(),
            },
        ),
    );
    unpacked(&tree, into.path()).expect("a link");
    assert_eq!(
        fs_err::read_dir(outside.path())
            .expect("it is there")
            .count(),
        1
    );
}

#[test]
fn what_is_there_stays_or_gives_way() {
    let into = tempfile::tempdir().expect("space");
    let at = |name: &str| into.path().join(name);
    fs_err::create_dir_all(at("d/f")).expect("space");
    fs_err::write(at("d/other"), "stays").expect("space");
    unpacked(&small(), into.path()).expect("an empty directory gives way");
    assert_eq!(fs_err::read(at("d/f")).expect("a file"), b"abc");
    assert_eq!(fs_err::read(at("d/other")).expect("a file"), b"stays");
    fs_err::remove_file(at("d/f")).expect("it is there");
    fs_err::create_dir_all(at("d/f/x")).expect("space");
    let error = unpacked(&small(), into.path()).expect_err("it has something");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(at("d/f/x").exists());
}

#[test]
fn times_and_permissions_are_set_when_all_is_in_place() {
    let into = tempfile::tempdir().expect("space");
    let mut tree = small();
    put(&mut tree, "shut", directory(0o555));
    put(&mut tree, "shut/in", directory(0o1777));
    put(&mut tree, "shut/in/f", node(0o4711, -3, file(1, 3)));
    // Again, into a directory that does not let its owner write.
    for _ in 0..2 {
        let said = unpacked(&tree, into.path()).expect("space");
        // Its owner here is not the one that it would run as.
        assert_eq!(
            said.weakened,
            [EntryPath::parse(b"shut/in/f").expect("valid")]
        );
        for (name, mode, mtime) in [
            ("shut", 0o555, 5),
            ("shut/in", 0o1777, 5),
            ("shut/in/f", 0o711, -3),
        ] {
            let found = fs_err::metadata(into.path().join(name)).expect("it is there");
            assert_eq!(
                (found.mode() & 0o7777, found.mtime()),
                (mode, mtime),
                "{name}"
            );
        }
    }
}

#[test]
fn devices_are_named_and_not_made() {
    let into = tempfile::tempdir().expect("space");
    let mut tree = small();
    let kind = NodeKind::Device {
        kind: DeviceKind::Block,
        major: 8,
        minor: 0,
    };
    put(&mut tree, "d/disk", node(0o600, 0, kind));
    let unpacked = unpacked(&tree, into.path()).expect("space");
    assert_eq!(unpacked.skipped, [path("d/disk")]);
    assert!(!into.path().join("d/disk").exists());
}

#[test]
fn files_are_as_long_as_the_tree_says() {
    for size in [2, 4] {
        let into = tempfile::tempdir().expect("space");
        let mut tree = small();
        put(&mut tree, "d/f", node(0o644, 0, file(0, size)));
        let error = unpacked(&tree, into.path()).expect_err("three bytes");
        assert_eq!(error.kind(), ErrorKind::Changed);
        assert!(error.to_string().contains("`/d/f`"), "{error}");
    }
}

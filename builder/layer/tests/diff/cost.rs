//! The time that a diff takes grows with what changed, not with the file system.

use std::time::{Duration, Instant};

use layer::{
    ContentPlace, Diff, EntryPath, File, Form, Metadata, Node, NodeKind, Observation, Seen,
    SeenKind, Time, Tree, diff,
};
use oci::Digest;

use crate::stage::{CLAMP, EPOCH, RIGHTS};

const NAMES: u64 = 100;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("as the test made it")
}

fn known(mode: u16) -> Metadata {
    Metadata {
        mode,
        mtime: Time::from_seconds(EPOCH),
        ..Metadata::default()
    }
}

/// Makes a tree with so many directories of a hundred files.
fn tree(directories: u64) -> Tree {
    let mut tree = Tree::new();
    tree.insert(&path(""), Node::directory(known(0o755)))
        .expect("as the test made it");
    for directory in 0..directories {
        let at = path(&format!("{directory:05}"));
        tree.insert(&at, Node::directory(known(0o755)))
            .expect("as the test made it");
        for name in 0..NAMES {
            let file = File {
                size: 1,
                place: ContentPlace {
                    origin: 0,
                    position: directory * NAMES + name,
                },
                digest: Some(Digest::sha256(b"a")),
            };
            let node = Node {
                metadata: known(0o644),
                kind: NodeKind::File(file),
            };
            let at = at.child(format!("{name:03}").as_bytes());
            tree.insert(&at, node).expect("as the test made it");
        }
    }
    tree
}

/// Gives what is seen of one file that changed, as an overlay shows it.
fn observation() -> Observation {
    let seen = |text: &str, kind, mode| Seen {
        path: path(text),
        kind,
        metadata: known(mode),
        inode: (1, text.len() as u64),
    };
    let directory = || SeenKind::Directory { opaque: false };
    let kind = SeenKind::File {
        size: 1,
        digest: Digest::sha256(b"b"),
    };
    Observation {
        seen: vec![
            seen("", directory(), 0o755),
            seen("00005", directory(), 0o755),
            seen("00005/050", kind, 0o644),
        ],
        gone: vec![path("00006")],
    }
}

fn timed(tree: &Tree, observation: &Observation) -> (Diff, Duration) {
    let form = Form::Overlay {
        marks: layer::Marks::Trusted,
    };
    let times = (0..50).map(|_| {
        let start = Instant::now();
        let diff = diff(tree, observation, CLAMP, (form, RIGHTS)).expect("as the test made it");
        (diff, start.elapsed())
    });
    times
        .min_by_key(|(_, time)| *time)
        .expect("as the test made it")
}

#[test]
fn one_file_costs_the_same_in_any_tree() {
    let (few, many) = (tree(10), tree(10_000));
    let observation = observation();
    let (first, of_few) = timed(&few, &observation);
    let (second, of_many) = timed(&many, &observation);
    assert_eq!(first, second);
    assert_eq!(first.changed.len(), 2);
    println!("1,000 files: {of_few:?}; 1,000,000 files: {of_many:?}");
    // The depth of the tables alone, and a clock that others share.
    assert!(of_many < of_few * 20 + Duration::from_millis(1));
}

use std::sync::Arc;

use layer::{ContentPlace, File, Node, NodeKind};

use super::*;

pub(super) fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("a path")
}

/// Makes a tree of paths: `a/` is a directory, `a>b` a link, others are files.
fn tree(texts: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for (number, text) in (1_u32..).zip(texts) {
        let (at, kind) = match text.split_once('>') {
            Some((at, target)) => (
                at,
                NodeKind::Symlink {
                    target: target.as_bytes().into(),
                },
            ),
            None if text.ends_with('/') => (*text, NodeKind::Directory(Arc::default())),
            None => {
                let place = ContentPlace {
                    origin: 0,
                    position: u64::from(number),
                };
                let (size, digest) = (1, None);
                let file = File {
                    size,
                    place,
                    digest,
                };
                (*text, NodeKind::File(file))
            }
        };
        let metadata = Metadata {
            mode: 0o700,
            uid: number,
            ..Metadata::default()
        };
        let node = Node { metadata, kind };
        tree.insert(&path(at), node).expect("a parent");
    }
    tree
}

fn target(text: &str, shape: Shape) -> Target {
    Target {
        path: path(text),
        shape,
    }
}

/// Prints an operation: path, kind, mode, owner, time.
fn print(operation: &Operation) -> String {
    let (path, kind, metadata) = match operation {
        Operation::Directory { path, metadata, .. } => (path, "directory", metadata),
        Operation::File {
            path,
            metadata,
            size: 0,
            offset: 0,
        } => (path, "file", metadata),
        other => panic!("{other:?}"),
    };
    let Metadata {
        mode, uid, mtime, ..
    } = metadata;
    format!("{path} {kind} {mode:o} {uid} {mtime}")
}

#[test]
fn what_is_there_needs_nothing() {
    let tree = tree(&[
        "proc/",
        "sys/",
        "dev/",
        "etc/",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/hostname",
    ]);
    let standing = standing(&tree).expect("places");
    let stubs = stubs(&tree, &standing, Time::from_seconds(9)).expect("stubs");
    assert_eq!(stubs, Stubs::default());
}

#[test]
fn an_empty_image_gets_everything() {
    let tree = Tree::new();
    let standing = standing(&tree).expect("places");
    let stubs = stubs(&tree, &standing, Time::from_seconds(9)).expect("stubs");
    let made: Vec<String> = stubs.operations.iter().map(print).collect();
    assert_eq!(
        made,
        [
            "/ directory 755 0 0",
            "/dev directory 755 0 9",
            "/etc directory 755 0 9",
            "/etc/hostname file 644 0 9",
            "/etc/hosts file 644 0 9",
            "/etc/resolv.conf file 644 0 9",
            "/proc directory 755 0 9",
            "/sys directory 755 0 9",
        ]
    );
    let created: Vec<String> = stubs.created.iter().map(ToString::to_string).collect();
    assert_eq!(
        created,
        [
            "/dev",
            "/etc",
            "/etc/hostname",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/proc",
            "/sys"
        ]
    );
}

#[test]
fn directories_on_the_way_stay_as_they_are() {
    let tree = tree(&["a/", "a/b/", "a/f", "c/"]);
    let targets = [
        target("a/b/c/d", Shape::Directory),
        target("a/b/c", Shape::Directory),
        target("a/b/c/e", Shape::File),
        target("a/f", Shape::File),
        target("c", Shape::Directory),
    ];
    let stubs = stubs(&tree, &targets, Time::from_seconds(9)).expect("stubs");
    let made: Vec<String> = stubs.operations.iter().map(print).collect();
    assert_eq!(
        made,
        [
            "/ directory 755 0 0",
            "/a directory 700 1 0",
            "/a/b directory 700 2 0",
            "/a/b/c directory 755 0 9",
            "/a/b/c/d directory 755 0 9",
            "/a/b/c/e file 644 0 9",
        ]
    );
    assert_eq!(stubs.created, ["a/b/c", "a/b/c/d", "a/b/c/e"].map(path));
}

#[test]
fn links_are_followed_to_files_and_may_lead_to_nothing() {
    let tree = tree(&[
        "etc/",
        "etc/resolv.conf>../run/systemd/resolv.conf",
        "etc/hosts>/data",
    ]);
    let places = standing(&tree).expect("places");
    assert_eq!(
        places[3..],
        [
            target("data", Shape::File),
            target("run/systemd/resolv.conf", Shape::File),
            target("etc/hostname", Shape::File),
        ]
    );
    let made = stubs(&tree, &places, Time::default()).expect("stubs");
    assert!(made.created.contains(&path("run/systemd")));
    assert!(!made.created.contains(&path("etc/resolv.conf")));
}

#[test]
fn what_is_something_else_is_told() {
    for (texts, part) in [
        (&["etc"][..], "nothing can be mounted at `/etc/hosts`"),
        (
            &["etc/", "etc/hosts>hosts"],
            "nothing can be mounted at `/etc/hosts`",
        ),
        (
            &["etc/", "etc/hostname>/dev/null"],
            "is a link to `/dev/null`",
        ),
    ] {
        let error = standing(&tree(texts)).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
    }
    for (texts, targets, part) in [
        (
            &["proc"][..],
            &[target("proc", Shape::Directory)][..],
            "`/proc` is no directory",
        ),
        (
            &["dev>x"],
            &[target("dev", Shape::Directory)],
            "`/dev` is no directory",
        ),
        (&["a/"], &[target("a", Shape::File)], "`/a` is a directory"),
        (
            &["a"],
            &[target("a/b", Shape::File)],
            "`/a` is no directory",
        ),
        (
            &[],
            &[target("a", Shape::File), target("a", Shape::Directory)],
            "`/a` is no directory",
        ),
        (
            &[],
            &[target("a", Shape::File), target("a/b", Shape::File)],
            "`/a` is no directory",
        ),
        (
            &[],
            &[target("a/b", Shape::File), target("a", Shape::File)],
            "`/a` is a directory",
        ),
    ] {
        let error = stubs(&tree(texts), targets, Time::default()).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}

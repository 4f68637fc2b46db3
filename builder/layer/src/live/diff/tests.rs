//! Tests of what a command changed: what no directory of a test machine has.
//! The rest is in `tests/diff` and `corpus/diff`.

use super::*;
use crate::entry::{DeviceKind, Kind, Metadata};
use crate::error::ErrorKind;
use crate::live::observe::{Seen, SeenKind};
use crate::live::{Given, Marks};
use crate::sample::path;
use crate::tree::{ContentPlace, File, Node, NodeKind};

const CLAMP: Clamp = Clamp {
    epoch: Time::from_seconds(1000),
    started: Time::from_seconds(900),
};
const REALLY: Rights = Rights {
    owners: Given::Really,
    devices: Given::Really,
    attributes: Given::Really,
};
const RECORDED: Rights = Rights {
    attributes: Given::Recorded,
    ..REALLY
};
const OVERLAY: Form = Form::Overlay {
    marks: Marks::Trusted,
};

fn known(mode: u16, mtime: Time) -> Metadata {
    Metadata {
        mode,
        mtime,
        ..Metadata::default()
    }
}

fn with(mut metadata: Metadata, names: &[&str]) -> Metadata {
    for name in names {
        metadata.xattrs.insert(name.as_bytes().into(), [1].into());
    }
    metadata
}

fn tree(nodes: &[(&str, Metadata, NodeKind)]) -> Tree {
    let mut tree = Tree::new();
    let nodes = nodes.iter().cloned();
    for (at, metadata, kind) in nodes {
        tree.insert(&path(at), Node { metadata, kind })
            .expect("its directory is there");
    }
    tree
}

fn directory() -> NodeKind {
    NodeKind::Directory(std::sync::Arc::default())
}

fn file(content: &str) -> NodeKind {
    NodeKind::File(File {
        size: content.len() as u64,
        place: ContentPlace {
            origin: 0,
            position: 0,
        },
        digest: Some(Digest::sha256(content.as_bytes())),
    })
}

fn seen(at: &str, metadata: Metadata, kind: SeenKind) -> Seen {
    let inode = (0, at.bytes().map(u64::from).sum());
    Seen {
        path: path(at),
        kind,
        metadata,
        inode,
    }
}

fn seen_file(at: &str, metadata: Metadata, content: &str) -> Seen {
    let digest = Digest::sha256(content.as_bytes());
    let size = content.len() as u64;
    seen(at, metadata, SeenKind::File { size, digest })
}

fn changed(before: &Tree, seen: Vec<Seen>, rights: Rights) -> Diff {
    let gone = Vec::new();
    let observation = Observation { seen, gone };
    diff(before, &observation, CLAMP, (Form::Plain, rights)).expect("a layer can say it")
}

#[test]
fn times_are_of_the_command_or_older() {
    let parts = |seconds, nanoseconds| Time::new(seconds, nanoseconds).expect("below a second");
    let old = parts(2000, 5);
    let before = tree(&[
        ("d", known(0o755, old), directory()),
        ("f", known(0o644, old), file("a")),
    ]);
    for (now, of_file, of_directory) in [
        // Even where that is after the build: it is what a base has.
        (old, None, None),
        (parts(2000, 0), Some(1000), None),
        (parts(5000, 0), Some(1000), None),
        (parts(950, 0), Some(1000), None),
        // Within a tick of the clock of file systems.
        (parts(899, 995_000_000), Some(1000), None),
        (parts(899, 5), Some(899), Some(899)),
        (parts(-5, 5), Some(-5), Some(-5)),
    ] {
        let found = |seen| {
            let diff = changed(&before, vec![seen], REALLY);
            diff.changed
                .first()
                .map(|changed| changed.entry.metadata.mtime)
        };
        let of = |mtime: Option<i64>| mtime.map(Time::from_seconds);
        let opaque = false;
        let directory = seen("d", known(0o755, now), SeenKind::Directory { opaque });
        assert_eq!(found(directory), of(of_directory), "{now}");
        let file = seen_file("f", known(0o644, now), "a");
        assert_eq!(found(file), of(of_file), "{now}");
    }
}

#[test]
fn a_directory_that_changed_is_no_younger_than_the_build() {
    let old = Time::from_seconds(2000);
    let before = tree(&[("d", known(0o755, old), directory())]);
    let opaque = false;
    // Whether it also has a time of the command makes no difference.
    for now in [old, Time::from_seconds(3000)] {
        let seen = seen("d", known(0o700, now), SeenKind::Directory { opaque });
        let diff = changed(&before, vec![seen], REALLY);
        assert_eq!(
            diff.changed[0].entry.metadata.mtime,
            Time::from_seconds(1000)
        );
    }
}

#[test]
fn attributes_that_nobody_can_see_stay() {
    let time = Time::from_seconds(5);
    let all = ["security.ima", "trusted.a", "user.a"];
    let before = tree(&[("f", with(known(0o644, time), &all), file("a"))]);
    for (rights, visible) in [(REALLY, &all[1..]), (RECORDED, &all[2..])] {
        let same = seen_file("f", with(known(0o644, time), visible), "a");
        assert_eq!(changed(&before, vec![same], rights), Diff::default());
        let seen = seen_file("f", with(known(0o600, time), visible), "a");
        let diff = changed(&before, vec![seen], rights);
        let metadata = with(known(0o600, time), &all);
        assert_eq!(diff.changed[0].entry.metadata, metadata);
        // They can not be given, so that there is nothing to do.
        assert_eq!(diff.settlements, []);
    }
    // What can be seen is gone when it is not seen.
    let seen = seen_file("f", with(known(0o644, time), &["user.a"]), "a");
    let diff = changed(&before, vec![seen], REALLY);
    let metadata = with(known(0o644, time), &["security.ima", "user.a"]);
    assert_eq!(diff.changed[0].entry.metadata, metadata);
}

#[test]
fn names_of_one_file_are_one_again_where_all_is_equal() {
    let time = Time::from_seconds(5);
    let names = ["a", "b", "c"].map(|name| (name, known(0o644, time), file("x")));
    let before = tree(&names);
    let seen = vec![
        seen_file("a", known(0o600, time), "x"),
        seen_file("b", known(0o640, time), "x"),
        seen_file("c", known(0o600, time), "x"),
    ];
    let diff = changed(&before, seen, REALLY);
    let kinds: Vec<&Kind> = diff
        .changed
        .iter()
        .map(|changed| &changed.entry.kind)
        .collect();
    let target = path("a");
    let link = Kind::HardLink {
        target: target.clone(),
    };
    let size = 1;
    assert_eq!(kinds, [&Kind::File { size }, &Kind::File { size }, &link]);
    let joined = Settlement::Link {
        path: path("c"),
        target,
    };
    assert!(diff.settlements.contains(&joined), "{diff:?}");
}

#[test]
fn an_opaque_directory_says_what_is_gone() {
    let time = Time::from_seconds(5);
    let all = known(0o755, time);
    let before = tree(&[
        ("d", all.clone(), directory()),
        ("d/e", all.clone(), directory()),
        ("d/e/f", known(0o644, time), file("x")),
        ("d/g", known(0o644, time), file("y")),
        ("d/h", known(0o644, time), file("z")),
    ]);
    // What is in it has no mark of its own, and hides as much.
    let observation = Observation {
        seen: vec![
            seen(
                "",
                Tree::new()
                    .walk(&path(""))
                    .next()
                    .expect("a root")
                    .1
                    .metadata
                    .clone(),
                SeenKind::Directory { opaque: false },
            ),
            seen("d", all.clone(), SeenKind::Directory { opaque: true }),
            seen("d/e", all, SeenKind::Directory { opaque: false }),
            seen_file("d/g", known(0o644, time), "y"),
        ],
        gone: vec![path("d/h"), path("never")],
    };
    let diff = diff(&before, &observation, CLAMP, (OVERLAY, REALLY)).expect("a layer can say it");
    let entries: Vec<_> = diff
        .changed
        .iter()
        .map(|changed| (changed.entry.path.to_string(), &changed.entry.kind))
        .collect();
    let hidden = ["/d/h", "/d/e/f"].map(|path| (path.to_owned(), &Kind::Whiteout));
    assert_eq!(entries, hidden);
    let expected = [
        Settlement::Discard {
            path: path("never"),
        },
        Settlement::Whiteout {
            path: path("d/e/f"),
        },
        Settlement::Discard { path: path("d/g") },
        Settlement::Reveal { path: path("d") },
    ];
    let done: Vec<_> = diff
        .settlements
        .iter()
        .filter(|settlement| !matches!(settlement, Settlement::Metadata { .. }))
        .cloned()
        .collect();
    assert_eq!(done, expected);
}

#[test]
fn what_no_layer_can_have_is_refused() {
    let before = Tree::new();
    let time = Time::from_seconds(5);
    let kind = DeviceKind::Character;
    let (major, minor) = (0, 0);
    for seen in [
        seen_file(".wh.a", known(0o644, time), ""),
        seen(
            "x",
            known(0o644, time),
            SeenKind::Device { kind, major, minor },
        ),
    ] {
        let seen = vec![seen];
        let gone = Vec::new();
        let observation = Observation { seen, gone };
        let result = diff(&before, &observation, CLAMP, (Form::Plain, REALLY));
        let error = result.expect_err("no layer can say it");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

use super::*;
use crate::index::{Record, Stored};
use crate::sample::{Item, entry, file, hard_link, other, symlink};

use crate::entry::Kind;

/// Gives the index of a layer, with the content of each file a hundred bytes
/// behind that of the one before.
fn layer(items: &[Item]) -> LayerIndex {
    let records = (0..).zip(items).map(|(number, (entry, _))| Record {
        entry: entry.clone(),
        content: matches!(entry.kind, Kind::File { .. }).then(|| Stored {
            offset: Some(number * 100),
            digest: oci::Digest::sha256(b""),
        }),
    });
    LayerIndex::new(records.collect(), BTreeMap::new())
}

fn directory(text: &str) -> Item {
    other(text, Kind::Directory)
}

fn gone(text: &str) -> Item {
    other(text, Kind::Whiteout)
}

fn opaque(text: &str) -> Item {
    other(text, Kind::Opaque)
}

fn owned((mut entry, content): Item, uid: u32, gid: u32) -> Item {
    (entry.metadata.uid, entry.metadata.gid) = (uid, gid);
    (entry, content)
}

fn below() -> Tree {
    let items = [
        directory("d"),
        file("d/a", b""),
        directory("d/e"),
        file("d/e/b", b""),
        file("f", b""),
        directory("g"),
        symlink("to-d", "d"),
        owned(symlink("g/l", "x"), 5, 6),
    ];
    let mut tree = Tree::new();
    tree.apply(0, &layer(&items)).expect("well formed");
    tree
}

fn printed(operation: &Operation) -> String {
    match operation {
        Operation::Remove { path } => format!("remove {path}"),
        Operation::Clear { path } => format!("clear {path}"),
        Operation::Directory {
            path,
            metadata,
            links,
        } => {
            let links = links
                .iter()
                .map(|(name, (uid, gid))| format!(" {}={uid}:{gid}", name.escape_ascii()));
            let links: String = links.collect();
            format!("directory {path} {:o}{links}", metadata.mode)
        }
        Operation::File {
            path, size, offset, ..
        } => format!("file {path} {size}@{offset}"),
        Operation::Link { path, target } => format!("link {path} {target}"),
        Operation::Symlink { path, target, .. } => {
            format!("symlink {path} {}", target.escape_ascii())
        }
        Operation::Fifo { path, .. } => format!("pipe {path}"),
        Operation::Device {
            path, major, minor, ..
        } => format!("device {path} {major}:{minor}"),
    }
}

/// Checks what there is to do for a layer on the one [`below`] it.
#[track_caller]
fn check(upper: &[Item], expected: &[&str]) {
    let operations = operations(&below(), &layer(upper)).expect("well formed");
    let printed: Vec<String> = operations.iter().map(printed).collect();
    assert_eq!(printed, expected);
}

const ROOT: &str = "directory / 755";

#[test]
fn the_root_is_always_there() {
    check(&[], &[ROOT]);
    let none = operations(&Tree::new(), &layer(&[opaque("")])).expect("well formed");
    assert_eq!(none.len(), 1, "there is nothing to clear");
}

#[test]
fn the_root_is_never_marked() {
    let removed = ["remove /f", "remove /g", "remove /to-d"];
    let all = [&[ROOT, "remove /d"], &removed[..]].concat();
    check(&[opaque("")], &all);
    let anew = [ROOT, "directory /d 755", "clear /d", "file /d/x 0@100"];
    let all = [&anew[..], &removed].concat();
    check(&[opaque(""), file("d/x", b"")], &all);
}

#[test]
fn directories_on_the_way_are_there() {
    let mut again = directory("d/e");
    again.0.metadata.mode = 0o1777;
    let upper = [again, file("d/e/c", b"abc"), file("n/e/w", b"")];
    let all = [
        ROOT,
        "directory /d 755",
        "directory /d/e 1777",
        "file /d/e/c 3@100",
        "directory /n 755",
        "directory /n/e 755",
        "file /n/e/w 0@200",
    ];
    check(&upper, &all);
}

#[test]
fn only_what_was_there_is_removed() {
    let way = [ROOT, "directory /d 755", "remove /d/e"];
    check(&[gone("d/e"), gone("none"), gone("none/x")], &way);
    check(&[gone("d/e"), gone("d/e/b")], &way);
    check(&[gone("d")], &[ROOT, "remove /d"]);
    // It takes its place.
    check(&[gone("f"), file("f", b"")], &[ROOT, "file /f 0@100"]);
    check(&[file("d", b"")], &[ROOT, "file /d 0@0"]);
}

#[test]
fn what_is_made_anew_hides_what_was_in_it() {
    let anew = [ROOT, "directory /d 755", "clear /d", "file /d/x 0@200"];
    check(&[gone("d"), directory("d"), file("d/x", b"")], &anew);
    let implied = [ROOT, "directory /d 755", "clear /d", "file /d/x 0@100"];
    check(&[gone("d"), file("d/x", b"")], &implied);
    check(&[opaque("d"), file("d/x", b"")], &implied);
    // One within another, and one that is empty, need nothing more.
    let all = [ROOT, "directory /d 755", "clear /d", "directory /d/e 755"];
    check(&[opaque("d"), directory("d/e"), opaque("d/e")], &all);
    let upper = [opaque("d/e"), gone("g"), directory("g")];
    let all = [
        ROOT,
        "directory /d 755",
        "directory /d/e 755",
        "clear /d/e",
        "directory /g 755",
        "clear /g",
    ];
    check(&upper, &all);
    // A file that was one only for a moment hides it too.
    let moment = [file("d", b""), directory("d"), file("d/x", b"")];
    check(&moment, &anew);
}

#[test]
fn what_was_no_directory_has_nothing_to_hide() {
    let all = [ROOT, "directory /f 755", "pipe /f/p"];
    check(&[directory("f"), other("f/p", Kind::Fifo)], &all);
    check(&[opaque("f"), other("f/p", Kind::Fifo)], &all);
}

#[test]
fn links_on_the_way_are_followed() {
    let all = [ROOT, "directory /d 755", "remove /d/e", "file /d/x 0@100"];
    check(&[gone("to-d/e"), file("to-d/x", b"")], &all);
    let all = [ROOT, "directory /to-d 755", "file /to-d/x 0@100"];
    check(&[directory("to-d"), file("to-d/x", b"")], &all);
}

#[test]
fn the_last_of_a_name_counts() {
    let upper = [
        file("x", b"one"),
        hard_link("y", "x"),
        hard_link("a", "x"),
        file("x", b"three"),
    ];
    let all = [ROOT, "file /a 3@0", "file /x 5@300", "link /y /a"];
    check(&upper, &all);
    let upper = [
        file("x/y", b""),
        file("x", b""),
        symlink("s", "t"),
        hard_link("t", "s"),
    ];
    check(
        &upper,
        &[ROOT, "symlink /s t", "symlink /t t", "file /x 0@100"],
    );
}

#[test]
fn owners_of_links_go_with_their_directory() {
    let upper = [
        owned(symlink("g/k", "x"), 7, 0),
        symlink("g/of-root", "x"),
        owned(file("g/no-link", b""), 7, 0),
    ];
    let all = [
        ROOT,
        "directory /g 755 k=7:0 l=5:6",
        "symlink /g/k x",
        "file /g/no-link 0@200",
        "symlink /g/of-root x",
    ];
    check(&upper, &all);
    let all = [ROOT, "directory /g 755", "remove /g/l"];
    check(&[gone("g/l")], &all);
}

#[test]
fn what_no_directory_over_others_has_is_refused() {
    let zero = Kind::Device {
        kind: DeviceKind::Character,
        major: 0,
        minor: 0,
    };
    let layers = [
        layer(&[other("zero", zero)]),
        layer(&[hard_link("x", "f")]),
        LayerIndex::new(
            vec![Record {
                entry: entry("sparse", Kind::File { size: 1 }),
                content: None,
            }],
            BTreeMap::new(),
        ),
    ];
    for layer in layers {
        let error = operations(&below(), &layer).expect_err("it can not be");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let circle = [symlink("a", "b"), symlink("b", "a"), file("a/x", b"")];
    let error = operations(&Tree::new(), &layer(&circle)).expect_err("a circle");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

use layer::{Metadata, Node, Record, Stored};

use super::*;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("valid")
}

fn file(name: &str, digest: Option<Digest>) -> Item {
    Item {
        entry: Entry {
            path: path(name),
            kind: Kind::File { size: 3 },
            metadata: Metadata {
                mode: 0o644,
                ..Metadata::default()
            },
        },
        content: Content::Place {
            place: ContentPlace {
                origin: 0,
                position: 0,
            },
            digest,
        },
    }
}

fn recipe(items: Vec<Item>) -> Recipe {
    let mut recipe = Recipe::default();
    items.into_iter().for_each(|item| recipe.add(item));
    recipe
}

#[test]
fn everything_that_is_in_the_layer_is_in_its_key() {
    let known = Some(Digest::sha256(b"abc"));
    let one = || file("a", known);
    let change = |change: fn(&mut Item)| {
        let mut item = one();
        change(&mut item);
        recipe(vec![item])
    };
    let all = [
        recipe(vec![one()]),
        recipe(vec![file("b", known)]),
        recipe(vec![file("a", Some(Digest::sha256(b"abd")))]),
        recipe(vec![one(), file("b", known)]),
        change(|item| item.entry.metadata.mode = 0o600),
        change(|item| item.entry.metadata.uid = 1),
        change(|item| item.entry.metadata.gid = 1),
        change(|item| item.entry.metadata.mtime = layer::Time::from_seconds(1)),
        change(|item| {
            item.entry.metadata.mtime = layer::Time::new(0, 1).expect("below a second");
        }),
        change(|item| item.entry.kind = Kind::File { size: 4 }),
        change(|item| item.entry.kind = Kind::Fifo),
        change(|item| item.entry.kind = Kind::Directory),
        change(|item| {
            item.entry.kind = Kind::Symlink {
                target: b"x"[..].into(),
            }
        }),
        change(|item| item.entry.kind = Kind::HardLink { target: path("x") }),
        change(|item| {
            item.entry
                .metadata
                .xattrs
                .insert(b"user.a"[..].into(), b"b"[..].into());
        }),
        change(|item| {
            item.entry
                .metadata
                .xattrs
                .insert(b"user.ab"[..].into(), b""[..].into());
        }),
    ];
    let keys: Vec<Digest> = all
        .iter()
        .map(|recipe| recipe.key().expect("known"))
        .collect();
    for (at, key) in keys.iter().enumerate() {
        assert!(
            !keys[at + 1..].contains(key),
            "recipe {at} is like another one"
        );
    }
    // Where it comes from is not.
    let mut elsewhere = one();
    elsewhere.content = Content::Inline(Bytes::from_static(b"abc"));
    assert_eq!(recipe(vec![elsewhere]).key(), all[0].key());
}

#[test]
fn a_shape_knows_no_content() {
    let unknown = recipe(vec![file("a", None)]);
    let known = recipe(vec![file("a", Some(Digest::sha256(b"abc")))]);
    assert_eq!(unknown.shape(), known.shape());
    assert_eq!(unknown.key(), None);
    assert_ne!(known.key(), Some(known.shape()));
    assert_ne!(recipe(vec![file("b", None)]).shape(), known.shape());
}

#[test]
fn a_layer_teaches_what_was_in_the_files() {
    let mut unknown = recipe(vec![file("a", None)]);
    let digest = Digest::sha256(b"abc");
    let record = Record {
        entry: file("a", None).entry,
        content: Some(Stored {
            offset: Some(512),
            digest,
        }),
    };
    let index = LayerIndex::new(vec![record], BTreeMap::new());
    unknown.learn(&index).expect("it fits");
    assert_eq!(unknown.key(), recipe(vec![file("a", Some(digest))]).key());
    assert!(recipe(Vec::new()).learn(&index).is_err());
    let mut tree = Tree::new();
    let there = Node {
        metadata: Metadata::default(),
        kind: NodeKind::Fifo,
    };
    tree.insert(&path("a"), there).expect("in the root");
    unknown.settle(&mut tree, 5);
    let NodeKind::File(file) = &tree.node(&path("a")).expect("there").kind else {
        panic!("a file");
    };
    assert_eq!(
        file.place,
        ContentPlace {
            origin: 5,
            position: 0
        }
    );
    assert_eq!(file.digest, Some(digest));
}

#[test]
fn the_directories_around_are_as_they_are_in_the_tree() {
    let mut tree = Tree::new();
    for (name, mode, uid) in [("srv", 0o750, 7), ("srv/a", 0o1777, 8), ("etc", 0o700, 0)] {
        let metadata = Metadata {
            mode,
            uid,
            mtime: layer::Time::new(5, 7).expect("below a second"),
            ..Metadata::default()
        };
        let node = Node::directory(metadata);
        tree.insert(&path(name), node).expect("its parent is there");
    }
    let mut found = recipe(vec![
        file("srv/a/x", None),
        file("srv/y", None),
        file("z", None),
    ]);
    found.enclose(&tree);
    let lines: Vec<String> = found
        .items()
        .map(|Item { entry, .. }| {
            let Metadata {
                mode, uid, mtime, ..
            } = entry.metadata;
            format!("{} {mode:o}:{uid} {mtime}", entry.path)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "/srv 750:7 5.000000007",
            "/srv/a 1777:8 5.000000007",
            "/srv/a/x 644:0 0",
            "/srv/y 644:0 0",
            "/z 644:0 0"
        ]
    );
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::sample::{Item, entry, file, hard_link, other, path, symlink};
use crate::tree::DEPTH_LIMIT;

/// Gives the index of a layer; no order is asked for, as of layers that others
/// wrote.
fn layer(items: &[Item]) -> LayerIndex {
    let records = items.iter().map(|(entry, _)| Record {
        entry: entry.clone(),
        content: None,
    });
    LayerIndex::new(records.collect(), BTreeMap::new())
}

fn applied(layers: &[&[Item]]) -> Result<Tree, Error> {
    let mut tree = Tree::new();
    for (origin, items) in (0..).zip(layers) {
        tree.apply(origin, &layer(items))?;
    }
    Ok(tree)
}

/// Prints a tree, a line for each path but the root.
fn printed(tree: &Tree) -> Vec<String> {
    let walk = tree.walk(&EntryPath::root()).skip(1);
    let printed = walk.map(|(path, node)| {
        let what = match &node.kind {
            NodeKind::Directory(_) => String::from("/"),
            NodeKind::File(file) => format!(" {}.{}", file.place.origin, file.place.position),
            NodeKind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
            NodeKind::Fifo => String::from(" |"),
            NodeKind::Device { major, minor, .. } => format!(" {major}:{minor}"),
        };
        format!("{path}{what} {:o}", node.metadata.mode)
    });
    printed.collect()
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

fn below() -> Vec<Item> {
    vec![
        directory("d"),
        file("d/a", b""),
        directory("d/e"),
        file("d/e/b", b""),
        file("f", b""),
    ]
}

/// Checks what a layer makes of the one [`below`] it.
#[track_caller]
fn check(upper: &[Item], expected: &[&str]) {
    let tree = applied(&[&below(), upper]).expect("well formed");
    assert_eq!(printed(&tree), expected);
}

#[test]
fn what_is_removed_is_gone_with_all_that_is_in_it() {
    check(&[gone("d")], &["/f 0.4 644"]);
    check(
        &[gone("d/e"), gone("none"), gone("none/x")],
        &["/d/ 755", "/d/a 0.1 644", "/f 0.4 644"],
    );
}

#[test]
fn only_lower_layers_lose_wherever_a_whiteout_stands() {
    let same = ["/d/ 755", "/d/x 1.0 644", "/f 0.4 644"];
    check(&[file("d/x", b""), opaque("d")], &same);
    let same = ["/d/ 755", "/d/x 1.1 644", "/f 0.4 644"];
    check(&[opaque("d"), file("d/x", b"")], &same);
    let again = ["/d/ 755", "/d/a 1.1 644", "/f 0.4 644"];
    check(&[directory("d"), file("d/a", b""), gone("d")], &again);
    let own = [
        "/d/ 755",
        "/d/a 0.1 644",
        "/d/e/ 755",
        "/d/e/b 0.3 644",
        "/f 1.0 644",
    ];
    check(&[file("f", b""), gone("f")], &own);
}

#[test]
fn the_root_may_be_opaque() {
    check(&[opaque(""), file("x", b"")], &["/x 1.1 644"]);
}

#[test]
fn other_kinds_take_the_place_with_all_that_is_in_it() {
    let rest = ["/d 1.0 644", "/f 0.4 644"];
    check(&[file("d", b"")], &rest);
    check(&[file("d", b""), gone("d")], &rest);
    check(&[symlink("d", "f")], &["/d -> f 777", "/f 0.4 644"]);
    let upper = [gone("d"), directory("f"), other("f/p", Kind::Fifo)];
    check(&upper, &["/f/ 755", "/f/p | 644"]);
}

#[test]
fn a_directory_that_comes_again_keeps_what_is_in_it() {
    let mut again = directory("d");
    again.0.metadata.mode = 0o1777;
    let all = [
        "/d/ 1777",
        "/d/a 0.1 644",
        "/d/e/ 755",
        "/d/e/b 0.3 644",
        "/f 0.4 644",
    ];
    check(&[again], &all);
    let mut root = directory("");
    root.0.metadata.mode = 0o700;
    let tree = applied(&[&below(), &[root]]).expect("well formed");
    assert_eq!(
        tree.node(&EntryPath::root()).expect("always").metadata.mode,
        0o700
    );
    assert_eq!(tree.walk(&EntryPath::root()).count(), 6);
}

#[test]
fn what_stands_twice_counts_as_the_later_one() {
    let upper = [
        gone("d"),
        file("x", b"1"),
        hard_link("y", "x"),
        file("x", b"22"),
    ];
    check(&upper, &["/f 0.4 644", "/x 1.3 644", "/y 1.1 644"]);
    let upper = [
        gone("d"),
        directory("x"),
        file("x/y", b""),
        file("x", b""),
        directory("x"),
    ];
    check(&upper, &["/f 0.4 644", "/x/ 755"]);
}

#[test]
fn directories_that_no_layer_has_are_made() {
    let upper = [gone("d"), file("f/x", b""), file("g/h/x", b"")];
    check(
        &upper,
        &[
            "/f/ 755",
            "/f/x 1.1 644",
            "/g/ 755",
            "/g/h/ 755",
            "/g/h/x 1.2 644",
        ],
    );
}

#[test]
fn other_names_of_files_are_the_same_file() {
    let mut first = file("x", b"");
    first.0.metadata.mode = 0o4711;
    let upper = [
        gone("d"),
        first,
        hard_link("y", "x"),
        hard_link("z", "y"),
        hard_link("w", "f"),
    ];
    check(
        &upper,
        &[
            "/f 0.4 644",
            "/w 0.4 644",
            "/x 1.1 4711",
            "/y 1.1 4711",
            "/z 1.1 4711",
        ],
    );
    for (link, target) in [("x", "none"), ("x", "d"), ("x", "d/e/b/c"), ("x", "")] {
        let error = applied(&[&below(), &[hard_link(link, target)]]).expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().contains("`/x` is another name"),
            "{error}"
        );
    }
    // What the layer itself removes is no file any more.
    assert!(applied(&[&below(), &[gone("f"), hard_link("x", "f")]]).is_err());
}

#[test]
fn links_of_lower_layers_lead_to_where_they_say() {
    let lower = [
        directory("usr"),
        directory("usr/lib"),
        file("usr/lib/a", b""),
        symlink("lib", "usr/lib"),
    ];
    let upper = [file("lib/b", b""), gone("lib/a"), directory("lib/c")];
    let tree = applied(&[&lower, &upper]).expect("well formed");
    let merged = [
        "/lib -> usr/lib 777",
        "/usr/ 755",
        "/usr/lib/ 755",
        "/usr/lib/b 1.0 644",
        "/usr/lib/c/ 755",
    ];
    assert_eq!(printed(&tree), merged);
    // A directory in the place of the link is another directory: what is in
    // it, or removed from it, is not where the link leads.
    for upper in [
        [gone("lib/a"), directory("lib"), file("lib/b", b"")],
        [directory("lib"), gone("lib/a"), file("lib/b", b"")],
    ] {
        let tree = applied(&[&lower, &upper]).expect("well formed");
        let apart = [
            "/lib/ 755",
            "/lib/b 1.2 644",
            "/usr/ 755",
            "/usr/lib/ 755",
            "/usr/lib/a 0.2 644",
        ];
        assert_eq!(printed(&tree), apart);
    }
    let circle = [symlink("a", "b"), symlink("b", "a"), file("a/x", b"")];
    assert_eq!(
        applied(&[&circle]).expect_err("a circle").kind(),
        ErrorKind::Invalid
    );
    // None leads out of the tree.
    let out = [symlink("a", "../../x"), file("a/b", b"")];
    assert_eq!(
        printed(&applied(&[&out]).expect("inside"))[1..],
        ["/x/ 755", "/x/b 0.1 644"]
    );
}

#[test]
fn attributes_and_devices_are_kept() {
    let kind = Kind::Device {
        kind: crate::DeviceKind::Character,
        major: 1,
        minor: 3,
    };
    let mut item = other("null", kind);
    item.0
        .metadata
        .xattrs
        .insert(b"user.a"[..].into(), b"\n"[..].into());
    let tree = applied(&[&[item.clone()]]).expect("well formed");
    assert_eq!(
        tree.node(&path("null")).expect("a device").metadata,
        item.0.metadata
    );
}

#[test]
fn the_deepest_tree_fits_on_a_small_stack() {
    let work = || {
        let deepest = "d/".repeat(DEPTH_LIMIT - 1) + "f";
        let tree = applied(&[&[file(&deepest, b"")]]).expect("well formed");
        assert_eq!(tree.walk(&EntryPath::root()).count(), DEPTH_LIMIT + 1);
        let other = tree.clone();
        assert!(tree == other && format!("{other:?}").len() > DEPTH_LIMIT);
        drop(other);
        let mut deeper = tree.clone();
        // A link leads no deeper than that.
        let link = symlink("l", path(&deepest).parent().expect("deep").as_bytes());
        deeper.apply(1, &layer(&[link])).expect("well formed");
        for below in [
            file("l/x/y", b""),
            directory("l/x/y"),
            hard_link("l/x/y", &deepest),
        ] {
            let error = deeper.apply(2, &layer(&[below])).expect_err("too deep");
            assert_eq!(error.kind(), ErrorKind::Limit);
        }
        let longest = file("d/".repeat(EntryPath::LIMIT / 2) + "f", b"");
        assert_eq!(
            applied(&[&[longest]]).expect_err("too deep").kind(),
            ErrorKind::Limit
        );
    };
    // Far smaller than those of the threads that blocking work runs on.
    let thread = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(work);
    thread.expect("a thread").join().expect("it ends well");
}

/// Is the plainest form of a file system: a list of paths.
type Model = BTreeMap<EntryPath, (String, u16)>;

/// Does to a model what a layer says, in the plainest way.
fn model(model: &mut Model, origin: u32, items: &[Item]) {
    for (Entry { path, kind, .. }, _) in items {
        match kind {
            Kind::Whiteout => model.retain(|at, _| !at.is_in(path)),
            Kind::Opaque => model.retain(|at, _| at == path || !at.is_in(path)),
            _ => {}
        }
    }
    for (
        position,
        (
            Entry {
                path,
                kind,
                metadata,
            },
            _,
        ),
    ) in items.iter().enumerate()
    {
        let what = match kind {
            Kind::Whiteout | Kind::Opaque => continue,
            Kind::Directory => String::from("/"),
            Kind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
            Kind::Fifo => String::from(" |"),
            _ => format!(" {origin}.{position}"),
        };
        let is_again = what == "/" && model.get(path).is_some_and(|(there, _)| there == "/");
        if !is_again {
            model.retain(|at, _| !at.is_in(path));
        }
        model.insert(path.clone(), (what, metadata.mode));
        let mut way = path.parent();
        while let Some(parent) = way.filter(|parent| !parent.is_root()) {
            if model.get(&parent).is_none_or(|(there, _)| there != "/") {
                model.insert(parent.clone(), (String::from("/"), 0o755));
            }
            way = parent.parent();
        }
    }
}

/// Gives an entry of few names, so that layers meet; links have names of their
/// own, as nothing is to go through them here.
fn any_item() -> impl Strategy<Value = Item> {
    let names = proptest::collection::vec("[abc]", 1..4);
    (names, 0..12, 0_u16..=0o777).prop_map(|(names, kind, mode)| {
        let mut text = names.join("/");
        let kind = match kind {
            0..=1 => Kind::Whiteout,
            2 => Kind::Opaque,
            3..=6 => Kind::Directory,
            7..=9 => Kind::File { size: 0 },
            10 => Kind::Fifo,
            _ => {
                text.push('l');
                Kind::Symlink {
                    target: b"a"[..].into(),
                }
            }
        };
        let mut item = (entry(text, kind), Vec::new());
        item.0.metadata.mode = mode;
        item
    })
}

proptest! {
    #[test]
    fn layers_make_what_a_plain_model_makes(
        layers in proptest::collection::vec(proptest::collection::vec(any_item(), 0..12), 1..4),
    ) {
        let mut plain = Model::new();
        for (origin, items) in (0..).zip(&layers) {
            model(&mut plain, origin, items);
        }
        let layers: Vec<&[Item]> = layers.iter().map(Vec::as_slice).collect();
        let tree = applied(&layers).expect("well formed");
        let plain: Vec<String> = plain
            .into_iter()
            .map(|(path, (what, mode))| format!("{path}{what} {mode:o}"))
            .collect();
        prop_assert_eq!(printed(&tree), plain);
    }
}

use super::*;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("valid")
}

#[test]
fn a_walk_is_in_the_order_of_paths() {
    let mut tree = Tree::new();
    for name in ["a", "a.b", "a/c", "a/c/d", "a-b", "b"] {
        tree.insert(&path(name), Node::directory(Metadata::default()))
            .expect("in order");
    }
    let walked: Vec<EntryPath> = tree
        .walk(&EntryPath::root())
        .map(|(path, _)| path)
        .collect();
    let mut sorted = walked.clone();
    sorted.sort();
    assert_eq!(walked, sorted);
    assert_eq!(walked.len(), 7);
    assert_eq!(tree.walk(&path("a")).count(), 3);
    assert_eq!(tree.walk(&path("x")).count(), 0);
}

fn symlink() -> Node {
    let target = b"a"[..].into();
    Node {
        metadata: Metadata::default(),
        kind: NodeKind::Symlink { target },
    }
}

#[test]
fn a_new_tree_has_its_root_alone() {
    let tree = Tree::new();
    let root = Node::directory(Metadata {
        mode: 0o755,
        ..Metadata::default()
    });
    assert_eq!(tree.node(&EntryPath::root()), Some(&root));
    assert_eq!(tree.walk(&EntryPath::root()).count(), 1);
    assert_eq!(tree, Tree::default());
}

#[test]
fn what_is_put_in_takes_the_place_with_all_that_is_in_it() {
    let mut tree = Tree::new();
    let directory = || Node::directory(Metadata::default());
    for name in ["a", "a/b", "a/b/c"] {
        tree.insert(&path(name), directory()).expect("in order");
    }
    tree.insert(&path("l"), symlink()).expect("in order");
    // No link is followed.
    assert_eq!(tree.node(&path("l/b")), None);
    assert_eq!(tree.node(&path("l")), Some(&symlink()));
    tree.node_mut(&path("a/b"))
        .expect("it is there")
        .metadata
        .uid = 7;
    assert_eq!(
        tree.node(&path("a/b")).map(|node| node.metadata.uid),
        Some(7)
    );
    tree.insert(&path("a/b"), directory()).expect("in order");
    assert_eq!(tree.node(&path("a/b/c")), None);
    assert_eq!(tree.node(&path("a/b")), Some(&directory()));
    assert_eq!(tree.remove(&path("a/b")), Some(directory()));
    assert_eq!(tree.remove(&path("a/b")), None);
    assert_eq!(tree.remove(&EntryPath::root()), None);
    tree.insert(&EntryPath::root(), directory())
        .expect("a directory");
    assert_eq!(tree.walk(&EntryPath::root()).count(), 1);
}

#[test]
fn what_has_no_place_is_refused() {
    let mut tree = Tree::new();
    tree.insert(&path("l"), symlink()).expect("in order");
    let before = tree.clone();
    for (name, kind) in [
        ("", ErrorKind::Invalid),
        ("none/x", ErrorKind::Invalid),
        ("l/x", ErrorKind::Invalid),
        (&"d/".repeat(DEPTH_LIMIT + 1), ErrorKind::Limit),
    ] {
        let error = tree.insert(&path(name), symlink()).expect_err("no place");
        assert_eq!(error.kind(), kind, "{name}");
        assert_eq!(tree, before, "{name}");
    }
}

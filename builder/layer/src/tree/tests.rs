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

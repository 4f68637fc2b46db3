//! What every copy has to keep: the tree of a stage is what its layers make.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Lists a tree.
pub(super) fn listed(tree: &Tree) -> Vec<String> {
    tree.walk(&EntryPath::root())
        .map(|(path, node)| {
            let kind = match &node.kind {
                NodeKind::Directory(_) => "/".to_owned(),
                NodeKind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
                _ => String::new(),
            };
            format!("{path}{kind} {:o}", node.metadata.mode)
        })
        .collect()
}

/// Puts a layer onto a tree as it is put onto one that is read from layers.
pub(super) fn applied(recipe: &Recipe, onto: &Tree) -> Tree {
    let records = recipe.items().map(|item| layer::Record {
        entry: item.entry.clone(),
        content: matches!(item.entry.kind, Kind::File { .. }).then(|| layer::Stored {
            offset: None,
            digest: oci::Digest::sha256(b""),
        }),
    });
    let index = layer::LayerIndex::new(records.collect(), BTreeMap::new());
    let mut tree = onto.clone();
    tree.apply(1, &index).expect("it fits");
    tree
}

/// Makes trees of few names, so that they meet: what a path is, by a number.
pub(super) fn nodes() -> impl Strategy<Value = Vec<(String, u8)>> {
    proptest::collection::vec(("[ab](/[ab]){0,3}", 0..5_u8), 0..12)
}

pub(super) fn tree_of(nodes: &[(String, u8)]) -> Tree {
    let mut tree = Tree::new();
    for (number, (name, kind)) in nodes.iter().enumerate() {
        let kind = match kind {
            0 => NodeKind::Symlink {
                target: Box::from(&b"/a"[..]),
            },
            1 => NodeKind::Symlink {
                target: Box::from(&b"b"[..]),
            },
            2 => NodeKind::File(File {
                size: 1,
                place: ContentPlace {
                    origin: 0,
                    position: number as u64,
                },
                digest: None,
            }),
            _ => NodeKind::Directory(Arc::default()),
        };
        let node = Node {
            metadata: metadata(0o700 + number as u16, 1),
            kind,
        };
        let at = path(name);
        let parent = at.parent().and_then(|parent| tree.node(&parent));
        // What has no place in the tree is left out.
        if tree.node(&at).is_none() && parent.is_some_and(Node::is_directory) {
            tree.insert(&at, node).expect("its parent is there");
        }
    }
    tree
}

proptest! {
    #[test]
    fn a_tree_is_what_its_layers_make(
        base in nodes(),
        source in nodes(),
        destination in "/([ab]/){0,2}[abc]/?",
        keeps_parents: bool,
        replaces: bool,
    ) {
        let (base, from) = (tree_of(&base), tree_of(&source));
        let mut how = how(&destination);
        how.keeps_parents = keeps_parents;
        if replaces {
            how.existing = Existing::Replaced;
        }
        how.excluded = Excluded::parse(["**/b", "!a/b"]).expect("patterns");
        let sources = [Source::Path("*".to_owned())];
        // Much of it can not be done; what can has to be right.
        if let Ok(found) = find(&from, &sources, &how) {
            let mut to = base.clone();
            if let Ok(copied) = place(&found, &sources, &mut to, &how) {
                let mut recipe = copied.recipe;
                recipe.enclose(&to);
                prop_assert_eq!(listed(&to), listed(&applied(&recipe, &base)));
            }
        }
    }

    #[test]
    fn a_key_without_a_list_is_that_of_the_list(source in nodes(), files in 1..4_u64) {
        let mut from = tree_of(&source);
        let paths: Vec<_> = from.walk(&EntryPath::root()).map(|(path, _)| path).collect();
        for path in paths {
            // So many files, some by several names.
            if let Some(NodeKind::File(file)) = from.node_mut(&path).map(|node| &mut node.kind) {
                file.place.position %= files;
                file.digest = Some(oci::Digest::sha256(&[file.place.position as u8]));
            }
        }
        for source in [".", "a", "b", "*", "a b"] {
            let sources: Vec<_> = source.split(' ').map(|path| Source::Path(path.to_owned())).collect();
            let how = how("/x");
            let Ok(found) = find(&from, &sources, &how) else { continue };
            let list = alone(&found, &how).expect("it can be listed");
            let is_one = found.len() == 1 && found[0].fills();
            prop_assert_eq!(alone_key(&found, &how), list.recipe.key().filter(|_| is_one));
        }
    }

    #[test]
    fn archives_make_what_their_layers_make(
        base in nodes(),
        archive in nodes(),
        destination in "/([ab]/){0,2}[abc]/?",
        implied in "/[ab]",
    ) {
        let (base, archive) = (tree_of(&base), tree_of(&archive));
        let mut to = base.clone();
        let unpacked = archives::unpacked(&archive, &[&implied], &mut to, &how(&destination));
        if let Ok(mut recipe) = unpacked {
            recipe.enclose(&to);
            prop_assert_eq!(listed(&to), listed(&applied(&recipe, &base)));
        }
    }
}

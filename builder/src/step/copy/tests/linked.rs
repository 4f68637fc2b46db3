//! `--link`: layers that know nothing of what is below them.

use super::trees::{applied, listed, nodes, tree_of};
use super::*;

/// Copies without a look at the tree, and puts the layer onto it.
fn linked(to: &mut Tree, sources: &[&str], how: &Copying) -> (Vec<String>, Vec<String>) {
    let from = context();
    let sources: Vec<Source> = sources
        .iter()
        .map(|path| Source::Path((*path).to_owned()))
        .collect();
    let found = find(&from, &sources, how).expect("found");
    let mut alone = Tree::new();
    let copied = place(&found, &sources, &mut alone, how).expect("copied");
    let changed = copied.recipe.lay(&alone, to).expect("it fits");
    let changed = changed.into_iter().map(|(path, _)| path.to_string());
    (lines(&copied.recipe), changed.collect())
}

#[test]
fn a_layer_is_the_same_whatever_is_below() {
    let bases = [
        tree(&[]),
        tree(&["1777:0 srv/", "700:3 srv/d/"]),
        tree(&["srv -> etc", "etc/"]),
        tree(&["srv"]),
        tree(&["srv/", "srv/a/", "srv/a/x"]),
    ];
    for base in bases {
        let (layer, _) = linked(&mut base.clone(), &["a", "b.txt"], &how("/srv/d/"));
        assert_eq!(
            layer,
            [
                "/srv/ 755:0",
                "/srv/d/ 755:0",
                "/srv/d/a 644:0 #0",
                "/srv/d/b.txt 644:0 #1"
            ]
        );
    }
}

#[test]
fn what_is_in_the_way_is_replaced_as_by_all_layers() {
    for (base, sources, destination, expected, changes) in [
        (
            tree(&["srv -> etc", "etc/", "etc/f"]),
            "a",
            "/srv/x",
            &[
                "// 755",
                "/etc/ 755",
                "/etc/f 644",
                "/srv/ 755",
                "/srv/x 644",
            ][..],
            &[][..],
        ),
        (
            tree(&["1777:0 tmp/", "tmp/f"]),
            "a",
            "/tmp/x",
            &["// 755", "/tmp/ 755", "/tmp/f 644", "/tmp/x 644"],
            &["/tmp"],
        ),
        (
            tree(&["srv/", "srv/x/", "srv/x/y"]),
            "a",
            "/srv/x",
            &["// 755", "/srv/ 755", "/srv/x 644"],
            &[],
        ),
        (
            tree(&["srv", "k"]),
            "d/e",
            "/srv/",
            &["// 755", "/k 644", "/srv/ 755", "/srv/f 644"],
            &[],
        ),
    ] {
        let mut to = base;
        let (_, changed) = linked(&mut to, &[sources], &how(destination));
        assert_eq!(listed(&to), expected);
        assert_eq!(changed, changes);
    }
}

proptest::proptest! {
    #[test]
    fn a_layer_is_laid_as_all_layers_are(
        base in nodes(),
        destination in "/[ab](/[ab]){0,2}/?",
        source in proptest::sample::select(vec!["a", "d", "d/s", "z"]),
    ) {
        let mut to = tree_of(&base);
        let from = context();
        let sources = [Source::Path(source.to_owned())];
        let how = how(&destination);
        let found = find(&from, &sources, &how).expect("found");
        let mut alone = Tree::new();
        let copied = place(&found, &sources, &mut alone, &how).expect("copied");
        let expected = applied(&copied.recipe, &to);
        copied.recipe.lay(&alone, &mut to).expect("it fits");
        proptest::prop_assert_eq!(listed(&to), listed(&expected));
    }
}

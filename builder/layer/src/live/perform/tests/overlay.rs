//! Layers of their own, for the kernel to lay over one another.

use super::*;

/// Mounts layers one over the other, and unmounts them in the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(layers: &[tempfile::TempDir], marks: Marks) -> Option<Self> {
        let at = tempfile::tempdir().expect("space");
        let lower: Vec<String> = layers
            .iter()
            .rev()
            .map(|layer| layer.path().display().to_string())
            .collect();
        let lower = lower.join(":");
        let marks = match marks {
            Marks::Trusted => "redirect_dir=off",
            Marks::User => "userxattr,redirect_dir=nofollow",
        };
        let options = format!("lowerdir={lower},metacopy=off,index=off,{marks}");
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "-o", &options, "none"])
            .arg(at.path())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Gives the ways in which layers can be mounted here: as root of the machine,
/// and as that of a namespace of users.
fn ways() -> Vec<(Marks, Rights)> {
    let ways = [(Marks::Trusted, ROOT), (Marks::User, ANYBODY)];
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("space"));
    let is_possible = |(marks, rights): &(Marks, Rights)| {
        (*rights == ANYBODY || is_root()) && Mounted::new(&directories, *marks).is_some()
    };
    let ways: Vec<_> = ways.into_iter().filter(is_possible).collect();
    if ways.is_empty() {
        println!("skipped: nothing can be mounted here");
    }
    ways
}

/// Puts layers into directories of their own, and compares what the kernel
/// makes of those with their tree; `false` where no tree has them.
fn over(layers: &[Layer], (marks, rights): (Marks, Rights)) -> Result<bool, TestCaseError> {
    let form = Form::Overlay { marks };
    let mut directories = vec![tempfile::tempdir().expect("space")];
    let mut tree = Tree::new();
    for (origin, layer) in (0..).zip(layers) {
        let directory = tempfile::tempdir().expect("space");
        match work(&tree, layer, directory.path(), (form, rights), 2) {
            Err(error) if error.kind() == ErrorKind::Io => {
                return Err(TestCaseError::fail(error.to_string()));
            }
            Err(_) => return Ok(false),
            Ok(_) => {}
        }
        tree.apply(origin, &layer.index)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        directories.push(directory);
    }
    let mounted = Mounted::new(&directories, marks).expect("one was mounted before");
    let is = expected(&tree, rights, |place, size| content(layers, place, size));
    compare(&found(mounted.0.path(), rights), &is)?;
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn layers_over_each_other_are_what_the_tree_is(layers in layers()) {
        let layers: Vec<Layer> = layers.iter().map(|items| layer(items)).collect();
        for way in ways() {
            prop_assume!(over(&layers, way)?);
        }
    }
}

#[test]
fn what_is_removed_and_replaced_is_hidden() {
    let ways = ways();
    let below = [
        other("d", Kind::Directory),
        file("d/a", b"a"),
        other("d/e", Kind::Directory),
        file("d/e/b", b"b"),
        file("f", b"f"),
        hard_link("g", "f"),
        symlink("l", "d"),
    ];
    let uppers = [
        vec![other("d", Kind::Opaque), file("d/x", b"x")],
        vec![other("d", Kind::Whiteout), file("d/e/x", b"x")],
        vec![other("d/e", Kind::Whiteout), other("f", Kind::Whiteout)],
        vec![file("d", b"now a file")],
        vec![symlink("d", "f")],
        vec![other("f", Kind::Directory), file("f/x", b"x")],
        vec![file("l/x", b"through the link")],
        vec![other("", Kind::Opaque), file("x", b"alone")],
        vec![other("d", Kind::Directory)],
    ];
    let after = [
        vec![other("d", Kind::Directory), file("d/again", b"y")],
        vec![file("d/e/z", b"y"), hard_link("y", "d/e/z")],
    ];
    for upper in &uppers {
        let layers = [&below[..], upper].map(unordered);
        for way in &ways {
            assert!(over(&layers, *way).expect("as the tree"));
        }
        for after in &after {
            let layers = [&below[..], upper, after].map(unordered);
            for way in &ways {
                over(&layers, *way).expect("as the tree");
            }
        }
    }
}

#[test]
fn anybody_makes_whiteouts_and_marks() {
    let root = tempfile::tempdir().expect("space");
    let mut tree = Tree::new();
    let below = [file("d/a", b""), file("e/a", b"")];
    tree.apply(0, &layer(&below).index).expect("well formed");
    let upper = [other("d", Kind::Opaque), other("e/a", Kind::Whiteout)];
    let form = Form::Overlay { marks: Marks::User };
    let performed = work(&tree, &layer(&upper), root.path(), (form, ANYBODY), 1).expect("space");
    assert_eq!(performed.made, 3);
    let mark = [("user.overlay.opaque".to_owned(), b"y".to_vec())];
    assert_eq!(attributes(&root.path().join("d")), mark);
    let whiteout = fs_err::symlink_metadata(root.path().join("e/a")).expect("it is there");
    assert!(whiteout.file_type().is_char_device());
    assert_eq!(whiteout.rdev(), 0);
    assert_eq!(attributes(&root.path().join("e")), []);
}

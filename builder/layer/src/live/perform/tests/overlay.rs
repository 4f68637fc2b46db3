//! Layers of their own, for the kernel to lay over one another.

use super::*;

/// Mounts layers one over the other, and unmounts them in the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(layers: &[tempfile::TempDir]) -> Option<Self> {
        let at = tempfile::tempdir().expect("space");
        let lower: Vec<String> = layers
            .iter()
            .rev()
            .map(|layer| layer.path().display().to_string())
            .collect();
        let lower = lower.join(":");
        let options = format!("lowerdir={lower},redirect_dir=off,metacopy=off,index=off");
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

const OVERLAY: Form = Form::Overlay {
    marks: Marks::Trusted,
};

fn over(layers: &[Layer]) -> Result<bool, TestCaseError> {
    let mut directories = vec![tempfile::tempdir().expect("space")];
    let mut tree = Tree::new();
    for (origin, layer) in (0..).zip(layers) {
        let directory = tempfile::tempdir().expect("space");
        match work(&tree, layer, directory.path(), (OVERLAY, ROOT), 2) {
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
    let mounted = Mounted::new(&directories).expect("one was mounted before");
    let is = expected(&tree, ROOT, |place, size| content(layers, place, size));
    compare(&found(mounted.0.path(), ROOT), &is)?;
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn layers_over_each_other_are_what_the_tree_is(layers in layers()) {
        let directories = [(); 2].map(|()| tempfile::tempdir().expect("space"));
        if !is_root() || Mounted::new(&directories).is_none() {
            println!("skipped: nothing can be mounted here");
            return Ok(());
        }
        let layers: Vec<Layer> = layers.iter().map(|items| layer(items)).collect();
        prop_assume!(over(&layers)?);
    }
}

#[test]
fn what_is_removed_and_replaced_is_hidden() {
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("space"));
    if !is_root() || Mounted::new(&directories).is_none() {
        println!("skipped: nothing can be mounted here");
        return;
    }
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
        assert!(over(&[&below[..], upper].map(unordered)).expect("as the tree"));
        for after in &after {
            let layers = [&below[..], upper, after].map(unordered);
            over(&layers).expect("as the tree");
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

//! Directories that somebody prepared, or changes while they are written to.

use std::os::unix::fs::symlink as make_symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Gives a directory, and another one outside of it that has something.
fn prepared() -> (tempfile::TempDir, tempfile::TempDir) {
    let [root, outside] = [(); 2].map(|()| tempfile::tempdir().expect("space"));
    fs_err::write(outside.path().join("precious"), "as it was").expect("space");
    (root, outside)
}

#[track_caller]
fn is_untouched(outside: &Path) {
    let names = fs_err::read_dir(outside).expect("it is there");
    assert_eq!(names.count(), 1);
    let content = fs_err::read_to_string(outside.join("precious")).expect("it is there");
    assert_eq!(content, "as it was");
    let mode = mode(&outside.join("precious"));
    assert_ne!(mode, 0o4711);
}

/// Gives a layer that would write to `d/precious`.
fn writing() -> Vec<Item> {
    let mut file = file("d/precious", b"overwritten");
    file.0.metadata.mode = 0o4711;
    let new = super::file("d/new", b"new");
    vec![other("d", Kind::Directory), new, file]
}

#[test]
fn links_that_are_there_are_replaced() {
    let (root, outside) = prepared();
    let form = (Form::Plain, ANYBODY);
    make_symlink(outside.path(), root.path().join("d")).expect("space");
    work(&Tree::new(), &layer(&writing()), root.path(), form, 2).expect("space");
    is_untouched(outside.path());
    assert_eq!(mode(&root.path().join("d/precious")), 0o4711);

    fs_err::remove_file(root.path().join("d/precious")).expect("it is there");
    let target = outside.path().join("precious");
    make_symlink(&target, root.path().join("d/precious")).expect("space");
    work(&Tree::new(), &layer(&writing()), root.path(), form, 2).expect("space");
    is_untouched(outside.path());
    assert_eq!(mode(&root.path().join("d/precious")), 0o4711);
}

#[test]
fn names_of_other_files_are_not_written_through() {
    let (root, outside) = prepared();
    fs_err::create_dir(root.path().join("d")).expect("space");
    let precious = outside.path().join("precious");
    fs_err::hard_link(&precious, root.path().join("d/precious")).expect("one disk");
    let form = (Form::Plain, ANYBODY);
    work(&Tree::new(), &layer(&writing()), root.path(), form, 2).expect("space");
    is_untouched(outside.path());
}

#[test]
fn operations_through_links_are_refused() {
    let (root, outside) = prepared();
    make_symlink(outside.path(), root.path().join("d")).expect("space");
    let metadata = crate::sample::metadata(0o4711);
    let into = Directory::open(root.path()).expect("it is there");
    let file = tempfile::tempfile().expect("space");
    let at = path("d/precious");
    let all = [
        Operation::Remove { path: at.clone() },
        Operation::Clear { path: path("d") },
        Operation::Fifo {
            path: at.clone(),
            metadata,
        },
        Operation::Link {
            path: path("mine"),
            target: at,
        },
    ];
    for operation in all {
        let form = (Form::Plain, ANYBODY);
        let failed = perform(std::slice::from_ref(&operation), &file, &into, form);
        assert!(failed.is_err(), "{operation:?}");
    }
    is_untouched(outside.path());
}

#[test]
fn links_that_come_and_go_lead_nowhere() {
    let (root, outside) = prepared();
    let items = writing();
    let layer = layer(&items);
    let over = AtomicBool::new(false);
    let mut races = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (at, away) = (root.path().join("d"), root.path().join("away"));
            make_symlink(outside.path(), &away).expect("space");
            while !over.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let cwd = rustix::fs::CWD;
                let _ = rustix::fs::renameat_with(cwd, &at, cwd, &away, flags);
            }
        });
        for _ in 0..300 {
            let form = (Form::Plain, ANYBODY);
            races += u32::from(work(&Tree::new(), &layer, root.path(), form, 2).is_err());
        }
        over.store(true, Ordering::Relaxed);
    });
    is_untouched(outside.path());
    println!("{races} of 300 were refused");
}

#[test]
fn trees_of_any_mode_and_depth_are_removed() {
    let root = tempfile::tempdir().expect("space");
    let at = root.path().join("d");
    fs_err::create_dir(&at).expect("space");
    // Far deeper than the longest path, and than descriptors could be open.
    let mut handle: OwnedFd = fs_err::File::open(&at)
        .expect("it is there")
        .into_parts()
        .0
        .into();
    let name = "n".repeat(200);
    for _ in 0..3000 {
        rustix::fs::mkdirat(&handle, &name, Mode::RWXU).expect("space");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let next = rustix::fs::openat(&handle, &name, flags, Mode::empty()).expect("made");
        rustix::fs::mkdirat(&handle, "sibling", Mode::empty()).expect("space");
        handle = next;
    }
    for (inner, mode) in [("a", 0o000), ("b", 0o555), ("c", 0o300)] {
        let inner = at.join(inner);
        fs_err::create_dir(&inner).expect("space");
        fs_err::write(inner.join("f"), "").expect("space");
        fs_err::create_dir(inner.join("e")).expect("space");
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(&inner, permissions).expect("ours");
    }
    make_symlink("/", at.join("root")).expect("space");
    let mut tree = Tree::new();
    tree.apply(0, &layer(&[other("d", Kind::Directory)]).index)
        .expect("well formed");
    let gone = layer(&[other("d", Kind::Whiteout)]);
    work(&tree, &gone, root.path(), (Form::Plain, ANYBODY), 1).expect("it is ours");
    assert_eq!(
        fs_err::read_dir(root.path()).expect("it is there").count(),
        0
    );
}

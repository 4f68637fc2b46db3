use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, Gid, Mode, Timestamps, Uid, XattrFlags};

use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::index::LayerIndex;
use crate::live::found::{ANYBODY, ROOT, attributes, compare, expected, found, is_root, possible};
use crate::live::{Marks, RECORDED_NODE, operations, perform};
use crate::sample::{archive, every_kind, metadata, path};
use crate::time::Time;
use crate::tree::Tree;

const PLAIN: Form = Form::Plain;

fn apply(root: &Path, settlements: &[Settlement], form: Form, rights: Rights) -> Result<(), Error> {
    let directory = Directory::open(root).expect("it is there");
    settle(settlements, &directory, (form, rights))
}

/// Gives something other times, permissions, owners and attributes.
fn disturb(at: &Path, rights: Rights) {
    let is_link = fs_err::symlink_metadata(at)
        .expect("it is there")
        .is_symlink();
    if rights.owners == Given::Really {
        let (uid, gid) = (Some(Uid::from_raw(7)), Some(Gid::from_raw(8)));
        rustix::fs::chownat(CWD, at, uid, gid, AtFlags::SYMLINK_NOFOLLOW).expect("root may");
    }
    for (name, _) in attributes(at) {
        if !name.contains("wharf") {
            rustix::fs::lremovexattr(at, name.as_str()).expect("it is ours");
        }
    }
    let _ = rustix::fs::lsetxattr(at, "user.extra", b"x", XattrFlags::empty());
    if !is_link {
        let permissions = std::fs::Permissions::from_mode(0o701);
        fs_err::set_permissions(at, permissions).expect("it is ours");
    }
    touch(at, 99);
}

fn touch(at: &Path, seconds: i64) {
    let time = timespec(seconds, 5);
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW).expect("it is ours");
}

fn mtime(at: &Path) -> (i64, i64) {
    let stat = fs_err::symlink_metadata(at).expect("it is there");
    (stat.mtime(), stat.mtime_nsec())
}

fn ctimes(root: &Path, paths: &[EntryPath]) -> Vec<(i64, i64)> {
    let stats = paths.iter().map(|path| {
        let at = root.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        fs_err::symlink_metadata(at).expect("it is there")
    });
    stats
        .map(|stat| (stat.ctime(), stat.ctime_nsec()))
        .collect()
}

#[test]
fn everything_is_what_it_was_again() {
    let mut items = every_kind();
    possible(&mut items);
    let bytes = archive(&items);
    let index = LayerIndex::read(&mut bytes.as_slice()).expect("an archive");
    let mut tree = Tree::new();
    tree.apply(0, &index).expect("well formed");
    let nodes: Vec<_> = tree.walk(&EntryPath::root()).collect();
    let paths: Vec<_> = nodes.iter().map(|(path, _)| path.clone()).collect();
    let settlements: Vec<_> = nodes
        .iter()
        .map(|(path, node)| Settlement::Metadata {
            path: path.clone(),
            metadata: node.metadata.clone(),
        })
        .collect();
    for rights in [ROOT, ANYBODY] {
        if !is_root() {
            println!("skipped: only root reads what has no permissions");
            return;
        }
        let root = tempfile::tempdir().expect("space");
        let mut file = tempfile::tempfile().expect("space");
        std::io::Write::write_all(&mut file, &bytes).expect("space");
        let directory = Directory::open(root.path()).expect("it is there");
        let all = operations(&Tree::new(), &index).expect("possible");
        perform(&all, &file, &directory, (PLAIN, rights)).expect("space");
        let before = found(root.path(), rights);
        let start = |place: crate::tree::ContentPlace| {
            let record = &index.records()[place.position as usize];
            record
                .content
                .as_ref()
                .and_then(|stored| stored.offset)
                .expect("a file") as usize
        };
        let is = expected(&tree, rights, |place, size| {
            bytes[start(place)..start(place) + size as usize].to_vec()
        });
        compare(&before, &is).expect("as the tree");

        for path in &paths {
            let at = root
                .path()
                .join(std::ffi::OsStr::from_bytes(path.as_bytes()));
            disturb(&at, rights);
        }
        assert_ne!(found(root.path(), rights), before);
        apply(root.path(), &settlements, PLAIN, rights).expect("it is ours");
        compare(&found(root.path(), rights), &is).expect("as the tree");

        let times = ctimes(root.path(), &paths);
        apply(root.path(), &settlements, PLAIN, rights).expect("it is ours");
        assert_eq!(
            ctimes(root.path(), &paths),
            times,
            "nothing is touched twice"
        );
    }
}

#[test]
fn owners_that_are_recorded_change() {
    let root = tempfile::tempdir().expect("space");
    symlink("x", root.path().join("l")).expect("space");
    symlink("x", root.path().join("m")).expect("space");
    fs_err::write(root.path().join("f"), "f").expect("space");
    let give = |names: &[(&str, u32, u32)]| {
        let settlements: Vec<_> = names
            .iter()
            .map(|(name, uid, gid)| Settlement::Metadata {
                path: path(name),
                metadata: Metadata {
                    uid: *uid,
                    gid: *gid,
                    ..metadata(0o700)
                },
            })
            .collect();
        apply(root.path(), &settlements, PLAIN, ANYBODY).expect("it is ours");
        let links = attributes(root.path()).pop().map(|(_, value)| value);
        let file = attributes(&root.path().join("f"))
            .pop()
            .map(|(_, value)| value);
        let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default());
        (text(links).expect("text"), text(file).expect("text"))
    };
    let is = |links: &str, file: &str| (links.to_owned(), file.to_owned());
    let all = give(&[("m", 1, 2), ("l", 0, 3), ("f", 4, 0)]);
    assert_eq!(all, is("0:3 l\x001:2 m\0", "4:0"));
    assert_eq!(give(&[("l", 0, 0)]), is("1:2 m\0", "4:0"));
    assert_eq!(give(&[("", 0, 0), ("f", 0, 0)]), is("1:2 m\0", ""));
    assert_eq!(give(&[("m", 0, 0)]), is("", ""));
    assert_eq!(attributes(root.path()), []);
}

#[test]
fn what_is_discarded_leaves_no_trace() {
    let root = tempfile::tempdir().expect("space");
    let at = |name: &str| root.path().join(name);
    fs_err::create_dir_all(at("d/e/f")).expect("space");
    fs_err::write(at("d/e/g"), "g").expect("space");
    fs_err::create_dir(at("k")).expect("space");
    let _socket = UnixListener::bind(at("k/socket")).expect("space");
    for name in ["d", "k", ""] {
        touch(&at(name), 1000);
    }
    let gone = ["d/e", "k/socket", "k/none"].map(|name| Settlement::Discard { path: path(name) });
    apply(root.path(), &gone, PLAIN, ANYBODY).expect("it is ours");
    for name in ["d/e", "k/socket"] {
        assert!(fs_err::symlink_metadata(at(name)).is_err(), "{name}");
    }
    for name in ["d", "k", ""] {
        assert_eq!(mtime(&at(name)), (1000, 5), "{name}");
    }
    // A time that was asked for is the one that counts.
    fs_err::write(at("d/x"), "").expect("space");
    let time = Metadata {
        mtime: Time::from_seconds(77),
        ..metadata(0o755)
    };
    let both = [
        Settlement::Metadata {
            path: path("d"),
            metadata: time,
        },
        Settlement::Discard { path: path("d/x") },
    ];
    for both in [both.clone(), [both[1].clone(), both[0].clone()]] {
        fs_err::write(at("d/x"), "").expect("space");
        apply(root.path(), &both, PLAIN, ANYBODY).expect("it is ours");
        assert_eq!(mtime(&at("d")), (77, 0));
    }
}

/// Makes files of which `a` and `b` are one, and `c` is alike.
fn files() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("space");
    let at = |name: &str| root.path().join(name);
    fs_err::create_dir(at("d")).expect("space");
    fs_err::write(at("d/a"), vec![b'x'; 100_000]).expect("space");
    fs_err::hard_link(at("d/a"), at("d/b")).expect("one disk");
    fs_err::write(at("d/c"), vec![b'x'; 100_000]).expect("space");
    touch(&at("d/a"), 50);
    touch(&at("d"), 1000);
    root
}

fn inode(at: &Path) -> u64 {
    fs_err::symlink_metadata(at).expect("it is there").ino()
}

#[test]
fn names_become_those_of_one_file() {
    let root = files();
    let at = |name: &str| root.path().join(name);
    let link = |name: &str, target: &str| Settlement::Link {
        path: path(name),
        target: path(target),
    };
    let links = [link("d/c", "d/a"), link("d/b", "d/a"), link("d/new", "d/a")];
    apply(root.path(), &links, PLAIN, ANYBODY).expect("it is ours");
    for name in ["d/b", "d/c", "d/new"] {
        assert_eq!(inode(&at(name)), inode(&at("d/a")), "{name}");
    }
    assert_eq!(fs_err::read_dir(at("d")).expect("it is there").count(), 4);
    assert_eq!(mtime(&at("d")), (1000, 5));
    let none = [link("d/c", "d/none")];
    let error = apply(root.path(), &none, PLAIN, ANYBODY).expect_err("nothing is there");
    assert!(error.to_string().ends_with("/d/c`"), "{error}");
    assert_eq!(inode(&at("d/c")), inode(&at("d/a")), "it stays");
}

#[test]
fn a_name_becomes_a_file_of_its_own() {
    let root = files();
    let at = |name: &str| root.path().join(name);
    symlink("x", at("d/l")).expect("space");
    fs_err::hard_link(at("d/l"), at("d/m")).expect("one disk");
    let kind = FileType::Fifo;
    rustix::fs::mknodat(CWD, at("d/p"), kind, Mode::RUSR, 0).expect("space");
    fs_err::hard_link(at("d/p"), at("d/q")).expect("one disk");
    let flags = XattrFlags::empty();
    rustix::fs::setxattr(at("d/a"), RECORDED_NODE, b"c 1:3", flags).expect("it is ours");
    let separate = ["d/b", "d/m", "d/q", "d/c"].map(|name| Settlement::Separate {
        path: path(name),
        metadata: Metadata {
            mtime: Time::from_seconds(70),
            ..metadata(0o640)
        },
    });
    let alone = inode(&at("d/c"));
    touch(&at("d"), 1000);
    apply(root.path(), &separate, PLAIN, ANYBODY).expect("it is ours");
    for (name, other) in [("d/b", "d/a"), ("d/m", "d/l"), ("d/q", "d/p")] {
        assert_ne!(inode(&at(name)), inode(&at(other)), "{name}");
        assert_eq!(mtime(&at(name)), (70, 0), "{name}");
    }
    assert_eq!(mtime(&at("d/a")), (50, 5));
    assert_eq!(inode(&at("d/c")), alone);
    assert_eq!(mtime(&at("d")), (1000, 5));
    let content = fs_err::read(at("d/b")).expect("readable");
    assert_eq!(content, vec![b'x'; 100_000]);
    assert_eq!(attributes(&at("d/b")), attributes(&at("d/a")));
    assert_eq!(
        fs_err::read_link(at("d/m")).expect("a link"),
        Path::new("x")
    );
    let pipe = fs_err::symlink_metadata(at("d/q")).expect("it is there");
    assert!(pipe.file_type().is_fifo());
    assert_eq!(pipe.mode() & 0o7777, 0o640);
    assert_eq!(fs_err::read_dir(at("d")).expect("it is there").count(), 7);
}

#[test]
fn what_lies_below_is_hidden_and_shown() {
    let root = files();
    let at = |name: &str| root.path().join(name);
    let flags = XattrFlags::empty();
    for name in ["user.overlay.opaque", "user.kept"] {
        rustix::fs::setxattr(at("d"), name, b"y", flags).expect("it is ours");
    }
    let settlements = [
        Settlement::Whiteout { path: path("d/a") },
        Settlement::Whiteout {
            path: path("d/none"),
        },
        Settlement::Reveal { path: path("d") },
        Settlement::Reveal { path: path("") },
    ];
    let form = Form::Overlay { marks: Marks::User };
    for _ in 0..2 {
        apply(root.path(), &settlements, form, ANYBODY).expect("it is ours");
    }
    for name in ["d/a", "d/none"] {
        let stat = fs_err::symlink_metadata(at(name)).expect("it is there");
        assert!(stat.file_type().is_char_device(), "{name}");
        assert_eq!(stat.rdev(), 0, "{name}");
    }
    assert_eq!(
        attributes(&at("d")),
        [("user.kept".to_owned(), b"y".to_vec())]
    );
    assert_eq!(mtime(&at("d")), (1000, 5));
}

#[test]
fn no_link_is_followed() {
    let [root, outside] = [(); 2].map(|()| tempfile::tempdir().expect("space"));
    let precious = outside.path().join("precious");
    fs_err::write(&precious, "as it was").expect("space");
    touch(&precious, 5);
    symlink(outside.path(), root.path().join("d")).expect("space");
    symlink(&precious, root.path().join("l")).expect("space");
    let (at, metadata) = (path("d/precious"), metadata(0o4711));
    let through = [
        Settlement::Metadata {
            path: at.clone(),
            metadata: metadata.clone(),
        },
        Settlement::Discard { path: at.clone() },
        Settlement::Link {
            path: path("mine"),
            target: at.clone(),
        },
        Settlement::Link {
            path: at.clone(),
            target: path("l"),
        },
        Settlement::Separate {
            path: at.clone(),
            metadata: metadata.clone(),
        },
        Settlement::Whiteout { path: at },
        Settlement::Reveal { path: path("d") },
    ];
    let form = Form::Overlay { marks: Marks::User };
    for settlement in through {
        let done = apply(
            root.path(),
            std::slice::from_ref(&settlement),
            form,
            ANYBODY,
        );
        assert!(done.is_err(), "{settlement:?}");
    }
    // What is at the end is meant itself.
    for settlement in [
        Settlement::Metadata {
            path: path("l"),
            metadata: metadata.clone(),
        },
        Settlement::Metadata {
            path: path("d"),
            metadata,
        },
    ] {
        apply(root.path(), &[settlement], form, ANYBODY).expect("it is ours");
    }
    let stat = fs_err::metadata(&precious).expect("it is there");
    assert_ne!(stat.mode() & 0o7777, 0o4711);
    assert_eq!((stat.mtime(), stat.nlink()), (5, 1));
    assert_eq!(mtime(&root.path().join("l")), (0, 0));
}

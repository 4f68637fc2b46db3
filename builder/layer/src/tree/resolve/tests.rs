use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::*;
use crate::entry::Metadata;
use crate::sample::path;

fn link(tree: &mut Tree, at: &str, target: &str) {
    let node = Node {
        metadata: Metadata::default(),
        kind: NodeKind::Symlink {
            target: target.as_bytes().into(),
        },
    };
    tree.insert(&path(at), node).expect("in order");
}

fn directory(tree: &mut Tree, at: &str) {
    tree.insert(&path(at), Node::directory(Metadata::default()))
        .expect("in order");
}

fn fifo(tree: &mut Tree, at: &str) {
    let node = Node {
        metadata: Metadata::default(),
        kind: NodeKind::Fifo,
    };
    tree.insert(&path(at), node).expect("in order");
}

#[test]
fn the_rest_of_a_path_may_be_missing() {
    let mut tree = Tree::new();
    directory(&mut tree, "usr");
    directory(&mut tree, "usr/lib");
    link(&mut tree, "lib", "usr/lib");
    link(&mut tree, "dangling", "/usr/none");
    fifo(&mut tree, "usr/pipe");
    let found = |text: &str, follow| {
        let resolved = tree
            .resolve(text.as_bytes(), follow)
            .expect("it leads somewhere");
        (resolved.path, resolved.node.is_some())
    };
    for (text, expected, is_there) in [
        ("", "", true),
        ("/../../lib/", "usr/lib", true),
        ("lib/x/y", "usr/lib/x/y", false),
        ("lib/x/../y/", "usr/lib/y", false),
        ("lib/../none", "usr/none", false),
        ("dangling", "usr/none", false),
        ("dangling/x", "usr/none/x", false),
        ("dangling/../lib", "usr/lib", true),
        ("x/../../lib/..", "usr", true),
    ] {
        assert_eq!(
            found(text, Follow::All),
            (path(expected), is_there),
            "{text}"
        );
    }
    assert_eq!(found("lib", Follow::AllButLast), (path("lib"), true));
    assert_eq!(found("lib/", Follow::AllButLast), (path("usr/lib"), true));
    assert_eq!(
        found("lib/../pipe", Follow::AllButLast),
        (path("usr/pipe"), true)
    );
    for text in ["usr/pipe/", "usr/pipe/.", "usr/pipe/..", "usr/pipe/x"] {
        let error = tree
            .resolve(text.as_bytes(), Follow::All)
            .expect_err("a pipe");
        assert_eq!(
            error,
            ResolveError::NotADirectory(path("usr/pipe")),
            "{text}"
        );
    }
    for text in [&b"a\0b"[..], &[b'x'; 256], &b"xy/".repeat(1366)] {
        let error = tree.resolve(text, Follow::All).expect_err("no path");
        assert!(matches!(error, ResolveError::Path(_)), "{error}");
    }
}

#[test]
fn as_many_links_as_the_kernel_follows() {
    let mut tree = Tree::new();
    directory(&mut tree, "0");
    for number in 1..=41 {
        link(&mut tree, &number.to_string(), &format!("/{}", number - 1));
    }
    link(&mut tree, "itself", "itself");
    link(&mut tree, "longer", "longer/x");
    let resolved = tree.resolve(b"40", Follow::All).expect("40 links");
    assert_eq!(resolved.path, path("0"));
    for text in ["41", "itself", "longer", "itself/../0"] {
        let error = tree
            .resolve(text.as_bytes(), Follow::All)
            .expect_err("too many");
        assert!(matches!(error, ResolveError::Loop(_)), "{error}");
    }
    assert!(tree.resolve(b"41", Follow::AllButLast).is_ok());
}

/// Says what the kernel finds for a process whose root a directory is.
fn kernel(root: &Path, text: &[u8], follow: Follow) -> Result<Vec<u8>, Errno> {
    let handle = rustix::fs::open(root, OFlags::PATH, Mode::empty()).expect("a directory");
    let flags = match follow {
        Follow::All => OFlags::PATH,
        Follow::AllButLast => OFlags::PATH | OFlags::NOFOLLOW,
    };
    let opened = loop {
        match rustix::fs::openat2(&handle, text, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            // Something was renamed or mounted somewhere while it followed `..`
            // (openat2(2), "ERRORS").
            Err(Errno::AGAIN) => {}
            opened => break opened?,
        }
    };
    let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
    let found = fs_err::read_link(format!("/proc/self/fd/{number}")).expect("it is open");
    let found = found.strip_prefix(root).expect("it is in the root");
    Ok(found.as_os_str().as_bytes().to_vec())
}

/// Gives paths of few names, so that most of them lead somewhere.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[abc]",
        1 => Just(String::from(".")),
        2 => Just(String::from("..")),
        1 => Just(String::new()),
    ];
    (
        any::<bool>(),
        proptest::collection::vec(part, 1..5),
        any::<bool>(),
    )
        .prop_map(|(absolute, parts, slash)| {
            let start = if absolute { "/" } else { "" };
            let end = if slash { "/" } else { "" };
            let text = format!("{start}{}{end}", parts.join("/"));
            if text.is_empty() {
                String::from(".")
            } else {
                text
            }
        })
}

/// Makes a tree in memory and on disk of parts, as far as they fit together.
fn both(root: &Path, parts: &[(Vec<String>, u8, String)]) -> Tree {
    let mut tree = Tree::new();
    for (names, kind, target) in parts {
        let text = names.join("/");
        let at = path(&text);
        let parent = at.parent().unwrap_or_default();
        if tree.node(&at).is_some() || !tree.node(&parent).is_some_and(Node::is_directory) {
            continue;
        }
        match kind {
            0..=3 => {
                directory(&mut tree, &text);
                fs_err::create_dir(root.join(&text)).expect("it has a parent");
            }
            4..=8 => {
                link(&mut tree, &text, target);
                symlink(target, root.join(&text)).expect("it has a parent");
            }
            _ => {
                fifo(&mut tree, &text);
                fs_err::write(root.join(&text), "").expect("it has a parent");
            }
        }
    }
    tree
}

proptest! {
    #[test]
    fn paths_lead_where_the_kernel_finds_them(
        parts in proptest::collection::vec(
            (proptest::collection::vec("[abc]", 1..4), 0_u8..11, any_text()),
            1..24,
        ),
        texts in proptest::collection::vec(any_text(), 16),
    ) {
        let held = tempfile::tempdir().expect("space");
        let root = fs_err::canonicalize(held.path()).expect("it is there");
        // Outer ones first.
        let mut parts = parts;
        parts.sort_by_key(|(names, _, _)| names.len());
        let tree = both(&root, &parts);
        for text in texts {
            for follow in [Follow::All, Follow::AllButLast] {
                let resolved = tree.resolve(text.as_bytes(), follow);
                match kernel(&root, text.as_bytes(), follow) {
                    Ok(found) => {
                        let resolved = resolved.expect("the kernel finds it");
                        prop_assert!(resolved.node.is_some(), "{text}");
                        prop_assert_eq!(resolved.path.as_bytes(), found, "{}", text);
                    }
                    Err(Errno::LOOP) => prop_assert!(matches!(resolved, Err(ResolveError::Loop(_))), "{text}"),
                    Err(Errno::NOTDIR) => {
                        prop_assert!(matches!(resolved, Err(ResolveError::NotADirectory(_))), "{text}");
                    }
                    // Here the kernel stops, and a build goes on: what is
                    // missing is made.
                    Err(Errno::NOENT) => {
                        if let Ok(resolved) = resolved && !text.contains("..") && no_way_back(&parts) {
                            prop_assert!(resolved.node.is_none(), "{text}");
                        }
                    }
                    Err(errno) => prop_assert!(false, "{text}: {errno}"),
                }
            }
        }
    }
}

fn no_way_back(parts: &[(Vec<String>, u8, String)]) -> bool {
    parts.iter().all(|(_, _, target)| !target.contains(".."))
}

use std::collections::BTreeMap;
use std::sync::Arc;

use layer::{ContentPlace, Entry, Kind, Metadata, Node, NodeKind};

use super::*;
use crate::pack::recipe::{Content, Item};
use crate::step::mode;

mod archives;
mod flags;
mod linked;
mod parents;
mod trees;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("valid")
}

fn metadata(mode: u16, owner: u32) -> Metadata {
    Metadata {
        mode,
        uid: owner,
        gid: owner,
        ..Metadata::default()
    }
}

/// Makes a tree of lines such as `a/`, `a/f`, `l -> a`, `f = a/f` (another
/// name of it), each perhaps with a mode and an owner in front: `1777:5 a/`.
fn tree(lines: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for (number, line) in lines.iter().enumerate() {
        let (mode, owner, what) = match line.split_once(' ') {
            Some((head, rest)) if head.contains(':') => {
                let (mode, owner) = head.split_once(':').expect("a colon");
                let mode = u16::from_str_radix(mode, 8).expect("octal");
                (Some(mode), owner.parse().expect("a number"), rest)
            }
            _ => (None, 0, *line),
        };
        let node = |default: u16, kind| Node {
            metadata: metadata(mode.unwrap_or(default), owner),
            kind,
        };
        let file = |position: usize| {
            NodeKind::File(File {
                size: 3,
                place: ContentPlace {
                    origin: 0,
                    position: position as u64,
                },
                digest: None,
            })
        };
        let (name, node) = if let Some((name, target)) = what.split_once(" -> ") {
            (
                name,
                node(
                    0o777,
                    NodeKind::Symlink {
                        target: target.as_bytes().into(),
                    },
                ),
            )
        } else if let Some((name, twin)) = what.split_once(" = ") {
            let twin = tree.node(&path(twin)).expect("there").clone();
            (name, twin)
        } else if what.ends_with('/') {
            (what, node(0o755, NodeKind::Directory(Arc::default())))
        } else {
            (what, node(0o644, file(number)))
        };
        tree.insert(&path(name), node).expect("its parent is there");
    }
    tree
}

fn how(destination: &str) -> Copying {
    Copying {
        destination: destination.to_owned(),
        owner: None,
        mode: None,
        excluded: Excluded::default(),
        keeps_parents: false,
        is_linked: false,
        existing: Existing::Kept,
        time: Time::from_seconds(9),
    }
}

/// Copies, and lists what the layer holds.
fn copied(
    from: &Tree,
    to: &mut Tree,
    sources: &[&str],
    how: &Copying,
) -> Result<Vec<String>, String> {
    let sources: Vec<Source> = sources
        .iter()
        .map(|path| Source::Path((*path).to_owned()))
        .collect();
    let found = find(from, &sources, how).map_err(said)?;
    let copied = place(&found, &sources, to, how).map_err(said)?;
    Ok(lines(&copied.recipe))
}

/// Gives what an error says, with its cause.
fn said(Failure { error, .. }: Failure) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Lists what a layer holds.
fn lines(recipe: &Recipe) -> Vec<String> {
    let line = |Item { entry, content }: &Item| {
        let Entry {
            path,
            kind,
            metadata,
        } = entry;
        let what = match kind {
            Kind::Directory => "/".to_owned(),
            Kind::HardLink { target } => return format!("{path} = {target}"),
            Kind::Symlink { target } => format!(" -> {}", String::from_utf8_lossy(target)),
            _ => String::new(),
        };
        let from = match content {
            Content::Place { place, .. } => format!(" #{}", place.position),
            _ => String::new(),
        };
        format!("{path}{what} {:o}:{}{from}", metadata.mode, metadata.uid)
    };
    recipe.items().map(line).collect()
}

fn context() -> Tree {
    tree(&[
        "a",
        "b.txt",
        "d/",
        "d/e/",
        "d/e/f",
        "d/g",
        "d/s -> g",
        "l -> d",
        "m -> b.txt",
        "out -> ../../etc/passwd",
        "h1",
        "z/",
        "z/h2 = h1",
    ])
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, read from top to bottom")]
fn files_and_directories_go_where_docker_puts_them() {
    let base = || {
        tree(&[
            "usr/",
            "usr/bin/",
            "usr/bin/x",
            "bin -> usr/bin",
            "1777:0 tmp/",
            "var/",
            "run/",
            "var/run -> /run",
            "etc/",
            "etc/passwd",
            "f",
            "lf -> f",
        ])
    };
    for (sources, destination, expected) in [
        (&["a"][..], "/x", &["/x 644:0 #0"][..]),
        (&["a"], "/x/", &["/x/ 755:0", "/x/a 644:0 #0"]),
        (&["a"], "/bin/", &["/usr/bin/a 644:0 #0"]),
        (&["a"], "/bin", &["/usr/bin/a 644:0 #0"]),
        (&["a"], "/bin/x", &["/usr/bin/x 644:0 #0"]),
        (&["a"], "/tmp/", &["/tmp/a 644:0 #0"]),
        (&["a"], "/var/run/", &["/run/a 644:0 #0"]),
        (
            &["a"],
            "/var/run/n/m",
            &["/run/n/ 755:0", "/run/n/m 644:0 #0"],
        ),
        (&["a"], "/lf", &["/f 644:0 #0"]),
        (&["a"], "/f", &["/f 644:0 #0"]),
        (
            &["d"],
            "/x",
            &[
                "/x/ 755:0",
                "/x/e/ 755:0",
                "/x/e/f 644:0 #4",
                "/x/g 644:0 #5",
                "/x/s -> g 777:0",
            ],
        ),
        (
            &["d/"],
            "/bin",
            &[
                "/usr/bin/e/ 755:0",
                "/usr/bin/e/f 644:0 #4",
                "/usr/bin/g 644:0 #5",
                "/usr/bin/s -> g 777:0",
            ],
        ),
        (&["d/s"], "/x/", &["/x/ 755:0", "/x/s 644:0 #5"]),
        (&["l/g"], "/x", &["/x 644:0 #5"]),
        (
            &["l"],
            "/x/",
            &[
                "/x/ 755:0",
                "/x/e/ 755:0",
                "/x/e/f 644:0 #4",
                "/x/g 644:0 #5",
                "/x/s -> g 777:0",
            ],
        ),
        (
            &["a", "m"],
            "/x/",
            &["/x/ 755:0", "/x/a 644:0 #0", "/x/m 644:0 #1"],
        ),
        (
            &["[a-c]", "*.txt"],
            "/x/",
            &["/x/ 755:0", "/x/a 644:0 #0", "/x/b.txt 644:0 #1"],
        ),
        (
            &["d/*"],
            "/tmp",
            &["/tmp/f 644:0 #4", "/tmp/g 644:0 #5", "/tmp/s 644:0 #5"],
        ),
        (&["../../a"], "/x", &["/x 644:0 #0"]),
        (&["/a"], "/x", &["/x 644:0 #0"]),
        (
            &["h1", "z"],
            "/x/",
            &["/x/ 755:0", "/x/h1 644:0 #10", "/x/h2 644:0 #10"],
        ),
    ] {
        let found = copied(&context(), &mut base(), sources, &how(destination));
        assert_eq!(
            found.as_deref(),
            Ok(&expected
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()[..]),
            "{sources:?} to {destination}"
        );
    }
}

#[test]
fn names_of_one_file_stay_so() {
    let context = tree(&["y", "b/", "b/c = y", "a = y"]);
    let found = copied(&context, &mut Tree::new(), &["."], &how("/"));
    assert_eq!(
        found.expect("copied"),
        ["/a 644:0 #0", "/b/ 755:0", "/b/c = /a", "/y = /a"]
    );
}

#[test]
fn a_pattern_beside_what_is_there_may_find_nothing() {
    let sources = ["b.txt", "yarn.lock*", "no/*.md", "*/no"];
    let lines = copied(&context(), &mut Tree::new(), &sources, &how("/x/"));
    assert_eq!(
        lines.expect("one is there").len(),
        2,
        "a directory and a file"
    );
    let said = copied(&context(), &mut Tree::new(), &["a*", "no"], &how("/x/"));
    assert_eq!(said.expect_err("no pattern"), "`/no` is not there");
}

#[test]
fn what_can_not_be_copied_says_why() {
    let base = || {
        tree(&[
            "bin -> usr/bin",
            "usr/",
            "usr/bin/",
            "f",
            "etc/",
            "etc/b.txt/",
            "c -> c",
        ])
    };
    let context = tree(&["bin/", "bin/x", "b.txt", "f/", "f/x", "etc", "c/"]);
    for (sources, destination, expected) in [
        (&["no"][..], "/", "`/no` is not there"),
        (&["*.md"], "/", "nothing is found by `*.md`"),
        (&["*.md", "x*"], "/", "nothing is found by `*.md`"),
        (&["[a"], "/", "`[a` is no pattern"),
        (&["."], "/", "`/bin` is in the way"),
        (&["b.txt"], "/etc/", "`/etc/b.txt` is a directory"),
        (&["f"], "/f", "`/f` is in the way"),
        (
            &["b.txt"],
            "/f/",
            "can not copy to `/f/`: `/f` is no directory",
        ),
        (
            &["b.txt"],
            "/f/x",
            "can not copy to `/f/x`: `/f` is no directory",
        ),
        (&["b.txt", "f"], "/x", "`/x` has to be a directory"),
        (
            &["b.txt"],
            "/c/x",
            "can not copy to `/c/x`: `/c/x` leads through more than 40 links",
        ),
    ] {
        let said = copied(&context, &mut base(), sources, &how(destination)).expect_err("refused");
        assert!(
            said.starts_with(expected),
            "{sources:?} to {destination}: {said}"
        );
    }
}

#[test]
fn links_lead_nowhere_outside() {
    let said = copied(&context(), &mut Tree::new(), &["out"], &how("/x")).expect_err("not there");
    assert_eq!(
        said,
        "`/out` is a link to `../../etc/passwd`, which is not there"
    );
    let mut with = context();
    with.insert(&path("etc"), Node::directory(metadata(0o755, 0)))
        .expect("the root is there");
    let inner = with.node(&path("a")).expect("there").clone();
    with.insert(&path("etc/passwd"), inner)
        .expect("its parent is there");
    let found = copied(&with, &mut Tree::new(), &["out"], &how("/x")).expect("inside");
    assert_eq!(found, ["/x 644:0 #0"]);
}

#[test]
fn directories_that_are_there_stay_as_they_are() {
    let context = tree(&["tmp/", "tmp/x", "700:7 home/", "700:7 home/y"]);
    let base = || tree(&["1777:0 tmp/", "750:3 home/"]);
    let all = |how: &Copying| copied(&context, &mut base(), &["."], how).expect("copied");
    assert_eq!(all(&how("/")), ["/home/y 700:7 #3", "/tmp/x 644:0 #1"]);
    let mut replaced = how("/");
    replaced.existing = Existing::Replaced;
    assert_eq!(
        all(&replaced),
        [
            "/home/ 700:7",
            "/home/y 700:7 #3",
            "/tmp/ 755:0",
            "/tmp/x 644:0 #1"
        ]
    );
    let mut owned = how("/");
    owned.owner = Some(Owner { uid: 4, gid: 5 });
    assert_eq!(
        all(&owned),
        [
            "/home/ 750:4",
            "/home/y 700:4 #3",
            "/tmp/ 1777:4",
            "/tmp/x 644:4 #1"
        ]
    );
}

#[test]
fn flags_change_what_is_copied_and_what_is_made_for_it() {
    let mut how = how("/n/");
    how.owner = Some(Owner { uid: 4, gid: 5 });
    how.mode = Some(mode::parse("4711").expect("a mode"));
    let found = copied(&context(), &mut Tree::new(), &["d"], &how).expect("copied");
    assert_eq!(
        found,
        [
            "/n/ 755:4",
            "/n/e/ 4711:4",
            "/n/e/f 4711:4 #4",
            "/n/g 4711:4 #5",
            "/n/s -> g 777:4"
        ]
    );
}

#[test]
fn a_heredoc_is_a_file() {
    let sources = [Source::Inline {
        name: "EOF".to_owned(),
        content: Bytes::from_static(b"hello\n"),
    }];
    let mut to = Tree::new();
    let (from, how) = (Tree::new(), how("/etc/x.conf"));
    let found = find(&from, &sources, &how).expect("found");
    let copied = place(&found, &sources, &mut to, &how).expect("copied");
    let items: Vec<&Item> = copied.recipe.items().collect();
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].entry.kind, Kind::File { size: 6 });
    assert_eq!(items[1].entry.metadata.mtime, Time::from_seconds(9));
}

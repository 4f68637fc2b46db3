use std::sync::Arc;

use layer::{ContentPlace, File, Metadata, Node};
use proptest::prelude::*;

use super::*;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).expect("a path")
}

/// Makes a tree: directories, files, and links with what they say.
fn tree() -> Tree {
    let directory = || NodeKind::Directory(Arc::default());
    let file = || {
        let place = ContentPlace {
            origin: 0,
            position: 0,
        };
        NodeKind::File(File {
            size: 0,
            place,
            digest: None,
        })
    };
    let link = |target: &str| NodeKind::Symlink {
        target: target.as_bytes().into(),
    };
    let mut tree = Tree::new();
    for (at, kind) in [
        ("a", directory()),
        ("a/b", directory()),
        ("a/file", file()),
        ("dev", directory()),
        ("cache", directory()),
        ("cache/out", link("/b")),
        ("link", link("/a/b")),
        ("up", link("../../..")),
        ("loop", link("loop")),
        ("device", link("/dev/x")),
        ("kernel", link("/proc/sys")),
        ("null", NodeKind::Fifo),
        ("c", directory()),
        ("c/one", link("/d")),
        ("d", directory()),
        ("d/two", link("/c")),
        ("deep", link("a/./b")),
        ("back", link("/a/b/../../c")),
    ] {
        let metadata = Metadata::default();
        tree.insert(&path(at), Node { metadata, kind })
            .expect("a parent");
    }
    tree
}

fn mounts(texts: &[&str]) -> Vec<Mount> {
    let texts = texts.iter();
    texts
        .map(|text| dockerfile::parse_mount(text).expect(text))
        .collect()
}

fn planned(texts: &[&str]) -> Result<Planned, Error> {
    let mounts = mounts(texts);
    // A bind whose source says so is a file.
    let wanted: Vec<Wanted<'_>> = mounts
        .iter()
        .map(|mount| Wanted {
            mount,
            shape: match mount.source.as_deref() {
                Some("file") => Shape::File,
                _ => Shape::Directory,
            },
        })
        .collect();
    plan(&wanted, "/work", &tree())
}

/// Prints where mounts are: number, target, and what they are laid on.
fn places(texts: &[&str]) -> Vec<String> {
    let planned = planned(texts).expect("a plan");
    let print = |mount: &PlannedMount| {
        let stub = match &mount.stub {
            Stub::Tree => "tree".to_owned(),
            Stub::Inside { mount, path } => format!("{mount}:{path}"),
            Stub::Devices { path } => format!("dev:{path}"),
        };
        format!("{} {} {stub}", mount.number, mount.target)
    };
    planned.mounts.iter().map(print).collect()
}

#[test]
fn targets_are_where_the_links_of_the_image_lead() {
    for (target, place) in [
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("x", "/work/x"),
        (".", "/work"),
        ("../y", "/y"),
        ("/link", "/a/b"),
        ("/link/x/y", "/a/b/x/y"),
        ("/up/a", "/a"),
        ("/cache/out/x", "/b/x"),
        ("/new/deep/one", "/new/deep/one"),
        ("/run/../a/./b", "/a/b"),
    ] {
        let mount = format!("type=cache,target={target}");
        assert_eq!(places(&[&mount]), [format!("0 {place} tree")], "{target}");
    }
    for (target, path) in [("/dev/shm", "/shm"), ("/device/y", "/x/y")] {
        let mount = format!("type=tmpfs,target={target}");
        let place = format!("0 /dev{path} dev:{path}");
        assert_eq!(places(&[&mount]), [place], "{target}");
    }
}

#[test]
fn a_mount_in_another_one_comes_behind_it() {
    assert_eq!(
        places(&[
            "type=secret,id=s,target=/cache/out/s",
            "type=cache,target=/z",
            "type=cache,target=/cache",
            "type=tmpfs,target=/cache/out",
            "type=bind,target=/cache/out/x/y",
        ]),
        [
            "2 /cache tree",
            "3 /cache/out 0:/out",
            // What is in a cache is not known: its names are no links.
            "0 /cache/out/s 1:/s",
            "4 /cache/out/x/y 1:/x/y",
            "1 /z tree",
        ]
    );
    assert_eq!(
        places(&[
            "type=cache,target=/link/x",
            "type=tmpfs,target=/a",
            "type=cache,target=/a/b"
        ]),
        ["1 /a tree", "2 /a/b 0:/b", "0 /a/b/x 1:/x"]
    );
    assert_eq!(
        places(&["type=cache,target=/dev/a/b", "type=cache,target=/dev/a"]),
        ["1 /dev/a dev:/a", "0 /dev/a/b 0:/b"]
    );
    // A link leads below a mount, and another one back out of it.
    assert_eq!(
        places(&["type=tmpfs,target=/deep/x", "type=cache,target=/a"]),
        ["1 /a tree", "0 /a/b/x 0:/b/x"]
    );
    assert_eq!(
        places(&["type=tmpfs,target=/back/x", "type=cache,target=/a/b"]),
        ["1 /a/b tree", "0 /c/x tree"]
    );
}

#[test]
fn impossible_targets_are_told() {
    for (texts, part) in [
        (&["type=cache,target=/up"][..], "is the root"),
        (&["type=cache,target=../.."], "is the root"),
        (&["type=cache,target=/proc"], "in `/proc`"),
        (&["type=cache,target=/proc/x"], "in `/proc`"),
        (&["type=cache,target=/kernel/x"], "in `/proc`"),
        (&["type=cache,target=/sys/fs/cgroup"], "in `/sys`"),
        (&["type=cache,target=/dev"], "in `/dev`"),
        (&["type=cache,target=/loop"], "nothing can be mounted"),
        (&["type=cache,target=/a/file/x"], "nothing can be mounted"),
        (&["type=cache,target=/null/x"], "nothing can be mounted"),
        (
            &["type=cache,target=/a/b", "type=tmpfs,target=/link/"],
            "target of two mounts",
        ),
        (
            &[
                "type=cache,target=/a",
                "type=cache,target=/a/x",
                "type=tmpfs,target=/a/x",
            ],
            "target of two mounts",
        ),
        (
            &["type=secret,id=s,target=/s", "type=cache,target=/s/x"],
            "leads through `/s`",
        ),
        (
            &["type=bind,source=file,target=/s", "type=cache,target=/s/x"],
            "leads through `/s`",
        ),
        // Each leads through what the other hides.
        (
            &["type=tmpfs,target=/c/one", "type=tmpfs,target=/d/two"],
            "another mount hides",
        ),
        (
            &["type=secret,id=a,env=A", "type=secret,id=b,env=A"],
            "two mounts set the variable `A`",
        ),
    ] {
        let error = planned(texts).expect_err(part);
        assert!(error.to_string().contains(part), "{texts:?}: {error}");
    }
    let mount = format!("type=cache,target=/{}", "x".repeat(256));
    let error = planned(&[&mount]).expect_err("a long name");
    assert!(error.to_string().contains("nothing can be mounted"));
    let many = vec!["type=ssh"; 101];
    assert!(planned(&many).is_err());
}

/// Sees to it that one mount alone is what is expected.
fn assert_kind(text: &str, shape: Shape, kind: &PlannedKind) {
    let planned = planned(&[text]).expect(text);
    let [mount] = planned.mounts.as_slice() else {
        panic!("{text}: {planned:?}");
    };
    assert_eq!((&mount.kind, mount.shape), (kind, shape), "{text}");
    assert_eq!(mount.target, path("x"), "{text}");
}

fn access(mode: u32, uid: u32, gid: u32) -> Access {
    Access { mode, uid, gid }
}

#[test]
fn binds_and_caches_have_what_is_said_or_the_defaults() {
    for (text, shape, kind) in [
        (
            "target=/x,source=../a/./b/",
            Shape::Directory,
            PlannedKind::Bind {
                from: None,
                source: "/a/b/".to_owned(),
                read_only: true,
            },
        ),
        (
            "target=/x,source=file,from=s,rw",
            Shape::File,
            PlannedKind::Bind {
                from: Some("s".to_owned()),
                source: "/file".to_owned(),
                read_only: false,
            },
        ),
        (
            "type=cache,target=/x",
            Shape::Directory,
            PlannedKind::Cache {
                id: "/x".to_owned(),
                sharing: Sharing::Shared,
                access: access(0o755, 0, 0),
                from: None,
                source: "/".to_owned(),
                read_only: false,
            },
        ),
        (
            "type=cache,target=/x,id=i,sharing=locked,mode=0700,uid=1,gid=2,from=s,source=d,ro",
            Shape::Directory,
            PlannedKind::Cache {
                id: "i".to_owned(),
                sharing: Sharing::Locked,
                access: access(0o700, 1, 2),
                from: Some("s".to_owned()),
                source: "/d".to_owned(),
                read_only: true,
            },
        ),
    ] {
        assert_kind(text, shape, &kind);
    }
}

#[test]
fn what_is_in_memory_has_what_is_said_or_the_defaults() {
    for (text, shape, kind) in [
        (
            "type=tmpfs,target=/x,size=1k",
            Shape::Directory,
            PlannedKind::Tmpfs {
                size: Some(1024),
                read_only: false,
            },
        ),
        (
            "type=secret,target=/x,id=i,required,mode=0440,gid=2",
            Shape::File,
            PlannedKind::Secret {
                id: "i".to_owned(),
                required: true,
                access: access(0o440, 0, 2),
            },
        ),
        (
            "type=ssh,target=/x",
            Shape::File,
            PlannedKind::Ssh {
                id: "default".to_owned(),
                required: false,
                access: access(0o600, 0, 0),
            },
        ),
    ] {
        assert_kind(text, shape, &kind);
    }
}

#[test]
fn secrets_are_files_or_variables_or_both() {
    let planned = planned(&[
        "type=secret,id=a,env=A",
        "type=secret,id=b,env=B,target=/b,required",
        "type=secret,id=dir/c",
    ])
    .expect("a plan");
    let variable = |name: &str, id: &str, required| SecretVariable {
        name: name.to_owned(),
        id: id.to_owned(),
        required,
    };
    assert_eq!(
        planned.variables,
        [variable("A", "a", false), variable("B", "b", true)]
    );
    let targets: Vec<String> = planned
        .mounts
        .iter()
        .map(|mount| format!("{} {}", mount.number, mount.target))
        .collect();
    assert_eq!(targets, ["1 /b", "2 /run/secrets/c"]);
    assert_eq!(planned.agent, None);
}

#[test]
fn agents_get_places_of_their_own() {
    let planned =
        planned(&["type=ssh", "type=ssh,id=b,target=s", "type=ssh,id=c"]).expect("a plan");
    assert_eq!(planned.agent.as_deref(), Some("/run/wharf/agent.0"));
    let targets: Vec<String> = planned
        .mounts
        .iter()
        .map(|mount| mount.target.to_string())
        .collect();
    assert_eq!(
        targets,
        ["/run/wharf/agent.0", "/run/wharf/agent.2", "/work/s"]
    );
}

#[test]
fn sources_are_found_in_their_tree() {
    let find = |text: &str| {
        let mount = dockerfile::parse_mount(text).expect(text);
        source(&tree(), &mount)
    };
    for (text, at, shape) in [
        ("target=/x", "", Shape::Directory),
        ("target=/x,source=/link", "a/b", Shape::Directory),
        ("target=/x,source=a/file", "a/file", Shape::File),
        ("target=/x,source=../null", "null", Shape::File),
    ] {
        assert_eq!(find(text).expect(text), (path(at), shape), "{text}");
    }
    for (text, part) in [
        (
            "target=/x,source=none",
            "`/none` of the mount is not in the context",
        ),
        ("target=/x,source=none,from=s", "is not in `s`"),
        ("target=/x,source=loop", "can not be found"),
    ] {
        let error = find(text).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Targets that are in each other, over each other, and through links.
const TARGETS: [&str; 16] = [
    "/a",
    "/a/b",
    "/a/b/x",
    "/link/x/y",
    "/link",
    "/cache",
    "/cache/out",
    "/cache/out/x",
    "/b",
    "/b/x",
    "/deep/z",
    "/back/x",
    "/c/one",
    "/d/two",
    "/d",
    "/dev/x/y",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_in_the_file_does_not_matter(
        targets in prop::sample::subsequence(&TARGETS[..], 0..8).prop_shuffle(),
    ) {
        let plan = |targets: &[&str]| {
            let texts: Vec<String> = targets
                .iter()
                .map(|target| format!("type=cache,id={target},target={target}"))
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let planned = planned(&texts).ok()?;
            Some(planned.mounts.into_iter().map(|mount| PlannedMount { number: 0, ..mount }).collect::<Vec<_>>())
        };
        let mut sorted = targets.clone();
        sorted.sort_unstable();
        let found = plan(&targets);
        prop_assert_eq!(&found, &plan(&sorted));
        for (at, mount) in found.iter().flatten().enumerate() {
            if let Stub::Inside { mount: outer, path } = &mount.stub {
                prop_assert!(*outer < at, "it comes behind what it is in");
                let outer = &found.as_ref().expect("found")[*outer];
                prop_assert_eq!(&path.below(&outer.target), &mount.target);
            }
        }
    }
}

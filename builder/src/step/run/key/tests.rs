use std::collections::BTreeSet;

use crate::step::run::command::Script;

use super::*;

/// Owns what a key is made of, so that one thing at a time can be changed.
#[derive(Clone)]
struct Case {
    parent: Vec<Digest>,
    platform: Platform,
    started: Started,
    environment: BTreeMap<String, String>,
    directory: String,
    user: User,
    network: Network,
    security: Security,
    mounts: Vec<Mounted>,
    hosts: Vec<Host>,
    epoch: i64,
}

impl Case {
    fn new() -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            parent: vec![Digest::sha256(b"1"), Digest::sha256(b"2")],
            platform: Platform {
                os: "linux".to_owned(),
                architecture: "arm64".to_owned(),
                variant: None,
                os_version: None,
                os_features: Vec::new(),
            },
            started: Started {
                arguments: words(&["/bin/sh", "-c", "a"]),
                scripts: vec![script("EOF", "#!a\n")],
            },
            environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            directory: "/".to_owned(),
            user: User {
                uid: 1,
                gid: 2,
                groups: vec![2, 3],
                home: None,
            },
            network: Network::Default,
            security: Security::Sandbox,
            mounts: kinds().map(|kind| mounted("a", kind)).into(),
            hosts: vec![host("a", "10.0.0.1")],
            epoch: 5,
        }
    }

    fn key(&self) -> Digest {
        key(&Depends {
            parent: &self.parent,
            platform: &self.platform,
            started: &self.started,
            environment: &self.environment,
            directory: &self.directory,
            user: &self.user,
            network: self.network,
            security: self.security,
            mounts: &self.mounts,
            hosts: &self.hosts,
            epoch: self.epoch,
        })
    }
}

fn script(name: &str, content: &str) -> Script {
    Script {
        name: name.to_owned(),
        content: content.to_owned(),
    }
}

fn mounted(target: &str, kind: MountedKind) -> Mounted {
    Mounted {
        target: target.as_bytes().to_vec(),
        kind,
    }
}

/// Gives one of each kind.
fn kinds() -> [MountedKind; 6] {
    let content = Digest::sha256(b"content");
    let access = [0o400, 1, 2];
    [
        MountedKind::Bind {
            content,
            read_only: true,
        },
        MountedKind::Cache {
            id: "a".to_owned(),
            content: None,
            read_only: false,
            access,
        },
        MountedKind::Tmpfs { size: None },
        MountedKind::Secret {
            id: "a".to_owned(),
            access,
        },
        MountedKind::Variable { id: "a".to_owned() },
        MountedKind::Agent {
            id: "a".to_owned(),
            access,
        },
    ]
}

/// Gives a mount of every kind, changed in one thing.
fn changed_kinds() -> Vec<(usize, MountedKind)> {
    let content = Digest::sha256(b"other");
    let mut changed = vec![
        (
            0,
            MountedKind::Bind {
                content,
                read_only: true,
            },
        ),
        (
            0,
            MountedKind::Bind {
                content: Digest::sha256(b"content"),
                read_only: false,
            },
        ),
        (2, MountedKind::Tmpfs { size: Some(0) }),
        (2, MountedKind::Tmpfs { size: Some(1) }),
        (4, MountedKind::Variable { id: "b".to_owned() }),
    ];
    let old = [0o400, 1, 2];
    for (id, content, read_only, access) in [
        ("b", None, false, old),
        ("a", Some(content), false, old),
        ("a", None, true, old),
        ("a", None, false, [0o401, 1, 2]),
        ("a", None, false, [0o400, 3, 2]),
        ("a", None, false, [0o400, 1, 3]),
    ] {
        let cache = MountedKind::Cache {
            id: id.to_owned(),
            content,
            read_only,
            access,
        };
        changed.push((1, cache));
    }
    for (id, access) in [
        ("b", old),
        ("a", [0o401, 1, 2]),
        ("a", [0o400, 3, 2]),
        ("a", [0o400, 1, 3]),
    ] {
        let id = id.to_owned();
        let secret = MountedKind::Secret {
            id: id.clone(),
            access,
        };
        changed.push((3, secret));
        changed.push((5, MountedKind::Agent { id, access }));
    }
    changed
}

type Change = (&'static str, fn(&mut Case));

/// Changes what a command is and stands on, one thing at a time.
const OF_THE_COMMAND: &[Change] = &[
    ("nothing", |_| {}),
    ("parent", |case| case.parent[1] = Digest::sha256(b"3")),
    ("parent order", |case| case.parent.reverse()),
    ("parent count", |case| case.parent.truncate(1)),
    ("scratch", |case| case.parent.clear()),
    ("os", |case| case.platform.os.push('x')),
    ("architecture", |case| case.platform.architecture.push('x')),
    ("variant", |case| case.platform.variant = Some("v8".into())),
    ("empty variant", |case| {
        case.platform.variant = Some(String::new())
    }),
    ("os version", |case| {
        case.platform.os_version = Some("1".into())
    }),
    ("os feature", |case| {
        case.platform.os_features.push("a".into())
    }),
    ("argument", |case| case.started.arguments[2].push('x')),
    ("argument count", |case| {
        case.started.arguments.push(String::new())
    }),
    ("argument split", |case| {
        case.started.arguments[0].push_str("-c");
        case.started.arguments[1].clear();
    }),
    ("script name", |case| case.started.scripts[0].name.push('x')),
    ("script content", |case| {
        case.started.scripts[0].content.push('x')
    }),
    ("script count", |case| {
        case.started.scripts.push(script("", ""))
    }),
];

/// Changes what it sees.
const OF_ITS_PLACE: &[Change] = &[
    ("value", |case| {
        case.environment.insert("A".into(), "2".into());
    }),
    ("name", |case| {
        case.environment.insert("B".into(), "1".into());
    }),
    ("other name", |case| {
        case.environment = BTreeMap::from([("B".into(), "1".into())]);
    }),
    ("directory", |case| case.directory.push('a')),
    ("uid", |case| case.user.uid = 7),
    ("gid", |case| case.user.gid = 7),
    ("groups", |case| case.user.groups.push(7)),
    ("no network", |case| case.network = Network::None),
    ("network of the host", |case| case.network = Network::Host),
    ("security", |case| case.security = Security::Insecure),
    ("mount target", |case| case.mounts[0].target.push(b'x')),
    ("mount order", |case| case.mounts.reverse()),
    ("mount count", |case| case.mounts.truncate(5)),
    ("host name", |case| case.hosts[0].name.push('x')),
    ("host address", |case| {
        case.hosts[0].address = [10, 0, 0, 2].into()
    }),
    ("host address of 16 bytes", |case| {
        case.hosts[0].address = std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into();
    }),
    ("host count", |case| case.hosts.clear()),
    ("epoch", |case| case.epoch = -5),
];

#[test]
fn every_field_changes_the_key() {
    let mut keys = BTreeSet::new();
    for (name, change) in OF_THE_COMMAND.iter().chain(OF_ITS_PLACE) {
        let mut case = Case::new();
        change(&mut case);
        assert!(keys.insert(case.key()), "{name}");
    }
    for (at, kind) in changed_kinds() {
        let mut case = Case::new();
        case.mounts[at].kind = kind.clone();
        assert!(keys.insert(case.key()), "{kind:?}");
    }
}

#[test]
fn one_kind_is_not_another() {
    let keys: BTreeSet<Digest> = kinds()
        .into_iter()
        .map(|kind| {
            let mounts = vec![mounted("a", kind)];
            let case = Case {
                mounts,
                ..Case::new()
            };
            case.key()
        })
        .collect();
    assert_eq!(keys.len(), kinds().len());
}

#[test]
fn the_key_stays_as_it_is() {
    // Where this changes, cached layers are not found any more: `RUN_FORMAT`
    // has to be raised if they are other layers, too.
    assert_eq!(RUN_FORMAT, 1);
    let mut home = Case::new();
    home.user.home = Some("/a".to_owned());
    assert_eq!(home.key(), Case::new().key(), "the home is a variable");
    assert_eq!(
        Case::new().key().hex(),
        "e4fe72fab54af06e9d266cc1d3e37f59505f363734a2f6c0d37bc6fbc3096d84"
    );
}

fn host(name: &str, address: &str) -> Host {
    Host {
        name: name.to_owned(),
        address: address.parse().expect("an address"),
    }
}

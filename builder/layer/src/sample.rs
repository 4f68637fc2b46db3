//! Entries for tests: one of each kind that a layer can have, and any at all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::entry::{DeviceKind, Entry, Kind, Metadata};
use crate::error::Error;
use crate::path::EntryPath;
use crate::time::Time;
use crate::write::Writer;

/// Is an entry and its content; empty but of files.
pub(crate) type Item = (Entry, Vec<u8>);

pub(crate) fn path(text: impl AsRef<[u8]>) -> EntryPath {
    EntryPath::parse(text.as_ref()).expect("valid")
}

pub(crate) fn metadata(mode: u16) -> Metadata {
    Metadata {
        mode,
        ..Metadata::default()
    }
}

pub(crate) fn entry(text: impl AsRef<[u8]>, kind: Kind) -> Entry {
    let mode = match kind {
        Kind::HardLink { .. } | Kind::Whiteout | Kind::Opaque => 0,
        Kind::Directory => 0o755,
        Kind::Symlink { .. } => 0o777,
        _ => 0o644,
    };
    Entry {
        path: path(text),
        kind,
        metadata: metadata(mode),
    }
}

pub(crate) fn file(text: impl AsRef<[u8]>, content: &[u8]) -> Item {
    let kind = Kind::File {
        size: content.len() as u64,
    };
    (entry(text, kind), content.to_vec())
}

pub(crate) fn other(text: impl AsRef<[u8]>, kind: Kind) -> Item {
    (entry(text, kind), Vec::new())
}

pub(crate) fn symlink(text: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    let target = target.as_ref().into();
    other(text, Kind::Symlink { target })
}

pub(crate) fn hard_link(text: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    let target = path(target);
    other(text, Kind::HardLink { target })
}

fn with((mut entry, content): Item, change: impl FnOnce(&mut Metadata)) -> Item {
    change(&mut entry.metadata);
    (entry, content)
}

/// Gives a layer with every kind and every edge of the form.
pub(crate) fn every_kind() -> Vec<Item> {
    let mut items = every_plain_kind();
    items.extend(every_length());
    items.extend(every_number());
    items.extend([
        file("\u{e4}\u{f6}\u{fc}/\u{1f980}", "\u{df}".as_bytes()),
        with(file(b"\xff\xfe/\x01\n", b"no text"), |metadata| {
            metadata.mode = 0;
        }),
    ]);
    items
}

fn every_plain_kind() -> Vec<Item> {
    let device = |kind, major, minor| Kind::Device { kind, major, minor };
    let far = device(DeviceKind::Character, 0o777_7777, 0o777_7777);
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let xattrs: BTreeMap<Box<[u8]>, Box<[u8]>> = [
        (&b"security.capability"[..], &capability[..]),
        (b"user.empty", b""),
        (b"user.line", b"a\nb=c"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    vec![
        other("", Kind::Directory),
        other("", Kind::Opaque),
        other("gone", Kind::Whiteout),
        other("gone with a \u{e9}", Kind::Whiteout),
        with(other("dev", Kind::Directory), |metadata| {
            metadata.mode = 0o1777;
        }),
        other("dev/block", device(DeviceKind::Block, 8, 1)),
        other("dev/far", far),
        other("dev/null", device(DeviceKind::Character, 1, 3)),
        other("dev/pipe", Kind::Fifo),
        other("dir", Kind::Directory),
        other("dir", Kind::Opaque),
        other("dir/gone", Kind::Whiteout),
        file("dir/empty", b""),
        with(file("dir/first", b"linked"), |metadata| {
            metadata.mode = 0o4755;
            metadata.uid = 1000;
            metadata.gid = 3_000_000;
            metadata.mtime = Time::from_seconds(-5);
            metadata.xattrs = xattrs;
        }),
        hard_link("dir/second", "dir/first"),
        hard_link("dir/third", "dir/first"),
        file("dir-before", &[b'x'; 512]),
        file("etc/group", b"root:x:0:\n"),
        file("etc/passwd", b"root:x:0:0::/:\n"),
        file("etc/shadow", b"not kept"),
    ]
}

fn every_length() -> Vec<Item> {
    let long = format!("long/{}", "d".repeat(120));
    let deep = format!("{long}/{}", "e".repeat(120));
    let deeper = format!("{deep}/{}", "f".repeat(100));
    let mut items = vec![
        other("long", Kind::Directory),
        other(&long, Kind::Directory),
        file(format!("{long}/a"), b"in two fields"),
        other(&deep, Kind::Directory),
        file(format!("{deep}/f"), b"by an extended header"),
        file(&deeper, b"by an extended header too"),
        hard_link(format!("{deep}/g"), &deeper),
    ];
    // `n` in a row is ordered by its length.
    let name = |length| format!("long/{}", "n".repeat(length));
    items.extend([94, 95, 96, 97, 200].map(|length| file(name(length), &vec![b'n'; length])));
    items.extend([
        symlink("sym/100", "t".repeat(100)),
        symlink("sym/101", "t".repeat(101)),
        symlink("sym/4095", "t".repeat(4095)),
        symlink("sym/absolute", "/../etc/"),
        symlink("sym/bytes", b"\xff\n=\xfe"),
    ]);
    items
}

fn every_number() -> Vec<Item> {
    let times = [
        ("-1", -1),
        ("0", 0),
        ("1", 1),
        ("33", 0o777_7777_7777),
        ("34", 0o1_0000_0000_0000),
        ("least", i64::from(i32::MIN)),
    ];
    let times = times.map(|(name, mtime)| {
        with(file(format!("times/{name}"), b"t"), |metadata| {
            metadata.mtime = Time::from_seconds(mtime);
        })
    });
    let owners = [0o777_7777, 0o1000_0000, u32::MAX].map(|owner| {
        with(file(format!("uid/{owner:010}"), b"u"), |metadata| {
            metadata.uid = owner;
            metadata.gid = owner;
        })
    });
    let directory = [other("times", Kind::Directory)];
    directory.into_iter().chain(times).chain(owners).collect()
}

/// Writes entries, and gives what `finish` gives.
pub(crate) fn fill<W: std::io::Write>(writer: &mut Writer<W>, items: &[Item]) -> Result<(), Error> {
    items
        .iter()
        .try_for_each(|(entry, content)| match entry.kind {
            Kind::File { .. } => writer.file(entry, &mut content.as_slice()),
            _ => writer.entry(entry),
        })
}

/// Gives the archive of entries.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    fill(&mut writer, items).expect("well formed");
    writer.finish().expect("memory").0
}

/// Gives any name that may be in a layer.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        3 => "[a-c]{1,2}".prop_map(String::into_bytes),
        2 => "[ -.0-~]{1,8}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..12),
        1 => "[a-z]{90,110}".prop_map(String::into_bytes),
        1 => (200_usize..=255).prop_map(|length| vec![b'l'; length]),
    ];
    name.prop_filter("a name", |name| {
        name != b"."
            && name != b".."
            && !name.contains(&b'/')
            && !name.contains(&0)
            && !name.starts_with(b".wh.")
    })
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    let owner = prop_oneof![Just(0), Just(0o777_7777), Just(0o1000_0000), any::<u32>()];
    let seconds = prop_oneof![Just(0), Just(1_700_000_000), -(1_i64 << 31)..1 << 36];
    let nanoseconds = prop_oneof![3 => Just(0), 1 => 0_u32..1_000_000_000];
    let mtime = (seconds, nanoseconds)
        .prop_map(|(seconds, parts)| Time::new(seconds, parts).expect("below a second"));
    let xattrs = proptest::collection::btree_map(
        "user\\.[a-z.]{1,5}".prop_map(|name| name.into_bytes().into()),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice),
        0..3,
    );
    (0_u16..=0o7777, owner.clone(), owner, mtime, xattrs).prop_map(
        |(mode, uid, gid, mtime, xattrs)| Metadata {
            mode,
            uid,
            gid,
            mtime,
            xattrs,
        },
    )
}

/// Gives what is at one path: a kind, its content, and which file a hard link
/// is of.
fn any_kind() -> impl Strategy<Value = (Kind, Vec<u8>, usize)> {
    let number = 0_u32..=0o777_7777;
    let target = proptest::collection::vec(1_u8..=255, 1..150);
    let content = proptest::collection::vec(any::<u8>(), 0..1100);
    let device = (any::<bool>(), number.clone(), number).prop_map(|(block, major, minor)| {
        let kind = if block {
            DeviceKind::Block
        } else {
            DeviceKind::Character
        };
        Kind::Device { kind, major, minor }
    });
    prop_oneof![
        4 => content.prop_map(|content| {
            (Kind::File { size: content.len() as u64 }, content, 0)
        }),
        2 => (0_usize..100).prop_map(|of| (Kind::HardLink { target: EntryPath::root() }, Vec::new(), of)),
        1 => target.prop_map(|target| (Kind::Symlink { target: target.into() }, Vec::new(), 0)),
        1 => device.prop_map(|kind| (kind, Vec::new(), 0)),
        1 => Just((Kind::Fifo, Vec::new(), 0)),
        1 => Just((Kind::Whiteout, Vec::new(), 0)),
    ]
}

/// Gives any layer that can be written.
pub(crate) fn any_layer() -> impl Strategy<Value = Vec<Item>> {
    let item = (
        proptest::collection::vec(any_name(), 1..5),
        any_kind(),
        any_metadata(),
    );
    (proptest::collection::vec(item, 0..20), any::<bool>()).prop_map(|(found, opaque)| {
        let mut tree: BTreeMap<EntryPath, (Kind, Vec<u8>, usize, Metadata)> = BTreeMap::new();
        for (names, (kind, content, of), metadata) in found {
            let path = path(names.join(&b'/'));
            // What stands on the way becomes a directory.
            let mut way = path.parent();
            while let Some(parent) = way {
                way = parent.parent();
                tree.insert(parent, (Kind::Directory, Vec::new(), 0, metadata.clone()));
            }
            tree.entry(path).or_insert((kind, content, of, metadata));
        }
        ordered(tree, opaque)
    })
}

/// Puts entries in their order, and gives hard links their files.
fn ordered(tree: BTreeMap<EntryPath, (Kind, Vec<u8>, usize, Metadata)>, opaque: bool) -> Vec<Item> {
    let mut files: Vec<EntryPath> = Vec::new();
    let mut items = Vec::new();
    for (path, (kind, content, of, metadata)) in tree {
        let (kind, metadata) = match kind {
            Kind::HardLink { .. } => match files.get(of % files.len().max(1)) {
                Some(target) => {
                    let target = target.clone();
                    (Kind::HardLink { target }, Metadata::default())
                }
                None => (Kind::Fifo, metadata),
            },
            Kind::Whiteout => (kind, Metadata::default()),
            _ => (kind, metadata),
        };
        if matches!(kind, Kind::File { .. }) {
            files.push(path.clone());
        }
        if kind == Kind::Directory && opaque {
            let entry = Entry {
                path: path.clone(),
                kind: Kind::Opaque,
                metadata: Metadata::default(),
            };
            items.push((entry, Vec::new()));
        }
        let entry = Entry {
            path,
            kind,
            metadata,
        };
        items.push((entry, content));
    }
    // A slow order that is plain to see: each part with a mark before it.
    items.sort_by_cached_key(|(entry, _)| {
        let mut parts: Vec<Vec<u8>> = entry
            .path
            .names()
            .map(|name| [b"2", name].concat())
            .collect();
        match (&entry.kind, parts.last_mut()) {
            (Kind::Opaque, _) => parts.push(b"0".to_vec()),
            (Kind::Whiteout, Some(last)) => last[0] = b'1',
            _ => {}
        }
        parts
    });
    items
}

//! What differs between two layers.

use std::collections::BTreeMap;

use layer::{DeviceKind, Entry, EntryPath, Kind, LayerIndex, Metadata, Record, Time};
use oci::Digest;

use super::advice;

/// Is one thing that differs, at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: EntryPath,
    /// What differs.
    pub kind: DifferenceKind,
    /// What to write in the Dockerfile against it, where that is known.
    pub advice: Option<&'static str>,
}

/// Says what differs. Values are of the first build, then of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The first build alone has it.
    Missing,
    /// The second build alone has it.
    Added,
    /// It is another kind of thing: a word for each.
    Type(&'static str, &'static str),
    /// The permissions.
    Mode(u16, u16),
    /// The numbers of owner and group.
    Owner((u32, u32), (u32, u32)),
    /// The size of a file, in bytes.
    Size(u64, u64),
    /// The content of a file, of one size: its digests.
    Content(Digest, Digest),
    /// When it was changed.
    Time(Time, Time),
    /// What a symbolic or hard link says.
    Target(Box<[u8]>, Box<[u8]>),
    /// The numbers of a device: of its kind, major and minor.
    Device((DeviceKind, u32, u32), (DeviceKind, u32, u32)),
    /// An extended attribute, by its name.
    Attribute(Box<[u8]>),
    /// It stands elsewhere in the layer.
    Order,
    /// Nothing that a layer says: its bytes were written otherwise.
    Form,
}

/// Compares two layers that are not equal. There is at least one difference.
pub(super) fn compare(first: &LayerIndex, second: &LayerIndex) -> Vec<Difference> {
    let (ours, theirs) = (by_place(first), by_place(second));
    let mut differences = Vec::new();
    let mut places: Vec<_> = ours.keys().chain(theirs.keys()).collect();
    places.sort();
    places.dedup();
    for place in places {
        match (ours.get(place), theirs.get(place)) {
            (Some(one), Some(other)) => records(one, other, &mut differences),
            (Some(_), None) => add(place.0, DifferenceKind::Missing, &mut differences),
            _ => add(place.0, DifferenceKind::Added, &mut differences),
        }
    }
    if differences.is_empty() {
        let both = first.records().iter().zip(second.records());
        let moved = both
            .map(|(one, other)| (&one.entry, &other.entry))
            .find(|(one, other)| (&one.path, &one.kind) != (&other.path, &other.kind));
        match moved {
            Some((one, _)) => add(&one.path, DifferenceKind::Order, &mut differences),
            None => add(&EntryPath::root(), DifferenceKind::Form, &mut differences),
        }
    }
    differences
}

/// Tells the mark of an opaque directory from the directory.
type Place<'a> = (&'a EntryPath, bool);

fn by_place(index: &LayerIndex) -> BTreeMap<Place<'_>, &Record> {
    let records = index.records().iter();
    let placed = records.map(|record| {
        let entry = &record.entry;
        ((&entry.path, entry.kind == Kind::Opaque), record)
    });
    placed.collect()
}

fn records(one: &Record, other: &Record, differences: &mut Vec<Difference>) {
    let path = &one.entry.path;
    let (kind, other_kind) = (&one.entry.kind, &other.entry.kind);
    if std::mem::discriminant(kind) != std::mem::discriminant(other_kind) {
        let words = DifferenceKind::Type(word(&one.entry), word(&other.entry));
        return add(path, words, differences);
    }
    let content = match (kind, other_kind) {
        (Kind::File { size: one }, Kind::File { size: other }) if one != other => {
            Some(DifferenceKind::Size(*one, *other))
        }
        (Kind::File { .. }, _) => content(one, other),
        (Kind::HardLink { target: one }, Kind::HardLink { target: other }) if one != other => {
            let (one, other) = (one.as_bytes().into(), other.as_bytes().into());
            Some(DifferenceKind::Target(one, other))
        }
        (Kind::Symlink { target: one }, Kind::Symlink { target: other }) if one != other => {
            Some(DifferenceKind::Target(one.clone(), other.clone()))
        }
        (Kind::Device { .. }, _) => device(kind)
            .zip(device(other_kind))
            .and_then(|(one, other)| (one != other).then_some(DifferenceKind::Device(one, other))),
        _ => None,
    };
    if let Some(content) = content {
        add(path, content, differences);
    }
    metadata(
        path,
        (&one.entry.metadata, &other.entry.metadata),
        differences,
    );
}

fn content(one: &Record, other: &Record) -> Option<DifferenceKind> {
    let digest = |record: &Record| record.content.as_ref().map(|stored| stored.digest);
    let (one, other) = digest(one).zip(digest(other))?;
    (one != other).then_some(DifferenceKind::Content(one, other))
}

fn device(kind: &Kind) -> Option<(DeviceKind, u32, u32)> {
    match kind {
        Kind::Device { kind, major, minor } => Some((*kind, *major, *minor)),
        _ => None,
    }
}

fn metadata(
    path: &EntryPath,
    (one, other): (&Metadata, &Metadata),
    differences: &mut Vec<Difference>,
) {
    if one.mode != other.mode {
        add(
            path,
            DifferenceKind::Mode(one.mode, other.mode),
            differences,
        );
    }
    let owners = ((one.uid, one.gid), (other.uid, other.gid));
    if owners.0 != owners.1 {
        add(path, DifferenceKind::Owner(owners.0, owners.1), differences);
    }
    if one.mtime != other.mtime {
        add(
            path,
            DifferenceKind::Time(one.mtime, other.mtime),
            differences,
        );
    }
    let mut names: Vec<&Box<[u8]>> = one.xattrs.keys().chain(other.xattrs.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        if one.xattrs.get(name) != other.xattrs.get(name) {
            add(path, DifferenceKind::Attribute(name.clone()), differences);
        }
    }
}

fn add(path: &EntryPath, kind: DifferenceKind, differences: &mut Vec<Difference>) {
    differences.push(Difference {
        path: path.clone(),
        kind,
        advice: advice(path),
    });
}

fn word(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Directory => "directory",
        Kind::File { .. } => "file",
        Kind::HardLink { .. } => "hard link",
        Kind::Symlink { .. } => "symbolic link",
        Kind::Fifo => "named pipe",
        Kind::Device { .. } => "device",
        Kind::Whiteout => "whiteout",
        Kind::Opaque => "opaque directory",
    }
}

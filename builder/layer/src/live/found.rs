//! What is in a directory, in words: for tests, which compare it with what a
//! tree says.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use proptest::test_runner::TestCaseError;
use rustix::fs::{major, minor};

use crate::entry::{DeviceKind, Metadata};
use crate::live::{Given, Rights};
use crate::path::EntryPath;
use crate::sample::Item;
use crate::time::Time;
use crate::tree::{ContentPlace, NodeKind, Tree};

/// What a process of root can give.
pub(crate) const ROOT: Rights = Rights {
    owners: Given::Really,
    devices: Given::Really,
    attributes: Given::Really,
};
/// What any process can give.
pub(crate) const ANYBODY: Rights = Rights {
    owners: Given::Recorded,
    devices: Given::Recorded,
    attributes: Given::Recorded,
};

/// Says whether this is root of the machine, not only of a namespace.
pub(crate) fn is_root() -> bool {
    let users = fs_err::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all = users.split_whitespace().last() == Some("4294967295");
    rustix::process::geteuid().is_root() && all
}

/// Reads the attributes of something, links too.
pub(crate) fn attributes(at: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list = vec![0; 65536];
    let length = rustix::fs::llistxattr(at, &mut list[..]).expect("readable");
    let names = list[..length].split(|byte| *byte == 0);
    let mut found: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let name = std::str::from_utf8(name).expect("text");
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(at, name, &mut value[..]).expect("readable");
            (name.to_owned(), value[..length].to_vec())
        })
        .collect();
    found.sort();
    found
}

fn line(path: &EntryPath, what: &str, metadata: &Metadata) -> String {
    let attributes: Vec<_> = metadata.xattrs.iter().collect();
    let mode = if what.starts_with("link") {
        0
    } else {
        metadata.mode
    };
    format!(
        "{path} {what} {mode:o} {}:{} {} {attributes:?}",
        metadata.uid, metadata.gid, metadata.mtime
    )
}

/// Says what is in a directory, recorded or not, a line for each path and the
/// root. Names of one file have its first one.
pub(crate) fn found(root: &Path, rights: Rights) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first = std::collections::BTreeMap::new();
    let mut open = vec![EntryPath::root()];
    while let Some(path) = open.pop() {
        let at = root.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let stat = fs_err::symlink_metadata(&at).expect("it is there");
        let mut metadata = Metadata {
            mode: (stat.mode() & 0o7777) as u16,
            uid: stat.uid(),
            gid: stat.gid(),
            mtime: Time::new(stat.mtime(), stat.mtime_nsec() as u32).expect("a time"),
            ..Metadata::default()
        };
        let mut node = None;
        if rights.owners == Given::Recorded {
            let has_none = matches!(stat.mode() & 0o170_000, 0o120_000 | 0o010_000);
            let owner = has_none.then(|| link_owner(root, &path)).flatten();
            (metadata.uid, metadata.gid) = owner.unwrap_or_default();
        }
        for (name, value) in attributes(&at) {
            match name.as_str() {
                "user.wharf.owner" => (metadata.uid, metadata.gid) = owner(&value),
                "user.wharf.node" => node = Some(String::from_utf8(value).expect("text")),
                "user.wharf.links" | "security.selinux" => {}
                name => {
                    metadata.xattrs.insert(name.as_bytes().into(), value.into());
                }
            }
        }
        let device = || format!("{}:{}", major(stat.rdev()), minor(stat.rdev()));
        let what = match stat.mode() & 0o170_000 {
            0o040_000 => {
                let mut names: Vec<_> = fs_err::read_dir(&at)
                    .expect("readable")
                    .map(|entry| entry.expect("readable").file_name())
                    .collect();
                names.sort();
                open.extend(names.iter().rev().map(|name| path.child(name.as_bytes())));
                "directory".to_owned()
            }
            0o100_000 => match node {
                Some(node) => {
                    assert_eq!(stat.len(), 0);
                    node
                }
                None => {
                    let inode = (stat.dev(), stat.ino());
                    let first = first.entry(inode).or_insert_with(|| path.clone());
                    let content = fs_err::read(&at).expect("readable");
                    format!("file {} as {first}", oci::Digest::sha256(&content))
                }
            },
            0o120_000 => {
                let target = fs_err::read_link(&at).expect("a link");
                format!("link {}", target.as_os_str().as_bytes().escape_ascii())
            }
            0o010_000 => "pipe".to_owned(),
            0o020_000 => format!("c {}", device()),
            0o060_000 => format!("b {}", device()),
            _ => "?".to_owned(),
        };
        lines.push(line(&path, &what, &metadata));
    }
    lines
}

fn owner(text: &[u8]) -> (u32, u32) {
    let text = std::str::from_utf8(text).expect("text");
    let (uid, gid) = text.split_once(':').expect("two numbers");
    (
        uid.parse().expect("a number"),
        gid.parse().expect("a number"),
    )
}

fn link_owner(root: &Path, path: &EntryPath) -> Option<(u32, u32)> {
    let parent = root.join(std::ffi::OsStr::from_bytes(path.parent()?.as_bytes()));
    let all = attributes(&parent);
    let (_, value) = all.iter().find(|(name, _)| name == "user.wharf.links")?;
    let of = |name: Option<&[u8]>| {
        let mut entries = value.split(|byte| *byte == 0);
        entries.find(|entry| entry.splitn(2, |byte| *byte == b' ').nth(1) == name)
    };
    let entry = of(path.name()).or_else(|| of(Some(b"")))?;
    let end = entry.iter().position(|byte| *byte == b' ')?;
    Some(owner(&entry[..end]))
}

/// Says what a directory with this tree has.
pub(crate) fn expected(
    tree: &Tree,
    rights: Rights,
    content: impl Fn(ContentPlace, u64) -> Vec<u8>,
) -> Vec<String> {
    let mut first = std::collections::BTreeMap::new();
    let walk = tree.walk(&EntryPath::root());
    let lines = walk.map(|(path, node)| {
        let mut metadata = node.metadata.clone();
        let what = match &node.kind {
            NodeKind::Directory(_) => "directory".to_owned(),
            NodeKind::File(file) => {
                let first = first.entry(file.place).or_insert_with(|| path.clone());
                let digest = oci::Digest::sha256(&content(file.place, file.size));
                format!("file {digest} as {first}")
            }
            NodeKind::Symlink { target } => format!("link {}", target.escape_ascii()),
            NodeKind::Fifo => "pipe".to_owned(),
            NodeKind::Device { kind, major, minor } => {
                let letter = match kind {
                    DeviceKind::Character => "c",
                    DeviceKind::Block => "b",
                };
                format!("{letter} {major}:{minor}")
            }
        };
        let is_recorded = rights.devices == Given::Recorded;
        let holds_all = match &node.kind {
            NodeKind::Directory(_) | NodeKind::File(_) => true,
            NodeKind::Device { .. } => is_recorded,
            _ => false,
        };
        if !holds_all {
            metadata
                .xattrs
                .retain(|name, _| !name.starts_with(b"user."));
        }
        line(&path, &what, &metadata)
    });
    lines.collect()
}

/// Has a layer be one that file systems and kernels have room for.
pub(crate) fn possible(items: &mut [Item]) {
    for (entry, _) in items {
        let metadata = &mut entry.metadata;
        let seconds = metadata.mtime.seconds().clamp(-(1 << 31), 1 << 33);
        metadata.mtime = Time::new(seconds, metadata.mtime.nanoseconds()).expect("below a second");
        if !is_root() {
            metadata.xattrs.remove(&b"security.capability"[..]);
            // Nobody else comes into it a second time.
            let is_top = entry.path.is_root();
            metadata.mode |= if is_top { 0o700 } else { 0 };
        }
        metadata.uid = metadata.uid.min(u32::MAX - 1);
        metadata.gid = metadata.gid.min(u32::MAX - 1);
        if let crate::entry::Kind::Device { major, minor, .. } = &mut entry.kind {
            *major &= 0xfff;
            *minor = *minor & 0xf_ffff | 1;
        }
    }
}

/// Compares line by line, since whole lists would not be read.
pub(crate) fn compare(found: &[String], expected: &[String]) -> Result<(), TestCaseError> {
    let differ = |(one, other): &(&String, &String)| one != other;
    if let Some((one, other)) = found.iter().zip(expected).find(differ) {
        return Err(TestCaseError::fail(format!(
            "found    {one}\nexpected {other}"
        )));
    }
    proptest::prop_assert_eq!(found.len(), expected.len(), "{:?}\n{:?}", found, expected);
    Ok(())
}

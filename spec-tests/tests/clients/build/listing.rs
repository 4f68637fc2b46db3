//! What is in a root file system, entry by entry, for comparing two.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use spec_tests::digest;

/// Longest list of attributes, and longest value of one.
const ATTRIBUTE_LIMIT: usize = 65_536;

/// A root file system: what each path is.
pub(crate) type Listing = BTreeMap<String, String>;

/// Lists a directory: permissions, owner, kind, and size with content, target or
/// device; extended attributes; hard links by the first name of each file; times, in seconds, of what lies
/// below `timed`, and of nothing when that is empty.
pub(crate) fn list(root: &Path, timed: &str) -> Listing {
    let mut walk = Walk {
        timed,
        listing: Listing::new(),
        names: BTreeMap::new(),
    };
    walk.directory(root, "");
    walk.listing
}

struct Walk<'a> {
    timed: &'a str,
    listing: Listing,
    /// The first name of each file, by its number.
    names: BTreeMap<u64, String>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str) {
        let mut entries: Vec<_> = fs_err::read_dir(directory)
            .expect("a readable directory")
            .flatten()
            .collect();
        entries.sort_by_key(fs_err::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            let metadata = fs_err::symlink_metadata(&path).expect("it was listed");
            let what = self.what(&path, &name, &metadata);
            let mode = if metadata.is_symlink() {
                0o777
            } else {
                metadata.mode() & 0o7777
            };
            let mut line = format!("{mode:04o} {}:{} {what}", metadata.uid(), metadata.gid());
            line.push_str(&attributes(&path));
            if !self.timed.is_empty() && name.starts_with(self.timed) {
                line.push_str(&format!(" @{}", metadata.mtime()));
            }
            self.listing.insert(name.clone(), line);
            if metadata.is_dir() {
                self.directory(&path, &name);
            }
        }
    }

    fn what(&mut self, path: &Path, name: &str, metadata: &std::fs::Metadata) -> String {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return "directory".to_owned();
        }
        let first = self.names.entry(metadata.ino());
        let first = first.or_insert_with(|| name.to_owned());
        if *first != name {
            return format!("another name of {first}");
        }
        if kind.is_symlink() {
            let target = fs_err::read_link(path).expect("a link");
            format!("link to {}", target.display())
        } else if kind.is_file() {
            let bytes = fs_err::read(path).expect("a readable file");
            format!("file of {} bytes, {}", bytes.len(), digest(&bytes))
        } else if kind.is_fifo() {
            "pipe".to_owned()
        } else if kind.is_socket() {
            "socket".to_owned()
        } else {
            let letter = if kind.is_char_device() { 'c' } else { 'b' };
            let (major, minor) = (
                rustix::fs::major(metadata.rdev()),
                rustix::fs::minor(metadata.rdev()),
            );
            format!("device {letter} {major}:{minor}")
        }
    }
}

/// Returns the extended attributes of a file, by name, in hexadecimal digits.
fn attributes(path: &Path) -> String {
    let mut names = Vec::with_capacity(ATTRIBUTE_LIMIT);
    // A file system without attributes has none.
    let Ok(_) = rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names)) else {
        return String::new();
    };
    let names = String::from_utf8_lossy(&names).into_owned();
    let mut names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let with_value = |name: &str| {
        let mut value = Vec::with_capacity(ATTRIBUTE_LIMIT);
        let _ = rustix::fs::lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value));
        format!(" +{name}={}", hex::encode(value))
    };
    names.into_iter().map(with_value).collect()
}

/// Lists what differs between two, a line each.
pub(crate) fn differences(ours: &Listing, theirs: &Listing) -> Vec<String> {
    let mut all: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    all.sort();
    all.dedup();
    let nothing = "nothing".to_owned();
    all.into_iter()
        .filter_map(|path| {
            let (mine, other) = (
                ours.get(path).unwrap_or(&nothing),
                theirs.get(path).unwrap_or(&nothing),
            );
            (mine != other).then(|| format!("{path}: wharf has {mine}, the other has {other}"))
        })
        .collect()
}

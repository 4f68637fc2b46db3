//! What is in a root file system, entry by entry, for comparing two.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use spec_tests::digest;

/// A root file system: what each path is.
pub(crate) type Listing = BTreeMap<String, String>;

/// Lists a directory: kind, permissions, owner, and content or target; hard links by
/// the first name of each file; no times.
pub(crate) fn list(root: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    walk(root, "", &mut listing, &mut names);
    listing
}

fn walk(directory: &Path, prefix: &str, listing: &mut Listing, names: &mut BTreeMap<u64, String>) {
    let mut entries: Vec<_> = fs_err::read_dir(directory)
        .expect("a readable directory")
        .flatten()
        .collect();
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        let metadata = fs_err::symlink_metadata(&path).expect("it was listed");
        let kind = metadata.file_type();
        let what = if kind.is_dir() {
            "directory".to_owned()
        } else if kind.is_symlink() {
            let target = fs_err::read_link(&path).expect("a link");
            format!("link to {}", target.display())
        } else if kind.is_file() {
            let first = names.entry(metadata.ino()).or_insert_with(|| name.clone());
            if *first == name {
                format!(
                    "file {}",
                    digest(&fs_err::read(&path).expect("a readable file"))
                )
            } else {
                format!("another name of {first}")
            }
        } else {
            "something else".to_owned()
        };
        let mode = if kind.is_symlink() {
            0o777
        } else {
            metadata.mode() & 0o7777
        };
        let line = format!("{mode:04o} {}:{} {what}", metadata.uid(), metadata.gid());
        listing.insert(name.clone(), line);
        if kind.is_dir() {
            walk(&path, &name, listing, names);
        }
    }
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
            (mine != other).then(|| format!("{path}: wharf has {mine}, docker has {other}"))
        })
        .collect()
}

//! What of a cache directory goes into its artefact, of what was seen in it.

use std::collections::BTreeMap;

use layer::{Entry, EntryPath, Kind, Metadata, Observation, Seen, SeenKind, Time};
use oci::Digest;

/// Is what there is to pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Collected {
    /// Directories, symbolic links and named pipes, in the order of paths.
    pub(super) frame: Vec<Entry>,
    /// Regular files, in the order of their first names.
    pub(super) files: Vec<CachedFile>,
}

/// Is a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedFile {
    /// Its first name.
    pub(super) path: EntryPath,
    /// Its other names, in their order, all behind the first.
    pub(super) links: Vec<EntryPath>,
    pub(super) metadata: Metadata,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// How names start that mean something else in a layer (image-spec,
/// "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";

/// Sorts what was seen, and has nothing be younger than a time. Sockets and
/// devices are for one machine and left out, as are names that no layer has.
pub(super) fn collect(observation: Observation, youngest: Time) -> Collected {
    let mut collected = Collected::default();
    let mut numbers: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for seen in observation.seen {
        let Seen {
            path,
            kind,
            mut metadata,
            inode,
        } = seen;
        if path.names().any(|name| name.starts_with(WHITEOUT)) {
            continue;
        }
        metadata.mtime = metadata.mtime.min(youngest);
        let kind = match kind {
            SeenKind::Directory { .. } => Kind::Directory,
            SeenKind::Symlink { target } => Kind::Symlink { target },
            SeenKind::Fifo => Kind::Fifo,
            SeenKind::Device { .. } | SeenKind::Socket => continue,
            SeenKind::File { size, digest } => {
                let first = numbers.get(&inode);
                if let Some(file) = first.and_then(|first| collected.files.get_mut(*first)) {
                    file.links.push(path);
                    continue;
                }
                numbers.insert(inode, collected.files.len());
                collected.files.push(CachedFile {
                    path,
                    links: Vec::new(),
                    metadata,
                    size,
                    digest,
                });
                continue;
            }
        };
        collected.frame.push(Entry {
            path,
            kind,
            metadata,
        });
    }
    collected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, kind: SeenKind, inode: u64, mtime: i64) -> Seen {
        Seen {
            path: EntryPath::parse(path.as_bytes()).expect("a path"),
            kind,
            metadata: Metadata {
                mtime: Time::from_seconds(mtime),
                ..Metadata::default()
            },
            inode: (1, inode),
        }
    }

    fn file(text: &str) -> SeenKind {
        SeenKind::File {
            size: text.len() as u64,
            digest: Digest::sha256(text.as_bytes()),
        }
    }

    #[test]
    fn files_are_apart_from_what_they_are_in_and_have_all_their_names() {
        let collected = collect(
            Observation {
                seen: vec![
                    seen("", SeenKind::Directory { opaque: false }, 1, 50),
                    seen("a", file("one"), 2, 7),
                    seen("b", SeenKind::Fifo, 3, 99),
                    seen("c", file("one"), 2, 7),
                    seen("d", SeenKind::Socket, 4, 7),
                    seen("e/.wh.x/y", file("no"), 5, 7),
                    seen("f", file("two"), 6, 99),
                ],
                gone: Vec::new(),
            },
            Time::from_seconds(49),
        );
        let frame: Vec<_> = collected
            .frame
            .iter()
            .map(|entry| (entry.path.to_string(), entry.metadata.mtime.seconds()))
            .collect();
        assert_eq!(frame, [("/".to_owned(), 49), ("/b".to_owned(), 49)]);
        let files: Vec<_> = collected
            .files
            .iter()
            .map(|file| {
                let links = file.links.iter().map(ToString::to_string);
                let mtime = file.metadata.mtime.seconds();
                (file.path.to_string(), links.collect::<Vec<_>>(), mtime)
            })
            .collect();
        let expected = [
            ("/a".to_owned(), vec!["/c".to_owned()], 7),
            ("/f".to_owned(), vec![], 49),
        ];
        assert_eq!(files, expected);
    }
}

//! A tar archive as a context, from standard input or a file, compressed or
//! not: written out once without compression, into a file that has no name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use dockerfile::Ignore;
use layer::{EntryPath, Kind, LayerIndex, Metadata, Node, NodeKind, Time, Tree};

use crate::context::directory::normalize;
use crate::context::{Context, Files, Look, Unusual, leads_nowhere};
use crate::error::{Error, ErrorKind};
use crate::pack::contents::{Bounded, CONTEXT, Unpacked};
use crate::request::{Fidelity, Modes, Xattrs};

/// Is an archive that was read.
pub(crate) struct Archive {
    unpacked: Unpacked,
    tree: Tree,
}

/// Says what an archive is in messages, and which origin its files have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ErrorKind,
    pub(crate) origin: u32,
}

impl Archive {
    /// Reads a context to its end.
    pub(super) fn open(source: &mut (dyn Read + Send), scratch: &Path) -> Result<Self, Error> {
        let subject = Subject {
            name: "the context",
            kind: ErrorKind::Context,
            origin: CONTEXT,
        };
        Self::read_all(source, scratch, subject).map_err(|error| match error.hint() {
            None if error.kind() == ErrorKind::Context => error.with_hint("a context is a directory, or a tar archive that may be compressed with gzip, bzip2, xz or zstd"),
            _ => error,
        })
    }

    /// Reads an archive to its end. It blocks.
    pub(crate) fn read_all(
        source: impl Read + Send,
        scratch: &Path,
        subject: Subject<'_>,
    ) -> Result<Self, Error> {
        let Subject { name, kind, origin } = subject;
        let failed = |error: layer::Error| {
            let kind = match error.kind() {
                layer::ErrorKind::Changed => ErrorKind::Changed,
                _ => kind,
            };
            Error::caused(
                kind,
                format!("{name} can not be read as a tar archive"),
                error,
            )
        };
        let stored = |error| {
            let context = format!("can not keep {name} in `{}`", scratch.display());
            Error::caused(ErrorKind::Storage, context, error)
        };
        let file = tempfile::tempfile_in(scratch).map_err(stored)?;
        let mut file = fs_err::File::from_parts(file, scratch.join("archive"));
        let mut plain = Bounded::new(layer::decompress_archive(source).map_err(failed)?);
        keep(&mut plain, &mut file).map_err(|cut| match cut {
            Cut::Reading(error) => {
                Error::caused(kind, format!("{name} can not be read to its end"), error)
            }
            Cut::Keeping(error) => stored(error),
        })?;
        drop(plain);
        file.seek(SeekFrom::Start(0)).map_err(stored)?;
        let index = LayerIndex::read(&mut io::BufReader::new(&mut file)).map_err(failed)?;
        for record in index.records() {
            if matches!(record.entry.kind, Kind::Whiteout | Kind::Opaque) {
                let path = &record.entry.path;
                return Err(Error::new(
                    kind,
                    format!("{name} has a name that starts with `.wh.` in place of `{path}`"),
                )
                .with_hint("such names mean removed files in images, and can not be copied"));
            }
        }
        let mut tree = Tree::new();
        tree.apply(origin, &index).map_err(failed)?;
        let unpacked = Unpacked {
            file: Arc::new(file),
            index: Arc::new(index),
        };
        Ok(Self { unpacked, tree })
    }

    /// Gives its files.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Gives where their content is.
    pub(crate) fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    /// Lists the directories that the archive itself has: others are there for
    /// what is in them.
    pub(crate) fn directories(&self) -> BTreeSet<EntryPath> {
        let records = self.unpacked.index.records().iter();
        let said = records.filter(|record| record.entry.kind == Kind::Directory);
        said.map(|record| record.entry.path.clone()).collect()
    }

    pub(super) fn open_content(
        &self,
        position: u64,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        self.unpacked.open(position, size)
    }

    /// Reads a small file.
    pub(super) fn read(&self, path: &EntryPath, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let resolved = self.tree.resolve(path.as_bytes(), layer::Follow::All);
        let resolved = resolved.map_err(|error| {
            Error::caused(ErrorKind::Context, format!("can not find `{path}`"), error)
        })?;
        let Some(node) = resolved.node else {
            return match self.tree.node(path).map(|node| &node.kind) {
                Some(NodeKind::Symlink { target }) => Err(leads_nowhere(path, target)),
                _ => Ok(None),
            };
        };
        let NodeKind::File(file) = &node.kind else {
            return Err(Error::new(
                ErrorKind::Context,
                format!("`{path}` is no file"),
            ));
        };
        if file.size > limit {
            let message = format!(
                "`{path}` has {} bytes, more than the {limit} that are read",
                file.size
            );
            return Err(Error::new(ErrorKind::Context, message));
        }
        let failed = |error| Error::layer(format!("can not read `{path}`"), error);
        let mut bytes = Vec::new();
        let mut content = self
            .open_content(file.place.position, file.size)
            .map_err(failed)?;
        content.read_to_end(&mut bytes).map_err(|error| {
            Error::caused(ErrorKind::Context, format!("can not read `{path}`"), error)
        })?;
        Ok(Some(bytes))
    }
}

/// Takes what is not ignored, as it is in an image.
pub(super) fn look(archive: Arc<Archive>, look: &Look) -> Result<Context, Error> {
    let mut unusual = Unusual::default();
    let mut skipped = Vec::new();
    let mut tree = Tree::new();
    if let (Some(root), Some(of)) = (
        tree.node_mut(&EntryPath::root()),
        archive.tree.node(&EntryPath::root()),
    ) {
        root.metadata = metadata(of, look.fidelity, look.time);
    }
    for (path, node) in archive.tree.walk(&EntryPath::root()) {
        if path.is_root()
            || is_ignored(&look.ignore, &path) && !holds(&archive.tree, &path, &look.ignore)
        {
            continue;
        }
        if let NodeKind::Device { .. } = node.kind {
            skipped.push((path, "a device"));
            continue;
        }
        let kind = match &node.kind {
            NodeKind::Directory(children) => {
                note(&mut unusual, &path, children, look);
                NodeKind::Directory(Arc::default())
            }
            kind => kind.clone(),
        };
        let metadata = metadata(node, look.fidelity, look.time);
        tree.insert(&path, Node { metadata, kind })
            .map_err(|error| {
                Error::caused(ErrorKind::Context, format!("can not take `{path}`"), error)
            })?;
    }
    if let Some(NodeKind::Directory(children)) =
        archive.tree.node(&EntryPath::root()).map(|root| &root.kind)
    {
        note(&mut unusual, &EntryPath::root(), children, look);
    }
    Ok(Context {
        tree,
        unusual,
        skipped,
        files: Files::Archive(archive),
    })
}

/// Takes note of what is unusual in a directory.
fn note(
    unusual: &mut Unusual,
    path: &EntryPath,
    children: &BTreeMap<Box<[u8]>, Node>,
    look: &Look,
) {
    if look.fidelity.modes == Modes::Preserved {
        return;
    }
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for (name, child) in children {
        let path = path.child(name);
        if is_ignored(&look.ignore, &path) {
            continue;
        }
        match child.kind {
            NodeKind::File(_) => files.push((path, child.metadata.mode)),
            NodeKind::Directory(_) => directories.push((path, child.metadata.mode)),
            _ => {}
        }
    }
    unusual.note(&files);
    unusual.note(&directories);
}

fn is_ignored(ignore: &Ignore, path: &EntryPath) -> bool {
    ignore.matches(path.as_bytes())
}

/// Says whether something below an ignored directory is not ignored.
fn holds(tree: &Tree, path: &EntryPath, ignore: &Ignore) -> bool {
    tree.node(path).is_some_and(Node::is_directory)
        && tree
            .walk(path)
            .any(|(path, node)| !node.is_directory() && !is_ignored(ignore, &path))
}

fn metadata(node: &Node, fidelity: Fidelity, time: Time) -> Metadata {
    let mode = node.metadata.mode;
    Metadata {
        mode: match (&node.kind, fidelity.modes) {
            (NodeKind::Symlink { .. }, _) => 0o777,
            (_, Modes::Preserved) => mode,
            (NodeKind::Directory(_), Modes::Normalized) => 0o755,
            (_, Modes::Normalized) => normalize(mode),
        },
        uid: 0,
        gid: 0,
        mtime: time,
        xattrs: match fidelity.xattrs {
            Xattrs::Dropped => BTreeMap::new(),
            Xattrs::Preserved => node.metadata.xattrs.clone(),
        },
    }
}

/// How much is read and written at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Says on which side a copy was cut off: only one of them is the archive's
/// fault.
#[derive(Debug)]
enum Cut {
    Reading(io::Error),
    Keeping(io::Error),
}

/// Copies everything there is.
fn keep(from: &mut impl Read, to: &mut impl Write) -> Result<(), Cut> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Cut::Reading(error)),
        };
        let read = piece.get(..read).unwrap_or_default();
        to.write_all(read).map_err(Cut::Keeping)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_the_fault_of_the_archive() {
        let mut room = [0; 3];
        let full = keep(&mut &b"four"[..], &mut room.as_mut_slice());
        assert!(matches!(full, Err(Cut::Keeping(_))), "{full:?}");
        let mut room = Vec::new();
        let broken = io::Error::other("cut off");
        let mut archive = (&b"half"[..]).chain(Broken(Some(broken)));
        let cut = keep(&mut archive, &mut room);
        assert!(matches!(cut, Err(Cut::Reading(_))), "{cut:?}");
        assert_eq!(room, b"half");
    }

    /// Reads nothing but an error.
    struct Broken(Option<io::Error>);

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(0), Err)
        }
    }
}

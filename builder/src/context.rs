//! Contexts: the files that a build may copy, as a tree, and their content.

mod ahead;
pub(crate) mod archive;
mod directory;
mod fingerprints;
mod stream;
mod unusual;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use dockerfile::Ignore;
use layer::{EntryPath, Time, Tree};
use oci::Digest;

use crate::error::{Error, ErrorKind};
use crate::request::{Cache, Fidelity};

pub(crate) use fingerprints::{Moment, remove_all as remove_fingerprints};
pub(crate) use unusual::{Unusual, Why};

/// Says where a context is.
#[derive(Debug, Clone)]
pub enum ContextSource {
    /// In a directory.
    Directory(PathBuf),
    /// In a tar archive, perhaps compressed, that is read from here once, from
    /// its start to its end.
    Archive(Arc<std::fs::File>),
    /// In a tar archive that is read from here, or else nowhere: then a
    /// Dockerfile is read from here, and there are no files to copy.
    Stream(Arc<std::fs::File>),
    /// Elsewhere: in a tar archive or, without any files, a Dockerfile at a
    /// URL; or in a git repository, as `URL#REF:DIRECTORY`.
    Remote(String),
}

/// Is a context whose files can be looked at, as often as needed.
#[derive(Clone)]
pub(crate) enum Opened {
    Directory(Arc<directory::Rooted>),
    Archive(Arc<archive::Archive>),
    Empty,
}

/// Is a context with what its ignore file leaves of it.
#[derive(Clone)]
pub(crate) struct Filtered {
    pub(crate) opened: Opened,
    pub(crate) ignore: Ignore,
    /// The name of the file that `ignore` was read from.
    pub(crate) ignore_name: String,
}

/// Is a context whose files are known.
pub(crate) struct Context {
    pub(crate) tree: Tree,
    /// What is unusual of files whose permissions were not taken over.
    pub(crate) unusual: Unusual,
    /// Things that can not be copied, such as sockets, and what they are.
    pub(crate) skipped: Vec<(EntryPath, &'static str)>,
    files: Files,
}

enum Files {
    Directory(directory::Files),
    Archive(Arc<archive::Archive>),
    Empty,
}

/// Says what of a context is looked at, and how.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) ignore: Ignore,
    /// The paths that are copied, where they are known beforehand.
    pub(crate) wanted: Wanted,
    pub(crate) fidelity: Fidelity,
    pub(crate) time: Time,
    /// The origin of what is in a directory.
    pub(crate) origin: u32,
    /// Whether what earlier builds know of the files is taken.
    pub(crate) cache: Cache,
}

/// Says which paths of a context are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Perhaps all.
    All,
    /// These and what is in them, unless a link leads elsewhere.
    Paths(Vec<EntryPath>),
}

impl Wanted {
    /// Says whether a path is on the way to what is wanted, or is that itself.
    fn leads_to(&self, path: &EntryPath) -> bool {
        match self {
            Self::All => false,
            Self::Paths(paths) => paths.iter().any(|wanted| wanted.is_in(path)),
        }
    }

    /// Says whether a path is in what is wanted.
    fn has(&self, path: &EntryPath) -> bool {
        match self {
            Self::All => true,
            Self::Paths(paths) => paths.iter().any(|wanted| path.is_in(wanted)),
        }
    }
}

impl Opened {
    /// Opens a context; a Dockerfile may have come in its place. It blocks.
    pub(crate) fn open(
        source: &ContextSource,
        scratch: &std::path::Path,
    ) -> Result<(Self, Option<Vec<u8>>), Error> {
        let archive = |source: &mut (dyn Read + Send)| {
            archive::Archive::open(source, scratch).map(|archive| Self::Archive(Arc::new(archive)))
        };
        match source {
            ContextSource::Directory(path) => {
                let rooted = directory::Rooted::open(path)?;
                Ok((Self::Directory(Arc::new(rooted)), None))
            }
            ContextSource::Archive(file) => Ok((archive(&mut file.as_ref())?, None)),
            ContextSource::Remote(text) => {
                let message = format!("the context `{text}` has not been fetched");
                Err(Error::new(ErrorKind::Context, message))
            }
            ContextSource::Stream(file) => match stream::sort(file)? {
                stream::Sorted::Dockerfile(text) => Ok((Self::Empty, Some(text))),
                stream::Sorted::Archive(mut rest) => Ok((archive(&mut rest)?, None)),
            },
        }
    }

    /// Has the files of a directory be remembered between builds, in their
    /// store, if the directory is that of whoever builds: `source` says where
    /// its files are from.
    pub(crate) fn remembering(self, source: &ContextSource, store: &std::path::Path) -> Self {
        match (self, source) {
            (Self::Directory(rooted), ContextSource::Directory(_)) => {
                match Arc::try_unwrap(rooted) {
                    Ok(rooted) => Self::Directory(Arc::new(rooted.remembering(store))),
                    // It is in use already, and stays as it is.
                    Err(rooted) => Self::Directory(rooted),
                }
            }
            (opened, _) => opened,
        }
    }

    /// Writes down what was learned of the files. Where it can not, the next
    /// build learns it again. It blocks.
    pub(crate) fn keep_learned(&self) {
        if let Self::Directory(rooted) = self {
            rooted.keep();
        }
    }

    /// Reads a file of at most `limit` bytes, whether it is ignored or not;
    /// `None` where there is none. It blocks.
    pub(crate) fn read(&self, path: &EntryPath, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Directory(rooted) => rooted.read(path, limit),
            Self::Archive(archive) => archive.read(path, limit),
            Self::Empty => Ok(None),
        }
    }

    /// Looks at the files. It blocks.
    pub(crate) fn look(&self, look: &Look) -> Result<Context, Error> {
        match self {
            Self::Directory(rooted) => directory::look(Arc::clone(rooted), look),
            Self::Archive(archive) => archive::look(Arc::clone(archive), look),
            Self::Empty => Ok(Context {
                tree: Tree::new(),
                unusual: Unusual::default(),
                skipped: Vec::new(),
                files: Files::Empty,
            }),
        }
    }
}

impl Context {
    /// Opens the content of a file, by the position that its node names.
    pub(crate) fn open(
        &self,
        position: u64,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        match &self.files {
            Files::Directory(files) => files.open(position),
            Files::Archive(archive) => archive.open_content(position, size),
            Files::Empty => Err(layer::Error::new(
                layer::ErrorKind::Invalid,
                "there is no context",
            )),
        }
    }
}

impl Context {
    /// Says whether there is nothing to say of its files.
    pub(crate) fn is_plain(&self) -> bool {
        self.skipped.is_empty() && self.unusual.is_empty()
    }

    /// Remembers the digest of a file that was read after a moment, and found
    /// to be as it was looked at to its end.
    pub(crate) fn learn(&self, position: u64, digest: &Digest, before: Moment) {
        if let Files::Directory(files) = &self.files {
            files.learn(position, digest, before);
        }
    }

    /// Forgets a file whose content is not what was remembered.
    pub(crate) fn forget(&self, position: u64) {
        if let Files::Directory(files) = &self.files {
            files.forget(position);
        }
    }
}

/// Reports a link that leads out of the context, or to nothing in it.
fn leads_nowhere(path: &EntryPath, target: &[u8]) -> Error {
    let target = target.escape_ascii();
    Error::new(
        ErrorKind::Context,
        format!("`{path}` is a link to `{target}`, which is not in the context"),
    )
    .with_hint("put the file itself there, or have the link lead to one inside")
}

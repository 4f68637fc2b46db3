//! `COPY` and `ADD`: what goes where (Dockerfile reference, "COPY" and "ADD").
//!
//! Sources and destination are trees, so that this neither reads nor writes,
//! and no link leads out of either. First everything is found, then placed:
//! in between `ADD` looks which of it are archives.

mod alone;
mod find;
mod patterns;
mod place;

use bytes::Bytes;
use layer::{EntryPath, File, Metadata, Time, Tree};

use crate::error::{Error, ErrorKind};
use crate::pack::recipe::Recipe;
use crate::plan::excerpt;
use crate::step::mode::Mode;
use crate::step::owner::Owner;

pub(crate) use alone::{alone, alone_key};
pub(crate) use find::{Found, check_source, find, is_pattern, pivot};
pub(crate) use patterns::Excluded;
pub(crate) use place::place;

/// Is something to copy.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// What a path or pattern finds in the source tree.
    Path(String),
    /// A file that stands in the Dockerfile.
    Inline { name: String, content: Bytes },
    /// A file from elsewhere.
    Fetched {
        /// The name that it has in a directory.
        name: Vec<u8>,
        file: File,
        metadata: Metadata,
    },
    /// Everything in a tree from elsewhere.
    Tree(std::sync::Arc<Tree>),
}

/// Says where to copy, and how.
#[derive(Debug, Clone)]
pub(crate) struct Copying {
    /// The path from the root; one that ends in a slash is a directory.
    pub(crate) destination: String,
    /// What `--chown` says.
    pub(crate) owner: Option<Owner>,
    /// What `--chmod` says.
    pub(crate) mode: Option<Mode>,
    /// What `--exclude` says.
    pub(crate) excluded: Excluded,
    /// Whether the directories that sources are in are copied too.
    pub(crate) keeps_parents: bool,
    /// Whether the layer knows nothing of what is below it.
    pub(crate) is_linked: bool,
    /// What becomes of directories that are there already.
    pub(crate) existing: Existing,
    /// The time of what is made here.
    pub(crate) time: Time,
}

/// Says what becomes of directories that are there already, below the
/// destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// They keep their permissions and owners, unless flags name new ones:
    /// those of the source are not what somebody chose.
    Kept,
    /// They become as they are in the source.
    Replaced,
}

/// Is what a copy came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Copied {
    /// What is to be packed.
    pub(crate) recipe: Recipe,
    /// Where in the source tree files and directories were taken.
    pub(crate) taken: Vec<EntryPath>,
}

/// Reports a copy that can not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The source that it is about, by its number, if it is about one.
    pub(crate) source: Option<usize>,
}

impl Failure {
    pub(crate) fn of(source: usize, error: Error) -> Self {
        Self {
            error,
            source: Some(source),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            source: None,
        }
    }
}

/// What helps where a source looks like a comment.
pub(crate) const COMMENT_HINT: &str =
    "a comment stands on a line of its own: behind an instruction `#` is part of it";

/// Says that several things do not go to one name.
pub(crate) fn no_directory(destination: &str, count: usize) -> Error {
    let destination = excerpt(destination);
    let message =
        format!("`{destination}` has to be a directory: there are {count} things to copy");
    Error::new(ErrorKind::Step, message).with_hint(format!("end it with a slash: `{destination}/`"))
}

#[cfg(test)]
mod tests;

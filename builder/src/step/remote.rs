//! Flags of `ADD` that are for what is fetched, where nothing of the kind is.

use crate::error::{Error, ErrorKind};

/// Says what `--checksum` can be of.
pub(crate) fn no_use_of_checksum() -> Error {
    let message = "`--checksum` is of one file from a URL, or of one git repository";
    Error::new(ErrorKind::Step, message).with_hint(
        "give each source that is fetched an `ADD` of its own, and leave the flag out elsewhere",
    )
}

/// Says what `--keep-git-dir` can be of.
pub(crate) fn no_use_of_git_dir() -> Error {
    let message = "`--keep-git-dir` is for git repositories, and no source is one";
    Error::new(ErrorKind::Step, message).with_hint("delete the flag")
}

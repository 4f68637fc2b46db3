//! What is done to the files of a checkout when git is done. All of it blocks.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// How a repository calls its own directory, or the file that leads there.
const GIT: &str = ".git";

/// Removes every `.git`, of submodules too.
pub(super) fn remove_git_directories(files: &Path) -> Result<(), Error> {
    for directory in work_trees(files)? {
        let path = directory.join(GIT);
        let is_directory = fs_err::symlink_metadata(&path).map_err(stored)?.is_dir();
        let removed = if is_directory {
            fs_err::remove_dir_all(path)
        } else {
            fs_err::remove_file(path)
        };
        removed.map_err(stored)?;
    }
    Ok(())
}

/// Lists the directories that have a `.git`, the first one first.
pub(super) fn work_trees(files: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut left = vec![files.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs_err::read_dir(&directory).map_err(stored)? {
            let entry = entry.map_err(stored)?;
            if entry.file_name() == GIT {
                found.push(directory.clone());
            } else if entry.file_type().map_err(stored)?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what a repository remembers of when and whence it was fetched.
pub(super) fn forget(git_directory: &Path) -> Result<(), Error> {
    for name in ["FETCH_HEAD", "ORIG_HEAD", "index"] {
        gone(fs_err::remove_file(git_directory.join(name)))?;
    }
    gone(fs_err::remove_dir_all(git_directory.join("logs")))
}

/// Finds a directory of a checkout. No link is followed: it would lead
/// anywhere.
pub(super) fn subdirectory(files: &Path, wanted: &Path, shown: &str) -> Result<PathBuf, Error> {
    let mut path = files.to_owned();
    for part in wanted.components() {
        path.push(part);
        let is_directory = match fs_err::symlink_metadata(&path) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
            Err(error) => return Err(stored(error)),
        };
        if !is_directory {
            let message = format!("`{shown}` has no directory `{}`", wanted.display());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
    }
    Ok(path)
}

fn gone(removed: io::Result<()>) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(stored(error)),
        _ => Ok(()),
    }
}

fn stored(error: io::Error) -> Error {
    Error::caused(
        ErrorKind::Storage,
        "the files of a repository can not be read",
        error,
    )
}

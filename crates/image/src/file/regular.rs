//! Regular files: what archives are read from and written to.
//!
//! An archive is read in several places, and gets its name when it is whole.
//! Neither can be done with a pipe or a device, and none is replaced.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::directory_of;

/// How many links may lead to one another, as on Linux.
const LINKS_LIMIT: usize = 40;

/// Opens a file to read from it. Opening what is no file, such as a pipe,
/// might never end.
///
/// # Errors
///
/// Fails with [`io::ErrorKind::InvalidInput`] when this is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<fs_err::File> {
    check(path, fs_err::metadata(path)?.file_type())?;
    fs_err::File::open(path)
}

/// Finds the file that writing to a path would write to: the path itself, or
/// what it leads to as a link. There need not be such a file yet.
///
/// # Errors
///
/// Fails with [`io::ErrorKind::InvalidInput`] when there is something that is
/// no regular file.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=LINKS_LIMIT {
        match fs_err::metadata(&path) {
            Ok(metadata) => {
                check(&path, metadata.file_type())?;
                return fs_err::canonicalize(&path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Nothing is there, or a link to nothing.
        match fs_err::read_link(&path) {
            Ok(link) => path = directory_of(&path).join(link),
            Err(_no_link) => return Ok(path),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{}` is a link that has no end", path.display()),
    ))
}

fn check(path: &Path, kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{}` is {what}, no regular file", path.display()),
    ))
}

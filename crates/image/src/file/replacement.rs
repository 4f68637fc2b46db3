//! What a file is replaced by: it takes the name when it is whole.

use std::io;
use std::path::{Path, PathBuf};

use super::{Temporary, regular};

/// Is what a file will be. Until it is kept there is the file as it was, and
/// of this one nothing that a program that is killed would leave behind,
/// unless the file system knows no files without a name. All of it blocks.
#[derive(Debug)]
pub struct Replacement {
    temporary: Temporary,
    /// The file that is replaced, behind all links.
    target: PathBuf,
}

impl Replacement {
    /// Begins what writing to `path` would write: a new file, or another in
    /// the place of one. What a link leads to is replaced, and not the link.
    ///
    /// # Errors
    ///
    /// Fails with [`io::ErrorKind::InvalidInput`] where there is something
    /// that is no regular file, such as a pipe or a directory; with
    /// [`io::ErrorKind::NotFound`] where the directory is not there, whose
    /// name the error has; and where nothing can be written to it.
    pub fn of(path: &Path) -> io::Result<Self> {
        let target = regular::target(path)?;
        let temporary = Temporary::beside(&target)?;
        Ok(Self { temporary, target })
    }

    /// Gives what is written to.
    pub fn file(&mut self) -> &mut fs_err::File {
        self.temporary.file()
    }

    /// Gives another handle, for who takes one away. It is at the same
    /// position, and moves it.
    ///
    /// # Errors
    ///
    /// Fails when the process has too many files open.
    pub fn handle(&self) -> io::Result<std::fs::File> {
        self.temporary.handle()
    }

    /// Gives the file its name, durably. What had the name before is gone.
    ///
    /// # Errors
    ///
    /// Fails when what was written does not get to the disk, and when the
    /// directory takes no name. The file is then as it was before.
    pub fn keep(self) -> io::Result<()> {
        self.temporary.keep(&self.target)
    }
}

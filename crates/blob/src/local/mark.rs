//! Marks: what a directory is for, looked at before anything is changed in it.

use std::io;
use std::path::Path;

use super::calls::Calls;
use super::directory::is_temporary;
use super::record;
use crate::error::{Error, ErrorKind};

/// Says what a directory is for, by a file at its top. A directory that has
/// files and no such mark is somebody else's.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// What such a directory is, as in "is no `what`".
    pub what: &'static str,
    /// The name of the file.
    pub name: &'static str,
    /// What the file holds when it is made, in at most 4 MiB.
    pub value: &'static [u8],
    /// The names at the top that a directory without the mark may have: what
    /// is made before the mark, or was before there were marks.
    pub before: &'static [&'static str],
}

/// What a directory without a mark has besides, whoever it belongs to: the
/// top of a file system has it from the start.
const ANYBODYS: &str = "lost+found";

/// Says whether a directory is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    /// Not yet, and it may be.
    Not,
    /// With exactly what this program writes.
    Ours,
    /// With something else: another version's, as whoever reads it will say.
    Other,
}

/// Looks for the mark of a directory.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`] when the directory is somebody
/// else's, and when it can not be read.
pub(super) fn check(calls: &Calls, root: &Path, mark: &Mark) -> Result<Marked, Error> {
    let failed = |error| {
        let root = root.display();
        Error::io(
            format!("can not read the storage directory `{root}`"),
            error,
        )
    };
    let read = || -> io::Result<Marked> {
        Ok(match record::read_file(calls, &root.join(mark.name))? {
            Some(value) if value == mark.value => Marked::Ours,
            Some(_) => Marked::Other,
            None => Marked::Not,
        })
    };
    let marked = read().map_err(failed)?;
    if marked != Marked::Not {
        return Ok(marked);
    }
    let stranger = stranger(root, mark).map_err(failed)?;
    // Another process may have made the mark meanwhile, and more after it.
    match (stranger, read().map_err(failed)?) {
        (_, marked @ (Marked::Ours | Marked::Other)) => Ok(marked),
        (None, Marked::Not) => Ok(Marked::Not),
        (Some(name), Marked::Not) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "`{}` is no {}: it has `{name}`, and no file `{}`",
                root.display(),
                mark.what,
                mark.name
            ),
        )),
    }
}

/// Finds something that is not there before the mark is: the first by name.
fn stranger(root: &Path, mark: &Mark) -> io::Result<Option<String>> {
    let mut strangers = Vec::new();
    for entry in fs_err::read_dir(root)? {
        let name = entry?.file_name();
        let known = |known: &&str| name == **known;
        if !mark.before.iter().any(known) && !known(&ANYBODYS) {
            strangers.push(name.to_string_lossy().into_owned());
        }
    }
    // Many a directory has a `tmp`: ours has only what we name.
    match fs_err::read_dir(root.join("tmp")) {
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name();
                if !is_temporary(&name) {
                    strangers.push(format!("tmp/{}", name.to_string_lossy()));
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(strangers.into_iter().min())
}

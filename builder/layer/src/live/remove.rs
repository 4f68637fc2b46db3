//! Takes things away, whatever they are.

use crate::directory::Directory;
use crate::error::Error;
use crate::live::perform::place::Parents;
use crate::path::EntryPath;

/// Takes away what is at a path of a directory, with all that is in it, whatever
/// its modes are and however deep it is. Nothing there is right. No link is
/// followed. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not be
/// removed, and with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for the
/// root.
pub fn remove(directory: &Directory, path: &EntryPath) -> Result<(), Error> {
    if let Some(parent) = path.parent()
        && directory.stat(&parent)?.is_none()
    {
        return Ok(());
    }
    let mut parents = Parents::new(directory);
    let removed = parents.place(path)?.remove();
    removed.map_err(|errno| directory.failed("remove", path, errno))
}

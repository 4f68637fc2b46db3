//! What a layer says, without its content: enough to know the file system
//! that layers make, so that no layer need be read twice.

mod archive;

use std::collections::BTreeMap;

use oci::Digest;

use crate::entry::Entry;
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

/// Holds what one layer says of each path, in the order of the layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct LayerIndex {
    records: Vec<Record>,
    kept: BTreeMap<EntryPath, Box<[u8]>>,
}

/// Is what an index knows of one entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// What the layer says.
    pub entry: Entry,
    /// Where its content is; of regular files alone.
    pub content: Option<Stored>,
}

/// Says where the content of a file is in its layer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// The first byte of the content, counted in the uncompressed layer.
    /// `None` where it is not in one piece there (sparse files).
    pub offset: Option<u64>,
    /// The digest of the content.
    pub digest: Digest,
}

impl LayerIndex {
    /// The files whose content an index keeps, for whoever looks up names of
    /// users and groups.
    pub const KEPT: [&str; 2] = ["etc/passwd", "etc/group"];
    /// The largest file that is kept, in bytes.
    pub const KEPT_LIMIT: u64 = 1024 * 1024;

    /// Makes an index of records in the order of their layer, and of the
    /// content of files that are kept.
    #[must_use]
    pub fn new(records: Vec<Record>, kept: BTreeMap<EntryPath, Box<[u8]>>) -> Self {
        Self { records, kept }
    }

    /// Gives what the layer says, in its order.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Gives the content of a file, if it is one that is kept.
    #[must_use]
    pub fn kept(&self, path: &EntryPath) -> Option<&[u8]> {
        self.kept.get(path).map(AsRef::as_ref)
    }

    /// Writes the index for [`LayerIndex::decode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("numbers, bytes and lists have a form")
    }

    /// Reads what [`LayerIndex::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Unsupported`] when another version wrote it,
    /// and with [`ErrorKind::Invalid`] when it is damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let Some((&VERSION, rest)) = bytes.split_first() else {
            let message = "the index is of another version";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let damaged = |reason: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Invalid,
                format!("the index is damaged: {reason}"),
            )
        };
        match postcard::take_from_bytes(rest) {
            Ok((index, [])) => Ok(index),
            Ok(_) => Err(damaged(&"there is something behind it")),
            Err(error) => Err(damaged(&error)),
        }
    }
}

/// The version of the form in which indexes are kept; they are the first byte.
const VERSION: u8 = 2;

#[cfg(test)]
mod tests;

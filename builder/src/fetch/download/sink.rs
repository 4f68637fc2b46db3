//! Where the bytes of a file go. All of it blocks but the gathering.

use std::io::{Seek as _, Write as _};
use std::path::Path;

use oci::{Algorithm, Digest, Hasher};

use crate::error::{Error, ErrorKind};
use crate::fetch::checksum::{Checksum, Summing};

/// How many bytes are gathered before they are written.
const GATHERED: usize = 512 * 1024;

/// Takes the bytes of a file, hashes them, and keeps them in a file without a
/// name.
pub(super) struct Sink {
    file: fs_err::File,
    gathered: Vec<u8>,
    hasher: Hasher,
    /// The digest is taken anyway; a checksum of another kind besides.
    summing: Option<Summing>,
    size: u64,
}

/// Is all that a sink took.
pub(super) struct Received {
    pub(super) file: fs_err::File,
    pub(super) size: u64,
    pub(super) digest: Digest,
    /// What it is by the kind of the checksum that is wanted.
    pub(super) checksum: Option<Checksum>,
}

impl Sink {
    pub(super) fn create(scratch: &Path, checksum: Option<&Checksum>) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(scratch).map_err(|error| {
            let message = format!("can not keep a file in `{}`", scratch.display());
            Error::caused(ErrorKind::Storage, message, error)
        })?;
        Ok(Self {
            file: fs_err::File::from_parts(file, scratch.join("fetched")),
            gathered: Vec::with_capacity(GATHERED),
            hasher: Hasher::unbroken(Algorithm::Sha256),
            summing: checksum.map(Summing::like),
            size: 0,
        })
    }

    /// Takes bytes; says whether it is time to write them. It does not block.
    pub(super) fn gather(&mut self, bytes: &[u8]) -> bool {
        self.gathered.extend_from_slice(bytes);
        self.gathered.len() >= GATHERED
    }

    pub(super) fn write(&mut self) -> Result<(), Error> {
        self.hasher.update(&self.gathered);
        if let Some(summing) = &mut self.summing {
            summing.update(&self.gathered);
        }
        self.size += self.gathered.len() as u64;
        self.file.write_all(&self.gathered).map_err(stored)?;
        self.gathered.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Received, Error> {
        self.write()?;
        self.file.rewind().map_err(stored)?;
        Ok(Received {
            file: self.file,
            size: self.size,
            digest: self.hasher.finish(),
            checksum: self.summing.map(Summing::finish),
        })
    }
}

fn stored(error: std::io::Error) -> Error {
    Error::caused(
        ErrorKind::Storage,
        "what was fetched can not be kept",
        error,
    )
}

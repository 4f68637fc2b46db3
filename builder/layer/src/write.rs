//! Writes a layer as a tar archive (POSIX.1-2024, `pax`, "ustar Interchange
//! Format" and "pax Interchange Format"), so that equal entries are equal bytes.
//!
//! What an entry says is all that is written of it: no names of owners, no other
//! times, nothing of this machine. It sorts nothing, it checks that its caller did.

mod header;
mod order;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use oci::{Algorithm, Digest, Hasher};

use crate::entry::{Entry, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::index::{LayerIndex, Record, Stored};
use crate::path::EntryPath;

use header::Header;
use order::Position;

/// The unit of an archive in bytes: what is shorter is filled up with zeros.
const BLOCK: usize = 512;

/// How many bytes of content are copied at a time.
const PIECE: usize = 128 * 1024;

/// Writes entries to `W` as an archive, and keeps an index of them.
///
/// Entries come in the order of their paths, a directory before what is in it,
/// and in each directory first the mark that makes it opaque, then whiteouts,
/// then everything else. The root is a directory and is written as `./`.
/// Directories on the way to an entry may be missing.
///
/// After an error about an entry that was half written nothing more is taken.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// How many bytes were written.
    position: u64,
    records: Vec<Record>,
    kept: BTreeMap<EntryPath, Box<[u8]>>,
    buffer: Vec<u8>,
    /// Set when there is a whiteout.
    removes: bool,
    /// Set while an entry is written, and left so by a failure.
    torn: bool,
}

impl<W: Write> Writer<W> {
    /// Makes a writer of an archive that has nothing yet.
    pub fn new(out: W) -> Self {
        Self {
            out,
            position: 0,
            records: Vec::new(),
            kept: BTreeMap::new(),
            buffer: Vec::new(),
            removes: false,
            torn: false,
        }
    }

    /// Writes an entry that is no regular file. The metadata of hard links and
    /// whiteouts is not looked at: readers give what a hard link says to the
    /// file itself, so that of the file is written once more.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] for a regular file, for what is out of
    /// order or twice, for a hard link whose target was not written as a file,
    /// and for names that mean something else in a layer (`.wh.`); with
    /// [`ErrorKind::Unsupported`] or [`ErrorKind::Limit`] for what the form can
    /// not say; with [`ErrorKind::Io`] when the archive can not be written.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        if matches!(entry.kind, Kind::File { .. }) {
            return Err(invalid(entry, "a file needs its content"));
        }
        let metadata = self.check(entry)?;
        let head = Header::of(entry, metadata)?.bytes();
        self.torn = true;
        self.put(&head)?;
        self.torn = false;
        self.removes |= matches!(entry.kind, Kind::Whiteout);
        let metadata = match entry.kind {
            Kind::HardLink { .. } | Kind::Whiteout | Kind::Opaque => Metadata::default(),
            _ => entry.metadata.clone(),
        };
        self.records.push(Record {
            entry: Entry {
                path: entry.path.clone(),
                kind: entry.kind.clone(),
                metadata,
            },
            content: None,
        });
        Ok(())
    }

    /// Writes a regular file, and reads its content to the end.
    ///
    /// # Errors
    ///
    /// Fails as [`Writer::entry`] does, with [`ErrorKind::Invalid`] for what is
    /// no file, and with [`ErrorKind::Changed`] when the content is shorter or
    /// longer than the entry says. What reading fails with keeps its kind.
    pub fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Error> {
        let Kind::File { size } = entry.kind else {
            return Err(invalid(entry, "only a file has content"));
        };
        let metadata = self.check(entry)?;
        let head = Header::of(entry, metadata)?.bytes();
        self.torn = true;
        self.put(&head)?;
        let offset = self.position;
        let digest = self.copy(entry, size, content)?;
        self.pad()?;
        self.torn = false;
        self.records.push(Record {
            entry: entry.clone(),
            content: Some(Stored {
                offset: Some(offset),
                digest,
            }),
        });
        Ok(())
    }

    /// Ends the archive: two blocks of zeros, and nothing to fill up a tape.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when an entry was half written, and with
    /// [`ErrorKind::Io`] when the archive can not be written.
    pub fn finish(mut self) -> Result<(W, LayerIndex), Error> {
        self.whole()?;
        self.put(&[0; 2 * BLOCK])?;
        Ok((self.out, LayerIndex::new(self.records, self.kept)))
    }

    fn whole(&self) -> Result<(), Error> {
        if self.torn {
            let message = "an entry before was half written, so that the layer is torn";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    /// Checks that an entry may come next, and gives the metadata to write.
    fn check<'a>(&'a self, entry: &'a Entry) -> Result<&'a Metadata, Error> {
        self.whole()?;
        if entry
            .path
            .names()
            .any(|name| name.starts_with(header::WHITEOUT))
        {
            return Err(invalid(
                entry,
                "in a layer such a name says that something is removed",
            ));
        }
        if let Some(last) = self.records.last() {
            order::check(&last.entry, entry)?;
        }
        if entry.path.is_root() && !matches!(entry.kind, Kind::Directory | Kind::Opaque) {
            return Err(invalid(entry, "the root has to be a directory"));
        }
        self.check_removed(entry)?;
        match &entry.kind {
            Kind::HardLink { target } => match self.find(Position::plain(target)) {
                Some(Entry {
                    kind: Kind::File { .. },
                    metadata,
                    ..
                }) => Ok(metadata),
                _ => {
                    let why = format!("its target `{target}` is no file that was written before");
                    Err(invalid(entry, &why))
                }
            },
            _ => Ok(&entry.metadata),
        }
    }

    /// Checks that no whiteout removes what an entry adds, or is in. Whiteouts
    /// come first, so that such a one is written.
    fn check_removed(&self, entry: &Entry) -> Result<(), Error> {
        if !self.removes {
            return Ok(());
        }
        let mut way = match entry.kind {
            Kind::Whiteout => entry.path.parent(),
            _ => Some(entry.path.clone()),
        };
        // The root is never removed.
        while let Some(path) = way.filter(|path| !path.is_root()) {
            if self.find(Position::whiteout(&path)).is_some() {
                let why = format!("`{path}` is removed by the same layer");
                return Err(invalid(entry, &why));
            }
            way = path.parent();
        }
        Ok(())
    }

    /// Finds what was written at a position.
    fn find(&self, position: Position<'_>) -> Option<&Entry> {
        let found = self
            .records
            .binary_search_by(|record| Position::of(&record.entry).cmp(&position));
        found
            .ok()
            .and_then(|at| self.records.get(at))
            .map(|record| &record.entry)
    }

    /// Copies content that has to be of a size, and gives its digest.
    fn copy(&mut self, entry: &Entry, size: u64, content: &mut dyn Read) -> Result<Digest, Error> {
        let keep = size <= LayerIndex::KEPT_LIMIT
            && LayerIndex::KEPT
                .iter()
                .any(|kept| kept.as_bytes() == entry.path.as_bytes());
        let mut kept = Vec::new();
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(PIECE, 0);
        loop {
            let length = read(content, &mut buffer)
                .map_err(|error| Error::io(format!("can not read `{}`", entry.path), error))?;
            let piece = buffer.get(..length).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            if piece.len() as u64 > size - hasher.length() {
                return Err(changed(entry, "longer"));
            }
            hasher.update(piece);
            if keep {
                kept.extend_from_slice(piece);
            }
            self.put(piece)?;
        }
        self.buffer = buffer;
        if hasher.length() < size {
            return Err(changed(entry, "shorter"));
        }
        if keep {
            self.kept.insert(entry.path.clone(), kept.into());
        }
        Ok(hasher.finish())
    }

    /// Fills up the block that the last content ends in.
    fn pad(&mut self) -> Result<(), Error> {
        let used = (self.position % BLOCK as u64) as usize;
        if used == 0 {
            return Ok(());
        }
        let zeros = [0; BLOCK];
        self.put(zeros.get(used..).unwrap_or_default())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out
            .write_all(bytes)
            .map_err(|error| Error::io("can not write the layer", error))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

/// Reads once, and again when a signal came between.
fn read(content: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn changed(entry: &Entry, how: &str) -> Error {
    let message = format!(
        "`{}` changed while it was read: it is {how} than it was",
        entry.path
    );
    Error::new(ErrorKind::Changed, message)
}

/// Reports an entry that can not be in a layer, or not where it is.
fn invalid(entry: &Entry, why: &str) -> Error {
    let message = format!("`{}` can not be written: {why}", entry.path);
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests;

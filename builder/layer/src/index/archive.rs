//! Indexes of archives, whoever wrote them.
//!
//! Archives are read here and not by a library, because what is read has to be
//! what those read who run images: extended headers have values with line feeds
//! in them (capabilities do), and a length that is believed; some sparse files
//! are told by them alone; and no header may fill the memory.

mod extended;
mod header;
mod members;

use std::collections::BTreeMap;
use std::io::Read;

use oci::{Algorithm, Hasher};

use crate::entry::{DeviceKind, Entry, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::index::{LayerIndex, Record, Stored};
use crate::path::EntryPath;

use members::{Member, Members, Piece};

/// How many entries an archive may have. Each takes about 2 KiB of memory in a
/// build.
const ENTRIES_LIMIT: usize = 2_000_000;
/// The bytes that names, links and extended attributes may have together: an
/// index is held in memory, and an archive that has the same ones again and
/// again is small.
const TEXT_LIMIT: usize = 1024 * 1024 * 1024;
/// The bytes of a file that are read at once.
const PIECE: usize = 128 * 1024;
/// What the names of whiteouts start with (image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// What the names start with that AUFS left in old layers for itself.
const PRIVATE: &[u8] = b".wh..wh.";
/// The name of the whiteout of all that lower layers have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

impl LayerIndex {
    /// Reads the archive of a layer to its very end, without compression.
    ///
    /// What stands twice is twice in the index, and counts as it does for all
    /// who unpack: the later entry replaces the earlier one. What AUFS left in
    /// old layers for itself is left out.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when it is no archive, or has a name
    /// that leads out of it; with [`ErrorKind::Unsupported`] for what no layer
    /// may have; with [`ErrorKind::Limit`] when it has too many entries, too
    /// much text, or sparse files that are too large; and as `input` does.
    pub fn read(input: &mut dyn Read) -> Result<Self, Error> {
        let mut reading = Reading {
            records: Vec::new(),
            kept: BTreeMap::new(),
            text: 0,
            buffer: vec![0; PIECE],
        };
        let mut members = Members::new(input);
        while let Some(member) = members.next()? {
            reading.take(member, &mut members)?;
        }
        members.drain()?;
        Ok(Self::new(reading.records, reading.kept))
    }
}

/// Is an archive that is being read.
struct Reading {
    records: Vec<Record>,
    kept: BTreeMap<EntryPath, Box<[u8]>>,
    /// How many bytes of text the records have.
    text: usize,
    buffer: Vec<u8>,
}

impl Reading {
    fn take(&mut self, member: Member, members: &mut Members<'_>) -> Result<(), Error> {
        let Some((path, removal)) = place(&member.name)? else {
            return Ok(());
        };
        let kind = match removal {
            Some(removal) => removal,
            None => kind(&member)?,
        };
        if path.is_root() && !matches!(kind, Kind::Directory | Kind::Opaque) {
            let message = "the root is no directory in the archive";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.count(&path, &kind, &member.metadata)?;
        let content = match kind {
            Kind::File { .. } => Some(self.content(&path, &member, members)?),
            Kind::Whiteout | Kind::Opaque => None,
            _ => {
                self.kept.remove(&path);
                None
            }
        };
        let metadata = match kind {
            Kind::HardLink { .. } | Kind::Whiteout | Kind::Opaque => Metadata::default(),
            _ => member.metadata,
        };
        self.records.push(Record {
            entry: Entry {
                path,
                kind,
                metadata,
            },
            content,
        });
        Ok(())
    }

    /// Holds the limits of an index.
    fn count(&mut self, path: &EntryPath, kind: &Kind, metadata: &Metadata) -> Result<(), Error> {
        let target = match kind {
            Kind::HardLink { target } => target.as_bytes().len(),
            Kind::Symlink { target } => target.len(),
            _ => 0,
        };
        let attributes = metadata.xattrs.iter();
        let attributes: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.text = self
            .text
            .saturating_add(path.as_bytes().len() + target + attributes);
        let message = if self.records.len() >= ENTRIES_LIMIT {
            format!("the archive has more than {ENTRIES_LIMIT} entries")
        } else if self.text > TEXT_LIMIT {
            format!("the archive has more than {TEXT_LIMIT} bytes of names and attributes")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// Reads the content of a file.
    fn content(
        &mut self,
        path: &EntryPath,
        member: &Member,
        members: &mut Members<'_>,
    ) -> Result<Stored, Error> {
        let named = LayerIndex::KEPT
            .iter()
            .any(|kept| kept.as_bytes() == path.as_bytes());
        let mut kept = (named && member.size <= LayerIndex::KEPT_LIMIT).then(Vec::new);
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        for piece in &member.pieces {
            let (Piece::Hole(mut left) | Piece::Data(mut left)) = *piece;
            if let Piece::Hole(_) = piece {
                self.buffer.fill(0);
            }
            while left > 0 {
                let room = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                let buffer = self.buffer.get_mut(..room).unwrap_or_default();
                let read = match piece {
                    Piece::Hole(_) => room,
                    Piece::Data(_) => members.read(buffer)?,
                };
                // All that is said to be there is there, or reading fails.
                let read = buffer.get(..read).unwrap_or_default();
                hasher.update(read);
                if let Some(kept) = &mut kept {
                    kept.extend_from_slice(read);
                }
                left = left.saturating_sub(read.len() as u64);
            }
        }
        match kept {
            Some(kept) => self.kept.insert(path.clone(), kept.into()),
            None => self.kept.remove(path),
        };
        Ok(Stored {
            offset: member.offset,
            digest: hasher.finish(),
        })
    }
}

/// Finds out where an entry is, and whether its name means that something is
/// removed there; `None` for what is no part of a layer.
fn place(name: &[u8]) -> Result<Option<(EntryPath, Option<Kind>)>, Error> {
    let end = name
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    let name = name.get(..end).unwrap_or_default();
    let start = name
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (way, last) = name.split_at_checked(start).unwrap_or_default();
    let (path, removal) = match last.strip_prefix(WHITEOUT) {
        None => (parse(name)?, None),
        Some(_) if last == OPAQUE => (parse(way)?, Some(Kind::Opaque)),
        // They would remove the directory itself, or the one that it is in.
        Some(b"" | b"." | b"..") => {
            return Err(invalid(name, "removes something that has no name"));
        }
        Some(hidden) => (parse(&[way, hidden].concat())?, Some(Kind::Whiteout)),
    };
    let way = match removal {
        Some(Kind::Whiteout) => path.parent().unwrap_or_default(),
        _ => path.clone(),
    };
    if way.names().any(|name| name.starts_with(PRIVATE)) {
        return Ok(None);
    }
    if way.names().any(|name| name.starts_with(WHITEOUT)) {
        return Err(invalid(name, "is in something that is removed"));
    }
    Ok(Some((path, removal)))
}

/// Says what an entry is whose name says nothing of that.
fn kind(member: &Member) -> Result<Kind, Error> {
    let name = &member.name;
    Ok(match member.flag {
        // The oldest archives tell directories by their names.
        b'\0' if name.ends_with(b"/") => Kind::Directory,
        b'\0' | b'0' | b'7' | b'S' => Kind::File { size: member.size },
        b'1' if member.link.is_empty() => return Err(invalid(name, "is another name of nothing")),
        b'1' => Kind::HardLink {
            target: parse(&member.link)?,
        },
        b'2' => {
            let target = &member.link;
            if target.is_empty() || target.len() > EntryPath::LIMIT || target.contains(&0) {
                return Err(invalid(name, "is a link, and what it says is no path"));
            }
            Kind::Symlink {
                target: target.as_slice().into(),
            }
        }
        b'3' => device(DeviceKind::Character, member)?,
        b'4' => device(DeviceKind::Block, member)?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            let message = format!(
                "`{}` is of the kind `{}`, which is not known",
                shown(name),
                other.escape_ascii()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

fn device(kind: DeviceKind, member: &Member) -> Result<Kind, Error> {
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    match (number(member.major), number(member.minor)) {
        (Some(major), Some(minor)) => Ok(Kind::Device { kind, major, minor }),
        _ => Err(invalid(&member.name, "is a device without numbers")),
    }
}

fn parse(name: &[u8]) -> Result<EntryPath, Error> {
    EntryPath::parse(name).map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))
}

/// The bytes of a name that a message shows.
const EXCERPT: usize = 200;

fn shown(name: &[u8]) -> String {
    name.get(..EXCERPT)
        .unwrap_or(name)
        .escape_ascii()
        .to_string()
}

fn invalid(name: &[u8], reason: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("`{}` of the archive {reason}", shown(name)),
    )
}

#[cfg(test)]
mod tests;

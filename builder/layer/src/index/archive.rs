//! Indexes of archives that others wrote.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use oci::{Algorithm, Hasher};
use tar::EntryType;

use crate::entry::{DeviceKind, Entry, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::index::{LayerIndex, Record, Stored};
use crate::path::EntryPath;

/// How many entries a layer may have.
const ENTRIES_LIMIT: usize = 10_000_000;
/// The bytes that the extended attributes of one entry may have together.
const XATTRS_LIMIT: usize = 1024 * 1024;
/// The bytes of a file that are read at once.
const PIECE: usize = 128 * 1024;
/// What the names of whiteouts start with (image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The name of the whiteout of all that lower layers have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What the keys of extended attributes start with.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

impl LayerIndex {
    /// Reads the archive of a layer to its very end, without compression.
    ///
    /// What stands twice counts as it does for all who unpack: the later entry
    /// replaces the earlier one.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when it is no archive, or has a name
    /// that leads out of it; with [`ErrorKind::Limit`] when it has too many
    /// entries; and as `input` does.
    pub fn read(input: &mut dyn Read) -> Result<Self, Error> {
        let mut reading = Reading::default();
        let mut archive = tar::Archive::new(&mut *input);
        let entries = archive.entries().map_err(unreadable)?;
        for entry in entries {
            reading.take(entry.map_err(unreadable)?)?;
        }
        drop(archive);
        // What stands behind the end counts for the digest of the whole.
        io::copy(input, &mut io::sink()).map_err(unreadable)?;
        Ok(reading.finish())
    }
}

/// Is an archive that is being read.
#[derive(Default)]
struct Reading {
    /// One that was replaced is absent.
    records: Vec<Option<Record>>,
    /// Where the last entry of each path is, told by the path and whether it
    /// removes something.
    places: HashMap<(EntryPath, bool), usize>,
    kept: BTreeMap<EntryPath, Box<[u8]>>,
}

impl Reading {
    fn take<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), Error> {
        let name = entry.path_bytes().into_owned();
        let Some(kind) = self.kind(&name, &mut entry)? else {
            return Ok(());
        };
        if self.records.len() >= ENTRIES_LIMIT {
            let message = format!("the layer has more than {ENTRIES_LIMIT} entries");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let (path, kind) = removed(parse(&name)?, kind);
        if path.is_root() && !matches!(kind, Kind::Directory | Kind::Opaque) {
            return Err(Error::new(ErrorKind::Invalid, "the root is no directory in the layer"));
        }
        let metadata = match kind {
            Kind::HardLink { .. } | Kind::Whiteout | Kind::Opaque => Metadata::default(),
            _ => metadata(&mut entry, &path)?,
        };
        let content = match kind {
            Kind::File { size } => Some(self.content(&path, size, &mut entry)?),
            _ => None,
        };
        let removes = matches!(kind, Kind::Whiteout | Kind::Opaque);
        let place = self.records.len();
        if let Some(earlier) = self.places.insert((path.clone(), removes), place)
            && let Some(earlier) = self.records.get_mut(earlier)
        {
            *earlier = None;
        }
        self.records.push(Some(Record {
            entry: Entry {
                path,
                kind,
                metadata,
            },
            content,
        }));
        Ok(())
    }

    /// Says what an entry is; `None` for what says nothing of a file.
    fn kind<R: Read>(
        &self,
        name: &[u8],
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Kind>, Error> {
        let header = entry.header();
        let number = |number: io::Result<Option<u32>>| {
            number.ok().flatten().ok_or_else(|| invalid(name, "is a device without numbers"))
        };
        Ok(Some(match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // Old archives have directories that only their names tell.
                if name.ends_with(b"/") && entry.size() == 0 {
                    Kind::Directory
                } else {
                    Kind::File { size: entry.size() }
                }
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Link => {
                let target = entry.link_name_bytes();
                let target = target.ok_or_else(|| invalid(name, "is a link to nothing"))?;
                Kind::HardLink {
                    target: parse(&target)?,
                }
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                if target.is_empty() || target.contains(&0) {
                    return Err(invalid(name, "is a link to nothing"));
                }
                Kind::Symlink {
                    target: target.into_owned().into(),
                }
            }
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char | EntryType::Block => Kind::Device {
                kind: match header.entry_type() {
                    EntryType::Char => DeviceKind::Character,
                    _ => DeviceKind::Block,
                },
                major: number(header.device_major())?,
                minor: number(header.device_minor())?,
            },
            // Headers for the whole archive say nothing of one file.
            EntryType::XGlobalHeader => return Ok(None),
            other => {
                let message = format!("`{}` is of the kind {:?}, which is not known", shown(name), other.as_byte() as char);
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }))
    }

    /// Reads the content of a file.
    fn content<R: Read>(
        &mut self,
        path: &EntryPath,
        size: u64,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Stored, Error> {
        let is_sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let offset = (!is_sparse).then(|| entry.raw_file_position());
        let named = Self::is_kept(path) && size <= LayerIndex::KEPT_LIMIT;
        let mut kept = named.then(Vec::new);
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        let mut buffer = vec![0; PIECE];
        let mut length = 0;
        loop {
            let read = match entry.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(unreadable)?,
            };
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                break;
            };
            hasher.update(piece);
            length += piece.len() as u64;
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(piece);
            }
        }
        if length != size {
            return Err(invalid(path.as_bytes(), "ends before its content does"));
        }
        self.kept.remove(path);
        if let Some(kept) = kept {
            self.kept.insert(path.clone(), kept.into());
        }
        Ok(Stored {
            offset,
            digest: hasher.finish(),
        })
    }

    fn is_kept(path: &EntryPath) -> bool {
        LayerIndex::KEPT.iter().any(|kept| kept.as_bytes() == path.as_bytes())
    }

    fn finish(self) -> LayerIndex {
        LayerIndex::new(self.records.into_iter().flatten().collect(), self.kept)
    }
}

/// Finds out whether a name means that something is removed.
fn removed(path: EntryPath, kind: Kind) -> (EntryPath, Kind) {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return (path, kind);
    };
    if name == OPAQUE {
        return (parent, Kind::Opaque);
    }
    match name.strip_prefix(WHITEOUT) {
        Some(hidden) if !hidden.is_empty() && hidden != b"." && hidden != b".." => {
            (parent.child(hidden), Kind::Whiteout)
        }
        _ => (path, kind),
    }
}

fn metadata<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    path: &EntryPath,
) -> Result<Metadata, Error> {
    let mut attributes = BTreeMap::new();
    let mut times = None;
    let mut owner = (None, None);
    let mut bytes = 0;
    if let Some(records) = entry.pax_extensions().map_err(unreadable)? {
        for record in records {
            let record = record.map_err(unreadable)?;
            let (key, value) = (record.key_bytes(), record.value_bytes());
            if let Some(name) = key.strip_prefix(ATTRIBUTE) {
                bytes += name.len() + value.len();
                attributes.insert(name.into(), value.into());
            }
            let text = std::str::from_utf8(value).unwrap_or_default();
            match key {
                b"mtime" => times = Some(seconds(text).ok_or_else(|| invalid(path.as_bytes(), "has a time that is none"))?),
                b"uid" => owner.0 = Some(text.parse::<u64>().unwrap_or(u64::MAX)),
                b"gid" => owner.1 = Some(text.parse::<u64>().unwrap_or(u64::MAX)),
                _ => {}
            }
        }
    }
    if bytes > XATTRS_LIMIT {
        let message = format!("`{path}` has more than {XATTRS_LIMIT} bytes of extended attributes");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let header = entry.header();
    let number = |pax: Option<u64>, plain: io::Result<u64>, what: &str| {
        let number = pax.map_or(plain, Ok).map_err(unreadable)?;
        u32::try_from(number).map_err(|_large| invalid(path.as_bytes(), what))
    };
    let mode = header.mode().map_err(unreadable)? & 0o7777;
    Ok(Metadata {
        mode: u16::try_from(mode).unwrap_or(0o7777),
        uid: number(owner.0, header.uid(), "has an owner that no system knows")?,
        gid: number(owner.1, header.gid(), "has a group that no system knows")?,
        mtime: match times {
            Some(seconds) => seconds,
            None => header.mtime().map_err(unreadable)? as i64,
        },
        xattrs: attributes,
    })
}

/// Reads seconds with or without a fraction, which is cut off; below 1970
/// towards the past, as clocks do.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let cut = fraction.bytes().any(|digit| digit != b'0');
    if whole.starts_with('-') && cut {
        return seconds.checked_sub(1);
    }
    Some(seconds)
}

fn parse(name: &[u8]) -> Result<EntryPath, Error> {
    EntryPath::parse(name).map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))
}

fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

fn invalid(name: &[u8], reason: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("`{}` {reason}", shown(name)))
}

fn unreadable(error: io::Error) -> Error {
    Error::io("can not read the archive", error)
}

//! Tar archives that are read without being unpacked: an index of what lies
//! where, made in one pass over the headers.
//!
//! No name in an archive ever becomes a path. Names are looked up in the index
//! and lead to bytes of the archive, whatever they say; those that could only
//! be meant to lead elsewhere are refused all the same. Links are followed
//! inside the index alone.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tar::{EntryType, Header, PaxExtensions};

use crate::error::{Error, ErrorKind};
use crate::file::{Temporary, regular};
use crate::source::Part;

mod writer;

pub(crate) use writer::TapeWriter;

const BLOCK: u64 = 512;
/// How many entries an archive may have. An image has a few hundred.
const ENTRIES_LIMIT: usize = 100_000;
/// The longest name of an entry, in bytes, as for paths on Linux.
const NAME_LIMIT: u64 = 4096;
/// The largest extended header, in bytes.
const EXTENSION_LIMIT: u64 = 1024 * 1024;
/// How many links may lead to one another.
const LINKS_LIMIT: usize = 8;

/// Is an archive and the index of what is in it.
#[derive(Debug)]
pub(crate) struct Tape {
    file: Arc<fs_err::File>,
    shown: String,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    File {
        offset: u64,
        size: u64,
    },
    /// Points at another entry, by its name; `None` where it leads out of the
    /// archive.
    Link(Option<String>),
}

/// What extended headers say of the entry behind them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Tape {
    /// Opens an archive and lists what is in it; a gzip-compressed one is
    /// decompressed into a file in `scratch` that has no name. It blocks.
    pub(crate) fn open(path: &Path, scratch: &Path, limit: u64) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let failed = |error| Error::file(format!("can not read the archive `{shown}`"), error);
        let mut file = regular::open(path).map_err(failed)?;
        let mut magic = Vec::new();
        (&mut file)
            .take(6)
            .read_to_end(&mut magic)
            .map_err(failed)?;
        match magic[..] {
            [0x1f, 0x8b, ..] => file = unpack(path, scratch, limit)?,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(compressed(&shown, "zstd")),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(compressed(&shown, "xz")),
            [b'B', b'Z', b'h', ..] => return Err(compressed(&shown, "bzip2")),
            _ => {}
        }
        let length = file.metadata().map_err(failed)?.len();
        let mut scan = Scan {
            tape: Self {
                file: Arc::new(file),
                shown,
                entries: BTreeMap::new(),
            },
            length,
            last: None,
        };
        scan.run()?;
        Ok(scan.tape)
    }

    /// Says which archive it is, for messages.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Finds an entry, through links; `None` where there is none.
    pub(crate) fn part(&self, name: &str) -> Result<Option<Part>, Error> {
        let mut at = normalised(name);
        for _ in 0..=LINKS_LIMIT {
            let Some(key) = at else {
                return Err(self.invalid(format!("the name `{}` leads out of it", show(name))));
            };
            match self.entries.get(&key) {
                None => return Ok(None),
                Some(Entry::File { offset, size }) => {
                    return Ok(Some(Part {
                        file: Arc::clone(&self.file),
                        offset: *offset,
                        size: *size,
                    }));
                }
                Some(Entry::Link(None)) => {
                    let key = show(&key);
                    return Err(self.invalid(format!("the link `{key}` leads out of it")));
                }
                Some(Entry::Link(Some(target))) => at = Some(target.clone()),
            }
        }
        Err(self.invalid(format!(
            "more than {LINKS_LIMIT} links follow one another from `{}`",
            show(name)
        )))
    }

    /// Reads a small entry whole. It blocks.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some(part) = self.part(name)? else {
            return Ok(None);
        };
        if part.size > limit {
            return Err(self.invalid(format!(
                "`{}` has {} bytes, more than the {limit} that are read",
                show(name),
                part.size
            )));
        }
        part.read(0, part.size).map(Some)
    }

    pub(crate) fn invalid(&self, what: impl std::fmt::Display) -> Error {
        Error::new(
            ErrorKind::Invalid,
            format!("in the archive `{}`: {what}", self.shown),
        )
    }
}

/// Makes a name fit for a message.
pub(crate) fn show(name: &str) -> String {
    let cut: String = name.chars().take(oci::ParseError::EXCERPT).collect();
    cut.escape_debug().to_string()
}

fn compressed(shown: &str, how: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the archive `{shown}` is compressed with {how}, only gzip is supported"),
    )
}

/// Decompresses an archive.
fn unpack(path: &Path, scratch: &Path, limit: u64) -> Result<fs_err::File, Error> {
    let shown = path.display();
    let failed = |error| Error::file(format!("can not decompress the archive `{shown}`"), error);
    fs_err::create_dir_all(scratch).map_err(failed)?;
    let mut unpacked = Temporary::in_directory(scratch).map_err(failed)?;
    let packed = std::io::BufReader::new(regular::open(path).map_err(failed)?);
    let mut plain = flate2::bufread::MultiGzDecoder::new(packed).take(limit.saturating_add(1));
    let mut piece = vec![0; blob::Intake::PIECE];
    let mut written: u64 = 0;
    loop {
        let read = plain.read(&mut piece).map_err(|error| {
            Error::caused(
                ErrorKind::Invalid,
                format!("the archive `{shown}` is no whole gzip stream"),
                error,
            )
        })?;
        if read == 0 {
            return unpacked.nameless().map_err(failed);
        }
        written += read as u64;
        if written > limit {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the archive `{shown}` has more than {limit} bytes when decompressed"),
            ));
        }
        let target = unpacked.file();
        target.write_all(&piece[..read]).map_err(failed)?;
    }
}

struct Scan {
    tape: Tape,
    length: u64,
    /// The last entry that was whole.
    last: Option<String>,
}

impl Scan {
    fn run(&mut self) -> Result<(), Error> {
        let mut at = 0;
        let mut extended = Extended::default();
        loop {
            let block = self.bytes(at, BLOCK)?;
            at += BLOCK;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            let header = self.header(&block)?;
            let size = self.number(header.entry_size())?;
            let kind = header.entry_type();
            let extends = matches!(
                kind,
                EntryType::GNULongName
                    | EntryType::GNULongLink
                    | EntryType::XHeader
                    | EntryType::XGlobalHeader
            );
            if extends {
                self.extend(&mut extended, kind, at, size)?;
                at = self.after(at, size)?;
                continue;
            }
            let extended = std::mem::take(&mut extended);
            let size = extended.size.unwrap_or(size);
            let name = extended
                .name
                .clone()
                .unwrap_or_else(|| header.path_bytes().into_owned());
            let name = self.text(name)?;
            let end = match kind {
                EntryType::Regular => self.after(at, size)?,
                // A link or directory has no bytes, whatever its size says.
                _ => at,
            };
            if let Some(entry) = self.entry(&name, header, &extended, (at, size))? {
                self.add(&name, entry)?;
            }
            at = end;
            self.last = Some(name);
        }
    }

    /// Makes of a header what is kept of it; nothing of a directory.
    fn entry(
        &self,
        name: &str,
        header: &Header,
        extended: &Extended,
        (offset, size): (u64, u64),
    ) -> Result<Option<Entry>, Error> {
        let link = |from: &str| -> Result<Entry, Error> {
            let target = match &extended.link {
                Some(link) => link.clone(),
                None => header.link_name_bytes().unwrap_or_default().into_owned(),
            };
            Ok(Entry::Link(joined(from, &self.text(target)?)))
        };
        let entry = match header.entry_type() {
            EntryType::Directory => return Ok(None),
            EntryType::Regular => Entry::File { offset, size },
            EntryType::Symlink => link(name.rsplit_once('/').map_or("", |(parent, _)| parent))?,
            EntryType::Link => link("")?,
            kind => {
                let kind = char::from(kind.as_byte()).escape_debug().to_string();
                return Err(self.tape.invalid(format!(
                    "the entry `{}` is of type `{kind}`, which has no place in it",
                    show(name)
                )));
            }
        };
        Ok(Some(entry))
    }

    fn add(&mut self, name: &str, entry: Entry) -> Result<(), Error> {
        let Some(key) = normalised(name) else {
            let name = show(name);
            return Err(self
                .tape
                .invalid(format!("the entry `{name}` leads out of it")));
        };
        if self.tape.entries.len() >= ENTRIES_LIMIT {
            return Err(self
                .tape
                .invalid(format!("more than {ENTRIES_LIMIT} entries")));
        }
        match self.tape.entries.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                Ok(())
            }
            btree_map::Entry::Occupied(taken) => {
                let name = show(taken.key());
                Err(self
                    .tape
                    .invalid(format!("the entry `{name}` is there twice")))
            }
        }
    }

    /// Reads an extended header.
    fn extend(
        &self,
        extended: &mut Extended,
        kind: EntryType,
        at: u64,
        size: u64,
    ) -> Result<(), Error> {
        let long = matches!(kind, EntryType::GNULongName | EntryType::GNULongLink);
        let limit = if long { NAME_LIMIT } else { EXTENSION_LIMIT };
        if size > limit {
            return Err(self.tape.invalid(format!(
                "an extended header has {size} bytes, more than {limit}{}",
                self.behind()
            )));
        }
        let bytes = self.bytes(at, size)?;
        let name = || bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        match kind {
            EntryType::GNULongName => extended.name = name(),
            EntryType::GNULongLink => extended.link = name(),
            EntryType::XHeader => self.pax(extended, &bytes)?,
            // A global header says nothing of where bytes lie.
            _ => {}
        }
        Ok(())
    }

    fn pax(&self, extended: &mut Extended, bytes: &[u8]) -> Result<(), Error> {
        for field in PaxExtensions::new(bytes) {
            let field = self.number(field)?;
            match field.key_bytes() {
                b"path" => extended.name = Some(field.value_bytes().to_vec()),
                b"linkpath" => extended.link = Some(field.value_bytes().to_vec()),
                b"size" => {
                    let size = field.value().ok().and_then(|value| value.parse().ok());
                    extended.size = Some(size.ok_or_else(|| self.damaged())?);
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    let behind = self.behind();
                    return Err(self.tape.invalid(format!("a sparse file{behind}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn header<'a>(&self, block: &'a Bytes) -> Result<&'a Header, Error> {
        // The checksum is taken as if its own field were blank.
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(index, byte)| match index {
                148..156 => u32::from(b' '),
                _ => u32::from(*byte),
            })
            .sum();
        let header = Header::from_byte_slice(block);
        if header.cksum().ok() == Some(sum) {
            return Ok(header);
        }
        Err(self.damaged())
    }

    fn damaged(&self) -> Error {
        if self.last.is_none() {
            let shown = &self.tape.shown;
            return Error::new(ErrorKind::Invalid, format!("`{shown}` is no tar archive"));
        }
        let behind = self.behind();
        self.tape.invalid(format!("a damaged header{behind}"))
    }

    fn number<T>(&self, read: std::io::Result<T>) -> Result<T, Error> {
        read.map_err(|_error| self.damaged())
    }

    fn text(&self, name: Vec<u8>) -> Result<String, Error> {
        String::from_utf8(name).map_err(|error| {
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            self.tape
                .invalid(format!("the name `{}` is not UTF-8", show(&lossy)))
        })
    }

    /// Gives where the next header is.
    fn after(&self, at: u64, size: u64) -> Result<u64, Error> {
        size.checked_next_multiple_of(BLOCK)
            .and_then(|padded| at.checked_add(padded))
            .filter(|_| at.checked_add(size).is_some_and(|end| end <= self.length))
            .ok_or_else(|| self.cut_off())
    }

    fn bytes(&self, at: u64, size: u64) -> Result<Bytes, Error> {
        if at.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(self.cut_off());
        }
        let part = Part {
            file: Arc::clone(&self.tape.file),
            offset: at,
            size,
        };
        part.read(0, size)
    }

    fn cut_off(&self) -> Error {
        if self.last.is_none() && self.length < 2 * BLOCK {
            let shown = &self.tape.shown;
            return Error::new(ErrorKind::Invalid, format!("`{shown}` is no tar archive"));
        }
        let behind = self.behind();
        self.tape.invalid(format!("it is cut off{behind}"))
    }

    fn behind(&self) -> String {
        match &self.last {
            Some(name) => format!(" behind the entry `{}`", show(name)),
            None => " at its start".to_owned(),
        }
    }
}

/// Names an entry by its components; `None` where it leads out of the archive.
fn normalised(name: &str) -> Option<String> {
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return None;
    }
    joined("", name)
}

/// Follows a relative path from a directory of the archive.
fn joined(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

//! The bytes before the content of an entry: one `ustar` header, and before it
//! one extended header where a value does not fit.

use std::collections::BTreeMap;

use crate::entry::{DeviceKind, Entry, Kind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::path::EntryPath;

use super::{BLOCK, invalid};

/// How the name of a file begins that says that something is removed.
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// The name of the file that removes all that lower layers have beside it.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The name of every extended header. Readers that know them show it nowhere.
const EXTENDED_NAME: &[u8] = b"././@PaxHeader";

/// The permissions of every extended header.
const EXTENDED_MODE: u64 = 0o644;

/// What the keys of extended attributes begin with.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// The longest extended header in bytes: the longest that Go's `archive/tar`
/// reads, which most programs that unpack layers are made with.
const EXTENDED_LIMIT: usize = 1024 * 1024;

/// The largest number of eight octal digits with the NUL, and of twelve.
const SHORT_MAX: u64 = 0o777_7777;
const LONG_MAX: u64 = 0o777_7777_7777;

/// Is the place of a field in a header.
#[derive(Debug, Clone, Copy)]
struct Field {
    offset: usize,
    length: usize,
}

const NAME: Field = Field::new(0, 100);
const MODE: Field = Field::new(100, 8);
const UID: Field = Field::new(108, 8);
const GID: Field = Field::new(116, 8);
const SIZE: Field = Field::new(124, 12);
const MTIME: Field = Field::new(136, 12);
const CHECKSUM: Field = Field::new(148, 8);
const TYPE: Field = Field::new(156, 1);
const LINK: Field = Field::new(157, 100);
const MAGIC: Field = Field::new(257, 8);
const MAJOR: Field = Field::new(329, 8);
const MINOR: Field = Field::new(337, 8);
const PREFIX: Field = Field::new(345, 155);

impl Field {
    const fn new(offset: usize, length: usize) -> Self {
        Self { offset, length }
    }
}

/// Is what is written before the content of an entry.
#[derive(Debug)]
pub(super) struct Header {
    block: [u8; BLOCK],
    /// What did not fit, by key: they are written in the order of their bytes.
    extended: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Header {
    /// Says an entry, with the metadata that is to be written.
    pub(super) fn of(entry: &Entry, metadata: &Metadata) -> Result<Self, Error> {
        let mut header = Self::empty();
        header.path(&name_of(entry)?);
        let (kind, size) = match &entry.kind {
            Kind::File { size } => (b'0', *size),
            Kind::Whiteout | Kind::Opaque => (b'0', 0),
            Kind::HardLink { target } => {
                header.link(target.as_bytes());
                (b'1', 0)
            }
            Kind::Symlink { target } => {
                check_target(entry, target)?;
                header.link(target);
                (b'2', 0)
            }
            Kind::Device { kind, major, minor } => {
                header.device(entry, *major, *minor)?;
                match kind {
                    DeviceKind::Character => (b'3', 0),
                    DeviceKind::Block => (b'4', 0),
                }
            }
            Kind::Directory => (b'5', 0),
            Kind::Fifo => (b'6', 0),
        };
        header.put(TYPE, &[kind]);
        header.number(SIZE, size, b"size");
        if matches!(entry.kind, Kind::Whiteout | Kind::Opaque) {
            header.metadata(entry, &Metadata::default())?;
        } else {
            header.metadata(entry, metadata)?;
        }
        if header.records().len() > EXTENDED_LIMIT {
            let message = format!(
                "the attributes of `{}` have more than {EXTENDED_LIMIT} bytes",
                entry.path
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(header)
    }

    /// Gives the bytes, a multiple of the block of an archive.
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK);
        if !self.extended.is_empty() {
            let records = self.records();
            let mut before = Self::empty();
            before.put(NAME, EXTENDED_NAME);
            before.put(TYPE, b"x");
            before.octal(MODE, EXTENDED_MODE);
            before.octal(UID, 0);
            before.octal(GID, 0);
            before.octal(SIZE, records.len() as u64);
            before.octal(MTIME, 0);
            bytes.extend_from_slice(&before.sealed());
            bytes.extend_from_slice(&records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.extend_from_slice(&self.sealed());
        bytes
    }

    /// Starts a header that says nothing: without names of owners, without a
    /// device.
    fn empty() -> Self {
        let mut header = Self {
            block: [0; BLOCK],
            extended: BTreeMap::new(),
        };
        header.put(MAGIC, b"ustar\x0000");
        header.octal(MAJOR, 0);
        header.octal(MINOR, 0);
        header
    }

    fn metadata(&mut self, entry: &Entry, metadata: &Metadata) -> Result<(), Error> {
        if metadata.mode > 0o7777 {
            return Err(invalid(entry, "its mode has more than permissions"));
        }
        self.octal(MODE, metadata.mode.into());
        self.number(UID, metadata.uid.into(), b"uid");
        self.number(GID, metadata.gid.into(), b"gid");
        match u64::try_from(metadata.mtime.seconds()) {
            Ok(mtime) if metadata.mtime.nanoseconds() == 0 => {
                self.number(MTIME, mtime, b"mtime");
            }
            // The header has whole seconds from 1970 on.
            _ => {
                self.octal(MTIME, 0);
                self.extend(b"mtime", metadata.mtime.to_string().as_bytes());
            }
        }
        for (name, value) in &metadata.xattrs {
            // The form has no way to say such a name.
            if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
                let message = format!(
                    "an attribute of `{}` has a name with `=`, NUL or nothing",
                    entry.path
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            self.extend(&[XATTR, name].concat(), value);
        }
        Ok(())
    }

    /// Says the path, in one field or two where that is possible.
    fn path(&mut self, path: &[u8]) {
        if !path.is_ascii() {
            return self.long(NAME, path, b"path");
        }
        if path.len() <= NAME.length {
            return self.put(NAME, path);
        }
        // The shortest prefix: the first slash that leaves a name that fits.
        // The slash of a directory at the very end separates nothing.
        let split = (1..path.len().saturating_sub(1))
            .filter(|at| path.get(*at) == Some(&b'/'))
            .find(|at| path.len() - at - 1 <= NAME.length)
            .filter(|at| *at <= PREFIX.length)
            .and_then(|at| Some((path.get(..at)?, path.get(at + 1..)?)));
        match split {
            Some((prefix, name)) => {
                self.put(PREFIX, prefix);
                self.put(NAME, name);
            }
            None => self.long(NAME, path, b"path"),
        }
    }

    fn link(&mut self, target: &[u8]) {
        if target.is_ascii() && target.len() <= LINK.length {
            self.put(LINK, target);
        } else {
            self.long(LINK, target, b"linkpath");
        }
    }

    /// Says a text by an extended header. Readers that know none see its
    /// beginning; `_` stands for what is no ASCII, and there is no slash at the
    /// end, which some take for a directory.
    fn long(&mut self, field: Field, text: &[u8], key: &[u8]) {
        self.extend(key, text);
        let mut short: Vec<u8> = text
            .iter()
            .take(field.length)
            .map(|byte| if byte.is_ascii() { *byte } else { b'_' })
            .collect();
        while short.last() == Some(&b'/') {
            short.pop();
        }
        self.put(field, &short);
    }

    fn device(&mut self, entry: &Entry, major: u32, minor: u32) -> Result<(), Error> {
        for (field, number) in [(MAJOR, major), (MINOR, minor)] {
            if u64::from(number) > SHORT_MAX {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the number {number} of the device `{}` is too large",
                        entry.path
                    ),
                ));
            }
            self.octal(field, number.into());
        }
        Ok(())
    }

    /// Says a number, by an extended header where the field is too short.
    fn number(&mut self, field: Field, number: u64, key: &[u8]) {
        let most = if field.length == SIZE.length {
            LONG_MAX
        } else {
            SHORT_MAX
        };
        if number <= most {
            self.octal(field, number);
        } else {
            self.octal(field, 0);
            self.extend(key, number.to_string().as_bytes());
        }
    }

    /// Says a number that fits, in octal digits up to the NUL at the end.
    fn octal(&mut self, field: Field, number: u64) {
        let width = field.length - 1;
        self.put(field, format!("{number:0width$o}").as_bytes());
    }

    fn put(&mut self, field: Field, bytes: &[u8]) {
        debug_assert!(bytes.len() <= field.length, "what is put fits");
        let place = self.block.iter_mut().skip(field.offset).take(field.length);
        place.zip(bytes).for_each(|(place, byte)| *place = *byte);
    }

    fn extend(&mut self, key: &[u8], value: &[u8]) {
        self.extended.insert(key.into(), value.into());
    }

    /// Gives what did not fit as records: `<length> <key>=<value>\n`, where the
    /// length counts the whole record.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        for (key, value) in &self.extended {
            // A blank, `=` and the newline.
            let rest = key.len() + value.len() + 3;
            let mut length = rest;
            while length != rest + digits(length) {
                length = rest + digits(length);
            }
            records.extend_from_slice(format!("{length} ").as_bytes());
            records.extend_from_slice(key);
            records.push(b'=');
            records.extend_from_slice(value);
            records.push(b'\n');
        }
        records
    }

    /// Gives the header with its checksum: the sum of all bytes, where those of
    /// the checksum itself count as blanks.
    fn sealed(mut self) -> [u8; BLOCK] {
        self.put(CHECKSUM, b"        ");
        let sum: u64 = self.block.iter().copied().map(u64::from).sum();
        // Six digits, NUL, blank: as the form has it since the first tar.
        self.put(CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
        self.block
    }
}

/// Counts the decimal digits of a number that is not 0.
fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Gives the path as it stands in the archive.
fn name_of(entry: &Entry) -> Result<Vec<u8>, Error> {
    let path = &entry.path;
    Ok(match entry.kind {
        Kind::Directory if path.is_root() => b"./".to_vec(),
        Kind::Directory => [path.as_bytes(), b"/"].concat(),
        Kind::Opaque => path.child(OPAQUE).as_bytes().to_vec(),
        Kind::Whiteout => {
            let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
                return Err(invalid(entry, "the root can not be removed"));
            };
            parent.child(&[WHITEOUT, name].concat()).as_bytes().to_vec()
        }
        _ => path.as_bytes().to_vec(),
    })
}

fn check_target(entry: &Entry, target: &[u8]) -> Result<(), Error> {
    if target.is_empty() || target.contains(&0) || target.len() > EntryPath::LIMIT {
        return Err(invalid(entry, "a link says 1 to 4,095 bytes, and no NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Extended headers (POSIX.1-2024, `pax`, "pax Extended Header"): what does not
//! fit into the header of an entry.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};
use crate::time::Time;

/// What the keys of extended attributes start with.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";
/// What the keys about sparse files start with.
const SPARSE: &[u8] = b"GNU.sparse.";
/// How many numbers the map of a sparse file may have.
pub(super) const MAP_LIMIT: usize = 1024 * 1024;

/// Is what an extended header says of one entry. Of a key that stands twice
/// the last one counts; an empty value says nothing.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<i64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<Time>,
    pub(super) attributes: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub(super) sparse: Sparse,
}

/// Is what is said of a sparse file (GNU tar, "Storing Sparse Files").
#[derive(Default)]
pub(super) struct Sparse {
    pub(super) major: Option<i64>,
    pub(super) minor: Option<i64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<i64>,
    /// Offsets and lengths by turns; empty where the content starts with them.
    pub(super) map: Vec<u64>,
}

impl Extended {
    /// Reads the content of an extended header.
    pub(super) fn read(mut content: &[u8]) -> Result<Self, Error> {
        let mut extended = Self::default();
        while !content.is_empty() {
            let Some((key, value, rest)) = record(content) else {
                return Err(malformed("is no list of records"));
            };
            content = rest;
            extended.take(key, value)?;
        }
        Ok(extended)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if let Some(name) = key.strip_prefix(ATTRIBUTE) {
            if name.is_empty() || name.contains(&0) {
                return Err(malformed("has an attribute without a name"));
            }
            self.attributes.insert(name.into(), value.into());
            return Ok(());
        }
        if let Some(key) = key.strip_prefix(SPARSE) {
            return self.sparse.take(key, value);
        }
        let text = (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text,
            b"linkpath" => self.link = text,
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => self.mtime = time(value)?,
            // Names of owners, other times and comments say nothing to a layer.
            _ => {}
        }
        Ok(())
    }
}

impl Sparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match key {
            b"major" => self.major = number(value)?,
            b"minor" => self.minor = number(value)?,
            b"name" => self.name = (!value.is_empty()).then(|| value.to_vec()),
            b"size" | b"realsize" => self.size = number(value)?,
            b"map" => {
                self.map.clear();
                for value in value.split(|byte| *byte == b',') {
                    self.push(value)?;
                }
            }
            b"offset" if self.map.len().is_multiple_of(2) => self.push(value)?,
            b"numbytes" if !self.map.len().is_multiple_of(2) => self.push(value)?,
            b"offset" | b"numbytes" => return Err(malformed("has a map that is out of order")),
            // How many parts there are is seen from the parts.
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, value: &[u8]) -> Result<(), Error> {
        let number = number(value)?.and_then(|number| u64::try_from(number).ok());
        match number {
            Some(number) if self.map.len() < MAP_LIMIT => self.map.push(number),
            _ => return Err(malformed("has a map that is none")),
        }
        Ok(())
    }
}

/// Splits the first record off: its length in decimal, a space, a key, `=`, a
/// value of any bytes, and a line feed.
fn record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let length = content.get(..space)?;
    if !length.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = record.split_at_checked(equals)?;
    Some((key, value.get(1..)?, rest))
}

fn number(value: &[u8]) -> Result<Option<i64>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let number = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| malformed("has a number that is none"))
}

fn time(value: &[u8]) -> Result<Option<Time>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let time = Time::parse(value).map(Some);
    time.ok_or_else(|| malformed("has a time that is none"))
}

fn malformed(what: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("an extended header of the archive {what}"),
    )
}

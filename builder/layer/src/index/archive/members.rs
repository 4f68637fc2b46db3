//! The entries of an archive one after the other, and their content. It says
//! what the archive says, not what that means in a layer.

use std::io::{self, Read};

use crate::entry::Metadata;
use crate::error::{Error, ErrorKind};
use crate::time::Time;

use super::extended::{Extended, MAP_LIMIT};
use super::header::{self, BLOCK, Header, until_nul};
use super::shown;

/// The longest header that is extended, or long name, in bytes; those who run
/// images read no longer ones either.
const EXTENDED_LIMIT: u64 = 1024 * 1024;
/// The bytes that the sparse files of an archive may have together, with their
/// holes: few bytes of an archive can say that many zeros are to be read.
const SPARSE_LIMIT: u64 = 64 * 1024 * 1024 * 1024;

/// Reads an archive.
pub(super) struct Members<'a> {
    input: &'a mut dyn Read,
    /// How many bytes were read.
    position: u64,
    /// How many bytes of content of the entry are left.
    left: u64,
    /// How many bytes fill up its last block.
    fill: u64,
    /// How many bytes the sparse files so far have.
    sparse: u64,
}

/// Is an entry of an archive.
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// What it is, as its header says.
    pub(super) flag: u8,
    /// The size of the file in bytes, with its holes.
    pub(super) size: u64,
    pub(super) metadata: Metadata,
    pub(super) major: Option<i64>,
    pub(super) minor: Option<i64>,
    /// Where the content starts; `None` where it is not in one piece.
    pub(super) offset: Option<u64>,
    /// What the content is made of.
    pub(super) pieces: Vec<Piece>,
}

/// Is a part of a file, of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Zeros that the archive does not have.
    Hole(u64),
    /// Bytes of the archive.
    Data(u64),
}

/// Is what headers before the one of an entry say of it.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    extended: Option<Extended>,
}

impl<'a> Members<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            position: 0,
            left: 0,
            fill: 0,
            sparse: 0,
        }
    }

    /// Gives the next entry; `None` at the end. What was not read of the last
    /// one is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Error> {
        let mut before = Before::default();
        loop {
            self.skip()?;
            let Some(block) = self.header()? else {
                if before.is_empty() {
                    return Ok(None);
                }
                return Err(invalid("ends where an entry should follow"));
            };
            let header = Header::read(&block)?;
            match header.flag() {
                b'x' => before.extended = Some(Extended::read(&self.special(&header)?)?),
                b'L' => before.name = Some(until_nul(&self.special(&header)?).to_vec()),
                b'K' => before.link = Some(until_nul(&self.special(&header)?).to_vec()),
                // It says nothing of one entry, and nobody who runs images
                // takes it for more than a comment.
                b'g' if before.is_empty() => drop(self.special(&header)?),
                b'g' => return Err(invalid("has a global header inside of an entry")),
                _ => return self.member(&header, before).map(Some),
            }
        }
    }

    /// Reads content of the entry; 0 bytes at its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let room = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.input(buffer)?;
        if read == 0 {
            return Err(invalid("ends inside of an entry"));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }

    /// Reads to the very end: what stands behind the archive counts for the
    /// digest of the whole.
    pub(super) fn drain(self) -> Result<(), Error> {
        io::copy(self.input, &mut io::sink()).map_err(unreadable)?;
        Ok(())
    }

    fn member(&mut self, header: &Header<'_>, before: Before) -> Result<Member, Error> {
        let mut extended = before.extended.unwrap_or_default();
        let name = before.name.or_else(|| extended.path.take());
        let name = extended.sparse.name.take().or(name);
        let name = name.unwrap_or_else(|| header.name());
        let size = extended.size.or_else(|| header.number(header::SIZE));
        let size = size.and_then(|size| u64::try_from(size).ok());
        let Some(size) = size else {
            return Err(broken(&name, "has a size that is none"));
        };
        let flag = header.flag();
        // What has no content has none, whatever its size says.
        self.hold(if matches!(flag, b'1'..=b'6') { 0 } else { size });
        let (size, pieces) = match flag {
            b'S' => self.sparse_header(header, &name)?,
            b'\0' | b'0' | b'7' => self.sparse_extended(&extended, &name)?,
            _ => None,
        }
        .map_or_else(|| (size, None), |(size, pieces)| (size, Some(pieces)));
        Ok(Member {
            link: before
                .link
                .or(extended.link.take())
                .unwrap_or_else(|| header.link()),
            flag,
            size,
            major: header.number(header::MAJOR),
            minor: header.number(header::MINOR),
            offset: pieces.is_none().then_some(self.position),
            pieces: pieces.unwrap_or_else(|| vec![Piece::Data(size)]),
            metadata: metadata(header, &mut extended, &name)?,
            name,
        })
    }

    /// Reads the map of a sparse file from the header and the blocks after it,
    /// which are no content.
    fn sparse_header(
        &mut self,
        header: &Header<'_>,
        name: &[u8],
    ) -> Result<Option<(u64, Vec<Piece>)>, Error> {
        let none = || broken(name, "is sparse, and its map is none");
        let (mut map, mut has_more) = header.runs().ok_or_else(none)?;
        while has_more {
            let Some(block) = self.block()? else {
                return Err(invalid("ends inside of an entry"));
            };
            let runs;
            (runs, has_more) = header::more_runs(&block).ok_or_else(none)?;
            map.extend(runs);
            if map.len() > MAP_LIMIT {
                return Err(none());
            }
        }
        let size = header.number(header::REAL_SIZE);
        let size = size
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(none)?;
        Ok(Some((size, self.pieces(&map, size, name)?)))
    }

    /// Finds out whether an extended header says that a file is sparse.
    fn sparse_extended(
        &mut self,
        extended: &Extended,
        name: &[u8],
    ) -> Result<Option<(u64, Vec<Piece>)>, Error> {
        let sparse = &extended.sparse;
        let from_content = match (sparse.major, sparse.minor) {
            (Some(1), Some(0)) => true,
            (Some(0), Some(0 | 1)) => false,
            (None, None) if sparse.map.is_empty() => return Ok(None),
            (None, None) => false,
            _ => {
                let message = format!("`{}` is sparse in a form that is not known", shown(name));
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let read;
        let map = if from_content {
            read = self.map(name)?;
            &read
        } else {
            &sparse.map
        };
        let size = sparse.size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| broken(name, "is sparse, and has no size"))?;
        Ok(Some((size, self.pieces(map, size, name)?)))
    }

    /// Reads the map that the content of a sparse file starts with: lines of
    /// decimal numbers, the first of which says how many pairs follow, to the
    /// end of a block.
    fn map(&mut self, name: &[u8]) -> Result<Vec<u64>, Error> {
        let none = || broken(name, "is sparse, and its map is none");
        let (mut count, mut numbers, mut digits) = (None, Vec::new(), Vec::new());
        while count.is_none_or(|count| numbers.len() < count) {
            let mut block = [0; BLOCK];
            let mut filled = 0;
            while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.read(rest)? {
                    0 => return Err(none()),
                    read => filled += read,
                }
            }
            for byte in block {
                if count == Some(numbers.len()) {
                    break;
                }
                if byte.is_ascii_digit() && digits.len() < u64::MAX.ilog10() as usize {
                    digits.push(byte);
                    continue;
                }
                let text = std::str::from_utf8(&digits).unwrap_or_default();
                let number: u64 = match byte {
                    b'\n' => text.parse().ok().ok_or_else(none)?,
                    _ => return Err(none()),
                };
                digits.clear();
                match count {
                    Some(_) => numbers.push(number),
                    None if number <= MAP_LIMIT as u64 / 2 => count = Some(2 * number as usize),
                    None => return Err(none()),
                }
            }
        }
        Ok(numbers)
    }

    /// Makes the parts of a sparse file of its map, which has to be in order, to
    /// end where the file does, and to take up all that the archive has of it.
    fn pieces(&mut self, map: &[u64], size: u64, name: &[u8]) -> Result<Vec<Piece>, Error> {
        self.sparse = self.sparse.saturating_add(size);
        if self.sparse > SPARSE_LIMIT {
            let message = format!(
                "with `{}` the sparse files of the archive have more than {SPARSE_LIMIT} bytes",
                shown(name)
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let none = || broken(name, "is sparse, and its map is none");
        let (mut pieces, mut end, mut data) = (Vec::new(), 0_u64, 0_u64);
        for run in map.chunks(2) {
            let &[offset, length] = run else {
                return Err(none());
            };
            let hole = offset.checked_sub(end).ok_or_else(none)?;
            end = offset
                .checked_add(length)
                .filter(|end| *end <= size)
                .ok_or_else(none)?;
            data = data.checked_add(length).ok_or_else(none)?;
            pieces.extend([Piece::Hole(hole), Piece::Data(length)]);
        }
        if data != self.left {
            return Err(none());
        }
        pieces.push(Piece::Hole(size.saturating_sub(end)));
        pieces.retain(|piece| !matches!(piece, Piece::Hole(0) | Piece::Data(0)));
        Ok(pieces)
    }

    /// Reads the whole content of a header that says something of another one.
    fn special(&mut self, header: &Header<'_>) -> Result<Vec<u8>, Error> {
        let size = header.number(header::SIZE);
        let size = size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| invalid("has a header with a size that is none"))?;
        if size > EXTENDED_LIMIT {
            let message = format!("the archive has a header of more than {EXTENDED_LIMIT} bytes");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.hold(size);
        let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
        let mut filled = 0;
        while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += self.read(rest)?;
        }
        Ok(content)
    }

    /// Takes note of what follows a header.
    fn hold(&mut self, size: u64) {
        self.left = size;
        self.fill = size.wrapping_neg() % BLOCK as u64;
    }

    /// Reads over what is left of an entry. Nothing need fill up the last block
    /// of an archive that is cut off there.
    fn skip(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 16 * BLOCK];
        while self.left > 0 {
            self.read(&mut buffer)?;
        }
        while self.fill > 0 {
            let fill = usize::try_from(self.fill).unwrap_or_default();
            match self.input(buffer.get_mut(..fill).unwrap_or_default())? {
                0 => break,
                read => self.fill = self.fill.saturating_sub(read as u64),
            }
        }
        Ok(())
    }

    /// Reads a header; `None` at the end, which two blocks of zeros mark.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let zeros = [0; BLOCK];
        match self.block()? {
            Some(block) if block == zeros => match self.block()? {
                Some(second) if second != zeros => Err(invalid("goes on where it seemed to end")),
                _ => Ok(None),
            },
            block => Ok(block),
        }
    }

    /// Reads a block; `None` where there is none any more.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input(rest)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(invalid("ends inside of a block")),
                read => filled += read,
            }
        }
        Ok(Some(block))
    }

    fn input(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
                Ok(read) => {
                    self.position = self.position.saturating_add(read as u64);
                    return Ok(read);
                }
            }
        }
    }
}

impl Before {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.extended.is_none()
    }
}

fn metadata(header: &Header<'_>, extended: &mut Extended, name: &[u8]) -> Result<Metadata, Error> {
    let owner = |extended: Option<i64>, field, why| {
        let number = extended.or_else(|| header.number(field));
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| broken(name, why))
    };
    let mode = header.number(header::MODE).map(|mode| mode & 0o7777);
    let mode = mode.and_then(|mode| u16::try_from(mode).ok());
    let whole = || header.number(header::MTIME).map(Time::from_seconds);
    let mtime = extended.mtime.or_else(whole);
    Ok(Metadata {
        mode: mode.ok_or_else(|| broken(name, "has permissions that are none"))?,
        uid: owner(
            extended.uid,
            header::UID,
            "has an owner that no system knows",
        )?,
        gid: owner(
            extended.gid,
            header::GID,
            "has a group that no system knows",
        )?,
        mtime: mtime.ok_or_else(|| broken(name, "has a time that is none"))?,
        xattrs: std::mem::take(&mut extended.attributes),
    })
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the archive {what}"))
}

fn broken(name: &[u8], why: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("`{}` of the archive {why}", shown(name)),
    )
}

fn unreadable(error: io::Error) -> Error {
    Error::io("can not read the archive", error)
}

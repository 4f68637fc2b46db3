//! Writing a tar archive whose bytes depend on nothing but its content: no
//! times, no owners, one mode.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tar::{EntryType, Header};

use super::BLOCK;
use crate::file::Replacement;

/// Writes an archive beside its place. All of it blocks.
#[derive(Debug)]
pub(crate) struct TapeWriter {
    file: Replacement,
    position: u64,
    /// Where the header of the entry that is being written lies, and its name.
    open: Option<(u64, String)>,
}

/// The longest name that a header has room for.
const SHORT_NAME: usize = 100;

impl TapeWriter {
    pub(crate) fn create(target: &Path) -> std::io::Result<Self> {
        Ok(Self {
            file: Replacement::of(target)?,
            position: 0,
            open: None,
        })
    }

    /// Writes a whole entry.
    pub(crate) fn entry(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        self.begin(name)?;
        self.write(content)?;
        self.end()
    }

    /// Begins an entry, whose size is found out while it is written.
    pub(crate) fn begin(&mut self, name: &str) -> std::io::Result<()> {
        if name.len() > SHORT_NAME {
            let mut text = name.as_bytes().to_vec();
            text.push(0);
            let header = header("././@LongLink", text.len() as u64, EntryType::GNULongName)?;
            self.write(header.as_bytes())?;
            self.write(&text)?;
            self.pad()?;
        }
        let cut = name.get(..SHORT_NAME).unwrap_or(name);
        self.open = Some((self.position, cut.to_owned()));
        self.write(header(cut, 0, EntryType::Regular)?.as_bytes())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.file().write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Ends an entry, and goes back to its header to fill in the size.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        let Some((at, name)) = self.open.take() else {
            return Ok(());
        };
        let size = self.position - at - BLOCK;
        let header = header(&name, size, EntryType::Regular)?;
        let file = self.file.file();
        file.seek(SeekFrom::Start(at))?;
        file.write_all(header.as_bytes())?;
        file.seek(SeekFrom::Start(self.position))?;
        self.pad()
    }

    /// Ends the archive and gives it its name, durably.
    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        self.write(&[0; 2 * BLOCK as usize])?;
        self.file.keep()
    }

    fn pad(&mut self) -> std::io::Result<()> {
        let padding = self.position.next_multiple_of(BLOCK) - self.position;
        self.write(&[0; BLOCK as usize][..usize::try_from(padding).unwrap_or_default()])
    }
}

fn header(name: &str, size: u64, kind: EntryType) -> std::io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

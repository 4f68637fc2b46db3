//! A context on standard input, as `docker build -` takes it: a tar archive,
//! or a Dockerfile alone.

use std::fs::File;
use std::io::{self, Cursor, Read};

use crate::error::{Error, ErrorKind};

/// Is what a stream turned out to be.
pub(super) enum Sorted<'a> {
    /// An archive, from its first byte on.
    Archive(io::Chain<Cursor<Vec<u8>>, &'a File>),
    /// The text of a Dockerfile.
    Dockerfile(Vec<u8>),
}

/// The bytes that tell: the header of a tar archive.
const HEAD: u64 = 512;
/// The largest Dockerfile that is read, in bytes.
const DOCKERFILE_LIMIT: u64 = 16 * 1024 * 1024;
/// How archives that are compressed begin: gzip, zstd, bzip2 and xz.
const PACKED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"];

/// Looks at the first bytes of a stream. A Dockerfile has no NUL; every tar
/// archive has some in its first header.
pub(super) fn sort(file: &File) -> Result<Sorted<'_>, Error> {
    let failed = |error| Error::caused(ErrorKind::Context, "the context can not be read", error);
    let mut reader = file;
    let mut head = Vec::new();
    Read::by_ref(&mut reader)
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let is_archive = head.contains(&0) || PACKED.iter().any(|magic| head.starts_with(magic));
    if is_archive {
        return Ok(Sorted::Archive(Cursor::new(head).chain(reader)));
    }
    if head.is_empty() {
        return Err(
            Error::new(ErrorKind::Context, "the context on standard input is empty")
                .with_hint("pipe a tar archive or a Dockerfile into `wharf build -`"),
        );
    }
    let left = DOCKERFILE_LIMIT + 1 - head.len() as u64;
    reader.take(left).read_to_end(&mut head).map_err(failed)?;
    if head.len() as u64 > DOCKERFILE_LIMIT {
        let message =
            format!("the Dockerfile on standard input has more than {DOCKERFILE_LIMIT} bytes");
        return Err(Error::new(ErrorKind::Context, message));
    }
    Ok(Sorted::Dockerfile(head))
}

//! Content for checks, and the usual ways to store and read it.

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{Checked, Failure};
use crate::backend::{Backend, Record, Upload};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Makes bytes that are the same for the same seed; no two blocks of a page
/// are alike.
pub(super) fn content(seed: u64, size: usize) -> Bytes {
    const BLOCK: usize = 4096;
    let mut state = seed
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .max(1);
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        // Xorshift, after Marsaglia.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    let mut bytes = Vec::with_capacity(size + BLOCK);
    while bytes.len() < size {
        let number = (bytes.len() as u64).wrapping_add(state);
        block[..8].copy_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(size);
    bytes.into()
}

/// Names something to check with.
pub(super) fn key(name: &str) -> Key {
    Key::top("conformance").child(name)
}

/// Names a place for an upload.
pub(super) fn place(name: &str) -> Key {
    Key::top("uploads").child(name).child("data")
}

/// Reads a record that must be there.
pub(super) async fn record(backend: &dyn Backend, key: &Key) -> Result<Record, Failure> {
    let record = backend.read(key).await?;
    record.ok_or_else(|| Failure(format!("`{key}` is absent")))
}

/// Stores a blob in pieces of a quarter of a megabyte.
pub(super) async fn publish(backend: &dyn Backend, key: &Key, content: &Bytes) -> Checked {
    let mut upload = backend.begin(&place(key.name())).await?;
    append(&mut *upload, content, 256 * 1024).await?;
    Ok(upload.publish(key).await?)
}

/// Appends content in pieces.
pub(super) async fn append(upload: &mut dyn Upload, content: &Bytes, piece: usize) -> Checked {
    let mut rest = content.clone();
    while !rest.is_empty() {
        let next = rest.split_to(piece.min(rest.len()));
        upload.append(next).await?;
    }
    Ok(())
}

/// Checks that exactly this content lies under a key.
pub(super) async fn holds(backend: &dyn Backend, key: &Key, wanted: &Bytes) -> Checked {
    ensure_eq!(backend.head(key).await?, Some(wanted.len() as u64));
    part_is(backend, key, 0, wanted).await
}

/// Checks that this content lies under a key from an offset on.
pub(super) async fn part_is(
    backend: &dyn Backend,
    key: &Key,
    start: u64,
    wanted: &Bytes,
) -> Checked {
    let range = ByteRange {
        start,
        end: start + wanted.len() as u64,
    };
    let stream = backend.open(key, range).await?;
    let stream = stream.ok_or_else(|| Failure(format!("`{key}` is absent")))?;
    stream_is(stream, wanted)
        .await
        .map_err(|Failure(why)| Failure(format!("`{key}` from {start}: {why}")))
}

/// Checks that a stream gives exactly this content.
pub(super) async fn stream_is(mut stream: ByteStream, wanted: &Bytes) -> Checked {
    ensure_eq!(stream.length(), wanted.len() as u64);
    let mut rest = &wanted[..];
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        ensure!(
            rest.starts_with(&piece),
            "the content differs within {} bytes after byte {}",
            piece.len(),
            wanted.len() - rest.len()
        );
        rest = &rest[piece.len()..];
    }
    ensure_eq!(rest.len(), 0);
    Ok(())
}

/// Checks that there is nothing under a key.
pub(super) async fn is_absent(backend: &dyn Backend, key: &Key) -> Checked {
    ensure_eq!(backend.read(key).await?, None);
    ensure_eq!(backend.head(key).await?, None);
    let opened = backend.open(key, ByteRange::whole(0)).await?;
    ensure!(opened.is_none(), "`{key}` can be opened");
    Ok(())
}

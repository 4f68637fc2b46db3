//! Blobs as they are read, replaced and deleted: directly under their key, or
//! behind a pointer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::bucket::{self, Bucket, Meta};
use super::pointer::{POINTER_SIZE, Pointer, Segment};
use super::record::ATTEMPTS;
use crate::backend::{Expected, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Says what lies under a path.
struct Lying {
    what: What,
    /// What a write expects that replaces exactly this.
    expected: Expected,
}

enum What {
    /// Nothing, or a tombstone.
    Nothing,
    /// The content itself, of this size in bytes.
    Content(u64),
    /// A pointer to it.
    Pointer(Pointer),
    /// A pointer that can not be read. It can be replaced and deleted.
    Broken(Error),
}

pub(super) async fn size(bucket: &Bucket, key: &Key) -> Result<Option<u64>, Error> {
    match look(bucket, &bucket::path(key)?).await?.what {
        What::Nothing => Ok(None),
        What::Content(size) => Ok(Some(size)),
        What::Pointer(pointer) => Ok(Some(pointer.size())),
        What::Broken(error) => Err(error),
    }
}

/// Tells which writing of a blob lies under a key.
pub(super) async fn version(bucket: &Bucket, key: &Key) -> Result<Option<Version>, Error> {
    let found = bucket.head(&bucket::path(key)?).await?;
    Ok(found.filter(|meta| meta.size > 0).map(|meta| meta.version))
}

/// Gives the pointer under a key, if there is one.
pub(super) async fn pointer(bucket: &Bucket, key: &Path) -> Result<Option<Pointer>, Error> {
    match look(bucket, key).await?.what {
        What::Pointer(pointer) => Ok(Some(pointer)),
        What::Nothing | What::Content(_) => Ok(None),
        What::Broken(error) => Err(error),
    }
}

pub(super) async fn open(
    bucket: &Arc<Bucket>,
    key: &Key,
    range: ByteRange,
) -> Result<Option<ByteStream>, Error> {
    let path = bucket::path(key)?;
    let mut followed = None;
    for _ in 0..ATTEMPTS {
        let Some((meta, front)) = bucket.front(&path, POINTER_SIZE).await? else {
            return Ok(None);
        };
        let pointer = if meta.size == POINTER_SIZE {
            Pointer::decode(&front)?
        } else {
            None
        };
        let size = pointer.as_ref().map_or(meta.size, Pointer::size);
        check(key, range, size)?;
        let opened = match &pointer {
            Some(pointer) => follow(bucket, pointer, range).await?,
            None if range.length() == 0 => Some(ByteStream::of(Bytes::new())),
            None if range.end <= front.len() as u64 => Some(ByteStream::of(cut(&front, range))),
            None => {
                let expected = Expected::Version(meta.version);
                bucket.stream(&path, range, &expected).await?
            }
        };
        // Whoever replaces a blob removes what it was; then it is looked at
        // again. A pointer that stays and leads nowhere is broken.
        if opened.is_some() {
            return Ok(opened);
        }
        if pointer.is_some() && followed == pointer {
            break;
        }
        followed = pointer;
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("the data of `{key}` is gone"),
    ))
}

/// Puts a value under a key, and removes the data of what it replaces but for
/// the segments that the new value uses.
pub(super) async fn replace(
    bucket: &Bucket,
    key: &Key,
    value: Bytes,
    used: &[Segment],
) -> Result<(), Error> {
    let path = bucket::path(key)?;
    for _ in 0..ATTEMPTS {
        let lying = look(bucket, &path).await?;
        if bucket.put(&path, value.clone(), &lying.expected).await? == Swapped::Done {
            return match lying.what {
                What::Pointer(old) => remove(bucket, &old, used).await,
                What::Nothing | What::Content(_) | What::Broken(_) => Ok(()),
            };
        }
    }
    // Others publish the same content at this moment, so it may well stand;
    // only the data of the last of them is not removed.
    bucket.write(&path, value).await
}

pub(super) async fn delete(bucket: &Bucket, key: &Key) -> Result<(), Error> {
    let path = bucket::path(key)?;
    let lying = look(bucket, &path).await?;
    if lying.expected == Expected::Absent {
        return Ok(());
    }
    // The pointer first: what has a name is whole.
    bucket.delete(&path).await?;
    match lying.what {
        What::Pointer(pointer) => remove(bucket, &pointer, &[]).await,
        What::Nothing | What::Content(_) | What::Broken(_) => Ok(()),
    }
}

/// Streams a part of segments that lie one after the other; `None` where the
/// first of them that is needed is gone.
pub(super) async fn follow(
    bucket: &Arc<Bucket>,
    pointer: &Pointer,
    range: ByteRange,
) -> Result<Option<ByteStream>, Error> {
    let mut wanted = overlaps(pointer, range).into_iter();
    let Some((path, part)) = wanted.next() else {
        return Ok(Some(ByteStream::of(Bytes::new())));
    };
    let Some(first) = bucket.stream(&path, part, &Expected::Anything).await? else {
        return Ok(None);
    };
    let bucket = Arc::clone(bucket);
    let rest = futures_util::stream::iter(wanted)
        .then(move |(path, part)| {
            let bucket = Arc::clone(&bucket);
            async move {
                let opened = bucket.stream(&path, part, &Expected::Anything).await?;
                opened.ok_or_else(|| {
                    Error::new(ErrorKind::Corrupt, format!("the data `{path}` is gone"))
                })
            }
        })
        .try_flatten();
    Ok(Some(ByteStream::new(range.length(), first.chain(rest))))
}

/// Gives the part of each segment that lies within the range.
fn overlaps(pointer: &Pointer, range: ByteRange) -> Vec<(Path, ByteRange)> {
    let mut start = 0;
    let mut wanted = Vec::new();
    for segment in &pointer.segments {
        let end = start + segment.length;
        let part = ByteRange {
            start: range.start.max(start),
            end: range.end.min(end),
        };
        if part.start < part.end {
            let within = ByteRange {
                start: part.start - start,
                end: part.end - start,
            };
            wanted.push((segment.data.path(), within));
        }
        start = end;
    }
    wanted
}

async fn look(bucket: &Bucket, path: &Path) -> Result<Lying, Error> {
    let Some(meta) = bucket.head(path).await? else {
        return Ok(Lying::nothing());
    };
    if meta.size != POINTER_SIZE {
        return Ok(Lying::content(meta));
    }
    let Some((meta, front)) = bucket.front(path, POINTER_SIZE).await? else {
        return Ok(Lying::nothing());
    };
    // It may have been replaced in between.
    if meta.size != POINTER_SIZE {
        return Ok(Lying::content(meta));
    }
    let what = match Pointer::decode(&front) {
        Ok(Some(pointer)) => What::Pointer(pointer),
        Ok(None) => What::Content(meta.size),
        Err(error) => What::Broken(error),
    };
    Ok(Lying {
        what,
        expected: Expected::Version(meta.version),
    })
}

impl Lying {
    fn nothing() -> Self {
        Self {
            what: What::Nothing,
            expected: Expected::Absent,
        }
    }

    /// What has no bytes is a tombstone.
    fn content(meta: Meta) -> Self {
        Self {
            what: match meta.size {
                0 => What::Nothing,
                size => What::Content(size),
            },
            expected: Expected::Version(meta.version),
        }
    }
}

async fn remove(bucket: &Bucket, pointer: &Pointer, used: &[Segment]) -> Result<(), Error> {
    for segment in &pointer.segments {
        if used.iter().all(|used| used.data != segment.data) {
            bucket.delete(&segment.data.path()).await?;
        }
    }
    Ok(())
}

fn check(key: &Key, range: ByteRange, size: u64) -> Result<(), Error> {
    if range.end > size || range.start > range.end {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "`{key}` has {size} bytes, not the wanted {} to {}",
                range.start, range.end
            ),
        ));
    }
    Ok(())
}

/// Cuts a range that is known to lie within the bytes.
fn cut(bytes: &Bytes, range: ByteRange) -> Bytes {
    let start = usize::try_from(range.start).unwrap_or(bytes.len());
    let end = usize::try_from(range.end).unwrap_or(bytes.len());
    bytes.slice(start..end)
}

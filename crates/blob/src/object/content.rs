//! Blobs as they are read and deleted: framed under their key, or behind a
//! frame that points to their data.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::bucket::{self, Bucket, Meta, Put};
use super::frame::{FRAME_LIMIT, HEADER, Header, Kind, Segments};
use super::record::ATTEMPTS;
use crate::backend::{Expected, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Says what lies under a path.
pub(super) struct Lying {
    pub(super) what: What,
    /// What a write expects that replaces exactly this.
    pub(super) expected: Expected,
}

pub(super) enum What {
    /// Nothing, or a tombstone.
    Nothing,
    /// A record, of this size in bytes.
    Record(u64),
    /// A blob itself, of this size in bytes without its frame.
    Inline(u64),
    /// A pointer to a blob.
    Pointer(Segments),
    /// A blob to be, which is none yet.
    Reservation(Segments),
    /// A blob that was, and whose data may still be there.
    Grave(Segments),
    /// A frame that can not be read. It can be replaced and deleted.
    Broken(Error),
}

/// The bytes that are read of an object to learn what it is; longer pointers
/// are read again.
const FRONT: u64 = 4096;

/// Requests at once, where there are many of a kind.
const AT_ONCE: usize = 16;

/// What comes before the version of a blob: whoever deletes one looks for its
/// data.
const BLOB: &str = "blob ";

pub(super) async fn size(bucket: &Bucket, key: &Key) -> Result<Option<u64>, Error> {
    match look(bucket, &bucket::path(key)?).await?.what {
        What::Nothing | What::Reservation(_) | What::Grave(_) => Ok(None),
        What::Record(size) | What::Inline(size) => Ok(Some(size)),
        What::Pointer(segments) => Ok(Some(segments.size())),
        What::Broken(error) => Err(error),
    }
}

/// Tells which writing of a blob lies under a key.
pub(super) async fn version(bucket: &Bucket, key: &Key) -> Result<Option<Version>, Error> {
    let lying = look(bucket, &bucket::path(key)?).await?;
    match (lying.what, lying.expected) {
        (What::Nothing | What::Reservation(_) | What::Grave(_), _) => Ok(None),
        (_, Expected::Version(version)) => Ok(Some(Version(format!("{BLOB}{}", version.0)))),
        (_, Expected::Absent | Expected::Anything) => Ok(None),
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
        let found = match range.start {
            0 => from_start(bucket, key, range).await?,
            _ => from_within(bucket, key, range).await?,
        };
        let segments = match found {
            Found::Nothing => return Ok(None),
            Found::Stream(stream) => return Ok(Some(*stream)),
            Found::Other => continue,
            Found::Segments(segments) => segments,
        };
        check(key, range, segments.size())?;
        // Whoever deletes a blob removes its data; then it is looked at again.
        // A pointer that stays and leads nowhere is broken.
        if let Some(stream) = follow(bucket, &segments, range).await? {
            return Ok(Some(stream));
        }
        if followed.as_ref() == Some(&segments) {
            break;
        }
        followed = Some(segments);
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("the data of `{path}` is gone"),
    ))
}

/// Says what was found when a blob was opened.
enum Found {
    Nothing,
    Stream(Box<ByteStream>),
    Segments(Segments),
    /// It was replaced meanwhile.
    Other,
}

/// Opens with one request: what lies there is streamed, and is the blob but
/// for its header.
async fn from_start(bucket: &Bucket, key: &Key, range: ByteRange) -> Result<Found, Error> {
    let Some((meta, mut stream)) = bucket.whole(&bucket::path(key)?).await? else {
        return Ok(Found::Nothing);
    };
    if meta.size == 0 {
        return Ok(Found::Nothing);
    }
    let mut front = BytesMut::new();
    while front.len() < HEADER
        && let Some(piece) = stream.next().await
    {
        front.extend_from_slice(&piece?);
    }
    let front = front.freeze();
    let (start, size) = match Header::decode(&front)? {
        None => (0, meta.size),
        Some(header) if header.kind == Kind::Inline => {
            is_inline(&meta, header)?;
            (HEADER, header.length)
        }
        Some(header) => return segments(&meta, front, stream, header).await,
    };
    check(key, range, size)?;
    let first = front.slice(start..);
    let pieces = futures_util::stream::iter([Ok(first)]).chain(stream);
    Ok(Found::Stream(Box::new(cut(pieces, range.end))))
}

async fn segments(
    meta: &Meta,
    front: Bytes,
    mut stream: ByteStream,
    header: Header,
) -> Result<Found, Error> {
    if meta.size > FRAME_LIMIT {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("a pointer of {} bytes is none", meta.size),
        ));
    }
    let mut frame = BytesMut::from(&front[..]);
    while let Some(piece) = stream.next().await {
        frame.extend_from_slice(&piece?);
    }
    let segments = Segments::decode(&frame, header)?;
    Ok(match header.kind {
        Kind::Pointer => Found::Segments(segments),
        Kind::Inline | Kind::Reservation | Kind::Grave => Found::Nothing,
    })
}

/// Ends a stream after so many bytes.
fn cut(
    pieces: impl futures_util::Stream<Item = Result<Bytes, Error>> + Send + 'static,
    length: u64,
) -> ByteStream {
    let pieces = pieces.scan(length, |left, piece| {
        let piece = match piece {
            Ok(_) if *left == 0 => None,
            Ok(mut piece) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(piece)
    });
    ByteStream::new(length, pieces)
}

/// Opens with two requests, of which only the second asks for many bytes.
async fn from_within(bucket: &Bucket, key: &Key, range: ByteRange) -> Result<Found, Error> {
    let path = bucket::path(key)?;
    let lying = look(bucket, &path).await?;
    let (start, size) = match lying.what {
        What::Nothing | What::Reservation(_) | What::Grave(_) => return Ok(Found::Nothing),
        What::Pointer(segments) => return Ok(Found::Segments(segments)),
        What::Broken(error) => return Err(error),
        What::Record(size) => (0, size),
        What::Inline(size) => (HEADER as u64, size),
    };
    check(key, range, size)?;
    if range.length() == 0 {
        return Ok(Found::Stream(Box::new(ByteStream::of(Bytes::new()))));
    }
    let part = ByteRange {
        start: start + range.start,
        end: start + range.end,
    };
    let stream = bucket.stream(&path, part, &lying.expected).await?;
    Ok(stream.map_or(Found::Other, |stream| Found::Stream(Box::new(stream))))
}

/// Gives the data object that is exactly the blob under a key, if there is
/// one.
pub(super) async fn single(bucket: &Bucket, key: &Key) -> Result<Option<Path>, Error> {
    match look(bucket, &bucket::path(key)?).await?.what {
        What::Pointer(segments) => Ok(match segments.as_slice() {
            [segment] => Some(segment.data.data_path()),
            _ => None,
        }),
        _ => Ok(None),
    }
}

pub(super) async fn delete(bucket: &Bucket, key: &Key) -> Result<(), Error> {
    let path = bucket::path(key)?;
    for _ in 0..ATTEMPTS {
        let lying = look(bucket, &path).await?;
        match (&lying.what, &lying.expected) {
            (_, Expected::Absent | Expected::Anything) => return Ok(()),
            (What::Pointer(_) | What::Grave(_), Expected::Version(version)) => {
                let version = version.clone();
                if bury(bucket, &path, lying, &version).await? == Swapped::Done {
                    return Ok(());
                }
            }
            (_, Expected::Version(_)) => return bucket.delete(&path).await,
        }
    }
    Err(too_fast(key))
}

/// Deletes a record or blob if it is still of this version.
pub(super) async fn delete_if(
    bucket: &Bucket,
    key: &Key,
    version: &Version,
) -> Result<Swapped, Error> {
    let path = bucket::path(key)?;
    let Some(version) = version.0.strip_prefix(BLOB) else {
        return bucket.remove(&path, version).await;
    };
    let lying = look(bucket, &path).await?;
    bury(bucket, &path, lying, &Version(version.to_owned())).await
}

/// Deletes what was found if it is of this version, and what is left of an
/// older blob in any case: a process may have died over it.
pub(super) async fn bury(
    bucket: &Bucket,
    path: &Path,
    lying: Lying,
    version: &Version,
) -> Result<Swapped, Error> {
    let Expected::Version(found) = lying.expected else {
        return Ok(Swapped::Lost);
    };
    let is_same = found == *version;
    match lying.what {
        What::Grave(segments) => {
            remove_data(bucket, &segments).await?;
            let removed = bucket.remove(path, &found).await?;
            Ok(match is_same {
                true => removed,
                false => Swapped::Lost,
            })
        }
        _ if !is_same => Ok(Swapped::Lost),
        What::Pointer(segments) => {
            // What leads to the data stays until the data is gone.
            let grave = segments.encode(Kind::Grave).into();
            let expected = Expected::Version(found);
            let Put::Done(grave) = bucket.put(path, grave, &expected).await? else {
                return Ok(Swapped::Lost);
            };
            remove_data(bucket, &segments).await?;
            // Where it is lost, somebody else has done it.
            let _ = bucket.remove(path, &grave).await?;
            Ok(Swapped::Done)
        }
        What::Nothing => Ok(Swapped::Lost),
        What::Record(_) | What::Inline(_) | What::Reservation(_) | What::Broken(_) => {
            bucket.remove(path, &found).await
        }
    }
}

/// Removes data objects, those that are gone already included.
pub(super) async fn remove_data(bucket: &Bucket, segments: &Segments) -> Result<(), Error> {
    let mut works = Vec::new();
    for segment in segments.as_slice() {
        works.push(async move { bucket.delete(&segment.data.data_path()).await }.boxed());
    }
    all(works).await
}

/// Does works of a kind, some at a time, up to the first that fails.
pub(super) async fn all(works: Vec<BoxFuture<'_, Result<(), Error>>>) -> Result<(), Error> {
    futures_util::stream::iter(works)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Asks questions of a kind, some at a time, up to the first that is denied.
pub(super) async fn all_hold(
    works: Vec<BoxFuture<'_, Result<bool, Error>>>,
) -> Result<bool, Error> {
    let mut answers = futures_util::stream::iter(works).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        if !answer? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Streams a part of segments that lie one after the other; `None` where the
/// first of them that is needed is gone.
pub(super) async fn follow(
    bucket: &Arc<Bucket>,
    segments: &Segments,
    range: ByteRange,
) -> Result<Option<ByteStream>, Error> {
    let mut wanted = overlaps(segments, range).into_iter();
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
fn overlaps(segments: &Segments, range: ByteRange) -> Vec<(Path, ByteRange)> {
    let mut start = 0;
    let mut wanted = Vec::new();
    for segment in segments.as_slice() {
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
            wanted.push((segment.data.data_path(), within));
        }
        start = end;
    }
    wanted
}

/// Looks at what lies under a path, mostly with one request.
pub(super) async fn look(bucket: &Bucket, path: &Path) -> Result<Lying, Error> {
    let Some((meta, front)) = bucket.front(path, FRONT).await? else {
        return Ok(Lying {
            what: What::Nothing,
            expected: Expected::Absent,
        });
    };
    let is_cut = (front.len() as u64) < meta.size;
    let may_be_pointer =
        matches!(Header::decode(&front), Ok(Some(header)) if header.kind != Kind::Inline);
    if !(is_cut && may_be_pointer && meta.size <= FRAME_LIMIT) {
        return Ok(understand(meta, &front));
    }
    // It may have been replaced in between, by a blob of any size.
    match bucket.get(path, FRAME_LIMIT).await? {
        Some((meta, frame)) => Ok(understand(meta, &frame)),
        None => Ok(Lying {
            what: What::Nothing,
            expected: Expected::Absent,
        }),
    }
}

fn understand(meta: Meta, front: &[u8]) -> Lying {
    let what = match meta.size {
        0 => Ok(What::Nothing),
        _ => understand_frame(&meta, front),
    };
    Lying {
        what: what.unwrap_or_else(What::Broken),
        expected: Expected::Version(meta.version),
    }
}

fn understand_frame(meta: &Meta, front: &[u8]) -> Result<What, Error> {
    let Some(header) = Header::decode(front)? else {
        return Ok(What::Record(meta.size));
    };
    Ok(match header.kind {
        Kind::Inline => {
            is_inline(meta, header)?;
            What::Inline(header.length)
        }
        Kind::Pointer => What::Pointer(Segments::decode(front, header)?),
        Kind::Reservation => What::Reservation(Segments::decode(front, header)?),
        Kind::Grave => What::Grave(Segments::decode(front, header)?),
    })
}

/// Fails where the blob in a frame is not as long as the frame says.
fn is_inline(meta: &Meta, header: Header) -> Result<(), Error> {
    if meta.size.checked_sub(HEADER as u64) == Some(header.length) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "a frame of {} bytes does not hold a blob of {}",
            meta.size, header.length
        ),
    ))
}

pub(super) fn too_fast(key: &Key) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("`{key}` changes too fast to be written"),
    )
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

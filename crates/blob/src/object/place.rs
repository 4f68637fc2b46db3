//! What an upload keeps below its place, so that whoever finds it there can
//! continue it or clear it away.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::bucket::{self, Bucket, Put};
use super::content::{self, What, too_fast};
use super::frame::Id;
use super::record::ATTEMPTS;
use crate::backend::{Expected, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::ByteStream;

/// Says what became of a data object that an upload has named.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Note {
    /// The multipart upload; empty where the object was put at once.
    upload: String,
    /// The key that it is published under, from before that happens.
    key: Option<String>,
    /// Whether the data is being removed: then it is published no more.
    is_swept: bool,
}

/// The largest note, in bytes: two identifiers, each below the limit of keys.
const NOTE_LIMIT: u64 = 16 * 1024;

/// Comes before the bytes of every tail, so that none is empty and each says
/// that the upload is still there.
const TAIL_MARK: u8 = b't';

const TAIL: &str = "tail-";
const DATA: &str = "data-";

/// Writes a tail, which nobody else has named.
pub(super) async fn write_tail(
    bucket: &Bucket,
    place: &Key,
    name: &Id,
    bytes: &[u8],
) -> Result<(), Error> {
    let mut marked = BytesMut::with_capacity(bytes.len() + 1);
    marked.put_u8(TAIL_MARK);
    marked.put_slice(bytes);
    let path = bucket::path(&tail_key(place, name))?;
    bucket.write(&path, marked.freeze()).await
}

/// Streams a tail; `None` where it is gone.
pub(super) async fn read_tail(
    bucket: &Bucket,
    place: &Key,
    name: &Id,
) -> Result<Option<ByteStream>, Error> {
    let path = bucket::path(&tail_key(place, name))?;
    let Some((meta, mut stream)) = bucket.whole(&path).await? else {
        return Ok(None);
    };
    let mut first = Bytes::new();
    while first.is_empty()
        && let Some(piece) = stream.next().await
    {
        first = piece?;
    }
    if first.first() != Some(&TAIL_MARK) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("`{path}` is no tail of an upload"),
        ));
    }
    let pieces = futures_util::stream::iter([Ok(first.slice(1..))]).chain(stream);
    Ok(Some(ByteStream::new(meta.size - 1, pieces)))
}

pub(super) async fn remove_tail(bucket: &Bucket, place: &Key, name: &Id) -> Result<(), Error> {
    bucket.delete(&bucket::path(&tail_key(place, name))?).await
}

/// Notes a data object before there is anything in it.
pub(super) async fn note(
    bucket: &Bucket,
    place: &Key,
    data: &Id,
    upload: &str,
) -> Result<(), Error> {
    let note = Note {
        upload: upload.to_owned(),
        key: None,
        is_swept: false,
    };
    match put_note(bucket, place, data, &note, &Expected::Absent).await? {
        Put::Done(_) => Ok(()),
        Put::Lost(_) => Err(too_fast(place)),
    }
}

/// Says in a note under which key its data is about to be published; false
/// where the data was swept.
pub(super) async fn announce(
    bucket: &Bucket,
    place: &Key,
    data: &Id,
    key: &Key,
) -> Result<bool, Error> {
    for _ in 0..ATTEMPTS {
        let Some((mut note, version)) = read_note(bucket, place, data).await? else {
            return Ok(false);
        };
        if note.is_swept {
            return Ok(false);
        }
        if note.key.as_deref() == Some(key.as_str()) {
            return Ok(true);
        }
        note.key = Some(key.to_string());
        let expected = Expected::Version(version);
        if let Put::Done(_) = put_note(bucket, place, data, &note, &expected).await? {
            return Ok(true);
        }
    }
    Err(too_fast(place))
}

/// Says whether the data was not swept since it was announced.
pub(super) async fn affirm(
    bucket: &Bucket,
    place: &Key,
    data: &Id,
    key: &Key,
) -> Result<bool, Error> {
    let note = read_note(bucket, place, data).await?;
    Ok(note.is_some_and(|(note, _)| !note.is_swept && note.key.as_deref() == Some(key.as_str())))
}

/// Forgets data that is published.
pub(super) async fn forget(bucket: &Bucket, place: &Key, data: &Id) -> Result<(), Error> {
    bucket.delete(&bucket::path(&note_key(place, data))?).await
}

/// Says whether data is there to be continued: noted, neither swept nor part
/// of a blob already.
pub(super) async fn is_held(bucket: &Bucket, place: &Key, data: &Id) -> Result<bool, Error> {
    match read_note(bucket, place, data).await? {
        Some((note, _)) if !note.is_swept => match &note.key {
            Some(key) => Ok(!is_published(bucket, &parse(key)?, data).await?),
            None => Ok(true),
        },
        _ => Ok(false),
    }
}

async fn is_published(bucket: &Bucket, key: &Path, data: &Id) -> Result<bool, Error> {
    match content::look(bucket, key).await?.what {
        What::Pointer(segments) => Ok(segments.names(data)),
        What::Broken(error) => Err(error),
        _ => Ok(false),
    }
}

/// Removes everything below a place, but no data of a published blob.
pub(super) async fn sweep(bucket: &Bucket, place: &Key) -> Result<(), Error> {
    let mut works = Vec::new();
    for name in names(bucket, place).await? {
        works.push(sweep_name(bucket, place, name).boxed());
    }
    content::all(works).await
}

async fn sweep_name(bucket: &Bucket, place: &Key, name: String) -> Result<(), Error> {
    if let Some(tail) = parse_id(&name, TAIL) {
        return remove_tail(bucket, place, &tail).await;
    }
    match parse_id(&name, DATA) {
        Some(data) => sweep_data(bucket, place, &data).await,
        None => Ok(()),
    }
}

fn parse_id(name: &str, prefix: &str) -> Option<Id> {
    Id::try_from(name.strip_prefix(prefix)?.to_owned()).ok()
}

async fn sweep_data(bucket: &Bucket, place: &Key, data: &Id) -> Result<(), Error> {
    let Some(note) = mark_swept(bucket, place, data).await? else {
        return Ok(());
    };
    let is_published = match &note.key {
        Some(key) => take_reservation(bucket, &parse(key)?, data).await?,
        None => false,
    };
    if !is_published {
        if !note.upload.is_empty() {
            bucket.abort_parts(&data.data_path(), &note.upload).await?;
        }
        bucket.delete(&data.data_path()).await?;
    }
    // The note last: it is what leads to the rest.
    forget(bucket, place, data).await
}

/// Marks a note as swept; `None` where it is gone.
async fn mark_swept(bucket: &Bucket, place: &Key, data: &Id) -> Result<Option<Note>, Error> {
    for _ in 0..ATTEMPTS {
        let Some((mut note, version)) = read_note(bucket, place, data).await? else {
            return Ok(None);
        };
        if note.is_swept {
            return Ok(Some(note));
        }
        note.is_swept = true;
        let expected = Expected::Version(version);
        if let Put::Done(_) = put_note(bucket, place, data, &note, &expected).await? {
            return Ok(Some(note));
        }
    }
    Err(too_fast(place))
}

/// Takes away a reservation of data, so that it can be published no more, and
/// says whether it was published before.
async fn take_reservation(bucket: &Bucket, key: &Path, data: &Id) -> Result<bool, Error> {
    for _ in 0..ATTEMPTS {
        let lying = content::look(bucket, key).await?;
        match (lying.what, lying.expected) {
            (What::Pointer(segments), _) => return Ok(segments.names(data)),
            (What::Reservation(segments), Expected::Version(version)) if segments.names(data) => {
                // Gone or replaced, by the pointer perhaps: that is seen next.
                let _ = bucket.remove(key, &version).await?;
            }
            // Better some data too much than too little.
            (What::Broken(error), _) => return Err(error),
            _ => return Ok(false),
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("`{key}` changes too fast to be looked at"),
    ))
}

async fn put_note(
    bucket: &Bucket,
    place: &Key,
    data: &Id,
    note: &Note,
    expected: &Expected,
) -> Result<Put, Error> {
    let text = serde_json::to_vec(note)
        .map_err(|error| Error::caused(ErrorKind::Corrupt, "a note can not be written", error))?;
    let path = bucket::path(&note_key(place, data))?;
    bucket.put(&path, text.into(), expected).await
}

async fn read_note(
    bucket: &Bucket,
    place: &Key,
    data: &Id,
) -> Result<Option<(Note, Version)>, Error> {
    let key = note_key(place, data);
    let Some((meta, text)) = bucket.get(&bucket::path(&key)?, NOTE_LIMIT).await? else {
        return Ok(None);
    };
    let note = serde_json::from_slice(&text).map_err(|error| {
        let context = format!("the note `{key}` can not be read");
        Error::caused(ErrorKind::Corrupt, context, error)
    })?;
    Ok(Some((note, meta.version)))
}

fn parse(key: &str) -> Result<Path, Error> {
    Path::parse(key).map_err(|error| {
        let context = format!("a note names `{key}`, which is no key");
        Error::caused(ErrorKind::Corrupt, context, error)
    })
}

async fn names(bucket: &Bucket, place: &Key) -> Result<Vec<String>, Error> {
    let prefix = format!("{place}/");
    let mut names = Vec::new();
    let mut page_token = None;
    loop {
        let options = PaginatedListOptions {
            page_token,
            ..PaginatedListOptions::default()
        };
        let listed = bucket.list(&prefix, options).await?;
        let objects = listed.result.objects;
        names.extend(objects.iter().filter_map(|object| {
            let name = object.location.as_ref().strip_prefix(&prefix)?;
            Some(name.to_owned())
        }));
        page_token = listed.page_token;
        if page_token.is_none() {
            return Ok(names);
        }
    }
}

fn tail_key(place: &Key, name: &Id) -> Key {
    place.child(&format!("{TAIL}{}", name.as_str()))
}

fn note_key(place: &Key, data: &Id) -> Key {
    place.child(&format!("{DATA}{}", data.as_str()))
}

//! What an upload keeps below its place, so that whoever finds it there can
//! continue it or clear it away.

use bytes::{BufMut as _, Bytes, BytesMut};
use object_store::list::PaginatedListOptions;

use super::bucket::{self, Bucket};
use super::content;
use super::pointer::Data;
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// Says what became of a data object that an upload has named.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Note {
    /// The multipart upload; empty where the object was put at once.
    pub(super) upload: String,
    /// The key that it is published under, from just before that happens.
    pub(super) key: Option<String>,
}

/// The largest note, in bytes: two identifiers, each below the limit of keys.
const NOTE_LIMIT: u64 = 16 * 1024;

/// Comes before the bytes of every tail, so that none is empty and each says
/// that the upload is still there.
const TAIL_MARK: u8 = b't';

const TAIL: &str = "tail-";
const DATA: &str = "data-";

pub(super) async fn write_tail(
    bucket: &Bucket,
    place: &Key,
    number: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    let mut marked = BytesMut::with_capacity(bytes.len() + 1);
    marked.put_u8(TAIL_MARK);
    marked.put_slice(bytes);
    let path = bucket::path(&tail(place, number))?;
    bucket.write(&path, marked.freeze()).await
}

pub(super) async fn read_tail(
    bucket: &Bucket,
    place: &Key,
    number: u64,
    limit: u64,
) -> Result<Option<Bytes>, Error> {
    let found = bucket
        .get(&bucket::path(&tail(place, number))?, limit + 1)
        .await?;
    Ok(found
        .filter(|(meta, _)| meta.size > 0)
        .map(|(_, marked)| marked.slice(1..)))
}

pub(super) async fn remove_tail(bucket: &Bucket, place: &Key, number: u64) -> Result<(), Error> {
    bucket.delete(&bucket::path(&tail(place, number))?).await
}

pub(super) async fn write_note(
    bucket: &Bucket,
    place: &Key,
    data: &Data,
    note: &Note,
) -> Result<(), Error> {
    let text = serde_json::to_vec(note)
        .map_err(|error| Error::caused(ErrorKind::Corrupt, "a note can not be written", error))?;
    let path = bucket::path(&note_key(place, data))?;
    bucket.write(&path, text.into()).await
}

pub(super) async fn read_note(
    bucket: &Bucket,
    place: &Key,
    data: &Data,
) -> Result<Option<Note>, Error> {
    let key = note_key(place, data);
    let Some((_, text)) = bucket.get(&bucket::path(&key)?, NOTE_LIMIT).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::caused(
            ErrorKind::Corrupt,
            format!("the note `{key}` can not be read"),
            error,
        )
    })
}

/// Says whether data is part of a blob that was published.
pub(super) async fn is_published(bucket: &Bucket, data: &Data, note: &Note) -> Result<bool, Error> {
    let Some(key) = &note.key else {
        return Ok(false);
    };
    let path = object_store::path::Path::parse(key).map_err(|error| {
        Error::caused(
            ErrorKind::Corrupt,
            format!("a note names `{key}`, which is no key"),
            error,
        )
    })?;
    let pointer = content::pointer(bucket, &path).await?;
    Ok(pointer.is_some_and(|pointer| pointer.names(data)))
}

/// Removes everything below a place, but no data of a published blob.
pub(super) async fn sweep(bucket: &Bucket, place: &Key) -> Result<(), Error> {
    for name in names(bucket, place).await? {
        if let Some(number) = name.strip_prefix(TAIL).and_then(|text| text.parse().ok()) {
            remove_tail(bucket, place, number).await?;
        }
        if let Some(data) = name
            .strip_prefix(DATA)
            .and_then(|text| Data::try_from(text.to_owned()).ok())
        {
            sweep_data(bucket, place, &data).await?;
        }
    }
    Ok(())
}

async fn sweep_data(bucket: &Bucket, place: &Key, data: &Data) -> Result<(), Error> {
    let Some(note) = read_note(bucket, place, data).await? else {
        return Ok(());
    };
    if !is_published(bucket, data, &note).await? {
        if !note.upload.is_empty() {
            bucket.abort_parts(&data.path(), &note.upload).await?;
        }
        bucket.delete(&data.path()).await?;
    }
    // The note last: it is what leads to the rest.
    bucket.delete(&bucket::path(&note_key(place, data))?).await
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

fn tail(place: &Key, number: u64) -> Key {
    place.child(&format!("{TAIL}{number}"))
}

fn note_key(place: &Key, data: &Data) -> Key {
    place.child(&format!("{DATA}{}", data.as_str()))
}

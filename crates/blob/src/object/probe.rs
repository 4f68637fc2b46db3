//! The proof that a store can do what is needed, by doing it once.

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::bucket::{Bucket, Put};
use super::frame::Id;
use crate::backend::{Expected, Swapped, Version};
use crate::error::{Error, ErrorKind};

/// The directory of the keys of probes; no key of ours begins with a dot.
const PROBES: &str = ".wharf/probe";

const FIRST: &[u8] = b"first";
const SECOND: &[u8] = b"second";

/// Tries what is needed on a key that nobody else has, and clears it away.
pub(super) async fn probe(bucket: &Bucket) -> Result<(), Error> {
    let path = Path::from(format!("{PROBES}/{}/object", Id::fresh().as_str()));
    let outcome = everything(bucket, &path).await;
    // What can not be cleared away is a few bytes, and nothing looks there.
    let _ = bucket.delete(&path).await;
    outcome
}

async fn everything(bucket: &Bucket, path: &Path) -> Result<(), Error> {
    let first = creates(bucket, path).await?;
    let second = swaps(bucket, path, first).await?;
    lists(bucket, path).await?;
    let removes = removes(bucket, path, second).await?;
    bucket.trust_removal(removes);
    sends_parts(bucket, path).await
}

/// Creates where there is nothing, and not where there is something.
async fn creates(bucket: &Bucket, path: &Path) -> Result<Version, Error> {
    let put = |value: &'static [u8]| {
        let value = Bytes::from_static(value).into();
        async { bucket.put(path, value, &Expected::Absent).await }
    };
    let Put::Done(version) = put(FIRST).await? else {
        return Err(lacking("create an object under a new key"));
    };
    match put(SECOND).await {
        Ok(Put::Lost(_)) if holds(bucket, path, FIRST).await? => Ok(version),
        Ok(_) => Err(lacking("refuse to create what is there (`If-None-Match`)")),
        Err(error) => Err(error),
    }
}

/// Swaps what is as expected, and nothing else.
async fn swaps(bucket: &Bucket, path: &Path, first: Version) -> Result<Version, Error> {
    let expected = Expected::Version(first);
    let put = |value: &'static [u8]| {
        let (value, expected) = (Bytes::from_static(value).into(), &expected);
        async move { bucket.put(path, value, expected).await }
    };
    let second = match put(SECOND).await? {
        Put::Done(version) => version,
        Put::Lost(_) => {
            return Err(lacking(
                "replace an object that is as expected (`If-Match`)",
            ));
        }
    };
    match put(FIRST).await? {
        Put::Lost(_) if holds(bucket, path, SECOND).await? => Ok(second),
        _ => Err(lacking(
            "refuse to replace an object that is not as expected (`If-Match`)",
        )),
    }
}

async fn lists(bucket: &Bucket, path: &Path) -> Result<(), Error> {
    let options = PaginatedListOptions {
        max_keys: Some(2),
        ..PaginatedListOptions::default()
    };
    let directory = path.as_ref().trim_end_matches("object");
    let listed = bucket.list(directory, options).await?;
    match listed.result.objects.as_slice() {
        [object] if object.location == *path => Ok(()),
        _ => Err(lacking("list an object that was just written")),
    }
}

/// Finds out whether objects can be deleted conditionally. Where they can not,
/// tombstones do.
async fn removes(bucket: &Bucket, path: &Path, second: Version) -> Result<bool, Error> {
    let value = Bytes::from_static(FIRST).into();
    let Put::Done(third) = bucket
        .put(path, value, &Expected::Version(second.clone()))
        .await?
    else {
        return Err(lacking(
            "replace an object that is as expected (`If-Match`)",
        ));
    };
    // A store that does not know the condition deletes, or says that it can
    // not: either way it is left alone.
    let stale = bucket.remove_exactly(path, &second).await;
    if !matches!(stale, Ok(Swapped::Lost)) || !holds(bucket, path, FIRST).await? {
        return Ok(false);
    }
    let exact = bucket.remove_exactly(path, &third).await;
    Ok(matches!(exact, Ok(Swapped::Done)) && bucket.head(path).await?.is_none())
}

/// Sends a part and makes an object of it, by the identifier alone.
async fn sends_parts(bucket: &Bucket, path: &Path) -> Result<(), Error> {
    let upload = bucket.start_parts(path).await?;
    let part = Bytes::from_static(SECOND);
    let sent = bucket.put_part(path, &upload, 0, part).await?;
    let size = SECOND.len() as u64;
    bucket.complete_parts(path, &upload, &[sent], size).await?;
    match holds(bucket, path, SECOND).await? {
        true => Ok(()),
        false => Err(lacking("make an object of the parts of a multipart upload")),
    }
}

async fn holds(bucket: &Bucket, path: &Path, wanted: &[u8]) -> Result<bool, Error> {
    let Some((_, mut stream)) = bucket.whole(path).await? else {
        return Ok(false);
    };
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        read.extend_from_slice(&piece?);
    }
    Ok(read == wanted)
}

fn lacking(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the object store does not {what}"),
    )
}

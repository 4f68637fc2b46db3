//! Records: objects that are put conditionally, and tombstones in place of
//! those that are deleted conditionally where the store can not do that.

use bytes::Bytes;

use super::bucket::{self, Bucket, Put};
use super::content::too_fast;
use super::frame::{Header, Kind, resembles_frame};
use crate::backend::{Expected, RECORD_LIMIT, Record, Swapped};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// How often a write is tried again because others were faster. Each time one
/// of them has been done, so this is only met under a storm of writers.
pub(super) const ATTEMPTS: usize = 16;

pub(super) async fn read(bucket: &Bucket, key: &Key) -> Result<Option<Record>, Error> {
    let found = bucket.get(&bucket::path(key)?, RECORD_LIMIT).await?;
    Ok(found
        .filter(|(meta, value)| meta.size > 0 && !is_absent(value))
        .map(|(meta, value)| Record {
            value,
            version: meta.version,
        }))
}

/// Says whether a frame stands for nothing.
fn is_absent(value: &[u8]) -> bool {
    let header = Header::decode(value).ok().flatten();
    header.is_some_and(|header| matches!(header.kind, Kind::Reservation | Kind::Grave))
}

pub(super) async fn create(bucket: &Bucket, key: &Key, value: Bytes) -> Result<Swapped, Error> {
    check(key, &value)?;
    let path = bucket::path(key)?;
    let mut expected = Expected::Absent;
    for _ in 0..ATTEMPTS {
        expected = match bucket.put(&path, value.clone().into(), &expected).await? {
            Put::Done(_) => return Ok(Swapped::Done),
            Put::Lost(Some(there)) if there.size > 0 => return Ok(Swapped::Lost),
            Put::Lost(Some(tombstone)) => Expected::Version(tombstone.version),
            Put::Lost(None) => Expected::Absent,
        };
    }
    Err(too_fast(key))
}

pub(super) async fn swap(
    bucket: &Bucket,
    key: &Key,
    expected: Expected,
    value: Bytes,
) -> Result<Swapped, Error> {
    if expected == Expected::Absent {
        return create(bucket, key, value).await;
    }
    check(key, &value)?;
    let path = bucket::path(key)?;
    let put = bucket.put(&path, value.into(), &expected).await?;
    Ok(put.into())
}

fn check(key: &Key, value: &[u8]) -> Result<(), Error> {
    if value.is_empty() || value.len() as u64 > RECORD_LIMIT {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "a record has 1 to {RECORD_LIMIT} bytes, `{key}` would have {}",
                value.len()
            ),
        ));
    }
    if resembles_frame(value) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the record `{key}` would look like a blob"),
        ));
    }
    Ok(())
}

//! Records: objects that are put conditionally, and tombstones in place of
//! those that are deleted conditionally.

use bytes::Bytes;

use super::bucket::{self, Bucket};
use super::pointer::resembles_pointer;
use crate::backend::{Expected, RECORD_LIMIT, Record, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// How often a write is tried again because others were faster. Each time one
/// of them has been done, so this is only met under a storm of writers.
pub(super) const ATTEMPTS: usize = 16;

pub(super) async fn read(bucket: &Bucket, key: &Key) -> Result<Option<Record>, Error> {
    let found = bucket.get(&bucket::path(key)?, RECORD_LIMIT).await?;
    Ok(found
        .filter(|(meta, _)| meta.size > 0)
        .map(|(meta, value)| Record {
            value,
            version: meta.version,
        }))
}

pub(super) async fn create(bucket: &Bucket, key: &Key, value: Bytes) -> Result<Swapped, Error> {
    check(key, &value)?;
    let path = bucket::path(key)?;
    for _ in 0..ATTEMPTS {
        if bucket.put(&path, value.clone(), &Expected::Absent).await? == Swapped::Done {
            return Ok(Swapped::Done);
        }
        match bucket.head(&path).await? {
            Some(meta) if meta.size > 0 => return Ok(Swapped::Lost),
            Some(tombstone) => {
                let expected = Expected::Version(tombstone.version);
                if bucket.put(&path, value.clone(), &expected).await? == Swapped::Done {
                    return Ok(Swapped::Done);
                }
            }
            None => {}
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("`{key}` changes too fast to be written"),
    ))
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
    bucket.put(&bucket::path(key)?, value, &expected).await
}

pub(super) async fn delete_if(
    bucket: &Bucket,
    key: &Key,
    version: &Version,
) -> Result<Swapped, Error> {
    let expected = Expected::Version(version.clone());
    bucket
        .put(&bucket::path(key)?, Bytes::new(), &expected)
        .await
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
    if resembles_pointer(value) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the record `{key}` would look like a pointer"),
        ));
    }
    Ok(())
}

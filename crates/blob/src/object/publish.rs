//! Publishing: how a blob comes under its key, and how it does not when
//! somebody discards its upload at the same moment.
//!
//! A blob that lies there whole is kept. Otherwise an inline blob is one
//! conditional write. A pointer takes four steps, because its data has notes,
//! and whoever sweeps removes data by its notes:
//!
//! 1. each note is swapped to name the key; one that is swept can not be;
//! 2. a reservation is put under the key, which is no blob yet;
//! 3. each note is read again, and must not be swept;
//! 4. the reservation is swapped for the pointer.
//!
//! Whoever sweeps swaps the note to be swept first, and looks under the key
//! after that: a reservation of this data is taken away, and a pointer to it
//! spares the data. So either the reservation came first, and is found; or
//! the mark came first, and is found by the third step.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use object_store::PutPayload;
use object_store::path::Path;

use super::bucket::{self, Bucket, Put};
use super::content::{self, What, too_fast};
use super::frame::{self, Kind, Segments};
use super::place;
use super::record::ATTEMPTS;
use crate::backend::Expected;
use crate::error::Error;
use crate::key::Key;

/// Says whose blob lies under the key now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    /// The one that was handed in.
    Own,
    /// One that was there.
    Other,
    /// Whatever was there: the upload was discarded meanwhile.
    Discarded,
}

/// How often another's reservation is given time.
const PATIENCE: u32 = 4;

/// The first pause for it; each is twice as long. From a reservation to its
/// pointer it takes one round of requests.
const PAUSE: Duration = Duration::from_millis(50);

/// Puts a small blob under a key.
pub(super) async fn inline(bucket: &Bucket, key: &Key, content: &Bytes) -> Result<(), Error> {
    let path = bucket::path(key)?;
    let mut expected = Expected::Absent;
    for _ in 0..ATTEMPTS {
        // Each frame is another, also the second of one publishing.
        let frame = PutPayload::from_iter([frame::inline_header(content), content.clone()]);
        if let Put::Done(_) = bucket.put(&path, frame, &expected).await? {
            return Ok(());
        }
        match room(bucket, &path).await? {
            Room::Taken => return Ok(()),
            Room::Reserved(there) | Room::Free(there) => expected = there,
        }
    }
    Err(too_fast(key))
}

/// Puts a pointer under a key. Its segments have their notes at the place.
pub(super) async fn pointer(
    bucket: &Bucket,
    place: &Key,
    key: &Key,
    segments: &Segments,
) -> Result<Published, Error> {
    let path = bucket::path(key)?;
    if !announce(bucket, place, key, segments).await? {
        return Ok(Published::Discarded);
    }
    let mut patience = 0;
    for _ in 0..ATTEMPTS {
        let expected = match room(bucket, &path).await? {
            Room::Taken => return Ok(Published::Other),
            Room::Reserved(_) if patience < PATIENCE => {
                tokio::time::sleep(PAUSE * 2_u32.pow(patience)).await;
                patience += 1;
                continue;
            }
            Room::Reserved(expected) | Room::Free(expected) => expected,
        };
        let reservation = segments.encode(Kind::Reservation).into();
        let Put::Done(reserved) = bucket.put(&path, reservation, &expected).await? else {
            continue;
        };
        if !affirm(bucket, place, key, segments).await? {
            // It is absent either way; the next to publish replaces it.
            let _ = bucket.remove(&path, &reserved).await;
            return Ok(Published::Discarded);
        }
        let pointer = segments.encode(Kind::Pointer).into();
        let expected = Expected::Version(reserved);
        if let Put::Done(_) = bucket.put(&path, pointer, &expected).await? {
            return Ok(Published::Own);
        }
    }
    Err(too_fast(key))
}

async fn announce(
    bucket: &Bucket,
    place: &Key,
    key: &Key,
    segments: &Segments,
) -> Result<bool, Error> {
    let mut works = Vec::new();
    for segment in segments.as_slice() {
        works.push(place::announce(bucket, place, &segment.data, key).boxed());
    }
    content::all_hold(works).await
}

async fn affirm(
    bucket: &Bucket,
    place: &Key,
    key: &Key,
    segments: &Segments,
) -> Result<bool, Error> {
    let mut works = Vec::new();
    for segment in segments.as_slice() {
        works.push(place::affirm(bucket, place, &segment.data, key).boxed());
    }
    content::all_hold(works).await
}

/// Says whether a blob can be put under a key, and what it would replace.
enum Room {
    /// A whole blob is there.
    Taken,
    /// Somebody is about to put one.
    Reserved(Expected),
    Free(Expected),
}

async fn room(bucket: &Bucket, path: &Path) -> Result<Room, Error> {
    let lying = content::look(bucket, path).await?;
    match &lying.what {
        What::Inline(_) => return Ok(Room::Taken),
        What::Pointer(segments) if is_whole(bucket, segments).await? => return Ok(Room::Taken),
        What::Reservation(_) => return Ok(Room::Reserved(lying.expected)),
        What::Grave(segments) => content::remove_data(bucket, segments).await?,
        What::Nothing | What::Record(_) | What::Broken(_) => {}
        What::Pointer(_) => {
            // Data without which it is no blob; the rest goes with it.
            if let Expected::Version(version) = lying.expected.clone() {
                let _ = content::bury(bucket, path, lying, &version).await?;
            }
            let lying = content::look(bucket, path).await?;
            return Ok(match lying.what {
                What::Inline(_) | What::Pointer(_) => Room::Taken,
                _ => Room::Free(lying.expected),
            });
        }
    }
    Ok(Room::Free(lying.expected))
}

/// Says whether the data of a pointer is there.
async fn is_whole(bucket: &Bucket, segments: &Segments) -> Result<bool, Error> {
    for segment in segments.as_slice() {
        match bucket.head(&segment.data.data_path()).await? {
            Some(meta) if meta.size >= segment.length => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

//! Checks of uploads: continuing, forgetting, publishing, discarding.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::blobs::LARGE;
use super::content::{append, content, holds, is_absent, key, place, publish, stream_is};
use super::{Checked, Failure, race};
use crate::backend::{Backend, Page, Saved, Upload};
use crate::key::Key;
use crate::stream::ByteRange;

const MIB: usize = 1024 * 1024;

/// Continues an upload that must be there, with a state that was written down
/// and read again.
async fn resume(
    backend: &dyn Backend,
    place: &Key,
    saved: &Saved,
) -> Result<Box<dyn Upload>, Failure> {
    let written = serde_json::to_vec(saved).map_err(|error| Failure(error.to_string()))?;
    let saved: Saved =
        serde_json::from_slice(&written).map_err(|error| Failure(error.to_string()))?;
    let upload = backend.resume(place, &saved).await?;
    upload.ok_or_else(|| Failure(format!("the upload `{place}` is gone")))
}

pub(super) async fn a_blob_is_visible_when_published(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 100, LARGE] {
        let (key, content) = (key(&format!("b{size}")), content(1, size));
        let mut upload = backend.begin(&place("u")).await?;
        ensure_eq!(upload.length(), 0);
        append(&mut *upload, &content, 100_000).await?;
        ensure_eq!(upload.length(), size as u64);
        is_absent(&*backend, &key).await?;
        upload.save().await?;
        is_absent(&*backend, &key).await?;
        upload.publish(&key).await?;
        holds(&*backend, &key, &content).await?;
    }
    Ok(())
}

pub(super) async fn an_upload_of_many_pieces(backend: Arc<dyn Backend>) -> Checked {
    let content = content(2, 400_000);
    let mut upload = backend.begin(&place("u")).await?;
    let mut rest = content.clone();
    let mut size = 0;
    while !rest.is_empty() {
        // Also pieces without bytes.
        let piece = rest.split_to((size % 977).min(rest.len()));
        size += 1;
        upload.append(piece).await?;
    }
    ensure_eq!(upload.length(), content.len() as u64);
    upload.publish(&key("b")).await?;
    holds(&*backend, &key("b"), &content).await
}

pub(super) async fn a_saved_upload_continues(backend: Arc<dyn Backend>) -> Checked {
    for (number, (first, second)) in [
        (0, 0),
        (0, 10),
        (10, 0),
        (10, 10),
        (100, 20 * MIB),
        (20 * MIB, 100),
        (16 * MIB, 0),
        (16 * MIB, 16 * MIB),
        (LARGE, LARGE),
    ]
    .into_iter()
    .enumerate()
    {
        let (place, key) = (place(&number.to_string()), key(&number.to_string()));
        let content = content(number as u64, first + second);
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content.slice(..first), MIB).await?;
        let saved = upload.save().await?;
        drop(upload);
        let mut upload = resume(&*backend, &place, &saved).await?;
        ensure_eq!(upload.length(), first as u64);
        append(&mut *upload, &content.slice(first..), MIB).await?;
        ensure_eq!(upload.length(), content.len() as u64);
        upload.publish(&key).await?;
        holds(&*backend, &key, &content).await?;
    }
    Ok(())
}

pub(super) async fn an_upload_continues_many_times(backend: Arc<dyn Backend>) -> Checked {
    const ROUNDS: usize = 8;
    const EACH: usize = 5 * MIB + 3;
    let content = content(5, ROUNDS * EACH);
    let mut saved = backend.begin(&place("u")).await?.save().await?;
    for round in 0..ROUNDS {
        let mut upload = resume(&*backend, &place("u"), &saved).await?;
        let (start, half) = (round * EACH, round * EACH + EACH / 2);
        append(&mut *upload, &content.slice(start..half), MIB).await?;
        let between = upload.save().await?;
        // Nothing has changed in between.
        ensure_eq!(upload.save().await?, between);
        append(&mut *upload, &content.slice(half..start + EACH), MIB).await?;
        saved = upload.save().await?;
    }
    let upload = resume(&*backend, &place("u"), &saved).await?;
    upload.publish(&key("b")).await?;
    holds(&*backend, &key("b"), &content).await
}

pub(super) async fn what_was_not_saved_is_forgotten(backend: Arc<dyn Backend>) -> Checked {
    for (number, (kept, lost, new)) in [
        (0, 10, 0),
        (10, 10, 0),
        (10, 10, 5),
        (10, 10, 50),
        (10, LARGE, 7),
        (20 * MIB, LARGE, 7),
        (20 * MIB, LARGE, LARGE),
        (20 * MIB, LARGE, 0),
        (16 * MIB, 40 * MIB, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let (place, key) = (place(&number.to_string()), key(&number.to_string()));
        let content = content(1, kept + new);
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content.slice(..kept), MIB).await?;
        let saved = upload.save().await?;
        append(&mut *upload, &super::content::content(2, lost), MIB).await?;
        drop(upload);
        let mut upload = resume(&*backend, &place, &saved).await?;
        ensure_eq!(upload.length(), kept as u64);
        append(&mut *upload, &content.slice(kept..), MIB).await?;
        upload.publish(&key).await?;
        holds(&*backend, &key, &content).await?;
    }
    Ok(())
}

/// A state is saved, and the caller is killed before it has written it down:
/// then the state before counts.
pub(super) async fn an_older_state_still_counts(backend: Arc<dyn Backend>) -> Checked {
    for (number, (first, second)) in [(0, 10), (10, 10), (10, LARGE), (20 * MIB, LARGE)]
        .into_iter()
        .enumerate()
    {
        let (place, key) = (place(&number.to_string()), key(&number.to_string()));
        let content = content(1, first + 9);
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content.slice(..first), MIB).await?;
        let older = upload.save().await?;
        drop(upload);
        let mut upload = resume(&*backend, &place, &older).await?;
        append(&mut *upload, &super::content::content(2, second), MIB).await?;
        upload.save().await?;
        append(&mut *upload, &super::content::content(3, second), MIB).await?;
        upload.save().await?;
        drop(upload);
        let mut upload = resume(&*backend, &place, &older).await?;
        ensure_eq!(upload.length(), first as u64);
        append(&mut *upload, &content.slice(first..), MIB).await?;
        upload.publish(&key).await?;
        holds(&*backend, &key, &content).await?;
    }
    Ok(())
}

pub(super) async fn what_was_appended_is_read_back(backend: Arc<dyn Backend>) -> Checked {
    let content = content(1, 3000);
    let mut upload = backend.begin(&place("u")).await?;
    stream_is(upload.read_back().await?, &Bytes::new()).await?;
    append(&mut *upload, &content.slice(..1000), 300).await?;
    for _ in 0..2 {
        stream_is(upload.read_back().await?, &content.slice(..1000)).await?;
    }
    append(&mut *upload, &content.slice(1000..2000), 300).await?;
    let saved = upload.save().await?;
    stream_is(upload.read_back().await?, &content.slice(..2000)).await?;
    drop(upload);
    let mut upload = resume(&*backend, &place("u"), &saved).await?;
    stream_is(upload.read_back().await?, &content.slice(..2000)).await?;
    append(&mut *upload, &content.slice(2000..), 300).await?;
    stream_is(upload.read_back().await?, &content).await?;
    upload.publish(&key("b")).await?;
    holds(&*backend, &key("b"), &content).await
}

pub(super) async fn a_large_upload_is_read_back(backend: Arc<dyn Backend>) -> Checked {
    let content = content(1, 3 * LARGE);
    let mut upload = backend.begin(&place("u")).await?;
    append(&mut *upload, &content.slice(..LARGE), MIB).await?;
    let saved = upload.save().await?;
    append(&mut *upload, &super::content::content(2, LARGE), MIB).await?;
    // What was saved before it was read back still counts.
    upload.read_back().await?;
    drop(upload);
    let mut upload = resume(&*backend, &place("u"), &saved).await?;
    stream_is(upload.read_back().await?, &content.slice(..LARGE)).await?;
    append(&mut *upload, &content.slice(LARGE..2 * LARGE), MIB).await?;
    let saved = upload.save().await?;
    stream_is(upload.read_back().await?, &content.slice(..2 * LARGE)).await?;
    drop(upload);
    let mut upload = resume(&*backend, &place("u"), &saved).await?;
    ensure_eq!(upload.length(), 2 * LARGE as u64);
    append(&mut *upload, &content.slice(2 * LARGE..), MIB).await?;
    stream_is(upload.read_back().await?, &content).await?;
    upload.publish(&key("b")).await?;
    holds(&*backend, &key("b"), &content).await?;
    // A part that reaches over every border.
    let part = content.slice(10..content.len() - 10);
    super::content::part_is(&*backend, &key("b"), 10, &part).await
}

pub(super) async fn publishing_keeps_or_replaces(backend: Arc<dyn Backend>) -> Checked {
    let sizes = [10, 512, LARGE, 0, LARGE + 1, 20, 0, LARGE];
    for (number, size) in sizes.into_iter().enumerate() {
        let older = content(number as u64, size);
        publish(&*backend, &key("b"), &older).await?;
        holds(&*backend, &key("b"), &older).await?;
        let newer = content(100, 30 + number);
        publish(&*backend, &key("b"), &newer).await?;
        let kept = backend.head(&key("b")).await? == Some(size as u64);
        holds(&*backend, &key("b"), if kept { &older } else { &newer }).await?;
        backend.delete(&key("b")).await?;
    }
    let page = backend.page(&Key::top("conformance"), "", 10).await?;
    ensure_eq!(page.names, Vec::<String>::new());
    Ok(())
}

/// Two turns continue from one state, each without the other's knowledge: what
/// either has acknowledged stays as it was.
pub(super) async fn two_turns_do_not_mix(backend: Arc<dyn Backend>) -> Checked {
    if !backend.is_shared() {
        return Ok(());
    }
    for (number, (first, second)) in [(10, 10), (10, LARGE), (20 * MIB, 9), (20 * MIB, LARGE)]
        .into_iter()
        .enumerate()
    {
        let place = place(&number.to_string());
        let contents = [content(1, first + second), content(1, first + second + 7)];
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &contents[0].slice(..first), MIB).await?;
        let saved = upload.save().await?;
        drop(upload);
        let mut one = resume(&*backend, &place, &saved).await?;
        let mut two = resume(&*backend, &place, &saved).await?;
        append(&mut *one, &contents[0].slice(first..), MIB).await?;
        append(&mut *two, &super::content::content(9, second + 1), MIB).await?;
        let kept = one.save().await?;
        // The slower one goes on after the other was acknowledged.
        append(&mut *two, &super::content::content(8, second), MIB).await?;
        two.save().await?;
        drop((one, two));
        let mut upload = resume(&*backend, &place, &kept).await?;
        stream_is(upload.read_back().await?, &contents[0]).await?;
        append(&mut *upload, &contents[1].slice(first + second..), MIB).await?;
        let key = key(&number.to_string());
        upload.publish(&key).await?;
        holds(&*backend, &key, &contents[1]).await?;
        backend.discard(&place, &kept).await?;
        ensure_eq!(backend.page(&place, "", 10).await?, Page::default());
    }
    Ok(())
}

/// An upload is published while it is discarded: the blob is whole, or there
/// is none and publishing has failed.
pub(super) async fn discard_spares_or_prevents(backend: Arc<dyn Backend>) -> Checked {
    for round in 0..8 {
        for size in [0, 100, 17 * MIB] {
            let (place, key) = (
                place(&format!("{round}-{size}")),
                key(&format!("{round}-{size}")),
            );
            let content = content(1, size);
            let mut upload = backend.begin(&place).await?;
            append(&mut *upload, &content, MIB).await?;
            let saved = upload.save().await?;
            let (published, discarded) =
                futures_util::future::join(upload.publish(&key), backend.discard(&place, &saved))
                    .await;
            discarded?;
            match published {
                Ok(()) => holds(&*backend, &key, &content).await?,
                Err(_) => is_absent(&*backend, &key).await?,
            }
            backend.discard(&place, &saved).await?;
            ensure_eq!(backend.page(&place, "", 10).await?, Page::default());
        }
    }
    Ok(())
}

pub(super) async fn many_publish_at_once(backend: Arc<dyn Backend>) -> Checked {
    const PUBLISHERS: usize = 24;
    for size in [10_000, 17 * MIB] {
        let content = content(1, size);
        let key = key(&format!("b{size}"));
        race(PUBLISHERS, |number| {
            let (backend, content) = (Arc::clone(&backend), content.clone());
            let key = key.clone();
            async move {
                let mut upload = backend.begin(&place(&number.to_string())).await?;
                upload.append(content).await?;
                upload.publish(&key).await
            }
        })
        .await?;
        holds(&*backend, &key, &content).await?;
        backend.delete(&key).await?;
        is_absent(&*backend, &key).await?;
    }
    Ok(())
}

pub(super) async fn readers_see_all_or_nothing(backend: Arc<dyn Backend>) -> Checked {
    const ROUNDS: usize = 6;
    let content = content(1, 17 * MIB);
    let done = Arc::new(AtomicBool::new(false));
    race(2, |number| {
        let (backend, content) = (Arc::clone(&backend), content.clone());
        let done = Arc::clone(&done);
        async move {
            let key = key("b");
            if number == 0 {
                for round in 0..ROUNDS {
                    let mut upload = backend.begin(&place(&round.to_string())).await?;
                    upload.append(content.clone()).await?;
                    upload.publish(&key).await?;
                }
                done.store(true, Ordering::Release);
                return Ok(());
            }
            while !done.load(Ordering::Acquire) {
                look(&*backend, &key, &content).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    })
    .await?;
    holds(&*backend, &key("b"), &content).await
}

/// Reads the beginning and the end of a blob, if it is there.
async fn look(
    backend: &dyn Backend,
    key: &Key,
    content: &Bytes,
) -> Result<(), crate::error::Error> {
    let Some(size) = backend.head(key).await? else {
        return Ok(());
    };
    let half = content.len() / 2;
    let range = ByteRange {
        start: half as u64,
        end: size,
    };
    let corrupt = |what| crate::error::Error::new(crate::ErrorKind::Corrupt, what);
    if size != content.len() as u64 {
        return Err(corrupt("a reader saw a part of the blob"));
    }
    // Once it is there it stays.
    let stream = backend.open(key, range).await?;
    let stream = stream.ok_or_else(|| corrupt("a reader found nothing behind a size"))?;
    if stream.collect(u64::MAX).await? != content.slice(half..) {
        return Err(corrupt("a reader saw other content"));
    }
    Ok(())
}

pub(super) async fn a_discarded_upload_is_gone(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 100, LARGE] {
        let place = place(&size.to_string());
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content(1, size), MIB).await?;
        let saved = upload.save().await?;
        append(&mut *upload, &content(2, size), MIB).await?;
        upload.save().await?;
        drop(upload);
        for _ in 0..2 {
            backend.discard(&place, &saved).await?;
            ensure!(
                backend.resume(&place, &saved).await?.is_none(),
                "an upload of {size} bytes was discarded and can be resumed"
            );
            is_absent(&*backend, &place).await?;
            ensure_eq!(backend.page(&place, "", 10).await?, Page::default());
        }
    }
    Ok(())
}

pub(super) async fn discarding_spares_what_was_published(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 100, LARGE] {
        let (place, key) = (place(&size.to_string()), key(&size.to_string()));
        let content = content(1, size);
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content, MIB).await?;
        let saved = upload.save().await?;
        upload.publish(&key).await?;
        for _ in 0..2 {
            backend.discard(&place, &saved).await?;
            holds(&*backend, &key, &content).await?;
        }
        is_absent(&*backend, &place).await?;
        ensure_eq!(backend.page(&place, "", 10).await?, Page::default());
    }
    Ok(())
}

pub(super) async fn a_published_upload_is_gone(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 100, LARGE] {
        let (place, key) = (place(&size.to_string()), key(&size.to_string()));
        let mut upload = backend.begin(&place).await?;
        append(&mut *upload, &content(1, size), MIB).await?;
        let saved = upload.save().await?;
        upload.publish(&key).await?;
        ensure!(
            backend.resume(&place, &saved).await?.is_none(),
            "an upload of {size} bytes was published and can be resumed"
        );
    }
    Ok(())
}

pub(super) async fn a_dropped_upload_shows_nothing(backend: Arc<dyn Backend>) -> Checked {
    for size in [100, LARGE] {
        let mut upload = backend.begin(&place(&size.to_string())).await?;
        append(&mut *upload, &content(1, size), MIB).await?;
        drop(upload);
    }
    let page = backend.page(&Key::top("conformance"), "", 10).await?;
    ensure_eq!(page, Page::default());
    Ok(())
}

pub(super) async fn a_place_can_be_used_again(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 100, LARGE] {
        let (one, two) = (content(1, size), content(2, size));
        let mut upload = backend.begin(&place("u")).await?;
        append(&mut *upload, &one, MIB).await?;
        let saved = upload.save().await?;
        upload.publish(&key("one")).await?;
        backend.discard(&place("u"), &saved).await?;
        let mut upload = backend.begin(&place("u")).await?;
        append(&mut *upload, &two, MIB).await?;
        upload.publish(&key("two")).await?;
        for (name, wanted) in [("one", &one), ("two", &two)] {
            holds(&*backend, &key(name), wanted).await?;
            backend.delete(&key(name)).await?;
        }
    }
    Ok(())
}

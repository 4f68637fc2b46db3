//! Checks of blobs as they are read and deleted.

use std::sync::Arc;

use bytes::Bytes;

use super::content::{content, holds, is_absent, key, part_is, place, publish};
use super::{Checked, Failure, race};
use crate::backend::{Backend, Swapped, Version};
use crate::error::{Error, ErrorKind};
use crate::stream::ByteRange;

/// More than two parts of an upload, and no multiple of one.
pub(super) const LARGE: usize = 40 * 1024 * 1024 + 4321;

pub(super) async fn blobs_are_read_in_parts(backend: Arc<dyn Backend>) -> Checked {
    for size in [1, 2, 511, 512, 513, 1000, 300_000] {
        let (key, content) = (key(&format!("b{size}")), content(size as u64, size));
        publish(&*backend, &key, &content).await?;
        holds(&*backend, &key, &content).await?;
        let middle = size / 2;
        for (start, end) in [
            (0, 1),
            (size - 1, size),
            (0, size - 1),
            (1.min(size), size),
            (middle, size),
            (middle / 2, middle),
            (0, 0),
            (middle, middle),
            (size, size),
        ] {
            let part = content.slice(start..end);
            part_is(&*backend, &key, start as u64, &part).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_part_past_the_end_is_corrupt(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 10, 512, 300_000, LARGE] {
        let key = key(&format!("b{size}"));
        publish(&*backend, &key, &content(1, size)).await?;
        let size = size as u64;
        for (start, end) in [(0, size + 1), (size, size + 1), (size + 5, size + 9)] {
            let read = read(&*backend, &key, ByteRange { start, end }).await;
            ensure_eq!(
                (size, start, read.map_err(|error| error.kind())),
                (size, start, Err(ErrorKind::Corrupt))
            );
        }
    }
    Ok(())
}

async fn read(
    backend: &dyn Backend,
    key: &crate::Key,
    range: ByteRange,
) -> Result<Option<Bytes>, Error> {
    match backend.open(key, range).await? {
        Some(stream) => stream.collect(u64::MAX).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn an_empty_blob_is_there(backend: Arc<dyn Backend>) -> Checked {
    publish(&*backend, &key("empty"), &Bytes::new()).await?;
    holds(&*backend, &key("empty"), &Bytes::new()).await?;
    let page = backend
        .page(&crate::Key::top("conformance"), "", 10)
        .await?;
    ensure_eq!(page.names, ["empty"]);
    backend.delete(&key("empty")).await?;
    is_absent(&*backend, &key("empty")).await
}

pub(super) async fn blobs_are_deleted(backend: Arc<dyn Backend>) -> Checked {
    for size in [5, 512, LARGE] {
        let (key, content) = (key(&format!("b{size}")), content(1, size));
        publish(&*backend, &key, &content).await?;
        backend.delete(&key).await?;
        is_absent(&*backend, &key).await?;
        backend.delete(&key).await?;
        // It can come again.
        let again = content.slice(1..);
        publish(&*backend, &key, &again).await?;
        holds(&*backend, &key, &again).await?;
    }
    Ok(())
}

pub(super) async fn versions_of_blobs_are_unique(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 5, 300_000, LARGE] {
        let (key, content) = (key(&format!("b{size}")), content(1, size));
        ensure_eq!(backend.version(&key).await?, None);
        let mut seen = Vec::new();
        for _ in 0..3 {
            publish(&*backend, &key, &content).await?;
            let version = backend.version(&key).await?;
            ensure_eq!(backend.version(&key).await?, version);
            ensure!(
                version.is_some() && !seen.contains(&version),
                "two writings of {size} bytes have one version"
            );
            seen.push(version);
            backend.delete(&key).await?;
            ensure_eq!(backend.version(&key).await?, None);
        }
    }
    Ok(())
}

pub(super) async fn delete_if_spares_other_blobs(backend: Arc<dyn Backend>) -> Checked {
    for size in [0, 5, 300_000, LARGE] {
        let (key, content) = (key(&format!("b{size}")), content(1, size));
        publish(&*backend, &key, &content).await?;
        let first = version(&*backend, &key).await?;
        ensure_eq!(backend.delete_if(&key, &first).await?, Swapped::Done);
        is_absent(&*backend, &key).await?;
        ensure_eq!(backend.delete_if(&key, &first).await?, Swapped::Lost);
        publish(&*backend, &key, &content).await?;
        ensure_eq!(backend.delete_if(&key, &first).await?, Swapped::Lost);
        holds(&*backend, &key, &content).await?;
        // Whoever reads may read on.
        let whole = ByteRange::whole(size as u64);
        let stream = backend.open(&key, whole).await?;
        let second = version(&*backend, &key).await?;
        ensure_eq!(backend.delete_if(&key, &second).await?, Swapped::Done);
        let stream = stream.ok_or_else(|| Failure(format!("`{key}` is absent")))?;
        super::content::stream_is(stream, &content).await?;
        is_absent(&*backend, &key).await?;
    }
    Ok(())
}

async fn version(backend: &dyn Backend, key: &crate::Key) -> Result<Version, Failure> {
    let version = backend.version(key).await?;
    version.ok_or_else(|| Failure(format!("`{key}` has no version")))
}

/// A blob is published again while what was there is deleted: what is
/// published after the deletion stays.
pub(super) async fn of_a_publish_and_a_delete_if_one_counts(backend: Arc<dyn Backend>) -> Checked {
    for round in 0..6 {
        let size = [0, 100, 17 * 1024 * 1024][round % 3];
        let (key, content) = (key(&format!("b{round}")), content(1, size));
        publish(&*backend, &key, &content).await?;
        let first = version(&*backend, &key).await?;
        let outcomes = race(2, |number| {
            let (backend, content) = (Arc::clone(&backend), content.clone());
            let (key, first) = (key.clone(), first.clone());
            async move {
                if number == 0 {
                    return backend.delete_if(&key, &first).await;
                }
                let mut upload = backend.begin(&place("again")).await?;
                upload.append(content).await?;
                upload.publish(&key).await?;
                Ok(Swapped::Lost)
            }
        })
        .await?;
        let is_deleted = outcomes.contains(&Swapped::Done);
        // Whole, or gone because the old one was kept and then deleted.
        match backend.head(&key).await? {
            Some(_) => holds(&*backend, &key, &content).await?,
            None => {
                ensure!(is_deleted, "nobody has deleted the blob, and it is gone");
                is_absent(&*backend, &key).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_large_blob_is_read_in_parts(backend: Arc<dyn Backend>) -> Checked {
    const MIB: usize = 1024 * 1024;
    let content = content(7, LARGE);
    publish(&*backend, &key("large"), &content).await?;
    holds(&*backend, &key("large"), &content).await?;
    for (start, length) in [
        (0, 1),
        (LARGE - 1, 1),
        (LARGE - 10, 10),
        (16 * MIB - 1, 2),
        (16 * MIB, 16 * MIB),
        (5 * MIB, 20 * MIB),
        (32 * MIB - 5, 5),
        (LARGE, 0),
    ] {
        let part = content.slice(start..start + length);
        part_is(&*backend, &key("large"), start as u64, &part).await?;
    }
    Ok(())
}

/// Whatever a backend writes by itself can also be a blob that somebody
/// pushes: what is stored is read from what is stored, and pushed again.
pub(super) async fn content_is_never_understood(backend: Arc<dyn Backend>) -> Checked {
    let secret = content(3, LARGE);
    publish(&*backend, &key("secret"), &secret).await?;
    publish(&*backend, &key("empty"), &Bytes::new()).await?;
    for name in ["secret", "empty"] {
        // Reading a blob as a record is not promised to work.
        let Ok(Some(stored)) = backend.read(&key(name)).await else {
            continue;
        };
        if stored.value.is_empty() {
            continue;
        }
        let forged = key(&format!("forged-{name}"));
        publish(&*backend, &forged, &stored.value).await?;
        holds(&*backend, &forged, &stored.value).await?;
        backend.delete(&forged).await?;
        let upload = backend.begin(&place("again")).await?;
        upload.publish(&forged).await?;
        holds(&*backend, &forged, &Bytes::new()).await?;
        // As a record it is either kept as it is or refused.
        let record = key(&format!("record-{name}"));
        if backend.create(&record, stored.value.clone()).await.is_ok() {
            ensure_eq!(
                backend.head(&record).await?,
                Some(stored.value.len() as u64)
            );
        }
    }
    holds(&*backend, &key("secret"), &secret)
        .await
        .map_err(|Failure(why)| Failure(format!("a forgery has changed it: {why}")))
}

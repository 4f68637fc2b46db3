//! Blobs: counted, resumed, and never silently short, long or wrong.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use client::{Blob, Error, ErrorKind, Event, Progress};
use futures_util::StreamExt as _;
use oci::{Descriptor, Digest, MediaType};

use crate::fake::{Fake, Reply, Seen, sequence};
use crate::memory::ranged;

fn content() -> Bytes {
    (0..100_000_u32).map(|n| (n % 251) as u8).collect()
}

fn descriptor(content: &[u8]) -> Descriptor {
    let size = content.len() as u64;
    Descriptor::new(MediaType::OCI_LAYER, Digest::sha256(content), size)
}

async fn all(blob: Blob) -> Result<Bytes, Error> {
    let mut pieces = blob.unverified();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece?);
    }
    assert!(pieces.next().await.is_none());
    Ok(all.freeze())
}

async fn fetched(fake: &Fake) -> Result<Bytes, Error> {
    all(fake.repository().blob(&descriptor(&content())).await?).await
}

fn ranges(fake: &Fake) -> Vec<String> {
    let seen = fake.seen();
    seen.iter()
        .map(|seen| seen.header("range").to_owned())
        .collect()
}

/// Serves the part that is asked for, but breaks off after `most` bytes.
fn short_of_breath(most: usize) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        let content = content();
        let start = seen
            .header("range")
            .trim_start_matches("bytes=")
            .trim_end_matches('-');
        let start: usize = start.parse().unwrap_or(0);
        let end = content.len().min(start + most);
        let reply = match start {
            0 => Reply::new(200),
            _ => Reply::new(206).with(
                "content-range",
                format!("bytes {start}-{}/{}", content.len() - 1, content.len()),
            ),
        };
        let reply = reply
            .with("content-length", content.len() - start)
            .body(content.slice(start..end));
        if end < content.len() {
            reply.breaking()
        } else {
            reply
        }
    }
}

#[derive(Default)]
struct Positions(Mutex<Vec<u64>>);

impl Progress for Positions {
    fn note(&self, event: &Event<'_>) {
        if let Event::Received { position, .. } = event {
            self.0.lock().unwrap().push(*position);
        }
    }
}

#[tokio::test]
async fn a_blob_is_fetched_whole() {
    let fake = Fake::start(|seen| ranged(seen, &content())).await;
    let positions = Arc::new(Positions::default());
    let repository = fake.repository().observed(positions.clone());
    let blob = repository.blob(&descriptor(&content())).await.unwrap();
    assert_eq!(blob.size(), 100_000);
    assert_eq!(all(blob).await.unwrap(), content());
    assert_eq!(fake.seen().len(), 1);
    let positions = positions.0.lock().unwrap();
    assert!(positions.is_sorted());
    assert_eq!(positions.last(), Some(&100_000));
}

#[tokio::test]
async fn a_small_blob_is_verified() {
    let fake = Fake::start(|_| Reply::new(200).content("wrong")).await;
    let repository = fake.repository();
    let right = descriptor(b"wrong");
    let blob = repository.blob(&right).await.unwrap();
    assert_eq!(blob.read(5).await.unwrap(), "wrong");
    let blob = repository.blob(&right).await.unwrap();
    let error = blob.read(4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let blob = repository.blob(&descriptor(b"right")).await.unwrap();
    let error = blob.read(5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .is::<oci::Mismatch>()
    );
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let fake = Fake::start(|_| Reply::new(200).content("")).await;
    let blob = fake.repository().blob(&descriptor(b"")).await.unwrap();
    assert_eq!(blob.read(0).await.unwrap(), "");
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let fake = Fake::start(short_of_breath(40_000)).await;
    assert_eq!(fetched(&fake).await.unwrap(), content());
    assert_eq!(ranges(&fake), ["", "bytes=40000-", "bytes=80000-"]);
}

#[tokio::test]
async fn a_registry_that_always_breaks_is_given_up() {
    let fake = Fake::start(short_of_breath(1)).await;
    let error = fetched(&fake).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(ranges(&fake), ["", "bytes=1-", "bytes=2-", "bytes=3-"]);
}

#[tokio::test]
async fn a_registry_without_ranges_starts_anew() {
    let broken = Reply::new(200)
        .with("content-length", content().len())
        .body(content().slice(..60_000))
        .breaking();
    let whole = Reply::new(200).content(content());
    let fake = Fake::start(sequence(vec![broken, Reply::new(502), whole])).await;
    assert_eq!(fetched(&fake).await.unwrap(), content());
    assert_eq!(ranges(&fake), ["", "bytes=60000-", "bytes=60000-"]);
}

#[tokio::test]
async fn wrong_ranges_are_noticed() {
    for (range, kind) in [
        ("bytes 70000-99999/100000", ErrorKind::Protocol),
        ("bytes 60000-99999/99999", ErrorKind::Mismatch),
        ("nonsense", ErrorKind::Protocol),
    ] {
        let broken = Reply::new(200)
            .with("content-length", content().len())
            .body(content().slice(..60_000))
            .breaking();
        let part = Reply::new(206)
            .with("content-range", range)
            .content(content().slice(70_000..));
        let fake = Fake::start(sequence(vec![broken, part])).await;
        let error = fetched(&fake).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{range}: {error}");
    }
}

#[tokio::test]
async fn another_size_than_promised() {
    // Said before the bytes come, and found out from the bytes.
    let long: Bytes = [content(), Bytes::from("x")].concat().into();
    for reply in [
        Reply::new(200).content(content().slice(1..)),
        Reply::new(200).content(long.clone()),
        Reply::new(200).body(long.clone()),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let error = fetched(&fake).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    }
    // An end that comes too early may be a proxy's fault.
    let short = Reply::new(200).body(content().slice(..500));
    let fake = Fake::start(sequence(vec![short, Reply::new(200).content(content())])).await;
    assert_eq!(fetched(&fake).await.unwrap(), content());
}

#[tokio::test]
async fn the_rest_of_a_blob() {
    let fake = Fake::start(|seen| ranged(seen, &content())).await;
    let repository = fake.repository();
    for (offset, asked) in [(99_000, 1), (100_000, 1), (200_000, 1), (0, 2)] {
        let rest = repository
            .blob_rest(&descriptor(&content()), offset)
            .await
            .unwrap();
        let start = content().len().min(offset as usize);
        assert_eq!(rest.size(), (content().len() - start) as u64);
        let pieces: Vec<_> = rest.map(|piece| piece.unwrap()).collect().await;
        assert_eq!(pieces.concat(), content().slice(start..));
        assert_eq!(fake.seen().len(), asked);
    }
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let storage = Fake::start(|seen| ranged(seen, &content())).await;
    let elsewhere = storage.url("/x?signature=secret");
    let fake = Fake::start(move |_| Reply::new(307).with("location", &elsewhere)).await;
    assert_eq!(fetched(&fake).await.unwrap(), content());

    let circle = Fake::start(|seen| Reply::new(302).with("location", &seen.path)).await;
    let error = fetched(&circle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("redirected more than 10 times"),
        "{error}"
    );
    assert_eq!(circle.seen().len(), 11);
}

#[tokio::test]
async fn signatures_of_storage_are_not_shown() {
    let storage = Fake::start(|_| Reply::new(403).body("<Error/>")).await;
    let elsewhere = storage.url("/x?signature=secret");
    let fake = Fake::start(move |_| Reply::new(307).with("location", &elsewhere)).await;
    let error = fetched(&fake).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");

    let gone = "http://127.0.0.1:1/x?signature=secret";
    let fake = Fake::start(move |_| Reply::new(307).with("location", gone)).await;
    let error = fetched(&fake).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let mut shown = format!("{error:?} {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        shown.push_str(&next.to_string());
        cause = next.source();
    }
    assert!(
        shown.contains("127.0.0.1:1") && !shown.contains("secret"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_size_of_a_blob() {
    let digest = Digest::sha256(&content());
    let fake = Fake::start(|seen| ranged(seen, &content())).await;
    assert_eq!(
        fake.repository().blob_size(&digest).await.unwrap(),
        Some(100_000)
    );
    assert_eq!(fake.asked(), [format!("HEAD /v2/a/b/blobs/{digest}")]);

    // Where HEAD is refused or says nothing, the first byte is asked for.
    for status in [403, 405, 200] {
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "HEAD" => Reply::new(status),
            _ => ranged(seen, &content()),
        })
        .await;
        assert_eq!(
            fake.repository().blob_size(&digest).await.unwrap(),
            Some(100_000)
        );
        assert_eq!(ranges(&fake), ["", "bytes=0-0"]);
    }

    let fake = Fake::start(|_| Reply::new(404)).await;
    assert_eq!(fake.repository().blob_size(&digest).await.unwrap(), None);
    let error = fetched(&fake).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let fake = Fake::start(|_| Reply::new(403)).await;
    let error = fake.repository().blob_size(&digest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_blob_is_deleted() {
    let fake = Fake::start(sequence(vec![Reply::new(202), Reply::new(404)])).await;
    let digest = Digest::sha256(b"x");
    fake.repository().delete_blob(&digest).await.unwrap();
    let error = fake.repository().delete_blob(&digest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(fake.asked()[0], format!("DELETE /v2/a/b/blobs/{digest}"));
}

/// Verbs have to run as tasks of their own.
#[test]
fn verbs_are_send() {
    fn is_send<T: Send>(_: T) {}
    fn check(repository: &client::Repository, registry: &client::Registry) {
        let digest = Digest::sha256(b"");
        let reference = oci::Reference::Digest(digest);
        let descriptor = descriptor(b"");
        is_send(repository.blob(&descriptor));
        is_send(repository.manifest(&reference));
        is_send(repository.head_manifest(&reference));
        is_send(repository.push_blob(&digest, 0, &Bytes::new()));
        is_send(repository.mount_blob(&digest, repository.name()));
        is_send(repository.referrers(&digest));
        is_send(repository.tags());
        is_send(registry.ping());
    }
    let _ = check;
}

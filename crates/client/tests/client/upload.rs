//! Pushing blobs: to a registry that keeps to the specification, and to ones
//! that break one thing of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use client::{BoxError, ErrorKind, Event, Mounted, Once, Progress, Source, SourceStream};
use futures_util::stream;
use oci::Digest;

use crate::fake::{EVE, Fake, Known, Reply, Seen, eve, name, options};
use crate::memory::Memory;

const UPLOADS: &str = "/v2/a/b/blobs/uploads/";
const UPLOAD: &str = "/v2/a/b/blobs/uploads/u0";

fn content() -> Bytes {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()
}

/// Remembers from where it was read, in pieces of 64 KiB.
struct Traced {
    content: Bytes,
    opened: Mutex<Vec<u64>>,
}

impl Traced {
    fn new() -> Self {
        Self {
            content: content(),
            opened: Mutex::default(),
        }
    }

    fn opened(&self) -> Vec<u64> {
        self.opened.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Source for Traced {
    async fn open(&self, offset: u64) -> Result<SourceStream, BoxError> {
        self.opened.lock().unwrap().push(offset);
        let rest = self.content.slice(usize::try_from(offset)?..);
        let pieces: Vec<_> = (0..rest.len())
            .step_by(65_536)
            .map(|start| Ok(rest.slice(start..rest.len().min(start + 65_536))))
            .collect();
        Ok(Box::pin(stream::iter(pieces)))
    }
}

async fn push(fake: &Fake, source: &dyn Source) -> Result<(), client::Error> {
    let digest = Digest::sha256(&content());
    let repository = fake.repository();
    repository
        .push_blob(&digest, content().len() as u64, source)
        .await
}

/// A registry in memory, one of whose answers is replaced.
async fn with(
    memory: &Memory,
    replaced: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
) -> Fake {
    let memory = memory.clone();
    Fake::start(move |seen| replaced(seen).unwrap_or_else(|| memory.answer(seen))).await
}

fn held(memory: &Memory) -> bool {
    memory.blob(&Digest::sha256(&content())) == Some(content())
}

#[tokio::test]
async fn post_and_one_put() {
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    let source = Traced::new();
    push(&fake, &source).await.unwrap();
    assert!(held(&memory));
    assert_eq!(
        fake.asked(),
        [format!("POST {UPLOADS}"), format!("PUT {UPLOAD}")]
    );
    let put = &fake.seen()[1];
    assert_eq!(put.header("content-length"), "3000000");
    assert_eq!(put.header("content-type"), "application/octet-stream");
    assert_eq!(put.header("transfer-encoding"), "");
    assert!(
        put.query.starts_with("_state=s%3D1&digest=sha256%3A"),
        "{}",
        put.query
    );
    assert_eq!(source.opened(), [0]);
}

#[tokio::test]
async fn an_empty_blob_is_closed_at_once() {
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    let digest = Digest::sha256(b"");
    fake.repository()
        .push_blob(&digest, 0, &Bytes::new())
        .await
        .unwrap();
    assert_eq!(memory.blob(&digest), Some(Bytes::new()));
    assert_eq!(fake.seen()[1].header("content-length"), "0");
}

#[tokio::test]
async fn a_whole_that_is_refused_goes_up_in_pieces() {
    for refusal in [
        Reply::new(405),
        Reply::new(411),
        Reply::new(501),
        Reply::new(400),
        Reply::error(400, "UNSUPPORTED", "patch please"),
    ] {
        let memory = Memory::default();
        let fake = with(&memory, move |seen| {
            (seen.method == "PUT" && !seen.body.is_empty()).then(|| refusal.clone())
        })
        .await;
        push(&fake, &Traced::new()).await.unwrap();
        assert!(held(&memory));
        assert_eq!(memory.open_uploads(), 0, "the first upload was cancelled");
        let patches: Vec<_> = fake
            .seen()
            .into_iter()
            .filter(|s| s.method == "PATCH")
            .collect();
        assert_eq!(patches.len(), 1);
        assert_eq!(patches[0].header("content-range"), "0-2999999");
    }
}

#[tokio::test]
async fn pieces_become_as_small_as_a_proxy_wants() {
    let memory = Memory::default();
    let fake = with(&memory, |seen| {
        (seen.body.len() > 1_200_000).then(|| Reply::new(413))
    })
    .await;
    push(&fake, &Traced::new()).await.unwrap();
    assert!(held(&memory));
    let ranges: Vec<_> = fake
        .seen()
        .iter()
        .filter(|seen| seen.method == "PATCH")
        .map(|seen| seen.header("content-range").to_owned())
        .collect();
    assert_eq!(ranges, ["0-1048575", "1048576-2097151", "2097152-2999999"]);
}

#[tokio::test]
async fn a_proxy_that_takes_nothing_is_given_up() {
    let memory = Memory::default();
    let fake = with(&memory, |seen| {
        (!seen.body.is_empty()).then(|| Reply::new(413))
    })
    .await;
    let error = push(&fake, &Traced::new()).await.unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 413);
}

#[tokio::test]
async fn a_broken_put_is_resumed_from_where_it_came_to() {
    let memory = Memory::default();
    let (held_memory, cuts) = (memory.clone(), AtomicUsize::new(0));
    let fake = Fake::cutting(
        move |method, _| {
            (method == "PUT" && cuts.fetch_add(1, Ordering::SeqCst) == 0).then_some(1_000_000)
        },
        move |seen| held_memory.answer(seen),
    )
    .await;
    let source = Traced::new();
    push(&fake, &source).await.unwrap();
    assert!(held(&memory));
    assert_eq!(source.opened(), [0, 1_000_000]);
    let digest = Digest::sha256(&content());
    assert_eq!(
        fake.asked(),
        [
            format!("POST {UPLOADS}"),
            format!("PUT {UPLOAD}"),
            format!("HEAD /v2/a/b/blobs/{digest}"),
            format!("GET {UPLOAD}"),
            format!("PATCH {UPLOAD}"),
            format!("PUT {UPLOAD}"),
        ]
    );
}

#[tokio::test]
async fn an_upload_that_was_forgotten_starts_anew() {
    let memory = Memory::default();
    let (held_memory, cuts) = (memory.clone(), AtomicUsize::new(0));
    let fake = Fake::cutting(
        move |method, _| {
            (method == "PUT" && cuts.fetch_add(1, Ordering::SeqCst) == 0).then_some(1_000_000)
        },
        move |seen| match seen.method.as_str() {
            "GET" => Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "forgotten"),
            _ => held_memory.answer(seen),
        },
    )
    .await;
    let source = Traced::new();
    push(&fake, &source).await.unwrap();
    assert!(held(&memory));
    assert_eq!(source.opened(), [0, 0]);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_out() {
    let memory = Memory::default();
    let (held_memory, cuts) = (memory.clone(), AtomicUsize::new(0));
    let fake = Fake::cutting(
        move |method, _| {
            (method == "PUT" && cuts.fetch_add(1, Ordering::SeqCst) == 0).then_some(3_000_000)
        },
        move |seen| held_memory.answer(seen),
    )
    .await;
    let source = Traced::new();
    push(&fake, &source).await.unwrap();
    assert!(held(&memory));
    assert_eq!(source.opened(), [0]);
}

#[tokio::test]
async fn a_registry_that_always_breaks_is_given_up() {
    let memory = Memory::default();
    let fake = Fake::cutting(
        |method, _| (method == "PUT" || method == "PATCH").then_some(0),
        move |seen| memory.answer(seen),
    )
    .await;
    let error = push(&fake, &Traced::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(fake.count("PUT", UPLOAD), 4);
}

#[tokio::test]
async fn a_busy_registry_is_waited_for() {
    let memory = Memory::default();
    let tries = AtomicUsize::new(0);
    let fake = with(&memory, move |seen| {
        let busy = seen.method == "PUT" && tries.fetch_add(1, Ordering::SeqCst) < 2;
        busy.then(|| Reply::new(503).with("retry-after", "0"))
    })
    .await;
    push(&fake, &Traced::new()).await.unwrap();
    assert!(held(&memory));
}

#[tokio::test]
async fn what_can_be_read_once_is_sent_once() {
    let pieces = || stream::iter([Ok(content())]);
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    push(&fake, &Once::new(pieces())).await.unwrap();
    assert!(held(&memory));

    for refusal in [503, 405] {
        let memory = Memory::default();
        let fake = with(&memory, move |seen| {
            (seen.method == "PUT").then(|| Reply::new(refusal))
        })
        .await;
        let error = push(&fake, &Once::new(pieces())).await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), refusal);
        assert_eq!(fake.seen().iter().filter(|s| s.method == "PUT").count(), 1);
    }
}

#[tokio::test]
async fn a_source_that_fails_is_not_the_registry_s_fault() {
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    let broken = Once::new(stream::iter([
        Ok(content().slice(..1000)),
        Err(BoxError::from("the disk is gone")),
    ]));
    let error = push(&fake, &broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the disk is gone");

    let error = push(&fake, &content().slice(1..)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it ended 1 bytes early");
    assert_eq!(memory.blob(&Digest::sha256(&content())), None);
}

#[tokio::test]
async fn other_content_is_refused_by_the_registry() {
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    let error = fake
        .repository()
        .push_blob(&Digest::sha256(b"other"), 5, &Bytes::from("wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.has_code("DIGEST_INVALID"));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_registry_that_took_other_content_is_noticed() {
    let other = Digest::sha256(b"other");
    let fake = with(&Memory::default(), move |seen| {
        (seen.method == "PUT").then(|| Reply::new(201).with("docker-content-digest", other))
    })
    .await;
    let error = push(&fake, &content()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn locations_that_lead_astray() {
    for location in ["", "ftp://127.0.0.1/x", "http://"] {
        let fake = Fake::start(move |_| match location {
            "" => Reply::new(202),
            other => Reply::new(202).with("location", other),
        })
        .await;
        let error = push(&fake, &content()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{location}");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn an_upload_elsewhere_goes_without_credentials() {
    let storage = Fake::start(|_| Reply::new(201)).await;
    let elsewhere = storage.url("/put-here?token=t");
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        EVE => Reply::new(202).with("location", &elsewhere),
        _ => Reply::new(401).with("www-authenticate", "Basic realm=x"),
    })
    .await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    let digest = Digest::sha256(b"x");
    repository
        .push_blob(&digest, 1, &Bytes::from("x"))
        .await
        .unwrap();
    let seen = storage.seen();
    assert!(seen[0].is("PUT", "/put-here"));
    assert_eq!(seen[0].header("authorization"), "");
    assert_eq!(seen[0].parameter("token"), "t");
    assert_eq!(seen[0].parameter("digest"), digest.to_string());
}

#[tokio::test]
async fn relative_and_absolute_locations() {
    for style in ["relative", "absolute"] {
        let fake = Fake::start(move |seen| match (seen.method.as_str(), style) {
            ("POST", "relative") => Reply::new(202).with("location", "x1?_s=1"),
            ("POST", _) => {
                let host = seen.header("host");
                Reply::new(202).with("location", format!("http://{host}{UPLOADS}x1?_s=1"))
            }
            _ => Reply::new(201),
        })
        .await;
        push(&fake, &content()).await.unwrap();
        assert_eq!(fake.asked()[1], format!("PUT {UPLOADS}x1"), "{style}");
    }
}

#[tokio::test]
async fn a_token_that_ends_during_an_upload_is_replaced() {
    let memory = Memory::default();
    let fake = with(&memory, |seen| {
        if seen.path == "/token" {
            return Some(Reply::new(200).body(r#"{"token":"new"}"#));
        }
        let realm = format!("http://{}/token", seen.header("host"));
        (seen.method == "PUT" && seen.header("authorization") != "Bearer new")
            .then(|| Reply::new(401).with("www-authenticate", format!("Bearer realm=\"{realm}\"")))
    })
    .await;
    push(&fake, &Traced::new()).await.unwrap();
    assert!(held(&memory));
    assert_eq!(
        fake.count("GET", "/token"),
        2,
        "one to push, one to look for the blob"
    );
}

#[derive(Default)]
struct Sent(Mutex<Vec<u64>>);

impl Progress for Sent {
    fn note(&self, event: &Event<'_>) {
        if let Event::Sent { position, size, .. } = event {
            assert_eq!(*size, 3_000_000);
            self.0.lock().unwrap().push(*position);
        }
    }
}

#[tokio::test]
async fn progress_is_told() {
    let memory = Memory::default();
    let fake = with(&memory, |_| None).await;
    let sent = Arc::new(Sent::default());
    let repository = fake.repository_with(options()).observed(sent.clone());
    let digest = Digest::sha256(&content());
    repository
        .push_blob(&digest, 3_000_000, &Traced::new())
        .await
        .unwrap();
    let sent = sent.0.lock().unwrap();
    assert!(sent.is_sorted() && sent.len() == 46);
    assert_eq!(sent.last(), Some(&3_000_000));
}

#[tokio::test]
async fn mounting() {
    let digest = Digest::sha256(b"x");
    for (reply, expected, requests) in [
        (Reply::new(201), Mounted::Done, 1),
        (
            Reply::new(202).with("location", format!("{UPLOAD}?s=1")),
            Mounted::Refused,
            2,
        ),
        (Reply::new(202), Mounted::Refused, 1),
        (
            Reply::error(403, "DENIED", "not yours"),
            Mounted::Refused,
            1,
        ),
        (Reply::new(404), Mounted::Refused, 1),
        (Reply::new(405), Mounted::Refused, 1),
    ] {
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "POST" => reply.clone(),
            _ => Reply::new(204),
        })
        .await;
        let mounted = fake.repository().mount_blob(&digest, &name("base/x")).await;
        assert_eq!(mounted.unwrap(), expected);
        let seen = fake.seen();
        assert_eq!(seen.len(), requests);
        assert_eq!(seen[0].parameter("mount"), digest.to_string());
        assert_eq!(seen[0].parameter("from"), "base/x");
        if requests == 2 {
            assert!(seen[1].is("DELETE", UPLOAD), "{seen:?}");
            assert_eq!(seen[1].query, "s=1");
        }
    }
}

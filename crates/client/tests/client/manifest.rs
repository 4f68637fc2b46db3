//! Manifests: verified, of bounded size, with the answers that registries
//! give when they are old, tired or dishonest.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::{ErrorKind, Event, Progress};
use oci::{Digest, Index, Manifest, MediaType, Reference};

use crate::fake::{Fake, Reply, sequence};

const PATH: &str = "/v2/a/b/manifests/latest";

fn index() -> Bytes {
    Index::new(Vec::new()).to_bytes()
}

fn latest() -> Reference {
    "latest".parse().unwrap()
}

fn served() -> Reply {
    Reply::new(200)
        .with("content-type", MediaType::OCI_INDEX)
        .with("docker-content-digest", Digest::sha256(&index()))
        .content(index())
}

#[tokio::test]
async fn a_manifest_is_fetched_by_tag_and_by_digest() {
    let fake = Fake::start(|_| served()).await;
    let repository = fake.repository();
    let fetched = repository.manifest(&latest()).await.unwrap();
    assert_eq!(fetched.manifest.bytes(), &index());
    assert_eq!(fetched.digest, Digest::sha256(&index()));
    let long = Digest::of(oci::Algorithm::Sha512, &index());
    let fetched = repository.manifest(&Reference::Digest(long)).await.unwrap();
    assert_eq!(fetched.digest, long);
    let accept = fake.seen()[0].header("accept").to_owned();
    for media_type in [
        MediaType::OCI_INDEX,
        MediaType::OCI_MANIFEST,
        MediaType::DOCKER_LIST,
        MediaType::DOCKER_MANIFEST,
    ] {
        assert!(accept.contains(media_type.as_str()), "{accept}");
    }
}

#[tokio::test]
async fn other_content_is_noticed() {
    let fake = Fake::start(|_| {
        Reply::new(200)
            .with("content-type", MediaType::OCI_INDEX)
            .with("docker-content-digest", Digest::sha256(b"other"))
            .content(index())
    })
    .await;
    let repository = fake.repository();
    let other = Reference::Digest(Digest::sha256(b"something else"));
    for reference in [latest(), other] {
        let error = repository.manifest(&reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .is::<oci::Mismatch>()
        );
    }
}

#[tokio::test]
async fn a_missing_or_vague_type_is_read_from_the_manifest() {
    for vague in ["", "text/plain; charset=utf-8", "application/json"] {
        let fake = Fake::start(move |_| {
            let reply = Reply::new(200).content(index());
            if vague.is_empty() {
                reply
            } else {
                reply.with("content-type", vague)
            }
        })
        .await;
        let fetched = fake.repository().manifest(&latest()).await.unwrap();
        assert_eq!(*fetched.manifest.media_type(), MediaType::OCI_INDEX);
    }
}

#[tokio::test]
async fn answers_that_are_no_manifests() {
    let image = MediaType::OCI_MANIFEST;
    for (reply, part) in [
        (
            Reply::new(200)
                .with("content-type", "text/html")
                .content("<html>"),
            "no usable manifest",
        ),
        (Reply::new(200).content(""), "no usable manifest"),
        (
            Reply::new(200).with("content-type", image).content(index()),
            "no usable manifest",
        ),
        (Reply::new(204), "no usable manifest"),
        (Reply::new(302), "without a usable `Location`"),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let error = fake.repository().manifest(&latest()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_huge_manifest_is_cut_off() {
    let piece = Bytes::from(vec![b' '; 5 * 1024 * 1024]);
    for reply in [
        Reply::new(200).content(piece.clone()),
        Reply::new(200).body(piece),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let error = fake.repository().manifest(&latest()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(
            error.to_string().contains("more than the 4194304 bytes"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn head_tells_what_a_tag_points_at() {
    let fake = Fake::start(|_| served()).await;
    let found = fake
        .repository()
        .head_manifest(&latest())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.digest, Digest::sha256(&index()));
    assert_eq!(found.size, index().len() as u64);
    assert_eq!(found.media_type, MediaType::OCI_INDEX);
    assert_eq!(fake.asked(), [format!("HEAD {PATH}")]);
}

#[tokio::test]
async fn where_head_does_not_suffice_get_is_asked() {
    let bare = || {
        Reply::new(200)
            .with("content-type", MediaType::OCI_INDEX)
            .content(index())
    };
    for head in [bare(), Reply::new(405), Reply::new(200)] {
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "HEAD" => head.clone(),
            _ => bare(),
        })
        .await;
        let found = fake
            .repository()
            .head_manifest(&latest())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.digest, Digest::sha256(&index()));
        assert_eq!(
            fake.asked(),
            [format!("HEAD {PATH}"), format!("GET {PATH}")]
        );
    }
}

#[tokio::test]
async fn the_reason_for_refusing_head_is_found_out() {
    let fake = Fake::start(|_| Reply::error(403, "DENIED", "not yours")).await;
    let error = fake
        .repository()
        .head_manifest(&latest())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.has_code("DENIED"), "{error}");
}

#[tokio::test]
async fn absent_is_none_for_head_and_an_error_for_get() {
    let fake = Fake::start(|_| Reply::error(404, "MANIFEST_UNKNOWN", "no such manifest")).await;
    let repository = fake.repository();
    assert!(repository.head_manifest(&latest()).await.unwrap().is_none());
    let error = repository.manifest(&latest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.status().unwrap().as_u16(), 404);
    assert_eq!(
        error.to_string(),
        format!(
            "`GET {}` answered 404 Not Found: MANIFEST_UNKNOWN: no such manifest",
            fake.url(PATH)
        )
    );
    let error = repository.delete_manifest(&latest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn statuses_and_their_kinds() {
    for (status, kind, attempts) in [
        (400, ErrorKind::Rejected, 1),
        (403, ErrorKind::Denied, 1),
        (409, ErrorKind::Rejected, 1),
        (408, ErrorKind::Unavailable, 4),
        (429, ErrorKind::Unavailable, 4),
        (500, ErrorKind::Unavailable, 4),
        (501, ErrorKind::Unavailable, 1),
        (502, ErrorKind::Unavailable, 4),
        (507, ErrorKind::Unavailable, 1),
    ] {
        let fake = Fake::start(move |_| Reply::new(status)).await;
        let error = fake.repository().manifest(&latest()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(fake.seen().len(), attempts, "{error}");
    }
}

#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

impl Progress for Waits {
    fn note(&self, event: &Event<'_>) {
        if let Event::Retrying { delay, .. } = event {
            self.0.lock().unwrap().push(*delay);
        }
    }
}

#[tokio::test]
async fn the_registry_says_how_long_to_wait() {
    let waits = Arc::new(Waits::default());
    let busy = Reply::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "1");
    let fake = Fake::start(sequence(vec![busy, served()])).await;
    let repository = fake.repository().observed(waits.clone());
    repository.manifest(&latest()).await.unwrap();
    assert_eq!(*waits.0.lock().unwrap(), [Duration::from_secs(1)]);
}

#[tokio::test]
async fn an_hour_is_not_waited_for() {
    let busy = Reply::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "3600");
    let fake = Fake::start(move |_| busy.clone()).await;
    let error = fake.repository().manifest(&latest()).await.unwrap_err();
    assert_eq!(fake.seen().len(), 1);
    assert!(
        error.to_string().contains("asks to wait 3600 seconds"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let broken = Reply::new(200)
        .with("content-length", index().len())
        .body(index().slice(..10))
        .breaking();
    let fake = Fake::start(sequence(vec![broken, Reply::new(500), served()])).await;
    let fetched = fake.repository().manifest(&latest()).await.unwrap();
    assert_eq!(fetched.manifest.bytes(), &index());
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let host = {
        let fake = Fake::start(|_| served()).await;
        fake.host.clone()
    };
    let repository =
        crate::fake::client(crate::fake::options()).repository(&host, &crate::fake::name("a/b"));
    let error = repository.manifest(&latest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("attempt 4"), "{error}");
}

#[tokio::test]
async fn hostile_text_is_made_harmless() {
    let body = "{\"errors\":[{\"code\":\"X\",\"message\":\"a\\u001b[2Jb\\nc\"}]}";
    let fake = Fake::start(move |_| Reply::new(400).body(body)).await;
    let error = fake.repository().manifest(&latest()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("X: a\\u{1b}[2Jb\\nc"),
        "{error}"
    );
}

#[tokio::test]
async fn a_manifest_is_pushed_as_it_is() {
    let fake = Fake::start(|_| Reply::new(201)).await;
    let text = Bytes::from(
        r#"{ "schemaVersion":2,  "mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
    );
    let manifest = Manifest::detect(text.clone()).unwrap();
    let repository = fake.repository();
    let digest = repository.put_manifest(&latest(), &manifest).await.unwrap();
    assert_eq!(digest, Digest::sha256(&text));
    let seen = &fake.seen()[0];
    assert!(seen.is("PUT", PATH));
    assert_eq!(seen.body, text);
    assert_eq!(seen.header("content-type"), MediaType::OCI_INDEX.as_str());
    assert_eq!(seen.header("content-length"), text.len().to_string());

    let wrong = Reference::Digest(Digest::sha256(b"other"));
    let error = repository
        .put_manifest(&wrong, &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert_eq!(fake.seen().len(), 1, "nothing is sent");
}

#[tokio::test]
async fn a_registry_that_took_something_else_is_noticed() {
    let other = Digest::sha256(b"other");
    let fake = Fake::start(move |_| Reply::new(201).with("docker-content-digest", other)).await;
    let manifest = Manifest::detect(index()).unwrap();
    let error = fake
        .repository()
        .put_manifest(&latest(), &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn a_tag_is_deleted() {
    let fake = Fake::start(|_| Reply::new(202)).await;
    fake.repository().delete_manifest(&latest()).await.unwrap();
    assert_eq!(fake.asked(), [format!("DELETE {PATH}")]);
}

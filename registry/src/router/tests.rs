//! Clients that go away: each request that changes something is dropped at
//! every await in turn. What it began is done to its end, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST, LOCATION};
use axum::http::{Method, Request, Response};
use blob::testing::listing;
use blob::{Backend, Key, Local, Sharing, Sync};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use oci::{Digest, MediaType};
use serde_json::json;
use store::{Clock, Options, Policy, Store, TagPatterns};
use tempfile::TempDir;

use super::{Doors, answer};
use crate::app::App;
use crate::observe::Metrics;
use crate::settings::{
    Access, AccessLog, Anonymous, Collection, Exposure, Limits, Random, Redirects, Schedule,
    Settings,
};

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"a layer that comes in several pieces";

/// A registry in a directory, and no socket. On a disk each call is an await,
/// in memory hardly any.
struct Scene {
    app: App,
    backend: Arc<dyn Backend>,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let local = Local::open(
            folder.path(),
            &Settings::MARK,
            Sharing::Exclusive,
            Sync::Never,
        )
        .expect("opens");
        let backend: Arc<dyn Backend> = Arc::new(local);
        let count = AtomicU64::new(1);
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            backend: Arc::clone(&backend),
            access: Access::Anonymous(Anonymous::Push),
            hosts: crate::Hosts::Any,
            certificate: None,
            immutable: TagPatterns::default(),
            clock: Clock::new(|| 1_700_000_000_000),
            random: Random::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed))),
            collection: Collection {
                schedule: Schedule::Off,
                policy: Policy {
                    grace: Duration::from_hours(24),
                    untagged_after: None,
                    upload_expiry: Duration::from_hours(24),
                },
            },
            redirects: Redirects::Off,
            limits: Limits::default(),
            metrics: Exposure::Beside,
            access_log: AccessLog::Off,
        };
        let options = Options {
            backend: Arc::clone(&backend),
            clock: settings.clock.clone(),
            seed: settings.random.next(),
            immutable: settings.immutable.clone(),
            grace: settings.collection.policy.grace,
        };
        let store = Store::open(options).await.expect("an empty backend opens");
        Self {
            app: App::new(store, &settings, Metrics::default()),
            backend,
            _folder: folder,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        answered(self.app.clone(), request).await
    }

    /// Sends a request and goes away at an await. Says whether it was
    /// answered before.
    async fn cut(&self, request: Request<Body>, at: usize) -> bool {
        let answering = answered(self.app.clone(), request);
        let answered = CutAfter {
            inner: Box::pin(answering),
            polls: at,
        }
        .await
        .is_some();
        self.app.jobs().drain().await;
        answered
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for top in [
            "blobs",
            "catalog",
            "data",
            "links",
            "repositories",
            "uploads",
        ] {
            keys.extend(
                listing(self.backend.as_ref(), &Key::top(top))
                    .await
                    .expect("lists"),
            );
        }
        keys.sort();
        keys
    }

    /// Pushes an image, whole.
    async fn with_image(self) -> Self {
        for content in [CONFIG, LAYER] {
            let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256(content));
            assert_eq!(
                self.send(request(Method::POST, &path, content))
                    .await
                    .status(),
                201
            );
        }
        assert_eq!(self.send(put_manifest()).await.status(), 201);
        self
    }

    /// Starts an upload and gives its path.
    async fn started(&self) -> String {
        let response = self
            .send(request(Method::POST, "/v2/a/blobs/uploads/", b""))
            .await;
        response.headers()[LOCATION]
            .to_str()
            .expect("text")
            .to_owned()
    }
}

async fn answered(app: App, request: Request<Body>) -> Response<Body> {
    answer(app, Doors::Registry, ([127, 0, 0, 1], 1).into(), request).await
}

/// Polls a future so many times, and then gives it up.
struct CutAfter<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for CutAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}

/// Makes a request whose body comes in pieces of seven bytes, with a pause
/// before each.
fn request(method: Method, path: &str, content: &'static [u8]) -> Request<Body> {
    let pieces = futures_util::stream::unfold(content.chunks(7), |mut chunks| async move {
        tokio::task::yield_now().await;
        let chunk = chunks.next()?;
        Some((
            Ok::<_, std::convert::Infallible>(Bytes::from_static(chunk)),
            chunks,
        ))
    });
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost");
    builder.body(Body::from_stream(pieces)).expect("a request")
}

fn manifest() -> Bytes {
    let blob = |media_type: &MediaType, content: &[u8]| json!({"mediaType": media_type, "digest": Digest::sha256(content), "size": content.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": blob(&MediaType::OCI_CONFIG, CONFIG),
        "layers": [blob(&MediaType::OCI_LAYER, LAYER)],
    });
    manifest.to_string().into()
}

fn put_manifest() -> Request<Body> {
    Request::builder()
        .method(Method::PUT)
        .uri("/v2/a/manifests/v1")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, MediaType::OCI_MANIFEST.as_str())
        .body(Body::from(manifest()))
        .expect("a request")
}

/// Drops a request at every await, each time in a new scene, and checks that
/// the keys are those of before or those of after.
async fn cut_everywhere<S, R>(prepare: impl Fn() -> S, make: impl Fn(&str) -> R)
where
    S: Future<Output = (Scene, String)>,
    R: Into<Request<Body>>,
{
    let (scene, path) = prepare().await;
    let before = scene.keys().await;
    let status = scene.send(make(&path).into()).await.status();
    assert!(status.is_success(), "the whole request: {status}");
    scene.app.jobs().drain().await;
    let after = scene.keys().await;
    assert_ne!(before, after);

    let (mut undone, mut done) = (0, 0);
    for at in 0.. {
        let (scene, path) = prepare().await;
        let answered = scene.cut(make(&path).into(), at).await;
        let keys = scene.keys().await;
        if keys == after {
            done += 1;
        } else {
            assert_eq!(keys, before, "cut at {at}: half done");
            assert!(!answered, "cut at {at}: answered, and not done");
            undone += 1;
        }
        if answered {
            break;
        }
        assert!(at < 10_000, "no end");
    }
    assert!(
        undone > 0 && done > 1,
        "{undone} undone, {done} done: the cuts prove nothing"
    );
}

async fn empty() -> (Scene, String) {
    (Scene::new().await, String::new())
}

async fn full() -> (Scene, String) {
    (Scene::new().await.with_image().await, String::new())
}

async fn upload() -> (Scene, String) {
    let scene = Scene::new().await;
    let path = scene.started().await;
    (scene, path)
}

#[tokio::test]
async fn a_blob_in_one_request() {
    let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256(LAYER));
    cut_everywhere(empty, |_| request(Method::POST, &path, LAYER)).await;
}

#[tokio::test]
async fn the_start_of_an_upload() {
    cut_everywhere(empty, |_| {
        request(Method::POST, "/v2/a/blobs/uploads/", b"")
    })
    .await;
}

#[tokio::test]
async fn the_last_part_of_an_upload() {
    let digest = Digest::sha256(LAYER);
    cut_everywhere(upload, |path| {
        request(Method::PUT, &format!("{path}?digest={digest}"), LAYER)
    })
    .await;
}

#[tokio::test]
async fn the_end_of_an_upload() {
    cut_everywhere(upload, |path| request(Method::DELETE, path, b"")).await;
}

#[tokio::test]
async fn a_mount() {
    let path = format!(
        "/v2/b/blobs/uploads/?from=a&mount={}",
        Digest::sha256(LAYER)
    );
    cut_everywhere(full, |_| request(Method::POST, &path, b"")).await;
}

#[tokio::test]
async fn a_manifest() {
    let prepare = async || {
        let scene = Scene::new().await.with_image().await;
        let path = format!("/v2/a/manifests/{}", Digest::sha256(&manifest()));
        assert_eq!(
            scene
                .send(request(Method::DELETE, &path, b""))
                .await
                .status(),
            202
        );
        (scene, path)
    };
    cut_everywhere(prepare, |_| put_manifest()).await;
}

#[tokio::test]
async fn the_delete_of_a_manifest() {
    let path = format!("/v2/a/manifests/{}", Digest::sha256(&manifest()));
    cut_everywhere(full, |_| request(Method::DELETE, &path, b"")).await;
}

#[tokio::test]
async fn the_delete_of_a_tag() {
    cut_everywhere(full, |_| request(Method::DELETE, "/v2/a/manifests/v1", b"")).await;
}

#[tokio::test]
async fn the_delete_of_a_blob() {
    let path = format!("/v2/a/blobs/{}", Digest::sha256(LAYER));
    cut_everywhere(full, |_| request(Method::DELETE, &path, b"")).await;
}

#[tokio::test]
async fn a_part_whose_connection_breaks_is_kept_as_far_as_it_came() {
    let (scene, path) = upload().await;
    let pieces = [Ok(Bytes::from_static(b"first ")), Err("cut off")];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let broken = Request::patch(&path)
        .header(HOST, "localhost")
        .body(body)
        .expect("a request");
    let response = scene.send(broken).await;
    assert_eq!(response.status(), 400);
    let told = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert!(String::from_utf8_lossy(&told).contains("BLOB_UPLOAD_INVALID"));

    let response = scene.send(request(Method::GET, &path, b"")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["range"]),
        (204, &"0-5".parse().expect("text"))
    );
    let digest = Digest::sha256(b"first second");
    let rest = request(Method::PUT, &format!("{path}?digest={digest}"), b"second");
    assert_eq!(scene.send(rest).await.status(), 201);
}

//! Connections that break after each byte of a request. What was asked is
//! done to its end or not begun, and an upload goes on from where it is.

use blob::testing::Failing;
use oci::Digest;
use registry::{Access, Anonymous};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::{CONFIG, LAYER, Scene, image, keys, put};
use crate::wire::{Ask, ask};

/// How a client goes away.
#[derive(Debug, Clone, Copy)]
enum Goes {
    /// It says that it sends no more, and hears what is answered.
    Listening,
    /// It is gone at once.
    AtOnce,
}

/// What is there before the request.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Upload,
    Blobs,
    Image,
}

/// Makes a scene; the first upload in it has this path each time.
async fn prepare(before: Before) -> (Scene, String) {
    let scene = Scene::new().await;
    let mut path = String::new();
    match before {
        Before::Nothing => {}
        Before::Upload => path = scene.start("a").await,
        Before::Blobs => {
            scene.push_blob("a", CONFIG).await;
            scene.push_blob("a", LAYER).await;
        }
        Before::Image => scene.push_image("a", "v1").await,
    }
    (scene, path)
}

/// Sends so many bytes, goes away, and stops the server. What is stored then
/// is stored for good.
async fn cut(scene: Scene, bytes: &[u8], goes: Goes) -> (Failing, Vec<String>) {
    let mut stream = TcpStream::connect(scene.address).await.expect("connects");
    stream.write_all(bytes).await.expect("sent");
    if matches!(goes, Goes::Listening) {
        stream.shutdown().await.expect("half closed");
        // An answer may come, or none.
        let _ended = stream.read_to_end(&mut Vec::new()).await;
    }
    drop(stream);
    // Connections are taken in order: now this one was.
    scene.get("/healthz").await;
    let backend = scene.backend.clone();
    scene
        .stop()
        .join_next()
        .await
        .expect("one")
        .expect("ends well");
    let keys = keys(&backend).await;
    (backend, keys)
}

/// Cuts a request after each byte. Gives every state but those of before and
/// after, with how much of the body had been sent.
async fn everywhere(
    before: Before,
    request: impl Fn(&str) -> Ask,
) -> Vec<(usize, Failing, Vec<String>, String)> {
    let (scene, path) = prepare(before).await;
    let untouched = scene.keys().await;
    let whole = request(&path).bytes();
    let (_, done) = cut(scene, &whole, Goes::Listening).await;
    assert_ne!(untouched, done, "the whole request does something");
    let head = whole
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let mut between = Vec::new();
    let (mut never, mut wholly) = (0, 0);
    for goes in [Goes::Listening, Goes::AtOnce] {
        for sent in 0..=whole.len() {
            let (scene, path) = prepare(before).await;
            let (backend, keys) = cut(scene, &request(&path).bytes()[..sent], goes).await;
            if keys == untouched {
                never += 1;
            } else if keys == done && sent == whole.len() {
                wholly += 1;
            } else {
                assert!(sent > head, "{goes:?} {sent}: half done: {keys:?}");
                between.push((sent - head, backend, keys, path));
            }
        }
    }
    assert!(
        never >= head && wholly >= 1,
        "{never} never, {wholly} wholly"
    );
    between
}

/// Checks that an upload that broke off says how far it came, and goes on.
async fn goes_on(between: Vec<(usize, Failing, Vec<String>, String)>) {
    assert!(!between.is_empty(), "no upload broke off");
    for (sent, backend, keys, path) in between {
        let id = path.rsplit('/').next().expect("an id");
        let own = |key: &String| {
            key.starts_with(&format!("uploads/{id}")) || key.starts_with(&format!("data/{id}"))
        };
        assert!(keys.iter().all(own), "{keys:?}");
        let scene = Scene::over(backend, Access::Anonymous(Anonymous::Push)).await;
        let answer = scene.get(&path).await;
        let range = answer.header("range").strip_prefix("0-").expect("a range");
        let came = range.parse::<usize>().expect("a number") + 1;
        assert!(came <= sent, "{came} of {sent}");
        let digest = Digest::sha256(LAYER);
        let mut rest = ask(&format!("PUT {path}?digest={digest}"));
        if came < LAYER.len() {
            let range = format!("{came}-{}", LAYER.len() - 1);
            rest = rest.header("content-range", &range).body(&LAYER[came..]);
        }
        assert_eq!(scene.send(&rest).await.status, 201);
        assert_eq!(
            scene.get(&format!("/v2/a/blobs/{digest}")).await.body,
            LAYER
        );
    }
}

fn nothing(between: &[(usize, Failing, Vec<String>, String)]) {
    let states: Vec<_> = between
        .iter()
        .map(|(sent, _, keys, _)| (sent, keys))
        .collect();
    assert!(states.is_empty(), "half done: {states:?}");
}

#[tokio::test]
async fn the_start_of_an_upload() {
    nothing(&everywhere(Before::Nothing, |_| ask("POST /v2/a/blobs/uploads/")).await);
}

#[tokio::test]
async fn a_blob_in_one_request() {
    let line = format!("POST /v2/a/blobs/uploads/?digest={}", Digest::sha256(LAYER));
    nothing(&everywhere(Before::Nothing, |_| ask(&line).body(LAYER)).await);
}

#[tokio::test]
async fn a_part_of_an_upload() {
    goes_on(
        everywhere(Before::Upload, |path| {
            ask(&format!("PATCH {path}")).body(LAYER)
        })
        .await,
    )
    .await;
}

#[tokio::test]
async fn the_last_part_of_an_upload() {
    let digest = Digest::sha256(LAYER);
    let request = |path: &str| ask(&format!("PUT {path}?digest={digest}")).body(LAYER);
    goes_on(everywhere(Before::Upload, request).await).await;
}

#[tokio::test]
async fn the_end_of_an_upload() {
    nothing(&everywhere(Before::Upload, |path| ask(&format!("DELETE {path}"))).await);
}

#[tokio::test]
async fn a_mount() {
    let line = format!(
        "POST /v2/b/blobs/uploads/?mount={}&from=a",
        Digest::sha256(LAYER)
    );
    nothing(&everywhere(Before::Blobs, |_| ask(&line)).await);
}

#[tokio::test]
async fn a_manifest() {
    nothing(&everywhere(Before::Blobs, |_| put("a", "v1", &image())).await);
}

#[tokio::test]
async fn deletes() {
    let manifest = format!(
        "DELETE /v2/a/manifests/{}",
        Digest::sha256(image().as_bytes())
    );
    let blob = format!("DELETE /v2/a/blobs/{}", Digest::sha256(LAYER));
    for line in ["DELETE /v2/a/manifests/v1", &manifest, &blob] {
        nothing(&everywhere(Before::Image, |_| ask(line)).await);
    }
}

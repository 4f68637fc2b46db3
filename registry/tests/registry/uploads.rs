//! `/v2/<name>/blobs/uploads/`

use oci::{Algorithm, Digest};

use crate::scene::{LAYER, Scene, error};
use crate::wire::{Answer, ask};

fn made(name: &str, digest: &Digest) -> [(String, String); 3] {
    [
        ("content-length".into(), "0".into()),
        ("docker-content-digest".into(), digest.to_string()),
        ("location".into(), format!("/v2/{name}/blobs/{digest}")),
    ]
}

#[track_caller]
fn is_made(answer: &Answer, name: &str, digest: &Digest) {
    let headers = made(name, digest);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    answer.is(201, &headers, "");
}

#[track_caller]
fn is_open(answer: &Answer, status: u16, path: &str, range: &str) {
    let id = path.rsplit('/').next().expect("an id");
    let mut headers = vec![
        ("docker-upload-uuid", id),
        ("location", path),
        ("range", range),
    ];
    if status != 204 {
        headers.push(("content-length", "0"));
    }
    answer.is(status, &headers, "");
}

fn pushed(name: &str) -> Vec<String> {
    let hex = Digest::sha256(LAYER).hex();
    vec![
        format!("blobs/sha256/{hex}"),
        format!("links/sha256/{hex}/{name}"),
        format!("repositories/{name}/blobs/sha256/{hex}/link"),
    ]
}

#[tokio::test]
async fn a_blob_in_one_request() {
    let scene = Scene::new().await;
    is_made(
        &scene.push_blob("a/b", LAYER).await,
        "a/b",
        &Digest::sha256(LAYER),
    );
    assert_eq!(scene.keys().await, pushed("a.~b"));
}

#[tokio::test]
async fn a_blob_in_one_request_of_another_digest() {
    let scene = Scene::new().await;
    let other = Digest::sha256(b"other");
    let line = format!("POST /v2/a/blobs/uploads/?digest={other}");
    let answer = scene.send(&ask(&line).body(LAYER)).await;
    let message = format!("content does not have the digest `{other}`");
    let detail = format!(r#"{{"digest":"{other}"}}"#);
    answer.is_error(400, &[], &error("DIGEST_INVALID", &message, &detail));
    // Where to look for whoever has the blob is written before it is here.
    assert_eq!(
        scene.keys().await,
        [format!("links/sha256/{}/a", other.hex())]
    );
}

#[tokio::test]
async fn a_blob_in_a_stream_and_in_counted_parts() {
    let scene = Scene::new().await;
    let digest = Digest::sha256(LAYER);
    let start = scene.send(&ask("POST /v2/a/blobs/uploads/")).await;
    let path = start.header("location").to_owned();
    let id = path
        .strip_prefix("/v2/a/blobs/uploads/")
        .expect("below its repository");
    assert_eq!(id.len(), 32);
    is_open(&start, 202, &path, "0-0");
    assert_eq!(scene.keys().await, [format!("uploads/{id}")]);
    is_open(&scene.get(&path).await, 204, &path, "0-0");

    let answer = scene
        .send(&ask(&format!("PATCH {path}")).body(&LAYER[..4]))
        .await;
    is_open(&answer, 202, &path, "0-3");
    let part = ask(&format!("PATCH {path}"))
        .header("content-range", "4-9")
        .body(&LAYER[4..10]);
    is_open(&scene.send(&part).await, 202, &path, "0-9");
    is_open(&scene.get(&path).await, 204, &path, "0-9");

    // A part that was sent before, and one that comes too early.
    let misplaced = |start: u64| {
        error(
            "RANGE_INVALID",
            &format!("upload has 10 bytes; the next must start at 10, not {start}"),
            &format!(r#"{{"length":10,"start":{start}}}"#),
        )
    };
    let open = [("location", path.as_str()), ("range", "0-9")];
    scene.send(&part).await.is_error(416, &open, &misplaced(4));
    let early = format!("PUT {path}?digest={digest}");
    let early = ask(&early)
        .header("content-range", "15-19")
        .body(&LAYER[15..]);
    scene
        .send(&early)
        .await
        .is_error(416, &open, &misplaced(15));
    is_open(&scene.get(&path).await, 204, &path, "0-9");

    let last = ask(&format!("PUT {path}?digest={digest}")).body(&LAYER[10..]);
    is_made(&scene.send(&last).await, "a", &digest);
    assert_eq!(scene.keys().await, pushed("a"));
    let gone = "upload does not exist; it was finished, cancelled or never started";
    scene
        .get(&path)
        .await
        .is_error(404, &[], &error("BLOB_UPLOAD_UNKNOWN", gone, ""));
}

#[tokio::test]
async fn an_upload_is_cancelled() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    scene.send(&ask(&format!("PATCH {path}")).body(LAYER)).await;
    let elsewhere = path.replace("/a/", "/b/");
    let cancel = |path: &str| ask(&format!("DELETE {path}"));
    assert_eq!(scene.send(&cancel(&elsewhere)).await.status, 404);
    scene.send(&cancel(&path)).await.is(204, &[], "");
    assert_eq!(scene.keys().await, Vec::<String>::new());
    assert_eq!(scene.send(&cancel(&path)).await.status, 404);
}

#[tokio::test]
async fn a_wrong_digest_leaves_the_upload_as_it_was() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    scene
        .send(&ask(&format!("PATCH {path}")).body(&LAYER[..7]))
        .await;
    let before = scene.keys().await;
    let wrong = Digest::sha256(b"other");
    let answer = scene
        .send(&ask(&format!("PUT {path}?digest={wrong}")).body(&LAYER[7..]))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
    is_open(&scene.get(&path).await, 204, &path, "0-6");
    let maybe = format!("links/sha256/{}/a", wrong.hex());
    let but_maybe = |mut keys: Vec<String>| {
        keys.retain(|key| *key != maybe);
        keys
    };
    assert_eq!(but_maybe(scene.keys().await), before);
    for line in [format!("PUT {path}"), format!("PUT {path}?digest=x")] {
        let answer = scene.send(&ask(&line)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
    }
    let right = ask(&format!("PUT {path}?digest={}", Digest::sha256(LAYER))).body(&LAYER[7..]);
    is_made(&scene.send(&right).await, "a", &Digest::sha256(LAYER));
    assert_eq!(but_maybe(scene.keys().await), pushed("a"));
}

#[tokio::test]
async fn sha512_announced_or_not() {
    let scene = Scene::new().await;
    let digest = Digest::of(Algorithm::Sha512, LAYER);
    for query in ["", "?digest-algorithm=sha512"] {
        let start = scene
            .send(&ask(&format!("POST /v2/a/blobs/uploads/{query}")))
            .await;
        let path = start.header("location").to_owned();
        is_open(&start, 202, &path, "0-0");
        scene.send(&ask(&format!("PATCH {path}")).body(LAYER)).await;
        is_made(
            &scene
                .send(&ask(&format!("PUT {path}?digest={digest}")))
                .await,
            "a",
            &digest,
        );
    }
    let answer = scene
        .send(&ask("POST /v2/a/blobs/uploads/?digest-algorithm=md5"))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
}

#[tokio::test]
async fn another_process_goes_on_with_an_upload() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    scene
        .send(&ask(&format!("PATCH {path}")).body(&LAYER[..7]))
        .await;
    let scene = scene.again().await;
    is_open(&scene.get(&path).await, 204, &path, "0-6");
    let last = ask(&format!("PUT {path}?digest={}", Digest::sha256(LAYER)));
    let last = last.header("content-range", "7-19").body(&LAYER[7..]);
    is_made(&scene.send(&last).await, "a", &Digest::sha256(LAYER));
    assert_eq!(scene.keys().await, pushed("a"));
}

#[tokio::test]
async fn a_part_of_another_size_than_announced() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let part = ask(&format!("PATCH {path}"))
        .header("content-range", "0-9")
        .body(&LAYER[..5]);
    let message = "`Content-Range` names 10 bytes, `Content-Length` 5";
    scene
        .send(&part)
        .await
        .is_error(400, &[], &error("SIZE_INVALID", message, ""));
    let part = ask(&format!("PATCH {path}"))
        .header("content-range", "x")
        .body(&LAYER[..5]);
    let message = "`Content-Range` is not `<first byte>-<last byte>`";
    scene
        .send(&part)
        .await
        .is_error(400, &[], &error("BLOB_UPLOAD_INVALID", message, ""));
    is_open(&scene.get(&path).await, 204, &path, "0-0");
}

//! What a client is told of each error, and what it is not told.

use std::time::Duration;

use blob::testing::{Fault, Moment};
use blob::{Backend as _, ErrorKind, Expected, Key};
use oci::Digest;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::scene::{CONFIG, LAYER, Scene, error, image, put};
use crate::wire::{Answer, Ask, ask};

fn writes(path: &str) -> Vec<Ask> {
    let digest = Digest::sha256(LAYER);
    vec![
        ask("POST /v2/a/blobs/uploads/"),
        ask(&format!("POST /v2/a/blobs/uploads/?digest={digest}")).body(LAYER),
        ask(&format!("POST /v2/b/blobs/uploads/?mount={digest}&from=a")),
        ask(&format!("PATCH {path}")).body(LAYER),
        ask(&format!("PUT {path}?digest={digest}")).body(LAYER),
        put("a", "v2", &image()),
        ask("DELETE /v2/a/manifests/v1"),
        ask(&format!(
            "DELETE /v2/a/manifests/{}",
            Digest::sha256(image().as_bytes())
        )),
        ask(&format!("DELETE /v2/a/blobs/{digest}")),
        ask(&format!("DELETE {path}")),
    ]
}

/// Fails every write of the storage, and gives the answers.
async fn answers(kind: ErrorKind) -> Vec<Answer> {
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    let path = scene.start("a").await;
    let fault = Fault {
        kind,
        moment: Moment::Before,
    };
    let before = scene.keys().await;
    scene
        .backend
        .fail_when(fault, |step| step.operation.writes());
    let mut answers = Vec::new();
    for request in writes(&path) {
        answers.push(scene.send(&request).await);
    }
    assert_eq!(scene.keys().await, before);
    // Reading goes on, and writing does when there is room again.
    assert_eq!(scene.get("/v2/a/manifests/v1").await.text(), image());
    scene.backend.heal();
    let again = |request: &Ask| !request.bytes().starts_with(b"PATCH");
    for request in writes(&path).into_iter().filter(again) {
        let status = scene.send(&request).await.status;
        assert!(
            (201..=204).contains(&status) || status == 404,
            "{status}: {request:?}"
        );
    }
    answers
}

#[tokio::test]
async fn a_full_storage_is_507() {
    for answer in answers(ErrorKind::Full).await {
        answer.is_error(507, &[], &error("UNKNOWN", "storage is full", ""));
    }
}

#[tokio::test]
async fn a_storage_that_fails_is_500_and_its_cause_is_not_told() {
    for answer in answers(ErrorKind::Corrupt).await {
        let message = "the registry failed; its log says why";
        answer.is_error(500, &[], &error("UNKNOWN", message, ""));
    }
}

const AGAIN: [(&str, &str); 1] = [("retry-after", "5")];

#[tokio::test]
async fn a_storage_that_does_not_answer_is_503() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Busy] {
        for answer in answers(kind).await {
            let message = "the storage does not answer; try again";
            answer.is_error(503, &AGAIN, &error("UNKNOWN", message, ""));
        }
    }
}

#[tokio::test]
async fn reads_that_fail_are_503() {
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    let fault = Fault {
        kind: ErrorKind::Unavailable,
        moment: Moment::Before,
    };
    scene.backend.fail_when(fault, |_| true);
    let digest = Digest::sha256(LAYER);
    for path in [
        "/v2/_catalog".to_owned(),
        "/v2/a/tags/list".into(),
        "/v2/a/manifests/v1".into(),
        format!("/v2/a/blobs/{digest}"),
        format!("/v2/a/referrers/{digest}"),
        format!("/v2/a/blobs/uploads/{}", "0".repeat(32)),
    ] {
        let message = "the storage does not answer; try again";
        scene
            .get(&path)
            .await
            .is_error(503, &AGAIN, &error("UNKNOWN", message, ""));
    }
}

#[tokio::test]
async fn a_blob_that_fails_on_the_way_breaks_the_connection() {
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    let fault = Fault {
        kind: ErrorKind::Unavailable,
        moment: Moment::Before,
    };
    scene.backend.fail_when(fault, |step| {
        step.operation == blob::testing::Operation::Piece
    });
    let get = ask(&format!("GET /v2/a/blobs/{}", Digest::sha256(LAYER)));
    // Fewer bytes than announced, or no answer: nobody takes that for the blob.
    if let Some(answer) = get.try_send(scene.address).await {
        let told = (
            answer.status,
            answer.header("content-length"),
            answer.text(),
        );
        assert_eq!(told, (200, "20", ""));
    }
    scene.backend.heal();
    assert_eq!(scene.send(&get).await.body, LAYER);
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_500() {
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    let key = Key::top("repositories")
        .child("a")
        .child("tags")
        .child("v1");
    let spoiled = scene
        .backend
        .swap(&key, Expected::Anything, "spoiled".into())
        .await;
    assert_eq!(spoiled.expect("written"), blob::Swapped::Done);
    let message = "the registry failed; its log says why";
    let answer = scene.get("/v2/a/manifests/v1").await;
    answer.is_error(500, &[], &error("UNKNOWN", message, ""));
    // What else there is can be read.
    let manifest = format!("/v2/a/manifests/{}", Digest::sha256(image().as_bytes()));
    assert_eq!(scene.get(&manifest).await.status, 200);
}

#[tokio::test]
async fn names_that_fit_no_key() {
    let scene = Scene::new().await;
    let long = format!("{}a", "a/".repeat(127));
    let answer = scene.get(&format!("/v2/{long}/tags/list")).await;
    let message = format!(
        "repository name `{long}` is too long: with two bytes for each `/` it may have 255"
    );
    answer.is_error(400, &[], &error("NAME_INVALID", &message, ""));
}

#[tokio::test]
async fn hosts_are_told_once() {
    let scene = Scene::new().await;
    let answer = scene.send(&ask("GET /v2/").header("host", "other")).await;
    let message = "a request has one `Host`, this one has 2";
    answer.is_error(400, &[], &error("UNSUPPORTED", message, ""));
}

#[tokio::test(start_paused = true)]
async fn a_second_writer_waits_and_is_told() {
    let scene = Scene::new().await;
    scene.push_blob("a", CONFIG).await;
    let path = scene.start("a").await;
    let request = ask(&format!("PATCH {path}")).body(LAYER).bytes();
    let mut first = TcpStream::connect(scene.address).await.expect("connects");
    let (head, rest) = request.split_at(request.len() - 5);
    let before = scene.backend.steps().len();
    first.write_all(head).await.expect("sent");
    // It takes its turn, and then looks at the upload.
    while scene.backend.steps().len() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let started = tokio::time::Instant::now();
    let second = scene.send(&ask(&format!("PATCH {path}")).body(b"x")).await;
    let message = "another request is writing to this upload";
    second.is_error(409, &[], &error("BLOB_UPLOAD_INVALID", message, ""));
    assert!(
        started.elapsed() >= Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    first.write_all(rest).await.expect("sent");
    let answer = Answer::read(&mut first).await.expect("an answer");
    assert_eq!((answer.status, answer.header("range")), (202, "0-19"));
}

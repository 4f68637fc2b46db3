//! The way down, and clients that keep a server waiting.

use std::time::Duration;

use oci::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::{LAYER, Scene, error, keys};
use crate::wire::{Answer, ask};

#[tokio::test]
async fn an_upload_in_flight_is_finished_on_the_way_down() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let digest = Digest::sha256(LAYER);
    let request = ask(&format!("PUT {path}?digest={digest}"))
        .body(LAYER)
        .bytes();
    let (first, rest) = request.split_at(request.len() - 7);
    let mut slow = TcpStream::connect(scene.address).await.expect("connects");
    slow.write_all(first).await.expect("sent");
    // Connections are taken in order: now the slow one was.
    scene.get("/healthz").await;
    let mut idle = TcpStream::connect(scene.address).await.expect("connects");
    scene.get("/healthz").await;

    let (address, backend) = (scene.address, scene.backend.clone());
    let mut running = scene.stop();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(idle.read(&mut [0]).await.expect("closed"), 0);
    assert!(running.try_join_next().is_none(), "the server waits");
    slow.write_all(rest).await.expect("sent");
    let answer = Answer::read(&mut slow).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.header("location")),
        (201, format!("/v2/a/blobs/{digest}").as_str())
    );
    running.join_next().await.expect("one").expect("ends well");
    let hex = digest.hex();
    assert_eq!(
        keys(&backend).await,
        [
            format!("blobs/sha256/{hex}"),
            format!("links/sha256/{hex}/a"),
            format!("repositories/a/blobs/sha256/{hex}/link"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_takes_too_long_on_the_way_down_is_kept() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let request = ask(&format!("PATCH {path}")).body(LAYER).bytes();
    let mut slow = TcpStream::connect(scene.address).await.expect("connects");
    slow.write_all(&request[..request.len() - 7])
        .await
        .expect("sent");
    // Connections are taken in order: now the slow one was.
    scene.get("/healthz").await;
    let before = tokio::time::Instant::now();
    let scene = scene.again().await;
    assert!(
        before.elapsed() >= Duration::from_secs(30),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(scene.get(&path).await.header("range"), "0-12");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_is_given_up_and_kept() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let request = ask(&format!("PATCH {path}")).body(LAYER).bytes();
    let mut slow = TcpStream::connect(scene.address).await.expect("connects");
    slow.write_all(&request[..request.len() - 7])
        .await
        .expect("sent");
    let before = tokio::time::Instant::now();
    let answer = Answer::read(&mut slow).await.expect("an answer");
    let message = "the body paused for more than 60 seconds";
    answer.is_error(408, &[], &error("BLOB_UPLOAD_INVALID", message, ""));
    assert!(
        before.elapsed() >= Duration::from_secs(60),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(scene.get(&path).await.header("range"), "0-12");
}

/// Sends the start of a head, and measures how long the server listens.
async fn patience(scene: &Scene, start: &[u8]) -> Duration {
    let mut silent = TcpStream::connect(scene.address).await.expect("connects");
    silent.write_all(start).await.expect("sent");
    let before = tokio::time::Instant::now();
    let mut told = Vec::new();
    let hour = Duration::from_secs(3600);
    let _closed = tokio::time::timeout(hour, silent.read_to_end(&mut told)).await;
    before.elapsed()
}

#[tokio::test(start_paused = true)]
async fn clients_that_say_nothing_are_let_go() {
    let scene = Scene::new().await;
    for start in [
        "GET /v2/ HTTP/1.1\r\nhost:",
        "GET /v2/ HTTP/1.1\r\nhost: idle\r\n\r\n",
        "GET",
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "",
    ] {
        let patience = patience(&scene, start.as_bytes()).await;
        assert!(
            patience <= Duration::from_secs(61),
            "`{start}`: {patience:?}"
        );
    }
}

//! Many clients, slow ones, and large things.

use std::time::Duration;

use oci::Digest;
use registry::{Limits, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::scene::{LAYER, Scene, error, put};
use crate::wire::{Answer, ask};

async fn limited(connections: usize, uploads: usize) -> Scene {
    Scene::of(|settings: &mut Settings| {
        settings.limits = Limits {
            connections,
            uploads,
        };
    })
    .await
}

async fn from(source: [u8; 4], scene: &Scene) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((source, 0).into())
        .expect("an address of loopback");
    socket.connect(scene.address).await.expect("connects")
}

/// Asks on an open connection, and says whether there is an answer in time.
async fn is_served(stream: &mut TcpStream) -> bool {
    let request = b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = [0; 1024];
    let second = Duration::from_secs(1);
    let read = tokio::time::timeout(second, stream.read(&mut answer)).await;
    matches!(read, Ok(Ok(bytes)) if answer[..bytes].starts_with(b"HTTP/1.1 200"))
}

#[tokio::test]
async fn one_address_leaves_connections_to_others() {
    let scene = limited(8, 8).await;
    let mut greedy = Vec::new();
    for _ in 0..6 {
        let mut stream = from([127, 0, 0, 2], &scene).await;
        assert!(is_served(&mut stream).await);
        greedy.push(stream);
    }
    let mut seventh = from([127, 0, 0, 2], &scene).await;
    assert!(!is_served(&mut seventh).await, "beyond its share");
    let mut other = from([127, 0, 0, 3], &scene).await;
    assert!(is_served(&mut other).await);
    // It only waited.
    greedy.clear();
    let mut answer = [0; 1024];
    let bytes = seventh.read(&mut answer).await.expect("an answer");
    assert!(answer[..bytes].starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_crowd_of_one_address_is_turned_away() {
    let scene = limited(4, 4).await;
    let mut all = Vec::new();
    // Three are served, 64 wait.
    for _ in 0..67 {
        all.push(from([127, 0, 0, 2], &scene).await);
    }
    let mut last = from([127, 0, 0, 2], &scene).await;
    // Whether it is closed or broken: it is over at once.
    let read = tokio::time::timeout(Duration::from_secs(5), last.read(&mut [0])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    let mut other = from([127, 0, 0, 3], &scene).await;
    assert!(is_served(&mut other).await);
}

#[tokio::test]
async fn uploads_wait_for_each_other_and_are_not_refused() {
    let scene = limited(64, 1).await;
    let digest = Digest::sha256(LAYER);
    let line = format!("POST /v2/a/blobs/uploads/?digest={digest}");
    let request = ask(&line).body(LAYER).bytes();
    let (first, rest) = request.split_at(request.len() - 7);
    let mut slow = TcpStream::connect(scene.address).await.expect("connects");
    slow.write_all(first).await.expect("sent");
    while !scene
        .get("/metrics")
        .await
        .text()
        .contains("wharf_upload_bodies 1\n")
    {
        tokio::task::yield_now().await;
    }
    let mut second = TcpStream::connect(scene.address).await.expect("connects");
    let other = line.replace("/a/", "/b/");
    second
        .write_all(&ask(&other).body(LAYER).bytes())
        .await
        .expect("sent");
    let waiting = "wharf_upload_bodies_waiting 1\n";
    while !scene.get("/metrics").await.text().contains(waiting) {
        tokio::task::yield_now().await;
    }
    // What has no body does not wait, nor do those who read.
    assert!(scene.start("c").await.starts_with("/v2/c/"));
    assert_eq!(scene.send(&put("a", "v1", "{}")).await.status, 400);
    slow.write_all(rest).await.expect("sent");
    for stream in [&mut slow, &mut second] {
        let answer = Answer::read(stream).await.expect("an answer");
        assert_eq!(answer.status, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_only_drips_is_given_up_and_kept() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let content = [b'x'; 4096];
    let request = ask(&format!("PATCH {path}")).body(&content).bytes();
    let mut slow = TcpStream::connect(scene.address).await.expect("connects");
    let (head, rest) = request.split_at(request.len() - content.len());
    slow.write_all(head).await.expect("sent");
    let before = Instant::now();
    // More than a kilobyte a minute is slow, and goes on.
    for piece in rest[..3072].chunks(512) {
        slow.write_all(piece).await.expect("sent");
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    assert!(before.elapsed() > Duration::from_secs(140));
    for piece in rest[3072..].chunks(10) {
        // It fails once the connection is closed.
        let _ = slow.write_all(piece).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        if before.elapsed() > Duration::from_secs(400) {
            break;
        }
    }
    let answer = Answer::read(&mut slow).await.expect("an answer");
    let message = "the body paused for more than 60 seconds";
    answer.is_error(408, &[], &error("BLOB_UPLOAD_INVALID", message, ""));
    let range = scene.get(&path).await.header("range").to_owned();
    let kept: usize = range[2..].parse().expect("a number");
    assert!((3071..3200).contains(&kept), "{range}");
}

#[tokio::test]
async fn what_is_too_large_is_said_before_it_comes() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    let too_large = ((1u64 << 40) + 1).to_string();
    let digest = Digest::sha256(LAYER);
    for line in [
        format!("PATCH {path}"),
        format!("PUT {path}?digest={digest}"),
        format!("POST /v2/a/blobs/uploads/?digest={digest}"),
    ] {
        let request = ask(&line)
            .header("content-length", &too_large)
            .header("expect", "100-continue");
        let answer = scene.send(&request).await;
        let message = "a body of a blob has at most 1099511627776 bytes";
        answer.is_error(413, &[], &error("SIZE_INVALID", message, ""));
    }
    let manifest = ask("PUT /v2/a/manifests/v1")
        .header("content-length", "4194305")
        .header("expect", "100-continue");
    let message = "a manifest has at most 4194304 bytes";
    let answer = scene.send(&manifest).await;
    answer.is_error(413, &[], &error("SIZE_INVALID", message, ""));
    let long = ask("GET /v2/").header("x-long", &"x".repeat(70_000));
    let answer = long.try_send(scene.address).await.expect("an answer");
    assert_eq!(answer.status, 431);
}

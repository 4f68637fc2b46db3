//! Clients that hold a connection and let it stand still, and slow ones, over
//! both versions of HTTP.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::scene::Scene;
use crate::wire::ask;
use oci::Digest;

/// How long a client may take until it asks for the first time, to say
/// goodbye, and for the way in between.
const FIRST: Duration = Duration::from_secs(30 + 5 + 1);
/// Likewise, for a connection that stands still later.
const STILL: Duration = Duration::from_secs(120 + 5 + 1);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Starts HTTP/2 with these settings (RFC 9113, section 3.4).
fn preface(settings: &[u8]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, settings));
    bytes
}

/// Writes a frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Writes the head of a request, without compression (RFC 7541, section
/// 6.2.2): the names are `:method`, `:scheme`, `:path` and `:authority`.
fn head(method: &str, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in [(2, method), (6, "http"), (4, path), (1, "localhost")] {
        bytes.push(name);
        bytes.push(u8::try_from(value.len()).expect("short"));
        bytes.extend(value.as_bytes());
    }
    bytes
}

/// Reads until the server closes, and measures how long that takes; an hour
/// is for ever.
async fn closed(stream: &mut TcpStream) -> Duration {
    let before = Instant::now();
    let mut told = Vec::new();
    let hour = Duration::from_secs(3600);
    let _closed = tokio::time::timeout(hour, stream.read_to_end(&mut told)).await;
    before.elapsed()
}

async fn sent(scene: &Scene, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(scene.address).await.expect("connects");
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// A blob that no socket holds whole.
async fn with_large_blob() -> (Scene, String, usize) {
    let scene = Scene::new().await;
    let content = vec![b'x'; 12 << 20];
    assert_eq!(scene.push_blob("a", &content).await.status, 201);
    let path = format!("/v2/a/blobs/{}", Digest::sha256(&content));
    (scene, path, content.len())
}

#[tokio::test(start_paused = true)]
async fn who_never_asks_is_let_go() {
    let scene = Scene::new().await;
    let whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/v2/"));
    let open = frame(HEADERS, END_STREAM, 1, &head("GET", "/v2/"));
    for (what, start) in [
        ("settings", vec![]),
        ("a part of a head", whole[..20].to_vec()),
        ("a head that goes on", open),
    ] {
        let bytes = [preface(&[]), start].concat();
        let patience = closed(&mut sent(&scene, &bytes).await).await;
        assert!(patience <= FIRST, "{what}: {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_once_is_let_go_later() {
    let scene = Scene::new().await;
    let get = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/v2/"));
    let bytes = [preface(&[]), get].concat();
    let patience = closed(&mut sent(&scene, &bytes).await).await;
    assert!(patience > FIRST && patience <= STILL, "{patience:?}");
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_hold_a_connection() {
    let scene = Scene::new().await;
    let get = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", "/v2/"));
    let stream = sent(&scene, &[preface(&[]), get].concat()).await;
    let (mut reads, mut writes) = stream.into_split();
    let before = Instant::now();
    let mut told = Vec::new();
    let pings = async {
        loop {
            tokio::time::sleep(Duration::from_secs(15)).await;
            // It fails once the connection is closed.
            let _ = writes.write_all(&frame(PING, 0, 0, b"are you?")).await;
            assert!(before.elapsed() < Duration::from_secs(3600), "for ever");
        }
    };
    tokio::select! {
        _closed = reads.read_to_end(&mut told) => {}
        () = pings => {}
    }
    assert!(before.elapsed() <= STILL, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn bodies_that_do_not_come_are_given_up() {
    let scene = Scene::new().await;
    let upload = format!("{}?digest={}", scene.start("a").await, Digest::sha256(b"x"));
    for path in ["/v2/a/manifests/1", &upload, "/v2/"] {
        let put = frame(HEADERS, END_HEADERS, 1, &head("PUT", path));
        let bytes = [preface(&[]), put, frame(DATA, 0, 1, b"")].concat();
        let patience = closed(&mut sent(&scene, &bytes).await).await;
        // It is waited for, and what may still come is read.
        let limit = Duration::from_secs(60 + 5) + STILL;
        assert!(patience <= limit, "{path}: {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_read_are_given_up() {
    let (scene, path, size) = with_large_blob().await;
    // No window: not even the first byte may be sent.
    let get = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", &path));
    let bytes = [preface(&[0, 4, 0, 0, 0, 0]), get].concat();
    let patience = closed(&mut sent(&scene, &bytes).await).await;
    assert!(patience <= STILL, "{patience:?}");

    let mut deaf = sent(&scene, &ask(&format!("GET {path}")).bytes()).await;
    tokio::time::sleep(STILL).await;
    let mut told = Vec::new();
    let _broken = deaf.read_to_end(&mut told).await;
    assert!(told.len() < size, "{} bytes came", told.len());
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_all() {
    let (scene, path, size) = with_large_blob().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 * 1024).expect("set");
    let mut slow = socket.connect(scene.address).await.expect("connects");
    let request = ask(&format!("GET {path}")).bytes();
    slow.write_all(&request).await.expect("sent");
    let (mut came, mut part) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let bytes = slow.read(&mut buffer).await.expect("not cut");
        if bytes == 0 {
            break;
        }
        (came, part) = (came + bytes, part + bytes);
        if part >= 192 * 1024 {
            part = 0;
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
    }
    assert!(came > size, "{came} bytes of {size} and a head");
}

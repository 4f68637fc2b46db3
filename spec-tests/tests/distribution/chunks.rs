//! Blobs in pieces: PATCH with and without `Content-Range`, order, and going on after a
//! connection broke.

use std::io::Write as _;
use std::time::{Duration, Instant};

use spec_tests::{Answer, Registry, blob, digest, with_query};

use super::uploads::is_pullable;

/// Longest wait until the server has noticed that a connection broke.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends one piece with its `Content-Range`.
fn chunk(registry: &Registry, location: &str, bytes: &[u8], first: usize) -> Answer {
    let range = format!("{first}-{}", first + bytes.len() - 1);
    let request = registry.patch(location).header("content-range", &range);
    let request = request.header("content-type", "application/octet-stream");
    request.body(bytes).send()
}

/// Closes an upload without a body.
#[track_caller]
fn close(registry: &Registry, location: &str, bytes: &[u8]) {
    let target = with_query(location, &format!("digest={}", digest(bytes)));
    let answer = registry.put(&target).body("").send().expect(201);
    is_pullable(registry, &answer.location(), bytes);
}

#[test]
fn each_piece_is_acknowledged_with_the_range_so_far() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(41, 6000);
    let mut location = registry.open_upload(&repository);
    for (index, piece) in bytes.chunks(2000).enumerate() {
        let answer = chunk(&registry, &location, piece, index * 2000).expect(202);
        let range = format!("0-{}", (index + 1) * 2000 - 1);
        assert_eq!(answer.header("range"), Some(range.as_str()));
        location = answer.location();
    }
    close(&registry, &location, &bytes);
}

#[test]
fn one_piece_then_close() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(42, 6000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes, 0)
        .expect(202)
        .location();
    close(&registry, &location, &bytes);
}

#[test]
fn the_last_piece_in_the_closing_put() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(43, 5000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes[..3000], 0)
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let request = registry.put(&target).header("content-range", "3000-4999");
    let answer = request.body(&bytes[3000..]).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn the_last_piece_in_the_closing_put_without_a_range() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(44, 5000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes[..3000], 0)
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let answer = registry
        .put(&target)
        .body(&bytes[3000..])
        .send()
        .expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn a_stream_of_unknown_length() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(45, 500_000);
    let location = registry.open_upload(&repository);
    let request = registry
        .patch(&location)
        .header("content-type", "application/octet-stream");
    let answer = request
        .stream(std::io::Cursor::new(bytes.clone()))
        .send()
        .expect(202);
    assert_eq!(answer.header("range"), Some("0-499999"));
    close(&registry, &answer.location(), &bytes);
}

#[test]
fn a_stream_of_known_length() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(46, 70_000);
    let location = registry.open_upload(&repository);
    let answer = registry.patch(&location).body(&bytes).send().expect(202);
    assert_eq!(answer.header("range"), Some("0-69999"));
    close(&registry, &answer.location(), &bytes);
}

#[test]
fn two_streams_follow_each_other() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(47, 70_000);
    let location = registry.open_upload(&repository);
    let answer = registry
        .patch(&location)
        .body(&bytes[..30_000])
        .send()
        .expect(202);
    let answer = registry
        .patch(&answer.location())
        .body(&bytes[30_000..])
        .send()
        .expect(202);
    assert_eq!(answer.header("range"), Some("0-69999"));
    close(&registry, &answer.location(), &bytes);
}

#[test]
fn status_tells_the_last_byte() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &blob(48, 1234), 0)
        .expect(202)
        .location();
    let answer = registry.get(&location).send().expect(204);
    assert_eq!(answer.header("range"), Some("0-1233"));
    assert!(!answer.location().is_empty());
}

/// Checks that a piece in the wrong place is refused, and that the upload goes on.
#[track_caller]
fn is_out_of_order(known: usize, first: usize) {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(49, 6000);
    let mut location = registry.open_upload(&repository);
    if known > 0 {
        location = chunk(&registry, &location, &bytes[..known], 0)
            .expect(202)
            .location();
    }
    let _ = chunk(&registry, &location, &bytes[first..first + 1000], first).expect(416);
    let status = registry.get(&location).send().expect(204);
    let range = format!("0-{}", known.saturating_sub(1));
    assert_eq!(status.header("range"), Some(range.as_str()));
    let location = status.location();
    let location = chunk(&registry, &location, &bytes[known..], known)
        .expect(202)
        .location();
    close(&registry, &location, &bytes);
}

#[test]
fn a_piece_too_far_on_is_416() {
    is_out_of_order(2000, 4000);
}

#[test]
fn a_piece_that_came_before_is_416() {
    is_out_of_order(2000, 0);
}

#[test]
fn a_piece_that_overlaps_is_416() {
    is_out_of_order(2000, 1500);
}

#[test]
fn a_first_piece_that_is_not_at_the_start_is_416() {
    is_out_of_order(0, 1000);
}

#[test]
fn a_refused_piece_is_told_the_range_so_far() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(50, 6000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes[..2000], 0)
        .expect(202)
        .location();
    let answer = chunk(&registry, &location, &bytes[4000..], 4000).expect(416);
    assert_eq!(answer.header("range"), Some("0-1999"));
}

#[test]
fn a_closing_piece_out_of_order_is_416() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(51, 5000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes[..3000], 0)
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let request = registry.put(&target).header("content-range", "4000-4999");
    let _ = request.body(&bytes[4000..]).send().expect(416);
    let status = registry.get(&location).send().expect(204);
    assert_eq!(status.header("range"), Some("0-2999"));
    let target = with_query(&status.location(), &format!("digest={}", digest(&bytes)));
    let request = registry.put(&target).header("content-range", "3000-4999");
    let answer = request.body(&bytes[3000..]).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn a_wrong_digest_after_pieces_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(52, 5000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes, 0)
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(b"other")));
    registry
        .put(&target)
        .body("")
        .send()
        .refused(400, "DIGEST_INVALID");
    let path = format!("/v2/{repository}/blobs/{}", digest(&bytes));
    let _ = registry.get(&path).send().expect(404);
}

#[test]
fn a_wrong_digest_with_the_last_piece_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(53, 5000);
    let location = registry.open_upload(&repository);
    let location = chunk(&registry, &location, &bytes[..3000], 0)
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(b"other")));
    let request = registry.put(&target).header("content-range", "3000-4999");
    request
        .body(&bytes[3000..])
        .send()
        .refused(400, "DIGEST_INVALID");
}

#[test]
fn a_wrong_digest_after_a_stream_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let body = std::io::Cursor::new(blob(54, 5000));
    let location = registry
        .patch(&location)
        .stream(body)
        .send()
        .expect(202)
        .location();
    let target = with_query(&location, &format!("digest={}", digest(b"other")));
    registry
        .put(&target)
        .body("")
        .send()
        .refused(400, "DIGEST_INVALID");
}

/// Breaks a connection in the middle of a PATCH, asks what came, and goes on.
fn goes_on_after_a_break(head: &str, sent: &[u8], bytes: &[u8]) {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let path = location.trim_start_matches(registry.url());
    let mut request = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\n{head}\r\n",
        registry.host()
    )
    .into_bytes();
    request.extend_from_slice(sent);
    let mut stream = registry.connect();
    stream.write_all(&request).expect("the server reads");
    // The bytes are on their way before the break, so that there is something to keep.
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    let start = Instant::now();
    let status = loop {
        let status = registry.get(&location).send();
        if status.status == 204 && status.header("range") != Some("0-0") {
            break status;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "nothing was kept: {}",
            status.summary()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let range = status.header("range").expect("Range");
    let last: usize = range
        .strip_prefix("0-")
        .and_then(|last| last.parse().ok())
        .expect(range);
    assert!(last < bytes.len(), "{range}");
    let location = chunk(&registry, &status.location(), &bytes[last + 1..], last + 1);
    close(&registry, &location.expect(202).location(), bytes);
}

#[test]
fn an_upload_goes_on_after_a_broken_piece() {
    let bytes = blob(55, 200_000);
    let head = "Content-Length: 200000\r\nContent-Range: 0-199999\r\n";
    goes_on_after_a_break(head, &bytes[..80_000], &bytes);
}

#[test]
fn an_upload_goes_on_after_a_broken_stream() {
    let bytes = blob(56, 200_000);
    let mut sent = b"13880\r\n".to_vec();
    sent.extend_from_slice(&bytes[..80_000]);
    sent.extend_from_slice(b"\r\n");
    goes_on_after_a_break("Transfer-Encoding: chunked\r\n", &sent, &bytes);
}

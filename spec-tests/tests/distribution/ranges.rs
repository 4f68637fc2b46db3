//! `Range` on `/v2/<name>/blobs/<digest>` (RFC 9110, section 14).

use spec_tests::{Answer, Registry, blob};

/// Length of the blob that is asked for pieces of.
const LENGTH: usize = 2048;

/// Asks for a range of a blob of [`LENGTH`] bytes.
fn ask(range: &str) -> (Answer, Vec<u8>) {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(21, LENGTH);
    let name = registry.push_blob(&repository, &bytes);
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.get(&path).header("range", range).send();
    (answer, bytes)
}

/// Checks that a range gives the bytes from `first` to `last`, both included.
#[track_caller]
fn gives(range: &str, first: usize, last: usize) {
    let (answer, bytes) = ask(range);
    let answer = answer.expect(206);
    let place = format!("bytes {first}-{last}/{LENGTH}");
    assert_eq!(answer.header("content-range"), Some(place.as_str()));
    let length = (last - first + 1).to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    assert_eq!(answer.body, &bytes[first..=last]);
}

/// Checks that a range cannot be satisfied.
#[track_caller]
fn gives_nothing(range: &str) {
    let (answer, _) = ask(range);
    let _ = answer.expect(416);
}

#[test]
fn from_one_byte_to_another() {
    gives("bytes=500-1499", 500, 1499);
}

#[test]
fn one_byte() {
    gives("bytes=0-0", 0, 0);
}

#[test]
fn from_a_byte_to_the_end() {
    gives("bytes=500-", 500, 2047);
}

#[test]
fn from_the_first_byte_to_the_end() {
    gives("bytes=0-", 0, 2047);
}

#[test]
fn the_last_bytes() {
    gives("bytes=-500", 1548, 2047);
}

#[test]
fn more_last_bytes_than_there_are() {
    gives("bytes=-5000", 0, 2047);
}

#[test]
fn an_end_beyond_the_end_is_clipped() {
    gives("bytes=2000-5000", 2000, 2047);
}

#[test]
fn an_end_before_the_start_is_416() {
    gives_nothing("bytes=500-0");
}

#[test]
fn a_start_beyond_the_end_is_416() {
    gives_nothing("bytes=5000-10000");
    gives_nothing("bytes=2048-");
}

#[test]
fn no_last_bytes_is_416() {
    gives_nothing("bytes=-0");
}

#[test]
fn a_refusal_tells_the_length() {
    let (answer, _) = ask("bytes=5000-10000");
    let answer = answer.expect(416);
    assert_eq!(answer.header("content-range"), Some("bytes */2048"));
}

#[test]
fn an_unknown_unit_is_ignored() {
    let (answer, bytes) = ask("lines=1-2");
    assert_eq!(answer.expect(200).body, bytes);
}

#[test]
fn the_whole_blob_or_every_piece_for_several_ranges() {
    let (answer, bytes) = ask("bytes=0-9,100-109");
    if answer.status == 200 {
        assert_eq!(answer.body, bytes);
        return;
    }
    let answer = answer.expect(206);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(
        kind.starts_with("multipart/byteranges"),
        "{}",
        answer.summary()
    );
    for piece in [&bytes[0..10], &bytes[100..110]] {
        assert!(answer.body.windows(10).any(|window| window == piece));
    }
}

#[test]
fn pieces_put_together_are_the_blob() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(22, 300_000);
    let name = registry.push_blob(&repository, &bytes);
    let path = format!("/v2/{repository}/blobs/{name}");
    let mut together = Vec::new();
    while together.len() < bytes.len() {
        let range = format!("bytes={}-{}", together.len(), together.len() + 70_000);
        let answer = registry
            .get(&path)
            .header("range", &range)
            .send()
            .expect(206);
        together.extend_from_slice(&answer.body);
    }
    assert!(together == bytes, "the pieces are not the blob");
}

#[test]
fn head_has_the_length_of_the_whole() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, &blob(23, LENGTH));
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry
        .head(&path)
        .header("range", "bytes=0-9")
        .send()
        .expect(200);
    assert_eq!(answer.header("content-length"), Some("2048"));
}

//! What stands around the bodies: locations behind proxies, lengths, warnings.

use std::io::Write as _;

use serde_json::json;
use spec_tests::{Content, Registry, blob, digest, media, with_query};

#[test]
fn locations_survive_a_proxy() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/");
    let request = registry
        .post(&path)
        .header("host", "registry.localhost")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "registry.example.org:8443");
    let location = request.body("").send().expect(202).location();
    assert!(location.starts_with("/v2/"), "{location}");
    let bytes = blob(111, 500);
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let location = registry
        .put(&target)
        .body(&bytes)
        .send()
        .expect(201)
        .location();
    assert!(location.starts_with("/v2/"), "{location}");
}

#[test]
fn manifests_are_not_compressed() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({ "annotations": { "a": "b".repeat(5000) } }));
    registry.push_manifest(&repository, "v1", &manifest);
    for path in [
        format!("/v2/{repository}/manifests/v1"),
        format!("/v2/{repository}/tags/list"),
    ] {
        let request = registry.get(&path).header("accept", media::MANIFEST);
        let answer = request
            .header("accept-encoding", "zstd, gzip")
            .send()
            .expect(200);
        assert_eq!(answer.header("content-encoding"), None, "{path}");
        let length = answer.body.len().to_string();
        assert_eq!(
            answer.header("content-length"),
            Some(length.as_str()),
            "{path}"
        );
    }
}

#[test]
fn warnings_have_the_form_of_the_specification() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_image(&repository, "v1", 112);
    for path in ["/v2/".to_owned(), format!("/v2/{repository}/manifests/v1")] {
        let answer = registry
            .get(&path)
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
        let mut length = 0;
        for warning in answer.all("warning") {
            assert!(warning.starts_with("299 - \""), "{warning}");
            assert!(warning.ends_with('"'), "{warning}: a date or more");
            length += warning.len();
        }
        assert!(length <= 4096, "{length} bytes of warnings");
    }
}

#[test]
fn requests_in_a_row_on_one_connection() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(113, 500);
    let name = registry.push_blob(&repository, &bytes);
    let host = registry.host();
    let line = format!("GET /v2/{repository}/blobs/{name} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let last = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answers = registry.raw(format!("{line}{line}{last}"));
    assert_eq!(answers.count(), 3);
    assert_eq!(
        answers.first().map(|answer| answer.body.clone()),
        Some(bytes)
    );
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let location = location.trim_start_matches(registry.url());
    let target = with_query(location, &format!("digest={}", digest(b"asked first")));
    let host = registry.host();
    let mut stream = registry.connect();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 11\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    let mut start = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut start).expect("an interim answer");
    assert_eq!(&start, b"HTTP/1.1 100");
    stream.write_all(b"asked first").expect("the server reads");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).expect("an answer");
    assert!(rest.contains("HTTP/1.1 201"), "{rest}");
}

#[test]
fn old_http_is_answered() {
    let registry = Registry::start();
    let answers = registry.raw("GET /v2/ HTTP/1.0\r\n\r\n");
    assert_eq!(answers.first().map(|answer| answer.status), Some(200));
}

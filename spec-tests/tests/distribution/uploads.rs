//! `/v2/<name>/blobs/uploads/`: whole blobs, status and cancelling. Pieces are in
//! `chunks.rs`.

use spec_tests::{Registry, blob, digest, with_query};

/// Checks that a Location is a pullable blob URL.
#[track_caller]
pub(crate) fn is_pullable(registry: &Registry, location: &str, bytes: &[u8]) {
    let answer = registry.get(location).send().expect(200);
    assert!(answer.body == bytes, "other bytes are at {location}");
}

#[test]
fn post_opens_an_upload() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = registry.post(&path).body("").send().expect(202);
    assert!(!answer.location().is_empty());
}

#[test]
fn post_tells_what_old_clients_read() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = registry.post(&path).body("").send().expect(202);
    let upload = answer
        .header("docker-upload-uuid")
        .expect("Docker-Upload-UUID");
    assert!(answer.location().contains(upload), "{}", answer.summary());
    assert_eq!(answer.header("range"), Some("0-0"));
    assert_eq!(answer.header("content-length"), Some("0"));
}

#[test]
fn location_is_an_absolute_path() {
    // It survives a proxy that ends TLS or listens on another port.
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let start = format!("/v2/{repository}/blobs/uploads/");
    assert!(location.starts_with(&start), "{location}");
    let id = &location[start.len()..];
    assert!(!id.is_empty() && !id.contains('/'), "{location}");
}

#[test]
fn a_minimum_chunk_length_is_a_number() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = registry.post(&path).body("").send().expect(202);
    if let Some(least) = answer.header("oci-chunk-min-length") {
        let least: u64 = least.parse().expect("a length in bytes");
        assert!(least > 0);
    }
}

#[test]
fn post_then_put() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(31, 50_000);
    let name = digest(&bytes);
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={name}"));
    let request = registry
        .put(&target)
        .header("content-type", "application/octet-stream");
    let answer = request.body(&bytes).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn put_names_the_digest() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(32, 500);
    let name = digest(&bytes);
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={name}"));
    let answer = registry.put(&target).body(&bytes).send().expect(201);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
}

#[test]
fn put_of_a_body_of_unknown_length() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(33, 200_000);
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let body = std::io::Cursor::new(bytes.clone());
    let answer = registry.put(&target).stream(body).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn put_of_a_large_body() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(34, 24 * 1024 * 1024);
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let answer = registry.put(&target).body(&bytes).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn put_tolerates_other_parameters() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(35, 500);
    let location = registry.open_upload(&repository);
    let query = format!("ns=docker.io&digest={}", digest(&bytes).replace(':', "%3A"));
    let target = with_query(&location, &query);
    let _ = registry.put(&target).body(&bytes).send().expect(201);
}

#[test]
fn put_with_a_wrong_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = digest(b"other bytes");
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={name}"));
    let request = registry.put(&target).body("these bytes");
    request.send().refused(400, "DIGEST_INVALID");
    for bytes in [b"other bytes", b"these bytes"] {
        let path = format!("/v2/{repository}/blobs/{}", digest(bytes));
        let _ = registry.get(&path).send().expect(404);
    }
}

#[test]
fn put_without_a_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let request = registry.put(&location).body("bytes");
    request.send().refused(400, "DIGEST_INVALID");
}

#[test]
fn put_with_an_unreadable_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let target = with_query(&location, "digest=sha256:baddigeststring");
    let request = registry.put(&target).body("bytes");
    request.send().refused(400, "DIGEST_INVALID");
}

#[test]
fn put_with_an_unknown_algorithm_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let target = with_query(&location, "digest=md5:4b3a5a5a1a4a4a3f5d2b1c0d9e8f7a6b");
    let _ = registry.put(&target).body("bytes").send().expect(400);
}

#[test]
fn single_post() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(36, 50_000);
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(&bytes));
    let request = registry
        .post(&path)
        .header("content-type", "application/octet-stream");
    let answer = request.body(&bytes).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn single_post_of_no_bytes() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(b""));
    let answer = registry.post(&path).body("").send().expect(201);
    is_pullable(&registry, &answer.location(), b"");
}

#[test]
fn single_post_with_a_wrong_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!(
        "/v2/{repository}/blobs/uploads/?digest={}",
        digest(b"other")
    );
    let request = registry.post(&path).body("these bytes");
    request.send().refused(400, "DIGEST_INVALID");
    let path = format!("/v2/{repository}/blobs/{}", digest(b"these bytes"));
    let _ = registry.get(&path).send().expect(404);
}

#[test]
fn pushing_what_is_there_succeeds() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(37, 500);
    registry.push_blob(&repository, &bytes);
    registry.push_blob(&repository, &bytes);
}

#[test]
fn two_uploads_of_the_same_blob_both_succeed() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(38, 10_000);
    let first = registry.open_upload(&repository);
    let second = registry.open_upload(&repository);
    assert_ne!(first, second, "two uploads share one location");
    for location in [first, second] {
        let target = with_query(&location, &format!("digest={}", digest(&bytes)));
        let answer = registry.put(&target).body(&bytes).send().expect(201);
        is_pullable(&registry, &answer.location(), &bytes);
    }
}

#[test]
fn uploads_at_the_same_time_do_not_mix() {
    let registry = Registry::start();
    let repository = registry.repository();
    let blobs: Vec<Vec<u8>> = (0..8).map(|seed| blob(300 + seed, 400_000)).collect();
    std::thread::scope(|scope| {
        for bytes in &blobs {
            let (registry, repository) = (&registry, &repository);
            scope.spawn(move || registry.push_blob(repository, bytes));
        }
    });
    for bytes in &blobs {
        let path = format!("/v2/{repository}/blobs/{}", digest(bytes));
        is_pullable(&registry, &path, bytes);
    }
}

#[test]
fn status_of_a_new_upload() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let answer = registry.get(&location).send().expect(204);
    assert!(!answer.location().is_empty());
    let range = answer.header("range").expect("Range");
    assert!(range.starts_with("0-"), "{range}");
    assert!(answer.body.is_empty());
}

#[test]
fn cancelling_an_upload_ends_it() {
    let registry = Registry::start();
    let repository = registry.repository();
    let opened = registry.open_upload(&repository);
    let request = registry.patch(&opened).body("some bytes");
    let location = request.send().expect(202).location();
    let _ = registry.delete(&location).send().expect(204);
    let unknown = "BLOB_UPLOAD_UNKNOWN";
    registry.get(&location).send().refused(404, unknown);
    registry
        .patch(&location)
        .body("more")
        .send()
        .refused(404, unknown);
    registry.delete(&location).send().refused(404, unknown);
    let target = with_query(&location, &format!("digest={}", digest(b"some bytes")));
    registry.put(&target).body("").send().refused(404, unknown);
}

#[test]
fn an_upload_that_nobody_opened_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_blob(&repository, b"so that the repository exists");
    let id = "00000000-1111-4222-8333-444444444444";
    let location = format!("/v2/{repository}/blobs/uploads/{id}");
    let target = with_query(&location, &format!("digest={}", digest(b"")));
    for (request, name) in [
        (registry.get(&location), "GET"),
        (registry.patch(&location).body("x"), "PATCH"),
        (registry.put(&target).body(""), "PUT"),
        (registry.delete(&location), "DELETE"),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 404, "{name}: {}", answer.summary());
        assert_eq!(answer.code(), "BLOB_UPLOAD_UNKNOWN", "{name}");
    }
}

#[test]
fn an_upload_belongs_to_its_repository() {
    let registry = Registry::start();
    let (here, there) = (registry.repository(), registry.repository());
    let location = registry.open_upload(&here);
    let elsewhere = location.replace(&here, &there);
    let unknown = "BLOB_UPLOAD_UNKNOWN";
    registry.get(&elsewhere).send().refused(404, unknown);
    let target = with_query(&elsewhere, &format!("digest={}", digest(b"x")));
    registry.put(&target).body("x").send().refused(404, unknown);
    let _ = registry.get(&location).send().expect(204);
}

#[test]
fn a_finished_upload_is_gone() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={}", digest(b"bytes")));
    let _ = registry.put(&target).body("bytes").send().expect(201);
    let unknown = "BLOB_UPLOAD_UNKNOWN";
    registry.get(&location).send().refused(404, unknown);
    registry
        .patch(&location)
        .body("more")
        .send()
        .refused(404, unknown);
    registry
        .put(&target)
        .body("bytes")
        .send()
        .refused(404, unknown);
}

#[test]
fn bytes_of_an_upload_are_no_blob_yet() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let _ = registry.patch(&location).body("not yet").send().expect(202);
    let path = format!("/v2/{repository}/blobs/{}", digest(b"not yet"));
    let _ = registry.get(&path).send().expect(404);
}

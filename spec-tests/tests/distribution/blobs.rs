//! `/v2/<name>/blobs/<digest>`: GET and HEAD.

use spec_tests::{Registry, blob, digest};

#[test]
fn get_gives_the_bytes() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(11, 100_000);
    let name = registry.push_blob(&repository, &bytes);
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.get(&path).send().expect(200);
    assert!(answer.body == bytes, "other bytes came back");
}

#[test]
fn get_names_digest_and_length() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, &blob(12, 4097));
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.get(&path).send().expect(200);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    assert_eq!(answer.header("content-length"), Some("4097"));
}

#[test]
fn head_names_digest_and_length_without_a_body() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, &blob(13, 4097));
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.head(&path).send().expect(200);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    assert_eq!(answer.header("content-length"), Some("4097"));
    assert!(answer.body.is_empty());
}

#[test]
fn a_blob_without_bytes_is_a_blob() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, b"");
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.get(&path).send().expect(200);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    let answer = registry.head(&path).send().expect(200);
    assert_eq!(answer.header("content-length"), Some("0"));
}

#[test]
fn the_empty_object_is_a_blob() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, b"{}");
    assert_eq!(
        name,
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    let path = format!("/v2/{repository}/blobs/{name}");
    assert_eq!(registry.get(&path).send().expect(200).body, b"{}");
}

#[test]
fn get_of_an_unknown_blob_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_blob(&repository, b"something else");
    let path = format!("/v2/{repository}/blobs/{}", digest(b"never pushed"));
    registry.get(&path).send().refused(404, "BLOB_UNKNOWN");
}

#[test]
fn head_of_an_unknown_blob_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_blob(&repository, b"something else");
    let path = format!("/v2/{repository}/blobs/{}", digest(b"never pushed"));
    assert!(registry.head(&path).send().expect(404).body.is_empty());
}

#[test]
fn a_blob_of_an_unknown_repository_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/{}", digest(b"never pushed"));
    let answer = registry.get(&path).send().expect(404);
    let code = answer.code();
    assert!(
        ["BLOB_UNKNOWN", "NAME_UNKNOWN"].contains(&code.as_str()),
        "{}",
        answer.summary()
    );
    let _ = registry.head(&path).send().expect(404);
}

#[test]
fn a_blob_is_visible_in_its_own_repository_alone() {
    let registry = Registry::start();
    let (here, there) = (registry.repository(), registry.repository());
    let name = registry.push_blob(&here, &blob(14, 1000));
    registry.push_blob(&there, b"so that the repository exists");
    let path = format!("/v2/{there}/blobs/{name}");
    registry.get(&path).send().refused(404, "BLOB_UNKNOWN");
    let _ = registry.head(&path).send().expect(404);
}

#[test]
fn a_manifest_is_no_blob() {
    let registry = Registry::start();
    let repository = registry.repository();
    let image = registry.push_image(&repository, "1", 15);
    let path = format!("/v2/{repository}/manifests/{}", digest(&image.config));
    registry.get(&path).send().refused(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_pushed_blob_is_there_at_once() {
    let registry = Registry::start();
    let repository = registry.repository();
    for seed in 100..120 {
        let name = registry.push_blob(&repository, &blob(seed, 300));
        let path = format!("/v2/{repository}/blobs/{name}");
        let _ = registry.head(&path).send().expect(200);
    }
}

#[test]
fn parameters_of_mirrors_are_tolerated() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(16, 2048);
    let name = registry.push_blob(&repository, &bytes);
    let path = format!("/v2/{repository}/blobs/{name}?ns=docker.io");
    assert_eq!(registry.get(&path).send().expect(200).body, bytes);
}

#[test]
fn nothing_is_compressed_on_the_way() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = vec![b'a'; 50_000];
    let name = registry.push_blob(&repository, &bytes);
    let path = format!("/v2/{repository}/blobs/{name}");
    let request = registry
        .get(&path)
        .header("accept-encoding", "zstd, gzip, deflate");
    let answer = request.send().expect(200);
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.header("content-length"), Some("50000"));
    assert!(answer.body == bytes, "other bytes came back");
}

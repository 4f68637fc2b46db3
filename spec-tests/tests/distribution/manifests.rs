//! `/v2/<name>/manifests/<reference>`: PUT, GET and HEAD. Which documents are taken is
//! in `kinds.rs`.

use serde_json::json;
use spec_tests::{Content, Registry, descriptor, digest, media};

/// The largest manifest that must be taken, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Pushes an image and hands back what names it.
fn pushed() -> (Registry, String, Content) {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    registry.push_manifest(&repository, "latest", &manifest);
    (registry, repository, manifest)
}

#[test]
fn put_answers_with_a_pullable_location() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    for reference in ["v1".to_owned(), manifest.digest()] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = registry
            .put(&path)
            .header("content-type", &manifest.media_type);
        let answer = request.body(&manifest.bytes).send().expect(201);
        let pulled = registry
            .get(&answer.location())
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
        assert_eq!(pulled.body, manifest.bytes);
    }
}

#[test]
fn put_names_the_digest() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    let path = format!("/v2/{repository}/manifests/v1");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let answer = request.body(&manifest.bytes).send().expect(201);
    let name = manifest.digest();
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
}

#[test]
fn get_gives_the_exact_bytes_and_type() {
    let (registry, repository, manifest) = pushed();
    for reference in ["latest".to_owned(), manifest.digest()] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = registry
            .get(&path)
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
        assert_eq!(answer.body, manifest.bytes);
        assert_eq!(answer.header("content-type"), Some(media::MANIFEST));
        let name = manifest.digest();
        assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
        let length = manifest.bytes.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
    }
}

#[test]
fn head_says_what_get_would() {
    let (registry, repository, manifest) = pushed();
    for reference in ["latest".to_owned(), manifest.digest()] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = registry
            .head(&path)
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("content-type"), Some(media::MANIFEST));
        let name = manifest.digest();
        assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
        let length = manifest.bytes.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
    }
}

#[test]
fn the_stored_type_comes_whatever_is_accepted() {
    // A list in one line, several lines, none at all, and one without the type: what is
    // stored is never converted, and never withheld.
    let (registry, repository, manifest) = pushed();
    let path = format!("/v2/{repository}/manifests/latest");
    let list = format!("{}, {}, */*", media::DOCKER_LIST, media::MANIFEST);
    let several = registry
        .get(&path)
        .header("accept", media::DOCKER_MANIFEST)
        .header("accept", media::INDEX)
        .header("accept", media::MANIFEST);
    for (request, name) in [
        (registry.get(&path).header("accept", &list), "a list"),
        (several, "several lines"),
        (registry.get(&path).header("accept", "*/*"), "anything"),
        (registry.get(&path), "nothing"),
        (
            registry.get(&path).header("accept", media::DOCKER_MANIFEST),
            "another",
        ),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.summary());
        assert_eq!(answer.body, manifest.bytes, "{name}");
        assert_eq!(
            answer.header("content-type"),
            Some(media::MANIFEST),
            "{name}"
        );
    }
}

#[test]
fn parameters_of_the_content_type_are_ignored() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    let path = format!("/v2/{repository}/manifests/v1");
    let kind = format!("{}; charset=utf-8", media::MANIFEST);
    let request = registry.put(&path).header("content-type", &kind);
    let _ = request.body(&manifest.bytes).send().expect(201);
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.header("content-type"), Some(media::MANIFEST));
}

#[test]
fn put_under_another_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    let wrong = digest(b"something else");
    let path = format!("/v2/{repository}/manifests/{wrong}");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    request
        .body(&manifest.bytes)
        .send()
        .refused(400, "DIGEST_INVALID");
    for name in [wrong, manifest.digest()] {
        let path = format!("/v2/{repository}/manifests/{name}");
        let _ = registry.get(&path).send().expect(404);
    }
}

#[test]
fn put_under_a_malformed_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    let path = format!("/v2/{repository}/manifests/sha256:baddigeststring");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let _ = request.body(&manifest.bytes).send().expect(400);
}

#[test]
fn get_of_a_malformed_digest_is_400_or_404() {
    let (registry, repository, _) = pushed();
    let path = format!("/v2/{repository}/manifests/sha256:baddigeststring");
    let answer = registry.get(&path).send();
    assert!([400, 404].contains(&answer.status), "{}", answer.summary());
}

#[test]
fn an_unknown_manifest_is_404() {
    let (registry, repository, _) = pushed();
    for reference in ["nosuchtag".to_owned(), digest(b"never pushed")] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        registry.get(&path).send().refused(404, "MANIFEST_UNKNOWN");
        assert!(registry.head(&path).send().expect(404).body.is_empty());
    }
}

#[test]
fn a_manifest_of_an_unknown_repository_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/manifests/latest");
    let answer = registry.get(&path).send().expect(404);
    let code = answer.code();
    assert!(
        ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"].contains(&code.as_str()),
        "{}",
        answer.summary()
    );
    let _ = registry.head(&path).send().expect(404);
}

#[test]
fn a_manifest_is_visible_in_its_own_repository_alone() {
    let (registry, _, manifest) = pushed();
    let there = registry.repository();
    registry.push_parts(&there);
    let path = format!("/v2/{there}/manifests/{}", manifest.digest());
    registry.get(&path).send().refused(404, "MANIFEST_UNKNOWN");
}

/// Pushes a manifest that names a blob which the repository lacks.
#[track_caller]
fn lacks(manifest: &Content, missing: &str) {
    let registry = Registry::start();
    let (repository, other) = (registry.repository(), registry.repository());
    registry.push_parts(&repository);
    // Bytes that only another repository has count as missing.
    registry.push_blob(&other, b"missing here");
    let path = format!("/v2/{repository}/manifests/v1");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let answer = request
        .body(&manifest.bytes)
        .send()
        .refused(404, "MANIFEST_BLOB_UNKNOWN");
    assert!(answer.text().contains(missing), "{}", answer.summary());
    let _ = registry.get(&path).send().expect(404);
}

#[test]
fn a_missing_config_is_refused() {
    let config = descriptor(media::CONFIG, b"missing here");
    lacks(
        &Content::manifest(&json!({ "config": config })),
        &digest(b"missing here"),
    );
}

#[test]
fn a_missing_layer_is_refused() {
    let layer = descriptor(media::LAYER, b"missing here");
    lacks(
        &Content::manifest(&json!({ "layers": [layer] })),
        &digest(b"missing here"),
    );
}

#[test]
fn a_tag_moves_and_the_old_manifest_stays() {
    let registry = Registry::start();
    let repository = registry.repository();
    let first = registry.push_image(&repository, "moving", 71);
    let second = registry.push_image(&repository, "moving", 72);
    let path = format!("/v2/{repository}/manifests/moving");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, second.manifest.bytes);
    let path = format!("/v2/{repository}/manifests/{}", first.manifest.digest());
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, first.manifest.bytes);
}

#[test]
fn pushing_a_manifest_again_succeeds() {
    let (registry, repository, manifest) = pushed();
    registry.push_manifest(&repository, "latest", &manifest);
    registry.push_manifest(&repository, &manifest.digest(), &manifest);
    registry.push_manifest(&repository, "another", &manifest);
}

#[test]
fn a_tag_of_128_characters() {
    let (registry, repository, manifest) = pushed();
    let tag = format!("_{}", "a.-Z9".repeat(26))[..128].to_owned();
    registry.push_manifest(&repository, &tag, &manifest);
    let path = format!("/v2/{repository}/manifests/{tag}");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, manifest.bytes);
}

#[test]
fn names_with_every_separator() {
    let registry = Registry::start();
    let base = registry.repository();
    for tail in [
        "a",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a---b",
        "0/1/2/3",
        "manifests",
        "v2/blobs",
    ] {
        let repository = format!("{base}/{tail}");
        registry.push_parts(&repository);
        let manifest = Content::manifest(&json!({}));
        registry.push_manifest(&repository, "latest", &manifest);
        let path = format!("/v2/{repository}/manifests/latest");
        let answer = registry.get(&path).header("accept", media::MANIFEST).send();
        assert_eq!(answer.status, 200, "{repository}: {}", answer.summary());
    }
}

#[test]
fn a_large_manifest_is_taken() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::large_manifest();
    assert!(manifest.bytes.len() > 3_900_000);
    registry.push_manifest(&repository, "large", &manifest);
    let path = format!("/v2/{repository}/manifests/large");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert!(answer.body == manifest.bytes, "other bytes came back");
}

/// Makes a manifest of a given length, in bytes.
fn of_length(length: usize) -> Content {
    let mut manifest = Content::manifest(&json!({}));
    manifest.bytes.resize(length, b' ');
    manifest
}

#[test]
fn a_manifest_of_four_mebibytes_is_taken() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    registry.push_manifest(&repository, "large", &of_length(LARGEST));
}

#[test]
fn a_larger_manifest_is_413() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = of_length(LARGEST + 1);
    let path = format!("/v2/{repository}/manifests/larger");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let _ = request.body(&manifest.bytes).send().expect(413);
    let body = std::io::Cursor::new(manifest.bytes);
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let _ = request.stream(body).send().expect(413);
    let _ = registry.get(&path).send().expect(404);
}

#[test]
fn two_pushes_of_one_tag_leave_one_of_them() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let all: Vec<Content> = (0..8)
        .map(|number| Content::manifest(&json!({ "annotations": { "n": number.to_string() } })))
        .collect();
    std::thread::scope(|scope| {
        for manifest in &all {
            let (registry, repository) = (&registry, &repository);
            scope.spawn(move || registry.push_manifest(repository, "raced", manifest));
        }
    });
    let path = format!("/v2/{repository}/manifests/raced");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert!(all.iter().any(|manifest| manifest.bytes == answer.body));
    for manifest in &all {
        let path = format!("/v2/{repository}/manifests/{}", manifest.digest());
        let _ = registry
            .head(&path)
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
    }
}

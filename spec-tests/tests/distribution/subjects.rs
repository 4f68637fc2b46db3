//! Manifests with a `subject`, as they are pushed; listing them is in `referrers.rs`.

use serde_json::json;
use spec_tests::{Answer, Content, Registry, media};

/// Pushes a manifest by digest and gives the answer.
fn push(registry: &Registry, repository: &str, manifest: &Content) -> Answer {
    let path = format!("/v2/{repository}/manifests/{}", manifest.digest());
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    request.body(&manifest.bytes).send()
}

#[test]
fn put_says_that_the_subject_was_seen() {
    let registry = Registry::start();
    let repository = registry.repository();
    let image = registry.push_image(&repository, "1", 91);
    registry.push_parts(&repository);
    let artifact = Content::artifact("application/vnd.example.note", &image.manifest.descriptor());
    let answer = push(&registry, &repository, &artifact).expect(201);
    let subject = image.manifest.digest();
    assert_eq!(answer.header("oci-subject"), Some(subject.as_str()));
}

#[test]
fn the_subject_of_an_index_too() {
    let registry = Registry::start();
    let repository = registry.repository();
    let image = registry.push_image(&repository, "1", 92);
    let fields = json!({ "subject": image.manifest.descriptor() });
    let answer = push(&registry, &repository, &Content::index(&[], &fields)).expect(201);
    let subject = image.manifest.digest();
    assert_eq!(answer.header("oci-subject"), Some(subject.as_str()));
}

#[test]
fn a_subject_may_be_absent() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let subject = Content::manifest(&json!({ "annotations": { "not": "pushed" } }));
    let artifact = Content::artifact("application/vnd.example.note", &subject.descriptor());
    let _ = push(&registry, &repository, &artifact).expect(201);
}

#[test]
fn a_subject_may_come_later() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let subject = Content::manifest(&json!({ "annotations": { "pushed": "later" } }));
    let artifact = Content::artifact("application/vnd.example.note", &subject.descriptor());
    let _ = push(&registry, &repository, &artifact).expect(201);
    let _ = push(&registry, &repository, &subject).expect(201);
    let path = format!("/v2/{repository}/referrers/{}", subject.digest());
    let list = registry.get(&path).send().expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], json!(artifact.digest()));
}

#[test]
fn without_a_subject_there_is_no_header() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let answer = push(&registry, &repository, &Content::manifest(&json!({}))).expect(201);
    assert_eq!(answer.header("oci-subject"), None);
}

#[test]
fn bytes_with_a_subject_are_kept() {
    let registry = Registry::start();
    let repository = registry.repository();
    let image = registry.push_image(&repository, "1", 93);
    registry.push_parts(&repository);
    let artifact = Content::artifact("application/vnd.example.note", &image.manifest.descriptor());
    let _ = push(&registry, &repository, &artifact).expect(201);
    let path = format!("/v2/{repository}/manifests/{}", artifact.digest());
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, artifact.bytes);
}

//! `PUT /v2/<name>/manifests/<digest>?tag=a&tag=b`: one push, several tags.

use serde_json::json;
use spec_tests::{Answer, Content, Registry, media};

/// How many tags one push must be able to carry.
const MANY: usize = 10;

/// Reads the tags that an answer says were set, in whatever shape it says so.
fn told(answer: &Answer) -> Vec<String> {
    let values = answer.all("oci-tag").flat_map(|value| value.split(','));
    let mut tags: Vec<String> = values.map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags
}

/// Pushes a manifest by digest with a query.
fn push(registry: &Registry, repository: &str, manifest: &Content, query: &str) -> Answer {
    let path = format!("/v2/{repository}/manifests/{}?{query}", manifest.digest());
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    request.body(&manifest.bytes).send()
}

/// Starts a registry with a repository that holds the parts of small manifests.
fn with_parts() -> (Registry, String) {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    (registry, repository)
}

#[test]
fn every_tag_is_set_and_told() {
    let (registry, repository) = with_parts();
    let manifest = Content::manifest(&json!({}));
    let answer = push(&registry, &repository, &manifest, "tag=one&tag=two").expect(201);
    assert_eq!(told(&answer), ["one", "two"]);
    assert!(!answer.location().is_empty());
    let name = manifest.digest();
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    for tag in ["one", "two"] {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = registry
            .get(&path)
            .header("accept", media::MANIFEST)
            .send()
            .expect(200);
        assert_eq!(answer.body, manifest.bytes);
    }
}

#[test]
fn many_tags_at_once() {
    let (registry, repository) = with_parts();
    let manifest = Content::manifest(&json!({}));
    let tags: Vec<String> = (0..MANY).map(|number| format!("t{number:02}")).collect();
    let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let answer = push(&registry, &repository, &manifest, &query.join("&")).expect(201);
    assert_eq!(told(&answer), tags);
}

#[test]
fn tags_move_to_the_new_manifest() {
    let (registry, repository) = with_parts();
    let old = Content::manifest(&json!({ "annotations": { "age": "old" } }));
    let new = Content::manifest(&json!({ "annotations": { "age": "new" } }));
    let _ = push(&registry, &repository, &old, "tag=moving").expect(201);
    let _ = push(&registry, &repository, &new, "tag=moving").expect(201);
    let path = format!("/v2/{repository}/manifests/moving");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, new.bytes);
}

#[test]
fn without_tags_there_is_no_header() {
    let (registry, repository) = with_parts();
    let manifest = Content::manifest(&json!({}));
    let answer = push(&registry, &repository, &manifest, "ns=docker.io").expect(201);
    assert!(told(&answer).is_empty());
}

#[test]
fn an_invalid_tag_sets_none() {
    let (registry, repository) = with_parts();
    let manifest = Content::manifest(&json!({}));
    let _ = push(&registry, &repository, &manifest, "tag=good&tag=-bad").expect(400);
    let path = format!("/v2/{repository}/manifests/good");
    let _ = registry.get(&path).send().expect(404);
}

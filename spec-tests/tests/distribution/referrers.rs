//! `/v2/<name>/referrers/<digest>`: what is about a manifest.

use serde_json::{Value, json};
use spec_tests::{Answer, Content, Registry, descriptor, digest, media};

use super::walk::pages;

/// Type of most artifacts here.
const NOTE: &str = "application/vnd.example.note.v1";

/// A registry with an image and what is pushed about it.
struct Scene {
    registry: Registry,
    repository: String,
    subject: Content,
}

impl Scene {
    fn new() -> Self {
        let registry = Registry::start();
        let repository = registry.repository();
        registry.push_parts(&repository);
        let subject = Content::manifest(&json!({}));
        registry.push_manifest(&repository, "subject", &subject);
        Self {
            registry,
            repository,
            subject,
        }
    }

    /// Pushes a manifest about the subject by its digest.
    #[track_caller]
    fn push(&self, manifest: &Content) {
        self.registry
            .push_manifest(&self.repository, &manifest.digest(), manifest);
    }

    /// Makes an artifact about the subject; another `number` makes another one.
    fn artifact(&self, artifact_type: &str, number: usize) -> Content {
        Content::manifest(&json!({
            "artifactType": artifact_type,
            "config": descriptor(media::EMPTY, b"{}"),
            "layers": [],
            "subject": self.subject.descriptor(),
            "annotations": { "org.example.number": number.to_string() },
        }))
    }

    #[track_caller]
    fn ask(&self, query: &str) -> Answer {
        let name = self.subject.digest();
        let path = format!("/v2/{}/referrers/{name}{query}", self.repository);
        self.registry.get(&path).send().expect(200)
    }

    /// Gives the descriptors of the first page.
    #[track_caller]
    fn list(&self, query: &str) -> Vec<Value> {
        self.ask(query).json()["manifests"]
            .as_array()
            .expect("manifests")
            .clone()
    }
}

#[test]
fn nothing_is_an_empty_index() {
    let scene = Scene::new();
    let answer = scene.ask("");
    assert_eq!(answer.header("content-type"), Some(media::INDEX));
    let body = answer.json();
    assert_eq!(body["schemaVersion"], json!(2));
    assert_eq!(body["mediaType"], json!(media::INDEX));
    assert_eq!(body["manifests"], json!([]));
}

#[test]
fn an_unknown_digest_is_an_empty_index() {
    let scene = Scene::new();
    let path = format!(
        "/v2/{}/referrers/{}",
        scene.repository,
        digest(b"never pushed")
    );
    let body = scene.registry.get(&path).send().expect(200).json();
    assert_eq!(body["manifests"], json!([]));
}

#[test]
fn an_unknown_repository_is_an_empty_index() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/referrers/{}", digest(b"never pushed"));
    let answer = registry.get(&path).send().expect(200);
    assert_eq!(answer.header("content-type"), Some(media::INDEX));
    assert_eq!(answer.json()["manifests"], json!([]));
}

#[test]
fn an_invalid_digest_is_400() {
    let scene = Scene::new();
    for name in ["sha256:baddigeststring", "latest"] {
        let path = format!("/v2/{}/referrers/{name}", scene.repository);
        let answer = scene.registry.get(&path).send();
        assert_eq!(answer.status, 400, "{name}: {}", answer.summary());
    }
}

#[test]
fn a_descriptor_tells_everything() {
    let scene = Scene::new();
    let artifact = scene.artifact(NOTE, 1);
    scene.push(&artifact);
    let expected = json!([{
        "mediaType": media::MANIFEST,
        "digest": artifact.digest(),
        "size": artifact.bytes.len(),
        "annotations": { "org.example.number": "1" },
        "artifactType": NOTE,
    }]);
    assert_eq!(json!(scene.list("")), expected);
}

#[test]
fn without_artifact_type_the_config_tells() {
    let scene = Scene::new();
    let image = Content::manifest(&json!({
        "subject": scene.subject.descriptor(),
        "annotations": { "a": "b" },
    }));
    scene.push(&image);
    let list = scene.list("");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["artifactType"], json!(media::CONFIG));
}

#[test]
fn an_empty_artifact_type_counts_as_none() {
    let scene = Scene::new();
    let image = Content::manifest(&json!({
        "artifactType": "",
        "subject": scene.subject.descriptor(),
    }));
    scene.push(&image);
    assert_eq!(scene.list("")[0]["artifactType"], json!(media::CONFIG));
}

#[test]
fn an_index_is_listed_with_its_artifact_type() {
    let scene = Scene::new();
    let index = Content::index(
        &[],
        &json!({
            "artifactType": NOTE,
            "subject": scene.subject.descriptor(),
            "annotations": { "a": "b" },
        }),
    );
    scene.push(&index);
    let list = scene.list("");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["mediaType"], json!(media::INDEX));
    assert_eq!(list[0]["artifactType"], json!(NOTE));
    assert_eq!(list[0]["annotations"], json!({ "a": "b" }));
}

#[test]
fn an_index_without_artifact_type_has_none() {
    let scene = Scene::new();
    let fields = json!({ "subject": scene.subject.descriptor() });
    scene.push(&Content::index(&[], &fields));
    let list = scene.list("");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].get("artifactType"), None);
}

#[test]
fn the_filter_is_applied_and_told() {
    let scene = Scene::new();
    let wanted = scene.artifact(NOTE, 1);
    scene.push(&wanted);
    scene.push(&scene.artifact("application/vnd.example.other", 2));
    for query in [
        format!("?artifactType={NOTE}"),
        format!("?artifactType={}", NOTE.replace('/', "%2F")),
    ] {
        let answer = scene.ask(&query);
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        assert_eq!(answer.header("content-type"), Some(media::INDEX));
        let body = answer.json();
        let list = body["manifests"].as_array().expect("manifests");
        assert_eq!(list.len(), 1);
        assert_eq!(list[0]["digest"], json!(wanted.digest()));
    }
}

#[test]
fn the_filter_sees_the_type_of_the_config() {
    let scene = Scene::new();
    let image = Content::manifest(&json!({ "subject": scene.subject.descriptor() }));
    scene.push(&image);
    scene.push(&scene.artifact(NOTE, 1));
    let query = format!("?artifactType={}", media::CONFIG.replace('+', "%2B"));
    let list = scene.list(&query);
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["digest"], json!(image.digest()));
}

#[test]
fn a_filter_that_matches_nothing() {
    let scene = Scene::new();
    scene.push(&scene.artifact(NOTE, 1));
    let answer = scene.ask("?artifactType=application/vnd.example.none");
    assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(answer.json()["manifests"], json!([]));
}

#[test]
fn without_a_filter_none_is_told() {
    let scene = Scene::new();
    scene.push(&scene.artifact(NOTE, 1));
    assert_eq!(scene.ask("").header("oci-filters-applied"), None);
}

#[test]
fn pushing_again_lists_once() {
    let scene = Scene::new();
    let artifact = scene.artifact(NOTE, 1);
    scene.push(&artifact);
    scene.push(&artifact);
    scene
        .registry
        .push_manifest(&scene.repository, "tagged", &artifact);
    assert_eq!(scene.list("").len(), 1);
}

#[test]
fn a_deleted_referrer_is_not_listed() {
    let scene = Scene::new();
    let (first, second) = (scene.artifact(NOTE, 1), scene.artifact(NOTE, 2));
    scene.push(&first);
    scene.push(&second);
    let path = format!("/v2/{}/manifests/{}", scene.repository, first.digest());
    let _ = scene.registry.delete(&path).send().expect(202);
    let list = scene.list("");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["digest"], json!(second.digest()));
}

#[test]
fn referrers_outlive_their_subject() {
    let scene = Scene::new();
    scene.push(&scene.artifact(NOTE, 1));
    let path = format!(
        "/v2/{}/manifests/{}",
        scene.repository,
        scene.subject.digest()
    );
    let _ = scene.registry.delete(&path).send().expect(202);
    assert_eq!(scene.list("").len(), 1);
}

#[test]
fn a_referrer_may_have_referrers() {
    let scene = Scene::new();
    let artifact = scene.artifact(NOTE, 1);
    scene.push(&artifact);
    let above = Content::artifact(NOTE, &artifact.descriptor());
    scene.push(&above);
    let path = format!("/v2/{}/referrers/{}", scene.repository, artifact.digest());
    let list = scene.registry.get(&path).send().expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], json!(above.digest()));
    assert_eq!(scene.list("").len(), 1);
}

#[test]
fn referrers_stay_in_their_repository() {
    let scene = Scene::new();
    scene.push(&scene.artifact(NOTE, 1));
    let other = scene.registry.repository();
    scene.registry.push_parts(&other);
    let path = format!("/v2/{other}/referrers/{}", scene.subject.digest());
    let list = scene.registry.get(&path).send().expect(200).json();
    assert_eq!(list["manifests"], json!([]));
}

#[test]
fn many_referrers_are_all_listed() {
    let scene = Scene::new();
    let mut expected = Vec::new();
    for number in 0..120 {
        let artifact = scene.artifact(NOTE, number);
        scene.push(&artifact);
        expected.push(artifact.digest());
    }
    expected.sort();
    let first = format!(
        "/v2/{}/referrers/{}",
        scene.repository,
        scene.subject.digest()
    );
    let mut got = Vec::new();
    for answer in pages(&scene.registry, &first) {
        assert_eq!(answer.header("content-type"), Some(media::INDEX));
        let body = answer.json();
        let list = body["manifests"].as_array().expect("manifests").clone();
        got.extend(
            list.iter()
                .map(|entry| entry["digest"].as_str().expect("digest").to_owned()),
        );
    }
    got.sort();
    assert_eq!(got, expected);
}

#[test]
fn referrers_too_large_for_one_index_come_in_several() {
    // An index is a manifest, so a page of referrers must be one that clients take:
    // at most 4 MiB.
    const LARGEST: usize = 4 * 1024 * 1024;
    let scene = Scene::new();
    let mut expected = Vec::new();
    for number in 0..12 {
        let artifact = Content::manifest(&json!({
            "artifactType": NOTE,
            "config": descriptor(media::EMPTY, b"{}"),
            "layers": [],
            "subject": scene.subject.descriptor(),
            "annotations": { "number": number.to_string(), "text": "a".repeat(500_000) },
        }));
        scene.push(&artifact);
        expected.push(artifact.digest());
    }
    expected.sort();
    let first = format!(
        "/v2/{}/referrers/{}",
        scene.repository,
        scene.subject.digest()
    );
    let mut got = Vec::new();
    for answer in pages(&scene.registry, &first) {
        assert!(
            answer.body.len() <= LARGEST,
            "a page of {} bytes",
            answer.body.len()
        );
        let body = answer.json();
        let list = body["manifests"].as_array().expect("manifests").clone();
        got.extend(
            list.iter()
                .map(|entry| entry["digest"].as_str().expect("digest").to_owned()),
        );
    }
    got.sort();
    assert_eq!(got, expected);
}

#[test]
fn what_a_fallback_tag_lists_is_listed() {
    // Clients of registries without this API keep an index under the subject's digest;
    // copied here as they are, the manifests in it must be found.
    let scene = Scene::new();
    let artifact = scene.artifact(NOTE, 1);
    scene.push(&artifact);
    let index = Content::index(&[artifact.descriptor()], &json!({}));
    let tag = scene.subject.digest().replace(':', "-");
    scene
        .registry
        .push_manifest(&scene.repository, &tag, &index);
    let list = scene.list("");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["digest"], json!(artifact.digest()));
    assert_eq!(list[0]["artifactType"], json!(NOTE));
}

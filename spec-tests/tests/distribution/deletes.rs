//! DELETE of tags, manifests and blobs: 202, and gone at once.

use serde_json::json;
use spec_tests::{Content, Registry, blob, digest, media};

use super::walk::strings;

/// Starts a registry with one manifest under two tags.
fn tagged() -> (Registry, String, Content) {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    registry.push_manifest(&repository, "one", &manifest);
    registry.push_manifest(&repository, "two", &manifest);
    (registry, repository, manifest)
}

/// Checks whether a manifest is there, by GET and by HEAD.
#[track_caller]
fn is(registry: &Registry, repository: &str, reference: &str, status: u16) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let _ = registry
        .head(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(status);
    let _ = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(status);
}

#[test]
fn a_deleted_tag_is_gone_and_its_manifest_stays() {
    let (registry, repository, manifest) = tagged();
    let path = format!("/v2/{repository}/manifests/one");
    let _ = registry.delete(&path).send().expect(202);
    is(&registry, &repository, "one", 404);
    is(&registry, &repository, "two", 200);
    is(&registry, &repository, &manifest.digest(), 200);
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list"))
        .send()
        .expect(200);
    assert_eq!(strings(&answer, "tags"), ["two"]);
}

#[test]
fn a_deleted_manifest_is_gone_with_its_tags() {
    let (registry, repository, manifest) = tagged();
    let path = format!("/v2/{repository}/manifests/{}", manifest.digest());
    let _ = registry.delete(&path).send().expect(202);
    for reference in ["one", "two", &manifest.digest()] {
        is(&registry, &repository, reference, 404);
    }
}

#[test]
fn tags_of_a_deleted_manifest_are_not_listed() {
    let (registry, repository, manifest) = tagged();
    registry.push_image(&repository, "other", 101);
    let path = format!("/v2/{repository}/manifests/{}", manifest.digest());
    let _ = registry.delete(&path).send().expect(202);
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list"))
        .send()
        .expect(200);
    assert_eq!(strings(&answer, "tags"), ["other"]);
    is(&registry, &repository, "other", 200);
}

#[test]
fn a_deleted_blob_is_gone() {
    let registry = Registry::start();
    let repository = registry.repository();
    let name = registry.push_blob(&repository, &blob(102, 500));
    let path = format!("/v2/{repository}/blobs/{name}");
    let _ = registry.delete(&path).send().expect(202);
    let _ = registry.head(&path).send().expect(404);
    registry.get(&path).send().refused(404, "BLOB_UNKNOWN");
}

#[test]
fn a_deleted_blob_stays_in_other_repositories() {
    let registry = Registry::start();
    let (here, there) = (registry.repository(), registry.repository());
    let bytes = blob(103, 500);
    let name = registry.push_blob(&here, &bytes);
    registry.push_blob(&there, &bytes);
    let path = format!("/v2/{here}/blobs/{name}");
    let _ = registry.delete(&path).send().expect(202);
    let path = format!("/v2/{there}/blobs/{name}");
    assert_eq!(registry.get(&path).send().expect(200).body, bytes);
}

#[test]
fn a_deleted_manifest_stays_in_other_repositories() {
    let (registry, here, manifest) = tagged();
    let there = registry.repository();
    registry.push_parts(&there);
    registry.push_manifest(&there, "one", &manifest);
    let path = format!("/v2/{here}/manifests/{}", manifest.digest());
    let _ = registry.delete(&path).send().expect(202);
    is(&registry, &there, "one", 200);
    is(&registry, &there, &manifest.digest(), 200);
}

#[test]
fn deleting_what_is_not_there_is_404() {
    let (registry, repository, _) = tagged();
    let absent = digest(b"never pushed");
    for (path, code) in [
        (
            format!("/v2/{repository}/manifests/nosuchtag"),
            "MANIFEST_UNKNOWN",
        ),
        (
            format!("/v2/{repository}/manifests/{absent}"),
            "MANIFEST_UNKNOWN",
        ),
        (format!("/v2/{repository}/blobs/{absent}"), "BLOB_UNKNOWN"),
    ] {
        let answer = registry.delete(&path).send();
        assert_eq!(answer.status, 404, "{path}: {}", answer.summary());
        assert_eq!(answer.code(), code, "{path}");
    }
}

#[test]
fn deleting_in_an_unknown_repository_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    let absent = digest(b"never pushed");
    for path in [
        format!("/v2/{repository}/manifests/latest"),
        format!("/v2/{repository}/manifests/{absent}"),
        format!("/v2/{repository}/blobs/{absent}"),
    ] {
        let answer = registry.delete(&path).send();
        assert_eq!(answer.status, 404, "{path}: {}", answer.summary());
    }
}

#[test]
fn deleting_twice_is_404() {
    let (registry, repository, manifest) = tagged();
    for path in [
        format!("/v2/{repository}/manifests/one"),
        format!("/v2/{repository}/manifests/{}", manifest.digest()),
        format!("/v2/{repository}/blobs/{}", digest(b"{}")),
    ] {
        let _ = registry.delete(&path).send().expect(202);
        let answer = registry.delete(&path).send();
        assert_eq!(answer.status, 404, "{path}: {}", answer.summary());
    }
}

#[test]
fn a_deleted_index_leaves_its_children() {
    let (registry, repository, manifest) = tagged();
    let index = Content::index(&[manifest.descriptor()], &json!({}));
    registry.push_manifest(&repository, "index", &index);
    let path = format!("/v2/{repository}/manifests/{}", index.digest());
    let _ = registry.delete(&path).send().expect(202);
    is(&registry, &repository, &manifest.digest(), 200);
}

#[test]
fn a_child_can_be_deleted_before_its_index() {
    let (registry, repository, manifest) = tagged();
    let index = Content::index(&[manifest.descriptor()], &json!({}));
    registry.push_manifest(&repository, "index", &index);
    let path = format!("/v2/{repository}/manifests/{}", manifest.digest());
    let _ = registry.delete(&path).send().expect(202);
    let path = format!("/v2/{repository}/manifests/index");
    let _ = registry
        .get(&path)
        .header("accept", media::INDEX)
        .send()
        .expect(200);
}

#[test]
fn what_was_deleted_can_be_pushed_again() {
    let registry = Registry::start();
    let repository = registry.repository();
    let image = registry.push_image(&repository, "again", 104);
    let manifest = format!("/v2/{repository}/manifests/{}", image.manifest.digest());
    let _ = registry.delete(&manifest).send().expect(202);
    for part in image.layers.iter().chain([&image.config]) {
        let path = format!("/v2/{repository}/blobs/{}", digest(part));
        let _ = registry.delete(&path).send().expect(202);
    }
    registry.push_image(&repository, "again", 104);
    is(&registry, &repository, "again", 200);
    for part in image.layers.iter().chain([&image.config]) {
        let path = format!("/v2/{repository}/blobs/{}", digest(part));
        assert!(&registry.get(&path).send().expect(200).body == part);
    }
}

#[test]
fn a_moved_tag_survives_its_old_manifest() {
    let registry = Registry::start();
    let repository = registry.repository();
    let old = registry.push_image(&repository, "moving", 105);
    let new = registry.push_image(&repository, "moving", 106);
    let path = format!("/v2/{repository}/manifests/{}", old.manifest.digest());
    let _ = registry.delete(&path).send().expect(202);
    let path = format!("/v2/{repository}/manifests/moving");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, new.manifest.bytes);
}

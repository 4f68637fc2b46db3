//! Digests of another algorithm: sha512 for blobs, manifests and everything beside.

use serde_json::json;
use spec_tests::{Content, Registry, blob, descriptor, digest_sha512, media, with_query};

use super::uploads::is_pullable;

#[test]
fn blob_by_post_and_put() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(81, 50_000);
    let name = digest_sha512(&bytes);
    registry.push_blob_as(&repository, &bytes, &name);
    let path = format!("/v2/{repository}/blobs/{name}");
    let answer = registry.get(&path).send().expect(200);
    assert!(answer.body == bytes, "other bytes came back");
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    let answer = registry.head(&path).send().expect(200);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    assert_eq!(answer.header("content-length"), Some("50000"));
}

#[test]
fn blob_by_single_post() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(82, 50_000);
    let path = format!(
        "/v2/{repository}/blobs/uploads/?digest={}",
        digest_sha512(&bytes)
    );
    let answer = registry.post(&path).body(&bytes).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn blob_in_chunks_of_an_announced_algorithm() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(83, 50_000);
    let path = format!("/v2/{repository}/blobs/uploads/?digest-algorithm=sha512");
    let location = registry.post(&path).body("").send().expect(202).location();
    let request = registry.patch(&location).header("content-range", "0-29999");
    let location = request.body(&bytes[..30_000]).send().expect(202).location();
    let request = registry
        .patch(&location)
        .header("content-range", "30000-49999");
    let location = request.body(&bytes[30_000..]).send().expect(202).location();
    let name = digest_sha512(&bytes);
    let target = with_query(&location, &format!("digest={name}"));
    let answer = registry.put(&target).body("").send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
    is_pullable(&registry, &format!("/v2/{repository}/blobs/{name}"), &bytes);
}

#[test]
fn blob_in_chunks_of_an_algorithm_told_at_the_end() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(84, 50_000);
    let location = registry.open_upload(&repository);
    let request = registry.patch(&location).header("content-range", "0-29999");
    let location = request.body(&bytes[..30_000]).send().expect(202).location();
    let target = with_query(&location, &format!("digest={}", digest_sha512(&bytes)));
    let request = registry.put(&target).header("content-range", "30000-49999");
    let answer = request.body(&bytes[30_000..]).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn an_unknown_algorithm_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let path = format!("/v2/{repository}/blobs/uploads/?digest-algorithm=md5");
    let _ = registry.post(&path).body("").send().expect(400);
}

#[test]
fn a_wrong_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let location = registry.open_upload(&repository);
    let target = with_query(&location, &format!("digest={}", digest_sha512(b"other")));
    registry
        .put(&target)
        .body("bytes")
        .send()
        .refused(400, "DIGEST_INVALID");
}

#[test]
fn blob_mounted() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let bytes = blob(85, 500);
    let name = digest_sha512(&bytes);
    registry.push_blob_as(&from, &bytes, &name);
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
    let _ = registry.post(&path).body("").send().expect(201);
    is_pullable(&registry, &format!("/v2/{to}/blobs/{name}"), &bytes);
}

#[test]
fn blob_deleted() {
    let registry = Registry::start();
    let repository = registry.repository();
    let bytes = blob(86, 500);
    let name = digest_sha512(&bytes);
    registry.push_blob_as(&repository, &bytes, &name);
    let path = format!("/v2/{repository}/blobs/{name}");
    let _ = registry.delete(&path).send().expect(202);
    let _ = registry.get(&path).send().expect(404);
}

/// An image whose parts are named by sha512, pushed but for its manifest.
fn image(registry: &Registry, repository: &str) -> Content {
    let layer = blob(87, 500);
    registry.push_blob_as(repository, b"{}", &digest_sha512(b"{}"));
    registry.push_blob_as(repository, &layer, &digest_sha512(&layer));
    let mut config = descriptor(media::CONFIG, b"{}");
    config["digest"] = json!(digest_sha512(b"{}"));
    let mut entry = descriptor(media::LAYER, &layer);
    entry["digest"] = json!(digest_sha512(&layer));
    Content::manifest(&json!({ "config": config, "layers": [entry] }))
}

#[test]
fn manifest() {
    let registry = Registry::start();
    let repository = registry.repository();
    let manifest = image(&registry, &repository);
    let name = manifest.digest_sha512();
    let path = format!("/v2/{repository}/manifests/{name}");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let answer = request.body(&manifest.bytes).send().expect(201);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, manifest.bytes);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    let answer = registry
        .head(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
    let _ = registry.delete(&path).send().expect(202);
    let _ = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(404);
}

#[test]
fn manifest_under_another_digest_is_400() {
    let registry = Registry::start();
    let repository = registry.repository();
    let manifest = image(&registry, &repository);
    let path = format!("/v2/{repository}/manifests/{}", digest_sha512(b"other"));
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    request
        .body(&manifest.bytes)
        .send()
        .refused(400, "DIGEST_INVALID");
}

#[test]
fn manifest_tagged_by_parameters() {
    let registry = Registry::start();
    let repository = registry.repository();
    let manifest = image(&registry, &repository);
    let name = manifest.digest_sha512();
    let path = format!("/v2/{repository}/manifests/{name}?tag=by-sha512");
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    let _ = request.body(&manifest.bytes).send().expect(201);
    let path = format!("/v2/{repository}/manifests/by-sha512");
    let answer = registry
        .get(&path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, manifest.bytes);
    assert_eq!(answer.header("docker-content-digest"), Some(name.as_str()));
}

#[test]
fn subject() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let subject = image(&registry, &repository);
    let mut about = subject.descriptor();
    about["digest"] = json!(subject.digest_sha512());
    let artifact = Content::artifact("application/vnd.example.note", &about);
    let path = format!("/v2/{repository}/manifests/{}", artifact.digest());
    let request = registry
        .put(&path)
        .header("content-type", &artifact.media_type);
    let answer = request.body(&artifact.bytes).send().expect(201);
    let name = subject.digest_sha512();
    assert_eq!(answer.header("oci-subject"), Some(name.as_str()));
    let path = format!("/v2/{repository}/referrers/{name}");
    let list = registry.get(&path).send().expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], json!(artifact.digest()));
}

//! What an error looks like: JSON of one shape, a code of the specification, a detail
//! that helps.

use serde_json::json;
use spec_tests::{Answer, Content, Registry, digest};

/// Codes of the specification, and what widely used registries add to them.
const CODES: &[&str] = &[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
    "PAGINATION_NUMBER_INVALID",
    "RANGE_INVALID",
    "TAG_INVALID",
];

/// Checks that an answer is an error as the specification draws it.
#[track_caller]
fn is_error(answer: &Answer) {
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{}", answer.summary());
    let body = answer.json();
    let errors = body["errors"].as_array().expect("errors");
    assert!(!errors.is_empty());
    for error in errors {
        let code = error["code"].as_str().expect("a code");
        assert!(CODES.contains(&code), "{code}");
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty());
    }
}

#[test]
fn every_refusal_has_the_shape() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let absent = digest(b"never pushed");
    for (request, status) in [
        (
            registry.get(&format!("/v2/{repository}/blobs/{absent}")),
            404,
        ),
        (
            registry.get(&format!("/v2/{repository}/manifests/nosuchtag")),
            404,
        ),
        (registry.get("/v2/spec/nobody/made/this/tags/list"), 404),
        (
            registry.delete(&format!("/v2/{repository}/manifests/nosuchtag")),
            404,
        ),
        (
            registry.get(&format!("/v2/{repository}/blobs/uploads/nosuchupload")),
            404,
        ),
        (
            registry
                .put(&format!("/v2/{repository}/manifests/v1"))
                .body("not json"),
            400,
        ),
        (
            registry.get(&format!("/v2/{repository}/tags/list?n=-1")),
            400,
        ),
        (
            registry.get(&format!("/v2/{repository}/referrers/sha256:bad")),
            400,
        ),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, status, "{}", answer.summary());
        is_error(&answer);
    }
}

#[test]
fn a_detail_names_what_is_unknown() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let absent = digest(b"never pushed");
    for (path, named) in [
        (format!("/v2/{repository}/blobs/{absent}"), absent.as_str()),
        (
            format!("/v2/{repository}/manifests/{absent}"),
            absent.as_str(),
        ),
        (format!("/v2/{repository}/manifests/nosuchtag"), "nosuchtag"),
    ] {
        let answer = registry.get(&path).send().expect(404);
        let detail = answer.json()["errors"][0].to_string();
        assert!(detail.contains(named), "{detail}");
    }
}

#[test]
fn a_document_that_is_no_manifest_is_refused() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let path = format!("/v2/{repository}/manifests/v1");
    let manifest = Content::manifest(&json!({}));
    let request = registry
        .put(&path)
        .header("content-type", &manifest.media_type);
    request
        .body("{\"schemaVersion\": 2,")
        .send()
        .refused(400, "MANIFEST_INVALID");
}

#[test]
fn a_method_that_is_not_there_is_405() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    for (method, path) in [
        ("POST", format!("/v2/{repository}/manifests/v1")),
        ("PUT", format!("/v2/{repository}/tags/list")),
        ("PATCH", format!("/v2/{repository}/blobs/{}", digest(b"{}"))),
        ("DELETE", "/v2/".to_owned()),
    ] {
        let answer = registry.request(method, &path).send();
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.summary());
        let allowed = answer.header("allow").unwrap_or_default();
        assert!(
            allowed.contains("GET"),
            "{method} {path}: {}",
            answer.summary()
        );
    }
}

#[test]
fn a_path_that_is_not_there_is_404() {
    let registry = Registry::start();
    for path in ["/v2/spec", "/v1/", "/v2/spec/unknown", "/nothing"] {
        let answer = registry.get(path).send();
        assert_eq!(answer.status, 404, "{path}: {}", answer.summary());
    }
}

#[test]
fn head_of_what_is_not_there_has_no_body() {
    let registry = Registry::start();
    let repository = registry.repository();
    for path in [
        format!("/v2/{repository}/manifests/latest"),
        format!("/v2/{repository}/blobs/{}", digest(b"never pushed")),
    ] {
        assert!(registry.head(&path).send().expect(404).body.is_empty());
    }
}

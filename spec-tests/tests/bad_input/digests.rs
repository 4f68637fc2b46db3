//! Digests: in paths, in queries, at the end of uploads.

use crate::scene::{Case, ESCAPE, Scene};

/// A digest that is too short.
const SHORT: &str = "sha256:0123";

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = named(scene);
    cases.extend(elsewhere(scene));
    cases
}

/// Digests in the path of a blob.
fn named(scene: &Scene) -> Vec<Case> {
    let hex = "0123456789abcdef".repeat(4);
    let digests: Vec<(&str, String)> = vec![
        ("no algorithm", hex.clone()),
        ("nothing before the colon", format!(":{hex}")),
        ("nothing behind the colon", "sha256:".to_owned()),
        ("one digit too few", format!("sha256:{}", &hex[1..])),
        ("one digit too many", format!("sha256:{hex}0")),
        (
            "upper case digits",
            format!("sha256:{}", hex.to_uppercase()),
        ),
        ("upper case algorithm", format!("SHA256:{hex}")),
        (
            "letters that are no digits",
            format!("sha256:{}", "g".repeat(64)),
        ),
        ("sha512 of half the length", format!("sha512:{hex}")),
        ("sha1", format!("sha1:{}", &hex[..40])),
        ("md5", format!("md5:{}", &hex[..32])),
        (
            "an algorithm that nobody knows",
            format!("multihash+base58:{hex}"),
        ),
        ("spaces around", format!("%20sha256:{hex}%20")),
        ("line break behind", format!("sha256:{hex}%0A")),
        ("null byte behind", format!("sha256:{hex}%00")),
        ("an escape", format!("sha256:..%2f..%2f..%2f{ESCAPE}")),
        ("20,000 digits", format!("sha256:{}", "a".repeat(20_000))),
    ];
    let mut cases = Vec::new();
    for (wrong, digest) in &digests {
        let request = scene.request("GET", &format!("/v2/{{r}}/blobs/{digest}"));
        cases.push(Case::raw(
            &format!("digest, {wrong}"),
            request,
            "400 DIGEST_INVALID",
        ));
    }
    cases
}

/// Digests everywhere else.
fn elsewhere(scene: &Scene) -> Vec<Case> {
    let invalid = "400 DIGEST_INVALID";
    let mut cases = Vec::new();
    for (name, method, path) in places(&scene.upload()) {
        // A HEAD has no body that could name the error.
        let expected = if method == "HEAD" { "400" } else { invalid };
        cases.push(Case::raw(name, scene.request(method, &path), expected));
    }
    let path = format!("/v2/{{r}}/manifests/{SHORT}");
    let request = scene.with("PUT", &path, "", b"{}");
    cases.push(Case::raw(
        "digest, short, manifest pushed to",
        request,
        invalid,
    ));
    // The path is no text, so there is no telling which part of it is wrong.
    let request = scene.request("GET", "/v2/{r}/blobs/sha256:%FF%FE");
    cases.push(Case::raw(
        "digest, bytes outside UTF-8",
        request,
        "400 NAME_INVALID",
    ));
    let request = scene.request("GET", &format!("/v2/{{r}}/blobs/sha256:../../{ESCAPE}"));
    cases.push(Case::raw("digest, slashes", request, "400|404"));
    cases
}

/// Requests that say a digest, by what is wrong with it.
fn places(upload: &str) -> Vec<(&'static str, &'static str, String)> {
    let escape = format!("sha256:../../../{ESCAPE}");
    let posts = "/v2/{r}/blobs/uploads/";
    let mount = format!("{posts}?mount={escape}&from={{r}}");
    vec![
        (
            "digest, short, HEAD",
            "HEAD",
            format!("/v2/{{r}}/blobs/{SHORT}"),
        ),
        (
            "digest, short, deleted",
            "DELETE",
            format!("/v2/{{r}}/blobs/{SHORT}"),
        ),
        (
            "digest, short, of a manifest",
            "GET",
            format!("/v2/{{r}}/manifests/{SHORT}"),
        ),
        (
            "digest, short, manifest deleted",
            "DELETE",
            format!("/v2/{{r}}/manifests/{SHORT}"),
        ),
        (
            "digest, short, of a subject",
            "GET",
            format!("/v2/{{r}}/referrers/{SHORT}"),
        ),
        (
            "digest, a tag, of a subject",
            "GET",
            "/v2/{r}/referrers/v1".to_owned(),
        ),
        (
            "digest, short, mounted",
            "POST",
            format!("{posts}?mount={SHORT}"),
        ),
        (
            "digest, short, single POST",
            "POST",
            format!("{posts}?digest={SHORT}"),
        ),
        ("digest, an escape, mounted", "POST", mount),
        (
            "digest, short, closing an upload",
            "PUT",
            with(upload, SHORT),
        ),
        (
            "digest, an escape, closing an upload",
            "PUT",
            with(upload, &escape),
        ),
        ("digest, empty, closing an upload", "PUT", with(upload, "")),
        (
            "digest algorithm, unknown",
            "POST",
            format!("{posts}?digest-algorithm=md5"),
        ),
        (
            "digest algorithm, an escape",
            "POST",
            format!("{posts}?digest-algorithm=../x"),
        ),
    ]
}

/// Adds a digest to the path of an upload.
fn with(upload: &str, digest: &str) -> String {
    spec_tests::with_query(upload, &format!("digest={digest}"))
}

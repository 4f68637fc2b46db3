//! Repository names and tags.

use crate::scene::{Case, ESCAPE, Scene};

/// What stands where a repository's name should, and what is wrong with it.
const NAMES: &[(&str, &str)] = &[
    ("upper case", "Spec/App"),
    ("dash in front", "-app"),
    ("dash behind", "app-"),
    ("dot behind", "spec/app."),
    ("dot in front", "spec/.app"),
    ("two dots inside", "a..b"),
    ("three underscores", "a___b"),
    ("dot and dash", "a.-b"),
    ("empty component", "spec//app"),
    ("slash behind", "spec/app/"),
    ("slash in front", "/spec/app"),
    ("colon", "spec:app"),
    ("at sign", "spec@app"),
    ("space", "spec%20app"),
    ("letter outside ASCII", "caf%C3%A9"),
    ("bytes outside UTF-8", "spec%FF%FEapp"),
    ("null byte", "spec%00app"),
    ("line break", "spec%0D%0AX-Evil:%201"),
    ("backslash", "spec%5Capp"),
    ("percent sign without digits", "spec%zzapp"),
    ("asterisk", "spec*"),
    ("a dot", "."),
    ("two dots", ".."),
    ("two dots in between", "spec/../app"),
    ("dots percent-encoded", "%2e%2e/%2e%2e/etc"),
    ("dots percent-encoded twice", "%252e%252e/etc"),
];

/// What stands where a tag should, and what is wrong with it.
const TAGS: &[(&str, &str)] = &[
    ("dash in front", "-v1"),
    ("dot in front", ".v1"),
    ("plus sign", "v1+build"),
    ("space", "v%201"),
    ("letter outside ASCII", "%C3%A9"),
    ("null byte", "v1%00"),
    ("bytes outside UTF-8", "v1%FF"),
    ("two dots percent-encoded", "%2e%2e"),
    ("line break", "v1%0D%0AX-Evil:1"),
    ("asterisk", "*"),
];

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, name) in NAMES {
        let request = scene.request("GET", &format!("/v2/{name}/tags/list"));
        cases.push(Case::raw(
            &format!("name, {wrong}"),
            request,
            "400 NAME_INVALID",
        ));
    }
    for length in [256, 5000] {
        let request = scene.request("GET", &format!("/v2/{}/tags/list", "a".repeat(length)));
        let name = format!("name, {length} characters");
        cases.push(Case::raw(&name, request, "400 NAME_INVALID"));
    }
    cases.push(Case::raw(
        "name, slash percent-encoded and dots",
        scene.request(
            "POST",
            &format!("/v2/a%2f..%2f..%2f{ESCAPE}/blobs/uploads/"),
        ),
        "400 NAME_INVALID",
    ));
    cases.push(Case::raw(
        "name, dots, pushed to",
        scene.with(
            "PUT",
            &format!("/v2/../../../tmp/{ESCAPE}/manifests/x"),
            "",
            b"{}",
        ),
        "400 NAME_INVALID",
    ));
    cases.extend(tags(scene));
    cases
}

fn tags(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, tag) in TAGS {
        let request = scene.request("GET", &format!("/v2/{{r}}/manifests/{tag}"));
        // What has a colon is read as a digest, and what is no text is not read at all.
        let expected = if tag.contains(':') {
            "400 DIGEST_INVALID"
        } else if tag.contains("%FF") {
            "400 NAME_INVALID"
        } else {
            "400 TAG_INVALID"
        };
        cases.push(Case::raw(&format!("tag, {wrong}"), request, expected));
    }
    let long = "t".repeat(129);
    cases.extend([
        Case::raw(
            "tag, 129 characters",
            scene.request("GET", &format!("/v2/{{r}}/manifests/{long}")),
            "400 TAG_INVALID",
        ),
        Case::raw(
            "tag, 129 characters, pushed to",
            scene.with("PUT", &format!("/v2/{{r}}/manifests/{long}"), "", b"{}"),
            "400 TAG_INVALID",
        ),
        Case::raw(
            "tag, none",
            scene.request("GET", "/v2/{r}/manifests/"),
            "400 TAG_INVALID|404",
        ),
        Case::raw(
            "tag, with a slash",
            scene.request("GET", "/v2/{r}/manifests/a/b"),
            "400 TAG_INVALID|404",
        ),
        Case::raw(
            "tag, an escape, deleted",
            scene.request("DELETE", &format!("/v2/{{r}}/manifests/..%2f..%2f{ESCAPE}")),
            "400 TAG_INVALID",
        ),
    ]);
    cases
}

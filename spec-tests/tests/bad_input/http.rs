//! Paths, methods and shapes of requests.

use crate::scene::{Case, ESCAPE, Scene};

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = paths(scene);
    cases.extend(methods(scene));
    cases.extend(shapes(scene));
    cases
}

fn paths(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, path, expected) in [
        (
            "out of the root",
            "/../../../etc/passwd".to_owned(),
            "400|404",
        ),
        (
            "out of the root, encoded",
            "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
            "400|404",
        ),
        (
            "out of the API",
            "/v2/../../../../etc/passwd".to_owned(),
            "400|404",
        ),
        (
            "out of the API, encoded",
            "/v2/%2e%2e%2f%2e%2e%2fetc%2fpasswd".to_owned(),
            "400|404",
        ),
        (
            "out of a repository",
            format!("/v2/a/blobs/../../../{ESCAPE}"),
            "400|404",
        ),
        ("two slashes in front", "//v2//".to_owned(), "400|404"),
        (
            "half of an endpoint",
            "/v2/spec/app/blobs/".to_owned(),
            "400|404",
        ),
        (
            "an endpoint of nobody",
            "/v2/blobs/uploads/".to_owned(),
            "400|404|405",
        ),
        ("a space", "/v2/a b/tags/list".to_owned(), "400|closed"),
        (
            "a letter outside ASCII",
            "/v2/caf\u{e9}/tags/list".to_owned(),
            "400|closed",
        ),
        ("a null byte", "/v2/a\0b/tags/list".to_owned(), "400|closed"),
        ("nothing", String::new(), "400|closed"),
        ("no slash in front", "v2/".to_owned(), "400|404|closed"),
        (
            "100,000 characters",
            format!("/v2/{}/tags/list", "a".repeat(100_000)),
            "414|431|400|closed",
        ),
        (
            "a thousand components",
            format!("/v2/{}tags/list", "a/".repeat(1000)),
            "400 NAME_INVALID",
        ),
    ] {
        cases.push(Case::raw(
            &format!("path, {wrong}"),
            scene.request("GET", &path),
            expected,
        ));
    }
    cases
}

fn methods(scene: &Scene) -> Vec<Case> {
    let blob = format!("/v2/{{r}}/blobs/{}", scene.blob);
    let mut cases = Vec::new();
    for (method, path) in [
        ("POST", "/v2/"),
        ("DELETE", "/v2/"),
        ("PUT", blob.as_str()),
        ("POST", blob.as_str()),
        ("PATCH", "/v2/{r}/manifests/v1"),
        ("POST", "/v2/{r}/manifests/v1"),
        ("PUT", "/v2/{r}/tags/list"),
        ("DELETE", "/v2/{r}/tags/list"),
        ("DELETE", "/v2/_catalog"),
        ("GET", "/v2/{r}/blobs/uploads/"),
        ("TRACE", "/v2/{r}/tags/list"),
        ("BREW", "/v2/{r}/tags/list"),
        ("get", "/v2/{r}/tags/list"),
    ] {
        let shown = path
            .replace(&scene.blob, "<digest>")
            .replace("{r}", "<name>");
        let request = scene.request(method, path);
        cases.push(Case::raw(
            &format!("method, {method} {shown}"),
            request,
            "405 UNSUPPORTED",
        ));
    }
    cases
}

fn shapes(scene: &Scene) -> Vec<Case> {
    let host = scene.registry.host();
    let refused = "400|closed";
    // What a TLS client says first.
    let hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec();
    let line = |line: &str| format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    vec![
        Case::cut("request, nothing", Vec::new(), "closed"),
        Case::cut("request, half a line", "GET /v2/ HT", refused),
        Case::cut(
            "request, half a header",
            format!("GET /v2/ HTTP/1.1\r\nHost: {host}"),
            refused,
        ),
        Case::raw("request, no version", line("GET /v2/"), refused),
        Case::raw(
            "request, a version to come",
            line("GET /v2/ HTTP/9.9"),
            "400|505|closed",
        ),
        Case::raw(
            "request, another protocol",
            line("GET /v2/ FTP/1.1"),
            refused,
        ),
        Case::raw("request, four words", line("GET /v2/ HTTP/1.1 x"), refused),
        Case::raw(
            "request, a method with a space",
            line("G ET /v2/ HTTP/1.1"),
            refused,
        ),
        Case::raw(
            "request, a greeting of TLS",
            [hello, vec![0; 200]].concat(),
            refused,
        ),
        Case::raw(
            "request, a hundred thousand zeros",
            vec![0; 100_000],
            refused,
        ),
        Case::raw(
            "request, mail",
            "EHLO example.org\r\nMAIL FROM:<a@b>\r\n\r\n",
            refused,
        ),
        Case::raw(
            "request, a proxy's",
            line("CONNECT 127.0.0.1:22 HTTP/1.1"),
            "400|404|405|closed",
        ),
    ]
}

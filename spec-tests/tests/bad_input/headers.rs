//! Headers: lengths that contradict each other, shapes that smuggle, floods.

use crate::scene::{Case, Scene};

/// Headers of a PUT with the body `12345`, and what they must lead to.
const LENGTHS: &[(&str, &str, &str)] = &[
    ("negative", "Content-Length: -5\r\n", "400|closed"),
    ("with a sign", "Content-Length: +5\r\n", "400|closed"),
    ("hexadecimal", "Content-Length: 0x5\r\n", "400|closed"),
    ("two numbers", "Content-Length: 5 5\r\n", "400|closed"),
    ("a list", "Content-Length: 5, 6\r\n", "400|closed"),
    ("empty", "Content-Length: \r\n", "400|closed"),
    (
        "beyond 64 bits",
        "Content-Length: 99999999999999999999999\r\n",
        "400|413|closed",
    ),
    (
        "twice, different",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "400|closed",
    ),
];

/// Framings of which two readers could make two different requests. The request behind
/// them must not be answered.
const SMUGGLED: &[(&str, &str)] = &[
    (
        "two lengths",
        "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "two lengths, the other way round",
        "Transfer-Encoding: chunked\r\nContent-Length: 40\r\n",
    ),
    (
        "a coding that nobody knows",
        "Transfer-Encoding: xchunked\r\n",
    ),
    (
        "a coding behind chunked",
        "Transfer-Encoding: chunked, identity\r\n",
    ),
    ("a coding with a tab", "Transfer-Encoding:\tidentity\r\n"),
    (
        "a space before the colon",
        "Transfer-Encoding : chunked\r\n",
    ),
    (
        "a null byte in the value",
        "Transfer-Encoding: chunked\0\r\n",
    ),
    (
        "a folded line",
        "X-Folded: a\r\n b\r\nTransfer-Encoding: identity\r\n",
    ),
];

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, headers, expected) in LENGTHS {
        let request = scene.with("PUT", "/v2/{r}/manifests/bad", headers, b"12345");
        cases.push(Case::raw(&format!("length, {wrong}"), request, expected));
    }
    for (wrong, headers) in SMUGGLED {
        let host = scene.registry.host();
        let body = format!("0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let path = format!("/v2/{}/manifests/bad", scene.repository);
        // The connection is not said to close, so that a second request would be answered.
        let request = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}");
        cases.push(Case::raw(
            &format!("framing, {wrong}"),
            request,
            "400|501|closed",
        ));
    }
    let host = scene.registry.host();
    let plain = |lines: &str| format!("GET /v2/ HTTP/1.1\r\n{lines}\r\n");
    let flood = "X-Flood: a\r\n".repeat(5000);
    let names: String = (0..2000)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    let long = "a".repeat(600_000);
    cases.extend([
        Case::raw("header, no host", plain(""), "400"),
        Case::raw("header, two hosts", plain("Host: a\r\nHost: b\r\n"), "400"),
        Case::raw(
            "header, no colon",
            plain(&format!("Host: {host}\r\nNo colon\r\n")),
            "400|closed",
        ),
        Case::raw(
            "header, no name",
            plain(&format!("Host: {host}\r\n: x\r\n")),
            "400|closed",
        ),
        Case::raw(
            "header, null byte",
            plain(&format!("Host: {host}\r\nX: a\0b\r\n")),
            "400|closed",
        ),
        Case::raw(
            "header, 5,000 lines",
            plain(&format!("Host: {host}\r\n{flood}")),
            "400|431|closed",
        ),
        Case::raw(
            "header, 2,000 names",
            plain(&format!("Host: {host}\r\n{names}")),
            "400|431|closed",
        ),
        Case::raw(
            "header, 600,000 bytes",
            plain(&format!("Host: {host}\r\nX-Long: {long}\r\n")),
            "400|431|closed",
        ),
    ]);
    cases.extend(types(scene));
    cases
}

/// Content types that are none.
fn types(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, value) in [
        ("no slash", "manifest"),
        ("nothing", ""),
        ("spaces", "application / json"),
        ("two types", "application/json, text/plain"),
        ("bytes outside ASCII", "application/\u{e9}"),
    ] {
        let headers = format!("Content-Type: {value}\r\n");
        let request = scene.with("PUT", "/v2/{r}/manifests/bad", &headers, b"{}");
        let name = format!("content type, {wrong}");
        cases.push(Case::raw(&name, request, "400 MANIFEST_INVALID"));
    }
    let headers = format!("Content-Type: application/{}\r\n", "a".repeat(20_000));
    cases.push(Case::raw(
        "content type, 20,000 characters",
        scene.with("PUT", "/v2/{r}/manifests/bad", &headers, b"{}"),
        "400 MANIFEST_INVALID|431",
    ));
    cases
}

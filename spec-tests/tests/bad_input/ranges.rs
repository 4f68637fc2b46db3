//! Ranges: of blobs that are read and of pieces that are sent.

use crate::scene::{Case, Scene};

/// Malformed or unsatisfiable ranges of a blob of 64 bytes. Either the server says so,
/// or it ignores the header and sends the whole (RFC 9110, section 14.2).
const WANTED: &[(&str, &str, &str)] = &[
    ("letters", "bytes=a-b", "416|200"),
    ("nothing", "bytes=", "416|200"),
    ("a dash alone", "bytes=-", "416|200"),
    ("two dashes", "bytes=--5", "416|200"),
    ("three numbers", "bytes=0-1-2", "416|200"),
    ("a sign", "bytes=+0-+5", "416|200"),
    ("hexadecimal", "bytes=0x0-0x5", "416|200"),
    ("end before start", "bytes=50-10", "416"),
    ("start at the end", "bytes=64-", "416"),
    ("no last bytes", "bytes=-0", "416"),
    ("the largest number", "bytes=18446744073709551615-", "416"),
    (
        "more than the largest number",
        "bytes=99999999999999999999999-",
        "416|200",
    ),
    ("no unit", "0-5", "200|416"),
    ("another unit", "lines=0-5", "200"),
];

/// Malformed `Content-Range` of a piece of five bytes.
const SENT: &[(&str, &str, &str)] = &[
    ("letters", "a-b", "400 BLOB_UPLOAD_INVALID"),
    ("nothing", "", "400 BLOB_UPLOAD_INVALID"),
    ("no end", "0-", "400 BLOB_UPLOAD_INVALID"),
    ("no start", "-4", "400 BLOB_UPLOAD_INVALID"),
    ("a sign", "+0-+4", "400 BLOB_UPLOAD_INVALID"),
    ("end before start", "4-0", "400 BLOB_UPLOAD_INVALID"),
    ("longer than the body", "0-99", "400 SIZE_INVALID"),
    ("shorter than the body", "0-1", "400 SIZE_INVALID"),
    ("beyond what came", "5-9", "416 RANGE_INVALID"),
    (
        "the largest numbers",
        "18446744073709551611-18446744073709551615",
        "400 BLOB_UPLOAD_INVALID",
    ),
    (
        "more than the largest number",
        "0-99999999999999999999999",
        "400 BLOB_UPLOAD_INVALID",
    ),
];

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, range, expected) in WANTED {
        let path = format!("/v2/{{r}}/blobs/{}", scene.blob);
        let request = scene.with("GET", &path, &format!("Range: {range}\r\n"), b"");
        cases.push(Case::raw(&format!("range, {wrong}"), request, expected));
    }
    let many: Vec<String> = (0..2000)
        .map(|number| format!("{}-{}", number % 60, 61))
        .collect();
    let path = format!("/v2/{{r}}/blobs/{}", scene.blob);
    let headers = format!("Range: bytes={}\r\n", many.join(","));
    let request = scene.with("GET", &path, &headers, b"");
    cases.push(Case::raw("range, 2,000 of them", request, "200|416|431"));
    for (wrong, range, expected) in SENT {
        let upload = scene.upload();
        let headers = format!("Content-Range: {range}\r\n");
        let request = scene.with("PATCH", &upload, &headers, b"12345");
        cases.push(Case::raw(
            &format!("content range, {wrong}"),
            request,
            expected,
        ));
    }
    let upload = scene.upload();
    let closing =
        spec_tests::with_query(&upload, &format!("digest={}", spec_tests::digest(b"12345")));
    cases.push(Case::raw(
        "content range, beyond what came, closing",
        scene.with("PUT", &closing, "Content-Range: 5-9\r\n", b"12345"),
        "416 RANGE_INVALID",
    ));
    cases
}

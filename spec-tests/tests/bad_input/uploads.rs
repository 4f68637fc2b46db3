//! Uploads that cannot be, or end before they are whole.

use spec_tests::{digest, with_query};

use crate::scene::{Case, ESCAPE, Scene};

/// The most that a chunk's length has digits for, and one more.
const OVERFLOW: &str = "fffffffffffffffff";

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = ids(scene);
    cases.extend(ends(scene));
    cases.extend(bodies(scene));
    cases.extend(chunks(scene));
    cases
}

/// Upload ids that nobody gave out.
fn ids(scene: &Scene) -> Vec<Case> {
    let unknown = "404 BLOB_UPLOAD_UNKNOWN";
    let long = "a".repeat(5000);
    let mut cases = Vec::new();
    for (wrong, id) in [
        ("unknown", "00000000-1111-4222-8333-444444444444"),
        ("no id at all", "abc"),
        ("two dots", ".."),
        ("dots percent-encoded", "%2e%2e"),
        ("null byte", "a%00b"),
        ("bytes outside UTF-8", "%FF"),
        ("5,000 characters", long.as_str()),
    ] {
        let request = scene.with("PATCH", &format!("/v2/{{r}}/blobs/uploads/{id}"), "", b"x");
        let name = format!("upload id, {wrong}");
        cases.push(Case::raw(
            &name,
            request,
            "404 BLOB_UPLOAD_UNKNOWN|400 NAME_INVALID",
        ));
    }
    let path = format!("/v2/{{r}}/blobs/uploads/..%2f..%2f..%2f{ESCAPE}");
    let closing = with_query(&path, &format!("digest={}", digest(b"x")));
    cases.extend([
        Case::raw(
            "upload id, an escape",
            scene.with("PATCH", &path, "", b"x"),
            unknown,
        ),
        Case::raw(
            "upload id, an escape, closed",
            scene.with("PUT", &closing, "", b"x"),
            unknown,
        ),
        Case::raw(
            "upload id, an escape, cancelled",
            scene.request("DELETE", &path),
            unknown,
        ),
        Case::raw(
            "upload id, an escape, asked",
            scene.request("GET", &path),
            unknown,
        ),
        Case::raw(
            "upload id, slashes",
            scene.with(
                "PATCH",
                &format!("/v2/{{r}}/blobs/uploads/../{ESCAPE}"),
                "",
                b"x",
            ),
            "404|400",
        ),
    ]);
    let elsewhere = scene.upload().replace(&scene.repository, "spec/elsewhere");
    cases.push(Case::raw(
        "upload id, of another repository",
        scene.with("PATCH", &elsewhere, "", b"x"),
        unknown,
    ));
    cases
}

/// Uploads that were closed already, or are closed wrongly.
fn ends(scene: &Scene) -> Vec<Case> {
    let name = digest(b"12345");
    let finished = scene.upload();
    let closing = with_query(&finished, &format!("digest={name}"));
    let request = scene.with("PUT", &closing, "", b"12345");
    assert!(
        scene
            .registry
            .raw(request)
            .first()
            .is_some_and(|answer| answer.status == 201)
    );
    let cancelled = scene.upload();
    let request = scene.request("DELETE", &cancelled);
    let _ = scene.registry.raw(request);
    let unknown = "404 BLOB_UPLOAD_UNKNOWN";
    let wrong = with_query(&scene.upload(), &format!("digest={}", digest(b"other")));
    let twice = format!("digest={}&digest={name}", digest(b"other"));
    let twice = with_query(&scene.upload(), &twice);
    let missing = scene.upload();
    vec![
        Case::raw(
            "upload, closed twice",
            scene.with("PUT", &closing, "", b"12345"),
            unknown,
        ),
        Case::raw(
            "upload, piece after its end",
            scene.with("PATCH", &finished, "", b"1"),
            unknown,
        ),
        Case::raw(
            "upload, cancelled after its end",
            scene.request("DELETE", &finished),
            unknown,
        ),
        Case::raw(
            "upload, piece after cancelling",
            scene.with("PATCH", &cancelled, "", b"1"),
            unknown,
        ),
        Case::raw(
            "upload, wrong digest",
            scene.with("PUT", &wrong, "", b"12345"),
            "400 DIGEST_INVALID",
        ),
        Case::raw(
            "upload, no digest",
            scene.with("PUT", &missing, "", b"12345"),
            "400 DIGEST_INVALID",
        ),
        Case::raw(
            "upload, two digests",
            scene.with("PUT", &twice, "", b"12345"),
            "400 DIGEST_INVALID",
        ),
        Case::raw(
            "upload, wrong digest, single POST",
            scene.with(
                "POST",
                &format!("/v2/{{r}}/blobs/uploads/?digest={}", digest(b"other")),
                "",
                b"12345",
            ),
            "400 DIGEST_INVALID",
        ),
    ]
}

/// Bodies that are cut.
fn bodies(scene: &Scene) -> Vec<Case> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let long = "Content-Length: 100\r\n";
    let closing = |bytes: &[u8]| with_query(&scene.upload(), &format!("digest={}", digest(bytes)));
    let single = format!("/v2/{{r}}/blobs/uploads/?digest={}", digest(b"12345"));
    vec![
        Case::cut(
            "body, cut, in a piece",
            scene.with("PATCH", &scene.upload(), long, b"12345"),
            "400|closed",
        ),
        Case::cut(
            "body, cut, closing",
            scene.with("PUT", &closing(b"12345"), long, b"12345"),
            "400|closed",
        ),
        Case::cut(
            "body, cut, single POST",
            scene.with("POST", &single, long, b"12345"),
            "400|closed",
        ),
        Case::cut(
            "body, cut, in a chunk",
            scene.with("PUT", &closing(b"12345"), chunked, b"a\r\n12345"),
            "400|closed",
        ),
        Case::cut(
            "body, cut, before the last chunk",
            scene.with("PUT", &closing(b"12345"), chunked, b"5\r\n12345\r\n"),
            "400|closed",
        ),
    ]
}

/// Bodies in chunks that are none.
fn chunks(scene: &Scene) -> Vec<Case> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let closing = |bytes: &[u8]| with_query(&scene.upload(), &format!("digest={}", digest(bytes)));
    let overflow = format!("{OVERFLOW}\r\n12345\r\n0\r\n\r\n");
    vec![
        Case::raw(
            "body, chunk length no number",
            scene.with(
                "PUT",
                &closing(b"12345"),
                chunked,
                b"zz\r\n12345\r\n0\r\n\r\n",
            ),
            "400|closed",
        ),
        Case::raw(
            "body, chunk length negative",
            scene.with(
                "PUT",
                &closing(b"12345"),
                chunked,
                b"-5\r\n12345\r\n0\r\n\r\n",
            ),
            "400|closed",
        ),
        Case::raw(
            "body, chunk length beyond 64 bits",
            scene.with("PUT", &closing(b"12345"), chunked, overflow.as_bytes()),
            "400|closed",
        ),
        Case::raw(
            "body, chunk longer than its length",
            scene.with(
                "PUT",
                &closing(b"12345"),
                chunked,
                b"3\r\n12345\r\n0\r\n\r\n",
            ),
            "400|closed",
        ),
        Case::raw(
            "body, chunks that are text",
            scene.with(
                "PATCH",
                &scene.upload(),
                chunked,
                b"this is no chunk\r\n\r\n",
            ),
            "400|closed",
        ),
    ]
}

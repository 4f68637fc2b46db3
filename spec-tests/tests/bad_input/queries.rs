//! Query strings.

use serde_json::json;
use spec_tests::{Content, digest, media};

use crate::scene::{Case, ESCAPE, Scene};

/// Numbers that are none.
const NUMBERS: &[(&str, &str)] = &[
    ("negative", "-1"),
    ("letters", "abc"),
    ("nothing", ""),
    ("a fraction", "1.5"),
    ("hexadecimal", "0x10"),
    ("with a sign", "%2B5"),
    ("beyond 64 bits", "99999999999999999999999"),
    ("a null byte", "5%00"),
    ("digits outside ASCII", "%D9%A5"),
];

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    let invalid = "400 PAGINATION_NUMBER_INVALID";
    for (wrong, number) in NUMBERS {
        for (list, path) in [("tags", "/v2/{r}/tags/list"), ("catalog", "/v2/_catalog")] {
            // A number too large to count with may also mean all there are.
            let expected = if *wrong == "beyond 64 bits" {
                "400 PAGINATION_NUMBER_INVALID|200"
            } else {
                invalid
            };
            let request = scene.request("GET", &format!("{path}?n={number}"));
            cases.push(Case::raw(
                &format!("query, {list}, n {wrong}"),
                request,
                expected,
            ));
        }
    }
    let long = "a".repeat(20_000);
    let huge = "a".repeat(100_000);
    for (wrong, last, expected) in [
        ("a null byte", "%00", "400|200"),
        ("bytes outside UTF-8", "%FF%FE", "400|200"),
        ("an escape", "..%2f..%2f..%2fetc%2fpasswd", "400|200"),
        ("a line break", "a%0D%0AX-Evil:%201", "400|200"),
        ("20,000 characters", long.as_str(), "400|200|414"),
        ("100,000 characters", huge.as_str(), "400|414|431|closed"),
    ] {
        for (list, path) in [("tags", "/v2/{r}/tags/list"), ("catalog", "/v2/_catalog")] {
            let request = scene.request("GET", &format!("{path}?n=1&last={last}"));
            cases.push(Case::raw(
                &format!("query, {list}, last {wrong}"),
                request,
                expected,
            ));
        }
    }
    cases.extend(tags(scene));
    let known = digest(b"{}");
    cases.extend([
        Case::raw(
            "query, mount from an invalid name",
            scene.request(
                "POST",
                &format!("/v2/{{r}}/blobs/uploads/?mount={known}&from=..%2f..%2f{ESCAPE}"),
            ),
            "400 NAME_INVALID|202",
        ),
        Case::raw(
            "query, mount from a name with a line break",
            scene.request(
                "POST",
                &format!("/v2/{{r}}/blobs/uploads/?mount={known}&from=a%0D%0AX-Evil:%201"),
            ),
            "400 NAME_INVALID|202",
        ),
        Case::raw(
            "query, filter with a line break",
            scene.request(
                "GET",
                &format!("/v2/{{r}}/referrers/{known}?artifactType=a%0D%0AX-Evil:%201"),
            ),
            "200|400",
        ),
        Case::raw(
            "query, ten thousand signs",
            scene.request("GET", &format!("/v2/?{}", "&=".repeat(5000))),
            "200|400|414",
        ),
    ]);
    cases
}

/// Tags on a push by digest.
fn tags(scene: &Scene) -> Vec<Case> {
    let image = Content::manifest(&json!({ "annotations": { "pushed": "wrongly" } }));
    let headers = format!("Content-Type: {}\r\n", media::MANIFEST);
    let push = |query: &str| {
        let path = format!("/v2/{{r}}/manifests/{}?{query}", image.digest());
        scene.with("PUT", &path, &headers, &image.bytes)
    };
    let many: Vec<String> = (0..5000).map(|number| format!("tag=t{number}")).collect();
    let mut cases = Vec::new();
    for (wrong, query) in [
        ("empty", "tag="),
        ("dash in front", "tag=-a"),
        ("a slash", "tag=a/b"),
        ("an escape", "tag=..%2f..%2fx"),
        ("a digest", "tag=sha256:abc"),
        ("a line break", "tag=a%0D%0AX-Evil:%201"),
        ("bytes outside UTF-8", "tag=%FF"),
        ("one good and one bad", "tag=good&tag=b%20d"),
    ] {
        cases.push(Case::raw(
            &format!("query, tag {wrong}"),
            push(query),
            "400 TAG_INVALID",
        ));
    }
    let request = push(&many.join("&"));
    cases.push(Case::raw(
        "query, 5,000 tags",
        request,
        "400 TAG_INVALID|414|431",
    ));
    cases
}

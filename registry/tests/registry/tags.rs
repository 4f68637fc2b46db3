//! `/v2/<name>/tags/list`

use crate::scene::{Scene, error, image, put};

#[tokio::test]
async fn tags_come_in_pages() {
    let scene = Scene::new().await;
    for tag in ["v2", "latest", "v10", "A"] {
        if tag == "v2" {
            scene.push_image("a/b", tag).await;
        } else {
            scene.send(&put("a/b", tag, &image())).await;
        }
    }
    let json = ("content-type", "application/json");
    for (query, body, link) in [
        ("", r#"{"name":"a/b","tags":["A","latest","v10","v2"]}"#, ""),
        (
            "?n=2",
            r#"{"name":"a/b","tags":["A","latest"]}"#,
            "</v2/a/b/tags/list?n=2&last=latest>; rel=\"next\"",
        ),
        (
            "?n=2&last=latest",
            r#"{"name":"a/b","tags":["v10","v2"]}"#,
            "",
        ),
        (
            "?last=b",
            r#"{"name":"a/b","tags":["latest","v10","v2"]}"#,
            "",
        ),
        ("?last=v2", r#"{"name":"a/b","tags":[]}"#, ""),
        ("?n=0", r#"{"name":"a/b","tags":[]}"#, ""),
        (
            "?n=99999999999999999999",
            r#"{"name":"a/b","tags":["A","latest","v10","v2"]}"#,
            "",
        ),
    ] {
        let answer = scene.get(&format!("/v2/a/b/tags/list{query}")).await;
        let length = body.len().to_string();
        let mut headers = vec![json, ("content-length", length.as_str())];
        if !link.is_empty() {
            headers.push(("link", link));
        }
        answer.is(200, &headers, body);
    }
    for n in ["-1", "x", ""] {
        let answer = scene.get(&format!("/v2/a/b/tags/list?n={n}")).await;
        let message = "`n` is not a number of names, 0 or more";
        answer.is_error(400, &[], &error("PAGINATION_NUMBER_INVALID", message, ""));
    }
    let answer = scene.get("/v2/a/tags/list").await;
    let message = "repository `a` does not exist";
    answer.is_error(404, &[], &error("NAME_UNKNOWN", message, r#"{"name":"a"}"#));
}

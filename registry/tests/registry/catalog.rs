//! `/v2/_catalog`

use crate::scene::Scene;

#[tokio::test]
async fn repositories_come_in_pages_by_the_order_of_their_names() {
    let scene = Scene::new().await;
    scene.get("/v2/_catalog").await.is(
        200,
        &[
            ("content-length", "19"),
            ("content-type", "application/json"),
        ],
        r#"{"repositories":[]}"#,
    );
    for name in ["a/b", "a", "a-b", "a0"] {
        scene.push_image(name, "x").await;
    }
    // A blob alone makes no repository.
    scene.push_blob("blobs-only", b"x").await;
    for (query, body, link) in [
        ("", r#"{"repositories":["a","a-b","a/b","a0"]}"#, ""),
        (
            "?n=3",
            r#"{"repositories":["a","a-b","a/b"]}"#,
            "</v2/_catalog?n=3&last=a%2Fb>; rel=\"next\"",
        ),
        ("?n=3&last=a%2Fb", r#"{"repositories":["a0"]}"#, ""),
        ("?n=3&last=a/b", r#"{"repositories":["a0"]}"#, ""),
    ] {
        let answer = scene.get(&format!("/v2/_catalog{query}")).await;
        let length = body.len().to_string();
        let mut headers = vec![
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
        ];
        if !link.is_empty() {
            headers.push(("link", link));
        }
        answer.is(200, &headers, body);
    }
}

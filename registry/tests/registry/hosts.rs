//! Names by which the registry is called, and pages of browsers.

use crate::scene::{CONFIG, Scene, error};
use crate::wire::ask;

#[tokio::test]
async fn usual_clients_call_it_by_address_or_as_localhost() {
    let scene = Scene::called(&["registry.test"]).await;
    for host in [
        "localhost:5000",
        "127.0.0.1:5000",
        "[::1]:5000",
        "registry.localhost",
        "registry.test:5000",
    ] {
        let answer = scene.send(&ask("GET /v2/").host(host)).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    assert_eq!(scene.push_blob("a", CONFIG).await.status, 201);
}

#[tokio::test]
async fn a_name_that_is_not_its_own_reaches_nothing() {
    let scene = Scene::called(&["registry.test"]).await;
    let message = "this registry is not called `evil.test:5000`; `allow-hosts` of `wharf serve` lists the names that it may be called by";
    for line in [
        "GET /v2/",
        "GET /v2/_catalog",
        "POST /v2/a/blobs/uploads/",
        "GET /metrics",
        "GET /v2/nothing",
        // The name in the first line is the one that counts (RFC 9112,
        // section 3.2.2).
        "GET http://evil.test:5000/v2/",
    ] {
        let host = if line.contains("://") {
            "localhost"
        } else {
            "evil.test:5000"
        };
        let answer = scene.send(&ask(line).host(host)).await;
        answer.is_error(403, &[], &error("DENIED", message, ""));
    }
    assert_eq!(scene.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing() {
    let scene = Scene::called(&[]).await;
    for origin in ["http://evil.test", "http://localhost:3000", "null"] {
        let post = ask("POST /v2/a/blobs/uploads/").host("localhost:5000");
        let answer = scene.send(&post.header("origin", origin)).await;
        let message = format!(
            r#"pages of `{origin}` may not use this registry; `allow-hosts = [\"*\"]` of `wharf serve` lets any"#
        );
        answer.is_error(403, &[], &error("DENIED", &message, ""));
    }
    assert_eq!(scene.keys().await, Vec::<String>::new());
    let own = ask("POST /v2/a/blobs/uploads/").host("localhost:5000");
    let answer = scene
        .send(&own.header("origin", "http://localhost:5000"))
        .await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn elsewhere_any_name_will_do() {
    let scene = Scene::new().await;
    let request = ask("GET /v2/").host("registry.example.com");
    let answer = scene
        .send(&request.header("origin", "https://ui.example.com"))
        .await;
    assert_eq!(answer.status, 200);
}

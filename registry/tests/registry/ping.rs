//! `/v2/`, the paths beside it, and what is at no path.

use crate::scene::{Scene, error};
use crate::wire::ask;

#[tokio::test]
async fn this_is_a_registry() {
    let scene = Scene::new().await;
    for path in ["/v2/", "/v2"] {
        let answer = scene.get(path).await;
        answer.is(
            200,
            &[
                ("content-length", "2"),
                ("content-type", "application/json"),
            ],
            "{}",
        );
    }
    let answer = scene.send(&ask("HEAD /v2/")).await;
    answer.is(
        200,
        &[
            ("content-length", "2"),
            ("content-type", "application/json"),
        ],
        "",
    );
    assert_eq!(scene.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn methods_and_paths_that_are_not() {
    let scene = Scene::new().await;
    for (line, allow) in [
        ("DELETE /v2/", "GET, HEAD"),
        ("POST /v2/_catalog", "GET, HEAD"),
        ("PUT /v2/a/tags/list", "GET, HEAD"),
        ("GET /v2/a/blobs/uploads/", "POST"),
        ("PATCH /v2/a/manifests/x", "GET, HEAD, PUT, DELETE"),
    ] {
        let answer = scene.send(&ask(line)).await;
        let method = line.split(' ').next().expect("a method");
        let message = format!("`{method}` can not be done here; allowed: {allow}");
        answer.is_error(
            405,
            &[("allow", allow)],
            &error("UNSUPPORTED", &message, ""),
        );
    }
    for path in ["/", "/v1/", "/v22/a/tags/list", "/v2/a", "/v2/a/nothing"] {
        let answer = scene.get(path).await;
        answer.is_error(
            404,
            &[],
            &error("UNSUPPORTED", "there is nothing at this path", ""),
        );
    }
}

#[tokio::test]
async fn health_and_readiness() {
    let scene = Scene::new().await;
    let text = ("content-type", "text/plain; charset=utf-8");
    scene
        .get("/healthz")
        .await
        .is(200, &[("content-length", "3"), text], "ok\n");
    scene
        .get("/readyz")
        .await
        .is(200, &[("content-length", "3"), text], "ok\n");
    let fault = blob::testing::Fault {
        kind: blob::ErrorKind::Unavailable,
        moment: blob::testing::Moment::Before,
    };
    scene.backend.fail_when(fault, |_| true);
    scene
        .get("/healthz")
        .await
        .is(200, &[("content-length", "3"), text], "ok\n");
    let answer = scene.get("/readyz").await;
    answer.is(
        503,
        &[("content-length", "28"), text],
        "the storage does not answer\n",
    );
}

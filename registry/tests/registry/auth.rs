//! Who may do what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::{Access, Anonymous, Htpasswd};

use crate::scene::{LAYER, Scene, error, image, put, sha256};
use crate::wire::{Answer, Ask, ask};

async fn with_password() -> Scene {
    let hash = bcrypt::hash("secret", 4).expect("hashes");
    let file = Htpasswd::parse(&format!("alice:{hash}\n")).expect("valid");
    Scene::with(Access::Passwords(file)).await
}

fn signed(ask: Ask, credentials: &str) -> Ask {
    ask.header(
        "authorization",
        &format!("Basic {}", STANDARD.encode(credentials)),
    )
}

#[track_caller]
fn challenged(answer: &Answer, message: &str) {
    let challenge = ("www-authenticate", "Basic realm=\"wharf\"");
    answer.is_error(401, &[challenge], &error("UNAUTHORIZED", message, ""));
}

/// One request for each thing that can be asked.
fn requests() -> Vec<Ask> {
    let (layer, id) = (sha256("x"), "0".repeat(32));
    [
        "GET /v2/".to_owned(),
        "GET /v2/_catalog".into(),
        "GET /v2/a/tags/list".into(),
        "GET /v2/a/manifests/x".into(),
        "DELETE /v2/a/manifests/x".into(),
        format!("GET /v2/a/blobs/{layer}"),
        format!("DELETE /v2/a/blobs/{layer}"),
        "POST /v2/a/blobs/uploads/".into(),
        format!("POST /v2/a/blobs/uploads/?digest={layer}"),
        format!("POST /v2/a/blobs/uploads/?mount={layer}&from=b"),
        format!("GET /v2/a/blobs/uploads/{id}"),
        format!("PATCH /v2/a/blobs/uploads/{id}"),
        format!("PUT /v2/a/blobs/uploads/{id}?digest={layer}"),
        format!("DELETE /v2/a/blobs/uploads/{id}"),
        format!("GET /v2/a/referrers/{layer}"),
        "GET /v2/nowhere".into(),
        "GET /v2/UPPER/tags/list".into(),
    ]
    .iter()
    .map(|line| ask(line))
    .chain([put("a", "x", &image())])
    .collect()
}

#[tokio::test]
async fn whoever_has_no_password_is_asked_for_it_and_told_nothing() {
    let scene = with_password().await;
    for request in requests() {
        challenged(&scene.send(&request).await, "credentials are needed");
    }
    let wrong = "user name or password is wrong";
    for credentials in ["alice:wrong", "mallory:secret", "alice:", ":"] {
        challenged(
            &scene.send(&signed(ask("GET /v2/"), credentials)).await,
            wrong,
        );
    }
    let odd = "credentials are not of the form `Basic base64(user:password)`";
    for value in ["Bearer x", "Basic", "Basic %%%", "Basic YWxpY2U="] {
        challenged(
            &scene
                .send(&ask("GET /v2/").header("authorization", value))
                .await,
            odd,
        );
    }
    let head = scene.send(&ask("HEAD /v2/")).await;
    assert_eq!(
        (head.status, head.header("www-authenticate")),
        (401, "Basic realm=\"wharf\"")
    );
    assert_eq!(scene.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_has_a_password_may_do_everything() {
    let scene = with_password().await;
    let digest = oci::Digest::sha256(LAYER);
    for (line, status) in [
        (format!("POST /v2/a/blobs/uploads/?digest={digest}"), 201),
        (format!("GET /v2/a/blobs/{digest}"), 200),
        (format!("POST /v2/b/blobs/uploads/?mount={digest}"), 201),
        (format!("DELETE /v2/a/blobs/{digest}"), 202),
    ] {
        let body: &[u8] = if line.contains("?digest") { LAYER } else { b"" };
        let answer = scene
            .send(&signed(ask(&line).body(body), "alice:secret"))
            .await;
        assert_eq!(answer.status, status, "{line}");
    }
}

#[tokio::test]
async fn readers_may_read_only() {
    let scene = Scene::with(Access::Anonymous(Anonymous::Pull)).await;
    for request in requests() {
        let answer = scene.send(&request).await;
        let text = String::from_utf8_lossy(&request.bytes()).into_owned();
        let reads = text.starts_with("GET") && !text.contains("/uploads/");
        if reads {
            assert!(
                [200, 400, 404].contains(&answer.status),
                "{text}: {answer:?}"
            );
        } else {
            answer.is_error(403, &[], &error("DENIED", "this registry is read-only", ""));
        }
    }
    assert_eq!(scene.keys().await, Vec::<String>::new());
}

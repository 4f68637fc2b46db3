//! What is seen of the registry by who operates it: counts, by words of ours
//! alone.

use std::time::Duration;

use oci::Digest;
use registry::{Exposure, Settings};

use crate::scene::{LAYER, Scene};
use crate::wire::{Answer, ask};

async fn metrics(scene: &Scene) -> String {
    scene.get("/metrics").await.text().to_owned()
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        let found = text.lines().any(|found| found == *line);
        assert!(found, "no `{line}` in:\n{text}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let scene = Scene::new().await;
    scene.push_image("a", "v1").await;
    scene.get("/v2/a/manifests/v1").await;
    scene.get("/v2/a/manifests/nothing").await;
    scene.send(&ask("HEAD /v2/a/manifests/v1")).await;
    scene
        .get(&format!("/v2/a/blobs/{}", Digest::sha256(LAYER)))
        .await;
    scene.send(&ask("BREW /v2/")).await;
    scene.get("/teapot").await;
    let text = metrics(&scene).await;
    has(
        &text,
        &[
            r#"wharf_http_requests_total{route="/v2/{name}/manifests/{reference}",method="GET",status="200"} 1"#,
            r#"wharf_http_requests_total{route="/v2/{name}/manifests/{reference}",method="GET",status="404"} 1"#,
            r#"wharf_http_requests_total{route="/v2/{name}/manifests/{reference}",method="HEAD",status="200"} 1"#,
            r#"wharf_http_requests_total{route="/v2/{name}/manifests/{reference}",method="PUT",status="201"} 1"#,
            r#"wharf_http_requests_total{route="/v2/{name}/blobs/{digest}",method="GET",status="200"} 1"#,
            r#"wharf_http_requests_total{route="/v2/{name}/blobs/uploads/",method="POST",status="201"} 2"#,
            r#"wharf_http_requests_total{route="/v2/",method="other",status="405"} 1"#,
            r#"wharf_http_requests_total{route="none",method="GET",status="404"} 1"#,
            r#"wharf_http_request_seconds_count{route="/v2/{name}/blobs/{digest}",method="GET"} 1"#,
            "wharf_http_requests_in_flight 1",
            "wharf_http_connections 1",
            r#"wharf_uploads_total{event="started"} 2"#,
            r#"wharf_uploads_total{event="finished"} 2"#,
            "wharf_upload_bodies 0",
            "wharf_upload_bodies_waiting 0",
            "# EOF",
        ],
    );
    let published = r#"wharf_storage_operation_seconds_count{operation="publish",outcome="done"} "#;
    assert!(text.contains(published), "{text}");
}

#[tokio::test]
async fn bytes_are_those_of_bodies() {
    let scene = Scene::new().await;
    let content = vec![b'x'; 1 << 20];
    scene.push_blob("a", &content).await;
    let path = format!("/v2/a/blobs/{}", Digest::sha256(&content));
    let before = number(&metrics(&scene).await, "wharf_http_sent_bytes_total");
    assert_eq!(scene.get(&path).await.body.len(), content.len());
    scene.send(&ask(&format!("HEAD {path}"))).await;
    let text = metrics(&scene).await;
    let sent = number(&text, "wharf_http_sent_bytes_total") - before;
    // The first page of counts was sent in between.
    let page = sent - content.len() as u64;
    assert!(page > 0 && page < 200_000, "{sent}");
    assert_eq!(
        number(&text, "wharf_http_received_bytes_total"),
        content.len() as u64
    );
}

fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no `{name}` in:\n{text}"))
}

#[tokio::test]
async fn no_client_makes_a_series() {
    let scene = Scene::new().await;
    let ask_all = async |round: usize| {
        for method in ["GET", "POST", "DELETE", &format!("M{round}")] {
            scene
                .send(&ask(&format!("{method} /v2/r{round}/tags/list")))
                .await;
            scene.send(&ask(&format!("{method} /p{round}"))).await;
            scene
                .send(&ask(&format!("{method} /v2/a/manifests/t{round}")))
                .await;
        }
        metrics(&scene).await.lines().count()
    };
    // The page of counts counts itself, from its second time on.
    ask_all(0).await;
    let first = ask_all(9).await;
    for round in 1..5 {
        assert_eq!(ask_all(round).await, first, "round {round}");
    }
}

#[tokio::test]
async fn a_cancelled_upload_and_a_broken_one() {
    let scene = Scene::new().await;
    let path = scene.start("a").await;
    assert_eq!(
        scene.send(&ask(&format!("DELETE {path}"))).await.status,
        204
    );
    let digest = Digest::sha256(LAYER);
    let post = ask(&format!("POST /v2/a/blobs/uploads/?digest={digest}"))
        .header("content-length", "30")
        .body(LAYER);
    let mut stream = tokio::net::TcpStream::connect(scene.address)
        .await
        .expect("connects");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &post.bytes())
        .await
        .expect("sent");
    tokio::io::AsyncWriteExt::shutdown(&mut stream)
        .await
        .expect("shut");
    let _answer = Answer::read(&mut stream).await;
    let text = metrics(&scene).await;
    has(
        &text,
        &[
            r#"wharf_uploads_total{event="cancelled"} 1"#,
            r#"wharf_uploads_total{event="broken"} 1"#,
        ],
    );
}

#[tokio::test]
async fn counts_are_shown_where_they_are_wanted() {
    let hidden = Scene::of(|settings: &mut Settings| settings.metrics = Exposure::Off).await;
    assert_eq!(hidden.get("/metrics").await.status, 404);
    assert_eq!(hidden.get("/healthz").await.status, 200);

    let free = ([127, 0, 0, 1], 0).into();
    let apart = Scene::of(|settings: &mut Settings| settings.metrics = Exposure::At(free)).await;
    assert_eq!(apart.get("/metrics").await.status, 404);
    let door = apart.operation.expect("an address");
    for (path, status) in [
        ("/metrics", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/v2/", 404),
    ] {
        let answer = ask(&format!("GET {path}")).send(door).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(ask("POST /metrics").send(door).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn collections_are_counted() {
    let scene = Scene::of(|settings: &mut Settings| {
        settings.collection.schedule = registry::Schedule::Every(Duration::from_mins(10));
    })
    .await;
    let runs = |text: &str| number(text, r#"wharf_collections_total{outcome="done"}"#);
    assert_eq!(runs(&metrics(&scene).await), 0);
    scene.trigger.fire();
    while runs(&metrics(&scene).await) == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_mins(25)).await;
    assert_eq!(runs(&metrics(&scene).await), 3);
    // The clock of the scene stands still.
    let last = "wharf_collection_last_success_timestamp_seconds 1700000000.0";
    has(&metrics(&scene).await, &[last]);
    scene.stop().join_next().await.expect("one").expect("ends");
}

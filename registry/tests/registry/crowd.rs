//! Many clients at once.

use std::sync::Arc;

use oci::Digest;
use tokio::task::JoinSet;

use crate::scene::{Scene, image, image_of, put, sha256};

const CLIENTS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_image_by_many_at_once() {
    let scene = Arc::new(Scene::new().await);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let scene = Arc::clone(&scene);
        clients.spawn(async move { scene.push_image("a", "v1").await });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("pushed");
    }
    let at_once = scene.keys().await;
    assert_eq!(scene.get("/v2/a/manifests/v1").await.text(), image());
    let alone = Scene::new().await;
    alone.push_image("a", "v1").await;
    assert_eq!(at_once, alone.keys().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_images_by_many_at_once() {
    let scene = Arc::new(Scene::new().await);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let scene = Arc::clone(&scene);
        clients.spawn(async move {
            let name = format!("r{}", number % 4);
            scene.push_image(&name, &format!("first{number}")).await;
            let own = format!("only of {number}");
            assert_eq!(scene.push_blob(&name, own.as_bytes()).await.status, 201);
            let manifest = image_of(&number.to_string());
            let pushed = scene
                .send(&put(&name, &format!("v{number}"), &manifest))
                .await;
            assert_eq!(pushed.status, 201);
            assert_eq!(
                scene.send(&put(&name, "latest", &manifest)).await.status,
                201
            );
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("pushed");
    }
    for number in 0..CLIENTS {
        let name = format!("r{}", number % 4);
        let manifest = image_of(&number.to_string());
        let found = scene.get(&format!("/v2/{name}/manifests/v{number}")).await;
        assert_eq!((found.status, found.text()), (200, manifest.as_str()));
        let found = scene
            .get(&format!("/v2/{name}/manifests/{}", sha256(&manifest)))
            .await;
        assert_eq!(found.text(), manifest);
        let own = format!("only of {number}");
        let path = format!("/v2/{name}/blobs/{}", Digest::sha256(own.as_bytes()));
        assert_eq!(scene.get(&path).await.text(), own);
    }
    for name in ["r0", "r1", "r2", "r3"] {
        let latest = scene.get(&format!("/v2/{name}/manifests/latest")).await;
        let tagged = latest.header("docker-content-digest").replace(':', "-");
        let keys = scene.keys().await;
        let of_latest: Vec<_> = keys
            .iter()
            .filter(|key| {
                key.starts_with(&format!("repositories/{name}/tagged/")) && key.ends_with("/latest")
            })
            .collect();
        let found = format!("repositories/{name}/tagged/{tagged}/latest");
        assert!(of_latest.contains(&&found), "{of_latest:?}");
    }
}

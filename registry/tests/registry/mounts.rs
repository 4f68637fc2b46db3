//! `POST /v2/<name>/blobs/uploads/?mount=<digest>`

use oci::Digest;

use crate::scene::{LAYER, Scene};
use crate::wire::ask;

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_or_from_anywhere() {
    let scene = Scene::new().await;
    scene.push_blob("a", LAYER).await;
    let digest = Digest::sha256(LAYER);
    let before = scene.keys().await;
    for (name, from) in [("b", "&from=a"), ("c", "")] {
        let line = format!("POST /v2/{name}/blobs/uploads/?mount={digest}{from}");
        let answer = scene.send(&ask(&line)).await;
        let headers = [
            ("content-length", "0"),
            ("docker-content-digest", &digest.to_string()),
            ("location", &format!("/v2/{name}/blobs/{digest}")),
        ];
        answer.is(201, &headers, "");
        assert_eq!(
            scene.get(&format!("/v2/{name}/blobs/{digest}")).await.body,
            LAYER
        );
    }
    let mut came = scene.keys().await;
    came.retain(|key| !before.contains(key));
    let hex = digest.hex();
    assert_eq!(
        came,
        [
            format!("links/sha256/{hex}/b"),
            format!("links/sha256/{hex}/c"),
            format!("repositories/b/blobs/sha256/{hex}/link"),
            format!("repositories/c/blobs/sha256/{hex}/link"),
        ]
    );
}

#[tokio::test]
async fn what_can_not_be_mounted_is_uploaded() {
    let scene = Scene::new().await;
    scene.push_blob("a", LAYER).await;
    let (digest, absent) = (Digest::sha256(LAYER), Digest::sha256(b"absent"));
    for query in [
        format!("mount={absent}"),
        format!("mount={absent}&from=a"),
        format!("mount={digest}&from=nowhere"),
        format!("mount={digest}&from={}a", "a/".repeat(127)),
    ] {
        let answer = scene
            .send(&ask(&format!("POST /v2/b/blobs/uploads/?{query}")))
            .await;
        assert_eq!(
            (answer.status, answer.header("range")),
            (202, "0-0"),
            "{query}"
        );
        let path = answer.header("location").to_owned();
        assert!(path.starts_with("/v2/b/blobs/uploads/"));
        assert_eq!(
            scene.send(&ask(&format!("DELETE {path}"))).await.status,
            204
        );
    }
    assert_eq!(
        scene.get(&format!("/v2/b/blobs/{digest}")).await.status,
        404
    );
    let answer = scene
        .send(&ask("POST /v2/b/blobs/uploads/?mount=x&from=a"))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
}

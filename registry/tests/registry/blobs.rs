//! `/v2/<name>/blobs/<digest>`

use oci::Digest;

use crate::scene::{LAYER, Scene, error};
use crate::wire::ask;

const TEXT: &str = "the bytes of a layer";
const BINARY: (&str, &str) = ("content-type", "application/octet-stream");
const RANGES: (&str, &str) = ("accept-ranges", "bytes");

#[tokio::test]
async fn a_blob_is_read_whole_and_in_parts() {
    let scene = Scene::new().await;
    scene.push_blob("a/b", LAYER).await;
    let digest = Digest::sha256(LAYER).to_string();
    let (path, tag) = (format!("/v2/a/b/blobs/{digest}"), format!("\"{digest}\""));
    let named = [("docker-content-digest", digest.as_str()), ("etag", &tag)];
    let whole = [&named[..], &[("content-length", "20"), BINARY, RANGES]].concat();
    scene.get(&path).await.is(200, &whole, TEXT);
    scene
        .send(&ask(&format!("HEAD {path}")))
        .await
        .is(200, &whole, "");
    for (range, told, length, text) in [
        ("bytes=4-8", "bytes 4-8/20", "5", "bytes"),
        ("bytes=-5", "bytes 15-19/20", "5", "layer"),
        ("bytes=13-", "bytes 13-19/20", "7", "a layer"),
        ("bytes=18-900", "bytes 18-19/20", "2", "er"),
    ] {
        let answer = scene
            .send(&ask(&format!("GET {path}")).header("range", range))
            .await;
        let part = [
            ("content-length", length),
            ("content-range", told),
            BINARY,
            RANGES,
        ];
        answer.is(206, &[&named[..], &part].concat(), text);
    }
    let answer = scene
        .send(&ask(&format!("GET {path}")).header("range", "bytes=20-"))
        .await;
    let message = "the blob has 20 bytes, and none in the wanted range";
    answer.is_error(
        416,
        &[("content-range", "bytes */20")],
        &error("RANGE_INVALID", message, ""),
    );
    let answer = scene
        .send(&ask(&format!("GET {path}")).header("if-none-match", &tag))
        .await;
    answer.is(304, &[("docker-content-digest", &digest)], "");
    let other = ask(&format!("GET {path}"))
        .header("range", "bytes=4-8")
        .header("if-range", "\"x\"");
    scene.send(&other).await.is(200, &whole, TEXT);
}

#[tokio::test]
async fn a_blob_is_here_or_nowhere() {
    let scene = Scene::new().await;
    scene.push_blob("a", LAYER).await;
    let digest = Digest::sha256(LAYER);
    let unknown = error(
        "BLOB_UNKNOWN",
        &format!("blob `{digest}` does not exist in this repository"),
        &format!(r#"{{"digest":"{digest}"}}"#),
    );
    scene
        .get(&format!("/v2/b/blobs/{digest}"))
        .await
        .is_error(404, &[], &unknown);
    let head = scene
        .send(&ask(&format!("HEAD /v2/b/blobs/{digest}")))
        .await;
    assert_eq!((head.status, head.text()), (404, ""));
    scene
        .send(&ask(&format!("DELETE /v2/b/blobs/{digest}")))
        .await
        .is_error(404, &[], &unknown);

    let delete = ask(&format!("DELETE /v2/a/blobs/{digest}"));
    scene
        .send(&delete)
        .await
        .is(202, &[("content-length", "0")], "");
    scene.send(&delete).await.is_error(404, &[], &unknown);
    scene
        .get(&format!("/v2/a/blobs/{digest}"))
        .await
        .is_error(404, &[], &unknown);
    assert_eq!(
        scene.keys().await,
        // The bytes, and where to look for whoever has them, are the
        // collector's.
        [
            format!("blobs/sha256/{}", digest.hex()),
            format!("links/sha256/{}/a", digest.hex())
        ]
    );
}

#[tokio::test]
async fn digests_that_are_none() {
    let scene = Scene::new().await;
    for digest in ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "x"] {
        let answer = scene.get(&format!("/v2/a/blobs/{digest}")).await;
        assert_eq!(answer.status, 400, "{digest}");
        assert!(
            answer
                .text()
                .starts_with(r#"{"errors":[{"code":"DIGEST_INVALID","#),
            "{answer:?}"
        );
    }
}

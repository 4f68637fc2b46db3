//! `/v2/<name>/manifests/<reference>`

use oci::{Algorithm, Digest};

use crate::scene::{CONFIG, LAYER, OCI_MANIFEST, Scene, error, image, image_of, put, sha256};
use crate::wire::{Answer, ask};

#[track_caller]
fn is_made(answer: &Answer, digest: &str, besides: &[(&str, &str)]) {
    let location = format!("/v2/a/manifests/{digest}");
    let made = [
        ("content-length", "0"),
        ("docker-content-digest", digest),
        ("location", &location),
    ];
    answer.is(201, &[&made[..], besides].concat(), "");
}

async fn with_blobs() -> Scene {
    let scene = Scene::new().await;
    for content in [CONFIG, LAYER] {
        scene.push_blob("a", content).await;
    }
    scene
}

#[tokio::test]
async fn a_manifest_is_pushed_and_read() {
    let scene = with_blobs().await;
    let before = scene.keys().await;
    let (text, digest) = (image(), sha256(&image()));
    is_made(&scene.send(&put("a", "v1", &text)).await, &digest, &[]);

    let mut came = scene.keys().await;
    came.retain(|key| !before.contains(key));
    let hex = Digest::sha256(text.as_bytes()).hex();
    let mut expected = vec![
        format!("blobs/sha256/{hex}"),
        "catalog/a".to_owned(),
        format!("links/sha256/{hex}/a"),
        format!(
            "repositories/a/blobs/sha256/{}/sha256-{hex}",
            Digest::sha256(CONFIG).hex()
        ),
        format!(
            "repositories/a/blobs/sha256/{}/sha256-{hex}",
            Digest::sha256(LAYER).hex()
        ),
        format!("repositories/a/manifests/sha256/{hex}"),
        format!("repositories/a/tagged/sha256-{hex}/v1"),
        "repositories/a/tags/v1".to_owned(),
    ];
    expected.sort();
    assert_eq!(came, expected);

    let (length, tag) = (text.len().to_string(), format!("\"{digest}\""));
    let headers = [
        ("content-length", length.as_str()),
        ("content-type", OCI_MANIFEST),
        ("docker-content-digest", &digest),
        ("etag", &tag),
    ];
    for reference in ["v1", &digest] {
        let path = format!("/v2/a/manifests/{reference}");
        scene.get(&path).await.is(200, &headers, &text);
        scene
            .send(&ask(&format!("HEAD {path}")))
            .await
            .is(200, &headers, "");
        let known = ask(&format!("GET {path}")).header("if-none-match", &tag);
        scene
            .send(&known)
            .await
            .is(304, &[("docker-content-digest", &digest)], "");
        // Whatever a client would rather have, it gets what was pushed.
        let other = ask(&format!("GET {path}")).header("accept", "application/json");
        scene.send(&other).await.is(200, &headers, &text);
    }
}

#[tokio::test]
async fn a_manifest_by_digest_with_tags() {
    let scene = with_blobs().await;
    for digest in [
        Digest::sha256(image().as_bytes()),
        Digest::of(Algorithm::Sha512, image().as_bytes()),
    ] {
        let reference = format!("{digest}?tag=x&tag=y");
        let answer = scene.send(&put("a", &reference, &image())).await;
        is_made(
            &answer,
            &digest.to_string(),
            &[("oci-tag", "x"), ("oci-tag", "y")],
        );
        let answer = scene.get("/v2/a/manifests/y").await;
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        assert_eq!(answer.text(), image());
    }
    let tags: String = (0..65).map(|number| format!("&tag=t{number}")).collect();
    let answer = scene
        .send(&put("a", &format!("{}?{tags}", sha256(&image())), &image()))
        .await;
    let message = "65 tags are more than the 64 that one push may move";
    answer.is_error(400, &[], &error("TAG_INVALID", message, ""));
    assert_eq!(scene.get("/v2/a/manifests/t0").await.status, 404);
}

#[tokio::test]
async fn a_subject_is_told() {
    let scene = with_blobs().await;
    let subject = sha256(&image());
    let note = image_of("note").replacen(
        "\"config\"",
        &format!(
            r#""subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":1}},"config""#
        ),
        1,
    );
    let answer = scene.send(&put("a", "note", &note)).await;
    is_made(&answer, &sha256(&note), &[("oci-subject", &subject)]);
}

#[tokio::test]
async fn a_manifest_and_its_tags_are_deleted() {
    let scene = with_blobs().await;
    let before = scene.keys().await;
    let digest = sha256(&image());
    for tag in ["v1", "v2"] {
        scene.send(&put("a", tag, &image())).await;
    }
    scene
        .send(&ask("DELETE /v2/a/manifests/v1"))
        .await
        .is(202, &[("content-length", "0")], "");
    let unknown = |reference: &str| {
        let message = format!("manifest `{reference}` does not exist in this repository");
        error(
            "MANIFEST_UNKNOWN",
            &message,
            &format!(r#"{{"reference":"{reference}"}}"#),
        )
    };
    scene
        .get("/v2/a/manifests/v1")
        .await
        .is_error(404, &[], &unknown("v1"));
    scene
        .send(&ask("DELETE /v2/a/manifests/v1"))
        .await
        .is_error(404, &[], &unknown("v1"));
    assert_eq!(scene.get("/v2/a/manifests/v2").await.status, 200);

    let delete = ask(&format!("DELETE /v2/a/manifests/{digest}"));
    scene
        .send(&delete)
        .await
        .is(202, &[("content-length", "0")], "");
    scene
        .send(&delete)
        .await
        .is_error(404, &[], &unknown(&digest));
    scene
        .get("/v2/a/manifests/v2")
        .await
        .is_error(404, &[], &unknown("v2"));
    scene
        .get(&format!("/v2/b/manifests/{digest}"))
        .await
        .is_error(404, &[], &unknown(&digest));
    let mut left = scene.keys().await;
    left.retain(|key| !before.contains(key));
    // What a manifest needed, and its bytes, are the collector's.
    let hex = |content: &[u8]| Digest::sha256(content).hex();
    let manifest = hex(image().as_bytes());
    let needs = |content| {
        let blob = hex(content);
        format!("repositories/a/blobs/sha256/{blob}/sha256-{manifest}")
    };
    assert_eq!(
        left,
        [
            format!("blobs/sha256/{manifest}"),
            "catalog/a".into(),
            format!("links/sha256/{manifest}/a"),
            needs(LAYER),
            needs(CONFIG),
        ]
    );
}

#[tokio::test]
async fn a_manifest_needs_its_blobs() {
    let scene = Scene::new().await;
    scene.push_blob("a", CONFIG).await;
    scene.push_blob("b", LAYER).await;
    let before = scene.keys().await;
    let answer = scene.send(&put("a", "v1", &image())).await;
    let message = "manifest references blobs that do not exist in this repository";
    let detail = format!(r#"{{"digests":["{}"]}}"#, Digest::sha256(LAYER));
    answer.is_error(404, &[], &error("MANIFEST_BLOB_UNKNOWN", message, &detail));
    assert_eq!(scene.keys().await, before);
}

#[tokio::test]
async fn manifests_that_are_none() {
    let scene = with_blobs().await;
    let before = scene.keys().await;
    let other = sha256("other");
    let answer = scene.send(&put("a", &other, &image())).await;
    let detail = format!(
        r#"{{"promised":"{other}","actual":"{}"}}"#,
        sha256(&image())
    );
    let message = "the manifest does not have the promised digest";
    answer.is_error(400, &[], &error("DIGEST_INVALID", message, &detail));
    for (body, code) in [
        ("", "MANIFEST_INVALID"),
        ("[]", "MANIFEST_INVALID"),
        ("{}", "MANIFEST_INVALID"),
        (
            r#"{"schemaVersion":2,"mediaType":"x/y"}"#,
            "MANIFEST_INVALID",
        ),
        (&image()[..100], "MANIFEST_INVALID"),
    ] {
        let answer = scene.send(&put("a", "v1", body)).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains(code), "{body}: {answer:?}");
    }
    let answer = scene.send(&put("a", ".bad", &image())).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("TAG_INVALID"), "{answer:?}");
    assert_eq!(scene.keys().await, before);
}

#[tokio::test]
async fn four_mebibytes_and_no_more() {
    let scene = with_blobs().await;
    let limit = 4 * 1024 * 1024;
    let padded = |size: usize| image_of(&"x".repeat(size - image_of("").len()));
    let answer = scene.send(&put("a", "v1", &padded(limit))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(scene.get("/v2/a/manifests/v1").await.body.len(), limit);
    let answer = scene.send(&put("a", "v2", &padded(limit + 1))).await;
    let message = "a manifest has at most 4194304 bytes";
    answer.is_error(413, &[], &error("SIZE_INVALID", message, ""));
    assert_eq!(scene.get("/v2/a/manifests/v2").await.status, 404);
}

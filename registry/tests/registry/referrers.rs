//! `/v2/<name>/referrers/<digest>`

use oci::Digest;

use crate::scene::{CONFIG, OCI_MANIFEST, Scene, put, sha256};
use crate::wire::ask;

fn note(kind: &str, subject: &str, text: &str) -> String {
    let config = Digest::sha256(CONFIG);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{kind}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":1}},"annotations":{{"text":"{text}"}}}}"#
    )
}

fn listed(notes: &[(&str, &str, &str)]) -> String {
    let mut descriptors: Vec<(String, String)> = notes
        .iter()
        .map(|(manifest, kind, text)| {
            let (digest, size) = (sha256(manifest), manifest.len());
            let descriptor = format!(
                r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{size},"annotations":{{"text":"{text}"}},"artifactType":"{kind}"}}"#
            );
            (digest, descriptor)
        })
        .collect();
    descriptors.sort();
    let descriptors: Vec<String> = descriptors.into_iter().map(|(_, text)| text).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}}"#,
        descriptors.join(",")
    )
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_gone_with_their_delete() {
    let scene = Scene::new().await;
    scene.push_blob("a", CONFIG).await;
    // The subject is not here, and need not come.
    let subject = sha256("subject");
    let large = "x".repeat(20_000);
    let (sbom, signature) = (
        note("application/x+sbom", &subject, "one"),
        note("application/x.signature", &subject, &large),
    );
    for manifest in [&sbom, &signature] {
        let answer = scene.send(&put("a", &sha256(manifest), manifest)).await;
        assert_eq!(
            (answer.status, answer.header("oci-subject")),
            (201, subject.as_str())
        );
    }
    let both = listed(&[
        (&sbom, "application/x+sbom", "one"),
        (&signature, "application/x.signature", &large),
    ]);
    let one = listed(&[(&sbom, "application/x+sbom", "one")]);
    let (path, index) = (
        format!("/v2/a/referrers/{subject}"),
        ("content-type", "application/vnd.oci.image.index.v1+json"),
    );
    let length = both.len().to_string();
    scene
        .get(&path)
        .await
        .is(200, &[("content-length", &length), index], &both);
    let filtered = ("oci-filters-applied", "artifactType");
    for kind in ["application/x+sbom", "application%2Fx%2Bsbom"] {
        let answer = scene.get(&format!("{path}?artifactType={kind}")).await;
        let length = one.len().to_string();
        answer.is(200, &[("content-length", &length), index, filtered], &one);
    }
    let none = listed(&[]);
    let length = none.len().to_string();
    for path in [
        format!("/v2/b/referrers/{subject}"),
        format!("/v2/a/referrers/{}", sha256("x")),
    ] {
        scene
            .get(&path)
            .await
            .is(200, &[("content-length", &length), index], &none);
    }

    scene
        .send(&ask(&format!(
            "DELETE /v2/a/manifests/{}",
            sha256(&signature)
        )))
        .await;
    let length = one.len().to_string();
    scene
        .get(&path)
        .await
        .is(200, &[("content-length", &length), index], &one);
}

#[tokio::test]
async fn a_page_ends_where_it_grows_too_large() {
    let scene = Scene::new().await;
    scene.push_blob("a", CONFIG).await;
    let subject = sha256("subject");
    let mut pushed = Vec::new();
    for number in 0..4 {
        let text = format!("{number}{}", "x".repeat(900_000));
        let manifest = note("application/x", &subject, &text);
        assert_eq!(
            scene
                .send(&put("a", &sha256(&manifest), &manifest))
                .await
                .status,
            201
        );
        pushed.push(sha256(&manifest));
    }
    pushed.sort();
    let mut path = format!("/v2/a/referrers/{subject}?artifactType=application/x");
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    loop {
        let answer = scene.get(&path).await;
        let index: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let found = index["manifests"].as_array().expect("a list");
        pages.push(found.len());
        seen.extend(
            found
                .iter()
                .map(|one| one["digest"].as_str().expect("text").to_owned()),
        );
        let link = answer.headers.iter().find(|(name, _)| name == "link");
        let Some((_, link)) = link else { break };
        let next = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""));
        next.expect("a link").clone_into(&mut path);
    }
    assert_eq!((pages, seen), (vec![3, 1], pushed));
}

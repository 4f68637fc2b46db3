//! What every state of the storage keeps to, whatever came before: after a
//! crash, a fault or a race.

use std::collections::BTreeSet;
use std::sync::Arc;

use blob::{Blobs, Key};
use oci::{Digest, MANIFEST_LIMIT, Manifest, MediaType};
use serde_json::Value;

use crate::scene::Scene;

/// Holds the keys of a store to the promises of their drawing: what a truth
/// needs is there, and each maybe-key that has to find it.
pub(crate) async fn check(scene: &Scene) {
    let keys: BTreeSet<String> = scene.keys().await.into_iter().collect();
    for key in &keys {
        let parts: Vec<&str> = key.split('/').collect();
        let needed = match parts.as_slice() {
            ["repositories", repository, "tags", tag] => {
                let record = read(scene, key).await;
                let digest = record["digest"].as_str().expect("a digest").to_owned();
                let (flat, path) = (digest.replace(':', "-"), digest.replace(':', "/"));
                vec![
                    format!("repositories/{repository}/tagged/{flat}/{tag}"),
                    format!("repositories/{repository}/manifests/{path}"),
                ]
            }
            // A link whose bytes were collected is absence, and left to the
            // collector.
            ["repositories", repository, "blobs", algorithm, hex, "link"]
                if keys.contains(&format!("blobs/{algorithm}/{hex}")) =>
            {
                vec![format!("links/{algorithm}/{hex}/{repository}")]
            }
            ["repositories", repository, "manifests", algorithm, hex] => {
                let mut needed = vec![
                    format!("blobs/{algorithm}/{hex}"),
                    format!("links/{algorithm}/{hex}/{repository}"),
                    format!("catalog/{repository}"),
                ];
                needed.extend(of_manifest(scene, repository, &format!("{algorithm}:{hex}")).await);
                needed
            }
            _ => Vec::new(),
        };
        for needed in needed {
            assert!(keys.contains(&needed), "`{key}` without `{needed}`");
        }
    }
}

/// Names what the references and the subject of a manifest need.
async fn of_manifest(scene: &Scene, repository: &str, digest: &str) -> Vec<String> {
    let path = digest.replace(':', "/");
    let record = read(
        scene,
        &format!("repositories/{repository}/manifests/{path}"),
    )
    .await;
    let media_type: MediaType = record["mediaType"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a media type");
    let named: Digest = digest.parse().expect("a digest");
    let bytes = Blobs::new(Arc::clone(&scene.backend))
        .read(&named, MANIFEST_LIMIT)
        .await
        .expect("read")
        .expect("there");
    let manifest = Manifest::parse(bytes, &media_type).expect("a manifest");
    let flat = |digest: &Digest| digest.to_string().replace(':', "-");
    let own = digest.replace(':', "-");
    let mut needed: Vec<String> = manifest
        .references()
        .map(|blob| {
            let path = blob.digest.to_string().replace(':', "/");
            format!("repositories/{repository}/blobs/{path}/{own}")
        })
        .collect();
    if let Some(subject) = manifest.subject() {
        let subject = flat(&subject.digest);
        needed.push(format!(
            "repositories/{repository}/referrers/{subject}/{own}"
        ));
    }
    needed
}

async fn read(scene: &Scene, text: &str) -> Value {
    let record = scene.backend.read(&key(text)).await.expect("read");
    serde_json::from_slice(&record.expect("there").value).expect("JSON")
}

fn key(text: &str) -> Key {
    let mut segments = text.split('/');
    let top = Key::top(segments.next().unwrap_or_default());
    segments.fold(top, |key, segment| key.child(segment))
}

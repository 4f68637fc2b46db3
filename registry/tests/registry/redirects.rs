//! Clients that are sent to the storage for a blob.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use blob::{
    Backend, ByteRange, ByteStream, Error, Expected, Key, Object, Page, Record, Saved, Swapped,
    Upload, Version,
};
use bytes::Bytes;
use oci::Digest;
use registry::{Redirects, Settings};

use crate::scene::{LAYER, Scene};
use crate::wire::ask;

/// A place that serves its blobs itself.
#[derive(Debug)]
struct Elsewhere(Object);

#[async_trait]
impl Backend for Elsewhere {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.0.read(key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        self.0.head(key).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        self.0.open(key, range).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        self.0.create(key, value).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        self.0.swap(key, expected, value).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.0.delete(key).await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        self.0.version(key).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        self.0.delete_if(key, version).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        self.0.page(key, after, limit).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        self.0.begin(place).await
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        self.0.resume(place, saved).await
    }

    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error> {
        self.0.discard(place, saved).await
    }

    async fn signed_url(&self, key: &Key, valid: Duration) -> Result<Option<String>, Error> {
        let seconds = valid.as_secs();
        Ok(Some(format!(
            "https://elsewhere.test/{key}?valid={seconds}"
        )))
    }
}

async fn sending(redirects: Redirects) -> (Scene, String, String) {
    let scene = Scene::of(|settings: &mut Settings| {
        settings.backend = Arc::new(Elsewhere(Object::in_memory()));
        settings.redirects = redirects;
    })
    .await;
    assert_eq!(scene.push_blob("a", LAYER).await.status, 201);
    let digest = Digest::sha256(LAYER);
    let url = format!(
        "https://elsewhere.test/blobs/sha256/{}?valid=600",
        digest.hex()
    );
    (scene, format!("/v2/a/blobs/{digest}"), url)
}

#[tokio::test]
async fn a_blob_is_elsewhere() {
    let (scene, path, url) = sending(Redirects::On).await;
    let digest = Digest::sha256(LAYER).to_string();
    for get in [
        ask(&format!("GET {path}")),
        ask(&format!("GET {path}")).header("range", "bytes=2-5"),
    ] {
        scene.send(&get).await.is(
            307,
            &[
                ("content-length", "0"),
                ("docker-content-digest", &digest),
                ("location", &url),
            ],
            "",
        );
    }
    // Who asks only, or has it already, or has a part of ours, is answered.
    let head = scene.send(&ask(&format!("HEAD {path}"))).await;
    assert_eq!((head.status, head.header("content-length")), (200, "20"));
    let tag = format!("\"{digest}\"");
    let has = ask(&format!("GET {path}")).header("if-none-match", &tag);
    assert_eq!(scene.send(&has).await.status, 304);
    let part = ask(&format!("GET {path}"))
        .header("range", "bytes=2-5")
        .header("if-range", &tag);
    let part = scene.send(&part).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &LAYER[2..6]));
    // What is not here is nowhere.
    let other = path.replace("/a/", "/b/");
    assert_eq!(scene.get(&other).await.status, 404);
}

#[tokio::test]
async fn nobody_is_sent_away_unless_it_is_wanted() {
    let (scene, path, _) = sending(Redirects::Off).await;
    assert_eq!(scene.get(&path).await.body, LAYER);
    // Nor where the storage has no URLs.
    let scene = Scene::of(|settings: &mut Settings| settings.redirects = Redirects::On).await;
    scene.push_blob("a", LAYER).await;
    assert_eq!(scene.get(&path).await.body, LAYER);
}

//! A store over a backend that is looked into, and content to put there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blob::testing::listing;
use blob::{Backend, Key, Local, Object, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, MediaType, RepositoryName};
use serde_json::{Value, json};
use store::{
    Clock, Delete, Error, Options, Policy, Pull, Push, Repository, Store, TagPatterns, UploadId,
};
use tempfile::TempDir;

/// A store, and the backend under it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) store: Store,
    uploads: AtomicU64,
    /// Removed with the scene.
    _folder: Option<TempDir>,
}

/// Runs each check on a store in memory and on one in a directory.
macro_rules! on_every_backend {
    ($($check:ident)+) => {
        mod memory {
            $(#[tokio::test]
            async fn $check() {
                super::$check(crate::scene::Scene::new().await).await;
            })+
        }

        mod directory {
            $(#[tokio::test]
            async fn $check() {
                super::$check(crate::scene::Scene::in_directory().await).await;
            })+
        }
    };
}
pub(crate) use on_every_backend;

/// Each store of these tests is another process.
static SEEDS: AtomicU64 = AtomicU64::new(1);

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(Object::in_memory()))
            .await
            .expect("an empty backend opens")
    }

    pub(crate) async fn in_directory() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never)
            .expect("opens");
        let scene = Self::over(Arc::new(local)).await;
        Self {
            _folder: Some(folder),
            ..scene.expect("an empty folder opens")
        }
    }

    /// Opens a store as another process would.
    pub(crate) async fn over(backend: Arc<dyn Backend>) -> Result<Self, Error> {
        let scene =
            Self::over_by(backend, (Clock::new(|| 1_700_000_000_000), Policy::GRACE)).await?;
        Ok(Self {
            uploads: AtomicU64::new(1),
            ..scene
        })
    }

    /// Does the same, by a clock and a grace of the test.
    pub(crate) async fn over_by(
        backend: Arc<dyn Backend>,
        (clock, grace): (Clock, Duration),
    ) -> Result<Self, Error> {
        let seed = SEEDS.fetch_add(1, Ordering::Relaxed);
        let options = Options {
            backend: Arc::clone(&backend),
            clock,
            seed: u128::from(seed),
            immutable: TagPatterns::default(),
            grace,
        };
        let store = Store::open(options).await?;
        Ok(Self {
            backend,
            store,
            // No other process names uploads like this.
            uploads: AtomicU64::new(seed << 32),
            _folder: None,
        })
    }

    pub(crate) fn upload_id(&self) -> UploadId {
        UploadId::new(0, u128::from(self.uploads.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn push(&self, name: &str) -> Repository<Push> {
        self.store
            .repository(&repository(name), Push)
            .expect("a short name")
    }

    pub(crate) fn pull(&self, name: &str) -> Repository<Pull> {
        self.store
            .repository(&repository(name), Pull)
            .expect("a short name")
    }

    pub(crate) fn delete(&self, name: &str) -> Repository<Delete> {
        self.store
            .repository(&repository(name), Delete)
            .expect("a short name")
    }

    /// Pushes a blob in one request.
    pub(crate) async fn blob(&self, name: &str, content: &'static [u8]) -> Result<Digest, Error> {
        let digest = Digest::sha256(content);
        let mut writer = self
            .push(name)
            .receive_blob(&self.upload_id(), Algorithm::Sha256)?;
        writer.push(Bytes::from_static(content)).await?;
        writer.finish(&digest).await?;
        Ok(digest)
    }

    /// Lists every key but the format's, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for top in [
            "blobs",
            "catalog",
            "data",
            "links",
            "repositories",
            "uploads",
        ] {
            keys.extend(
                listing(self.backend.as_ref(), &Key::top(top))
                    .await
                    .expect("lists"),
            );
        }
        keys
    }
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().expect("a repository name")
}

/// An image of a config and one layer, told apart by its annotation.
pub(crate) fn image(config: &[u8], layer: &[u8], note: &str) -> Manifest {
    manifest(&json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": descriptor(&MediaType::OCI_CONFIG, config),
        "layers": [descriptor(&MediaType::OCI_LAYER, layer)],
        "annotations": {"note": note},
    }))
}

/// A referrer of an image.
pub(crate) fn referrer(config: &[u8], subject: &Manifest, note: &str) -> Manifest {
    manifest(&json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "artifactType": "application/vnd.example.note",
        "config": descriptor(&MediaType::OCI_EMPTY, config),
        "layers": [],
        "subject": subject.descriptor(),
        "annotations": {"note": note},
    }))
}

pub(crate) fn manifest(value: &Value) -> Manifest {
    Manifest::detect(Bytes::from(value.to_string())).expect("a manifest")
}

pub(crate) fn descriptor(media_type: &MediaType, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::sha256(content), "size": content.len()})
}

pub(crate) fn digest(manifest: &Manifest) -> Digest {
    manifest.digest(Algorithm::Sha256)
}

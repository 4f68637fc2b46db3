//! A store whose time the test tells, and its collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blob::testing::listing;
use blob::{Backend, ByteRange, Key, Local, Object, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, MediaType, Reference, Tag};
use serde_json::{Value, json};
use store::{Clock, Collected, Collector, Error, Foreseen, Policy, Store};
use tempfile::TempDir;

use crate::scene::{Scene, descriptor, digest, manifest};

/// How long what nothing needs stays here, in milliseconds.
pub(crate) const GRACE: u64 = 60_000;

/// A store and the time.
#[derive(Debug)]
pub(crate) struct Yard {
    pub(crate) scene: Scene,
    pub(crate) now: Arc<AtomicU64>,
    pub(crate) policy: Policy,
    _folder: Option<TempDir>,
}

/// Runs each check on a store in memory and on one in a directory.
macro_rules! in_every_yard {
    ($($check:ident)+) => {
        mod memory {
            $(#[tokio::test]
            async fn $check() {
                super::$check(crate::collect::yard::Yard::new().await).await;
            })+
        }

        mod directory {
            $(#[tokio::test]
            async fn $check() {
                super::$check(crate::collect::yard::Yard::in_directory().await).await;
            })+
        }
    };
}
pub(crate) use in_every_yard;

impl Yard {
    pub(crate) async fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_700_000_000_000));
        Self::over(Arc::new(Object::in_memory()), now).await
    }

    pub(crate) async fn in_directory() -> Self {
        Self::in_directory_by(Sync::Never).await
    }

    /// As it is in earnest: everything is durable.
    pub(crate) async fn in_directory_synced() -> Self {
        Self::in_directory_by(Sync::Always).await
    }

    async fn in_directory_by(sync: Sync) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let local =
            Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, sync).expect("opens");
        let now = Arc::new(AtomicU64::new(1_700_000_000_000));
        let yard = Self::over(Arc::new(local), now).await;
        Self {
            _folder: Some(folder),
            ..yard
        }
    }

    /// Opens a store as another process with the same clock would.
    pub(crate) async fn over(backend: Arc<dyn Backend>, now: Arc<AtomicU64>) -> Self {
        let told = Arc::clone(&now);
        let clock = Clock::new(move || told.load(Ordering::Relaxed));
        let grace = Duration::from_millis(GRACE);
        let scene = Scene::over_by(backend, (clock, grace)).await;
        Self {
            scene: scene.expect("opens"),
            now,
            policy: Policy {
                grace,
                ..Policy::default()
            },
            _folder: None,
        }
    }

    /// Lets time pass, in milliseconds.
    pub(crate) fn later(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) async fn try_collect(&self) -> Result<Collected, Error> {
        let collector = Collector::new(self.scene.store.clone(), self.policy.clone());
        collector.collect(&|_| ()).await
    }

    pub(crate) async fn collect(&self) -> Collected {
        self.try_collect().await.expect("collected")
    }

    /// Collects when everything is old.
    pub(crate) async fn collect_all(&self) -> Collected {
        self.later(2 * GRACE);
        self.collect().await
    }

    pub(crate) async fn foresee(&self) -> Foreseen {
        let collector = Collector::new(self.scene.store.clone(), self.policy.clone());
        collector.foresee().await.expect("foreseen")
    }

    pub(crate) async fn blob(&self, name: &str, content: &'static [u8]) -> Digest {
        self.scene.blob(name, content).await.expect("pushed")
    }

    /// Pushes a manifest, with at most one tag.
    pub(crate) async fn put(&self, name: &str, manifest: &Manifest, tag: &str) {
        let tags: Vec<Tag> = tag.parse().into_iter().collect();
        let push = self.scene.push(name);
        push.put_manifest(manifest, &digest(manifest), &tags)
            .await
            .expect("published");
    }

    pub(crate) async fn delete(&self, name: &str, manifest: &Manifest) {
        let delete = self.scene.delete(name);
        delete
            .delete_manifest(&digest(manifest))
            .await
            .expect("deleted");
    }

    /// Lists every key but the format's and the round's, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys = self.scene.keys().await;
        for top in ["due", "rounds"] {
            let listed = listing(self.scene.backend.as_ref(), &Key::top(top)).await;
            keys.extend(listed.expect("lists"));
        }
        keys
    }

    /// Checks that an image can be pulled, byte for byte.
    pub(crate) async fn pulls(&self, name: &str, manifest: &Manifest) {
        let pull = self.scene.pull(name);
        let reference = Reference::Digest(digest(manifest));
        let stored = pull.manifest(&reference).await.expect("the manifest");
        assert_eq!(stored.bytes, manifest.bytes());
        for needed in manifest.required_blobs() {
            self.has(name, &needed.digest).await;
        }
    }

    /// Checks that a blob can be pulled, byte for byte.
    pub(crate) async fn has(&self, name: &str, blob: &Digest) {
        let pull = self.scene.pull(name);
        let size = pull.blob_size(blob).await.expect("the blob is there");
        let stream = pull.open_blob(blob, ByteRange::whole(size)).await;
        let stream = stream.expect("opens").verified(*blob);
        stream.collect(1 << 20).await.expect("its bytes");
    }
}

/// Lists the keys that images leave in repositories, and nothing else does.
#[derive(Debug, Default)]
pub(crate) struct Expected(Vec<String>);

impl Expected {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, key: String) {
        self.0.push(key);
    }

    /// A repository that once had a manifest.
    pub(crate) fn repository(mut self, name: &str) -> Self {
        self.add(format!("catalog/{}", encoded(name)));
        self
    }

    pub(crate) fn bytes(mut self, digest: &Digest) -> Self {
        self.add(format!("blobs/{}", path(digest)));
        self
    }

    /// A blob that is visible.
    pub(crate) fn blob(self, name: &str, digest: &Digest) -> Self {
        let repository = encoded(name);
        let mut this = self.bytes(digest);
        this.add(format!("links/{}/{repository}", path(digest)));
        this.add(format!(
            "repositories/{repository}/blobs/{}/link",
            path(digest)
        ));
        this
    }

    /// A manifest with what finds it, but not its blobs.
    pub(crate) fn manifest(self, name: &str, manifest: &Manifest, tags: &[&str]) -> Self {
        let (repository, own) = (encoded(name), digest(manifest));
        let mut this = self.repository(name).bytes(&own);
        this.add(format!("links/{}/{repository}", path(&own)));
        let root = format!("repositories/{repository}");
        this.add(format!("{root}/manifests/{}", path(&own)));
        for blob in manifest.references() {
            this.add(format!(
                "{root}/blobs/{}/{}",
                path(&blob.digest),
                flat(&own)
            ));
        }
        if let Some(subject) = manifest.subject() {
            this.add(format!(
                "{root}/referrers/{}/{}",
                flat(&subject.digest),
                flat(&own)
            ));
        }
        for tag in tags {
            this.add(format!("{root}/tags/{tag}"));
            this.add(format!("{root}/tagged/{}/{tag}", flat(&own)));
        }
        this
    }

    /// A manifest with its blobs.
    pub(crate) fn image(self, name: &str, manifest: &Manifest, tags: &[&str]) -> Self {
        let mut this = self.manifest(name, manifest, tags);
        for blob in manifest.required_blobs() {
            this = this.blob(name, &blob.digest);
        }
        this
    }

    /// Checks that these keys are there and no others.
    pub(crate) async fn check(self, yard: &Yard) {
        let mut expected = self.0;
        expected.sort();
        expected.dedup();
        let mut keys = yard.keys().await;
        keys.sort();
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let missing = these.iter().filter(|key| !those.contains(key));
            missing.cloned().collect()
        };
        let (missing, left) = (only(&expected, &keys), only(&keys, &expected));
        assert!(
            missing.is_empty() && left.is_empty(),
            "missing {missing:#?}, left over {left:#?}"
        );
    }
}

fn encoded(name: &str) -> String {
    name.replace('/', ".~")
}

fn path(digest: &Digest) -> String {
    digest.to_string().replace(':', "/")
}

fn flat(digest: &Digest) -> String {
    digest.to_string().replace(':', "-")
}

/// An index of manifests.
pub(crate) fn index(children: &[&Manifest]) -> Manifest {
    let children: Vec<Value> = children
        .iter()
        .map(|child| serde_json::to_value(child.descriptor()).expect("JSON"))
        .collect();
    manifest(&json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": children,
    }))
}

/// An index whose only child is a blob.
pub(crate) fn cache(content: &[u8]) -> Manifest {
    manifest(&json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [descriptor(&MediaType::OCI_LAYER, content)],
    }))
}

/// Pushes a blob of bytes that were made up.
pub(crate) async fn push(scene: &Scene, name: &str, content: Bytes) -> Result<Digest, Error> {
    let digest = Digest::sha256(&content);
    let mut writer = scene
        .push(name)
        .receive_blob(&scene.upload_id(), Algorithm::Sha256)?;
    writer.push(content).await?;
    writer.finish(&digest).await?;
    Ok(digest)
}

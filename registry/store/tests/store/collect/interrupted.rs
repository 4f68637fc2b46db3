//! A collection that is interrupted by pushes, mounts, deletes and HEADs, and
//! those by a collection: before one operation on the storage another call
//! runs from its start to its end, and before a later one a third. Every pair
//! of moments is tried, so each such interleaving is met every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use blob::{Backend, Object};
use oci::{Digest, Manifest};
use store::{Error, Mounted};
use tokio::task::JoinSet;

use super::yard::{Expected, GRACE, Yard};
use crate::paused::{Pause, Paused};
use crate::promises;
use crate::scene::{digest, image, referrer};

const NAME: &str = "a/b";
const OTHER: &str = "c";
const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"layer";

/// What is called, on two repositories that share blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Collect,
    PushLayer,
    PushImage,
    PushNote,
    DeleteImage,
    DeleteLayer,
    Mount,
    PushOther,
    Head,
}

const CALLS: [Call; 9] = [
    Call::Collect,
    Call::PushLayer,
    Call::PushImage,
    Call::PushNote,
    Call::DeleteImage,
    Call::DeleteLayer,
    Call::Mount,
    Call::PushOther,
    Call::Head,
];

fn one() -> Manifest {
    image(CONFIG, LAYER, "1")
}

fn note() -> Manifest {
    referrer(CONFIG, &one(), "note")
}

/// How the storage looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// An old image was deleted.
    Deleted,
    /// An old image is there, and blobs that nothing needs in the other
    /// repository.
    There,
    /// Only blobs that nothing needs.
    Blobs,
}

const STARTS: [Start; 3] = [Start::Deleted, Start::There, Start::Blobs];

impl Start {
    async fn make(self, yard: &Yard) {
        yard.blob(NAME, CONFIG).await;
        yard.blob(NAME, LAYER).await;
        if self != Self::Blobs {
            yard.put(NAME, &one(), "v1").await;
            yard.put(NAME, &note(), "").await;
        }
        if self == Self::There {
            yard.blob(OTHER, CONFIG).await;
            yard.blob(OTHER, LAYER).await;
        }
        // Else the collection itself ends early.
        yard.later(2 * GRACE);
        if self == Self::Deleted {
            yard.delete(NAME, &one()).await;
        }
        yard.later(1);
    }
}

/// What a call was told.
#[derive(Debug, Default)]
struct Told {
    /// Manifests that were acknowledged, and not deleted since.
    here: AtomicBool,
    note: AtomicBool,
    other: AtomicBool,
    /// Counts how often a delete began or ended: an image that is pushed while
    /// it is deleted may be there or not.
    deletes: AtomicUsize,
}

impl Told {
    fn deleting(&self) {
        self.deletes.fetch_add(1, Ordering::Relaxed);
        self.here.store(false, Ordering::Relaxed);
        self.note.store(false, Ordering::Relaxed);
    }
}

impl Call {
    async fn make(self, yard: &Yard, told: &Told) {
        let layer = Digest::sha256(LAYER);
        let scene = &yard.scene;
        let made = match self {
            Self::Collect => yard.try_collect().await.map(|_| ()),
            Self::PushLayer => scene.blob(NAME, LAYER).await.map(|_| ()),
            Self::PushImage => put(yard, NAME, &one(), (told, &told.here)).await,
            Self::PushNote => put(yard, NAME, &note(), (told, &told.note)).await,
            Self::DeleteImage => {
                // From its first step on it may be gone.
                told.deleting();
                let deleted = scene.delete(NAME).delete_manifest(&digest(&one())).await;
                told.deleting();
                deleted
            }
            Self::DeleteLayer => {
                told.deleting();
                let deleted = scene.delete(NAME).delete_blob(&layer).await;
                told.deleting();
                deleted
            }
            Self::Mount => {
                let from = scene.pull(NAME);
                match scene.push(OTHER).mount(&layer, &from).await {
                    Ok(Mounted::Yes) => {
                        let size = scene.pull(OTHER).blob_size(&layer).await;
                        size.map(|_| ())
                    }
                    mounted => mounted.map(|_| ()),
                }
            }
            Self::PushOther => push_whole(yard, OTHER, told).await,
            Self::Head => scene.pull(NAME).offer_blob(&layer).await.map(|_| ()),
        };
        match made {
            Ok(())
            | Err(
                Error::ManifestUnknown(_)
                | Error::BlobUnknown(_)
                | Error::ManifestBlobUnknown(_)
                // What was there when it began went before it ended.
                | Error::UploadUnknown,
            ) => {}
            Err(error) => panic!("{self:?}: {error:?}"),
        }
    }
}

async fn put(
    yard: &Yard,
    name: &str,
    manifest: &Manifest,
    (told, of_it): (&Told, &AtomicBool),
) -> Result<(), Error> {
    let deletes = told.deletes.load(Ordering::Relaxed);
    let push = yard.scene.push(name);
    push.put_manifest(manifest, &digest(manifest), &[]).await?;
    if told.deletes.load(Ordering::Relaxed) == deletes {
        of_it.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Pushes an image as clients do, blobs first.
async fn push_whole(yard: &Yard, name: &str, told: &Told) -> Result<(), Error> {
    yard.scene.blob(name, CONFIG).await?;
    yard.scene.blob(name, LAYER).await?;
    put(yard, name, &one(), (told, &told.other)).await
}

/// Makes other calls before some operations of a call.
#[derive(Debug)]
struct Interruptions {
    /// How the others see the storage.
    others: Arc<Yard>,
    told: Arc<Told>,
    /// What is called, and before which operation.
    calls: [(usize, Call); 2],
    operations: AtomicUsize,
    made: Arc<AtomicUsize>,
}

#[async_trait]
impl Pause for Interruptions {
    async fn pause(&self) {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        for (_, call) in self.calls.iter().filter(|(before, _)| *before == number) {
            call.make(&self.others, &self.told).await;
            self.made.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes a call that is interrupted, checks what is left, and counts the
/// interruptions whose moment came.
async fn interrupt(start: Start, call: Call, calls: [(usize, Call); 2]) -> usize {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let backend: Arc<dyn Backend> = Arc::new(Object::in_memory());
    let others = Yard::over(Arc::clone(&backend), Arc::clone(&now)).await;
    start.make(&others).await;
    let others = Arc::new(others);
    let told = Arc::new(Told::default());
    if start == Start::There {
        told.here.store(true, Ordering::Relaxed);
        told.note.store(true, Ordering::Relaxed);
    }
    let made = Arc::new(AtomicUsize::new(0));
    let interruptions = Interruptions {
        others: Arc::clone(&others),
        told: Arc::clone(&told),
        calls,
        operations: AtomicUsize::new(0),
        made: Arc::clone(&made),
    };
    let yard = Yard::over(Arc::new(Paused::new(backend, interruptions)), now).await;
    call.make(&yard, &told).await;
    let deletes = [call, calls[0].1, calls[1].1].contains(&Call::DeleteLayer);
    check(&others, &told, deletes).await;
    // A collection that comes now takes nothing of it, and the one that comes
    // when everything is old leaves nothing else.
    others.collect().await;
    check(&others, &told, deletes).await;
    others.later(2 * GRACE);
    others.collect().await;
    others.later(2 * GRACE);
    others.collect().await;
    check(&others, &told, deletes).await;
    // Whoever gave up since its bytes went may leave a link until then.
    promises::check(&others.scene).await;
    whole(&others, deletes).await;
    made.load(Ordering::Relaxed)
}

/// Checks that every acknowledged image is there.
async fn check(yard: &Yard, told: &Told, deletes: bool) {
    if deletes {
        // Whoever deletes a layer of an image breaks it.
        return;
    }
    for (told, name, manifest) in [
        (&told.here, NAME, one()),
        (&told.note, NAME, note()),
        (&told.other, OTHER, one()),
    ] {
        if told.load(Ordering::Relaxed) {
            yard.pulls(name, &manifest).await;
        }
    }
}

/// Checks that nothing is there but what the manifests need that are.
async fn whole(yard: &Yard, deletes: bool) {
    let mut expected = Expected::new();
    let keys = yard.keys().await;
    for name in [NAME, OTHER] {
        let repository = name.replace('/', ".~");
        if keys.contains(&format!("catalog/{repository}")) {
            expected = expected.repository(name);
        }
        for manifest in [one(), note()] {
            let path = digest(&manifest).to_string().replace(':', "/");
            if !keys.contains(&format!("repositories/{repository}/manifests/{path}")) {
                continue;
            }
            let tag = format!("repositories/{repository}/tags/v1");
            let tags: &[&str] = if manifest.subject().is_none() && keys.contains(&tag) {
                &["v1"]
            } else {
                &[]
            };
            let required: Vec<Digest> = manifest.required_blobs().map(|blob| blob.digest).collect();
            expected = expected.manifest(name, &manifest, tags);
            for blob in required {
                let path = blob.to_string().replace(':', "/");
                let link = format!("repositories/{repository}/blobs/{path}/link");
                if !deletes || keys.contains(&link) {
                    expected = expected.blob(name, &blob);
                }
            }
        }
    }
    expected.check(yard).await;
}

/// Does the same, and tells of a failure which call it was.
async fn interrupt_and_tell(start: Start, call: Call, calls: [(usize, Call); 2]) -> usize {
    let mut running = JoinSet::new();
    running.spawn(interrupt(start, call, calls));
    let ended = running.join_next().await.expect("spawned");
    ended.unwrap_or_else(|error| panic!("{start:?} {call:?} interrupted by {calls:?}: {error}"))
}

/// Interrupts a call by one other at every moment.
async fn interrupt_once(call: Call) {
    for start in STARTS {
        for other in CALLS {
            for moment in 0.. {
                let calls = [(moment, other), (usize::MAX, other)];
                if interrupt_and_tell(start, call, calls).await == 0 {
                    break;
                }
            }
        }
    }
}

/// Interrupts a collection by every pair of these calls at every moment, and
/// at every third one after it.
async fn interrupt_twice(start: Start, pairs: &[(Call, Call)]) {
    for &(first, second) in pairs {
        for early in 0.. {
            let mut late = early;
            // An interruption may make the call shorter, so the moments end
            // where one did not come.
            let made = loop {
                let calls = [(early, first), (late, second)];
                let made = interrupt_and_tell(start, Call::Collect, calls).await;
                if made < 2 {
                    break made;
                }
                late += 3;
            };
            if made == 0 {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection() {
    interrupt_once(Call::Collect).await;
}

#[tokio::test(start_paused = true)]
async fn a_push_of_a_layer() {
    interrupt_once(Call::PushLayer).await;
}

#[tokio::test(start_paused = true)]
async fn a_push_of_an_image() {
    interrupt_once(Call::PushImage).await;
}

#[tokio::test(start_paused = true)]
async fn a_push_of_a_referrer() {
    interrupt_once(Call::PushNote).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_an_image() {
    interrupt_once(Call::DeleteImage).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_a_layer() {
    interrupt_once(Call::DeleteLayer).await;
}

#[tokio::test(start_paused = true)]
async fn a_mount() {
    interrupt_once(Call::Mount).await;
}

#[tokio::test(start_paused = true)]
async fn a_push_of_a_whole_image() {
    interrupt_once(Call::PushOther).await;
}

#[tokio::test(start_paused = true)]
async fn a_head() {
    interrupt_once(Call::Head).await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_by_pushes_and_deletes() {
    let pairs = [(Call::PushImage, Call::DeleteImage)];
    interrupt_twice(Start::There, &pairs).await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_by_deletes_and_pushes() {
    let pairs = [(Call::DeleteImage, Call::PushImage)];
    interrupt_twice(Start::There, &pairs).await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_by_pushes_of_what_goes() {
    let pairs = [
        (Call::PushLayer, Call::PushImage),
        (Call::Mount, Call::Head),
        (Call::Collect, Call::PushOther),
        (Call::PushOther, Call::Collect),
    ];
    interrupt_twice(Start::Blobs, &pairs).await;
}

//! A collector that dies at every step, and another one that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use blob::testing::{Failing, Fault, Moment, Operation};
use blob::{Backend, ErrorKind, Local, Object, Sharing, Sync};
use oci::{Algorithm, Manifest};
use store::{Start, Store, UploadId};

use super::yard::{Expected, GRACE, Yard};
use crate::paused::{Pause, Paused};
use crate::promises;
use crate::scene::{image, referrer};

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"layer";
const DAY: u64 = 24 * 60 * 60 * 1000;

fn one() -> Manifest {
    image(CONFIG, LAYER, "1")
}

fn two() -> Manifest {
    image(CONFIG, b"another layer", "2")
}

/// Leaves something of everything that is collected, beside an image.
async fn litter(yard: &Yard) {
    yard.blob("a/b", CONFIG).await;
    yard.blob("a/b", LAYER).await;
    yard.blob("a/b", b"another layer").await;
    yard.blob("a/b", b"never referenced").await;
    yard.put("a/b", &one(), "v1").await;
    yard.put("a/b", &two(), "v2").await;
    yard.put("a/b", &referrer(CONFIG, &one(), "note"), "").await;
    let now = yard.now.load(Ordering::Relaxed);
    let id = UploadId::new(now, 7);
    let push = yard.scene.push("a/b");
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    writer
        .push(bytes::Bytes::from_static(b"abandoned"))
        .await
        .expect("taken");
    writer.save().await.expect("kept");
    yard.later(2 * DAY);
    yard.delete("a/b", &one()).await;
}

async fn check(yard: &Yard) {
    promises::check(&yard.scene).await;
    yard.pulls("a/b", &two()).await;
    assert_eq!(two().references().count(), 2);
}

async fn nothing_is_left(yard: &Yard) {
    Expected::new()
        .image("a/b", &two(), &["v2"])
        .check(yard)
        .await;
}

/// Kills a collector at one step, and lets another one finish; `false` where
/// it came to its end before that step.
async fn kill(backend: Arc<dyn Backend>, step: usize, moment: Moment) -> bool {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let yard = Yard::over(Arc::clone(&backend), Arc::clone(&now)).await;
    litter(&yard).await;
    let failing = Failing::new(backend);
    let dying = Yard::over(Arc::new(failing.clone()), now).await;
    let fault = Fault {
        kind: ErrorKind::Unavailable,
        moment,
    };
    failing.fail_from(failing.steps().len() + step, fault);
    let killed = dying.try_collect().await.is_err();
    check(&yard).await;
    // Pushing what went, or is going, brings it back whole.
    yard.blob("a/b", LAYER).await;
    yard.blob("a/b", CONFIG).await;
    yard.put("a/b", &one(), "").await;
    yard.pulls("a/b", &one()).await;
    yard.collect().await;
    yard.pulls("a/b", &one()).await;
    check(&yard).await;
    yard.later(1);
    yard.delete("a/b", &one()).await;
    yard.later(2 * GRACE);
    yard.collect().await;
    check(&yard).await;
    nothing_is_left(&yard).await;
    killed
}

/// Makes the storage one that several processes share, where nobody knows who
/// is dead.
#[derive(Debug)]
struct Shared;

#[async_trait]
impl Pause for Shared {
    async fn pause(&self) {}

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn at_every_step_where_several_processes_write() {
    let mut step = 0;
    let backend = || Arc::new(Paused::new(Arc::new(Object::in_memory()), Shared));
    while kill(backend(), step, Moment::After).await {
        step += 1;
    }
    assert!(step > 50, "only {step} steps");
}

/// How long a collection waits for the round of one that died.
async fn wait(backend: Arc<dyn Backend>) -> Duration {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let yard = Yard::over(Arc::clone(&backend), Arc::clone(&now)).await;
    litter(&yard).await;
    let failing = Failing::new(backend);
    let dying = Yard::over(Arc::new(failing.clone()), now).await;
    let fault = Fault {
        kind: ErrorKind::Unavailable,
        moment: Moment::After,
    };
    let met = AtomicBool::new(false);
    failing.fail_when(fault, move |step| {
        let begins = step.operation == Operation::Swap && step.key.as_str() == "round";
        met.fetch_or(begins, Ordering::Relaxed) || begins
    });
    dying.try_collect().await.expect_err("killed");
    let started = tokio::time::Instant::now();
    yard.collect().await;
    nothing_is_left(&yard).await;
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_dead_round_is_waited_for_only_where_its_owner_may_live() {
    let alone: Arc<dyn Backend> = Arc::new(Object::in_memory());
    let shared = Arc::new(Paused::new(Arc::clone(&alone), Shared));
    let waited = wait(shared).await;
    assert!(
        (60..70).contains(&waited.as_secs()),
        "waited for {waited:?}"
    );
    let waited = wait(Arc::new(Object::in_memory())).await;
    assert!(waited.as_secs() < 1, "waited for {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn at_every_step_in_memory() {
    for moment in [Moment::Before, Moment::After] {
        let mut step = 0;
        while kill(Arc::new(Object::in_memory()), step, moment).await {
            step += 1;
        }
        assert!(step > 50, "only {step} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn at_every_fifth_step_in_a_directory() {
    let mut step = 0;
    loop {
        let folder = tempfile::tempdir().expect("a folder");
        let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never)
            .expect("opens");
        if !kill(Arc::new(local), step, Moment::After).await {
            break;
        }
        step += 5;
    }
    assert!(step > 50, "only {step} steps");
}

/// A storage that fails once leaves what the next collection takes.
#[tokio::test(start_paused = true)]
async fn one_failure_at_every_step() {
    for step in 0.. {
        let now = Arc::new(AtomicU64::new(1_700_000_000_000));
        let failing = Failing::new(Arc::new(Object::in_memory()));
        let yard = Yard::over(Arc::new(failing.clone()), now).await;
        litter(&yard).await;
        let fault = Fault {
            kind: ErrorKind::Unavailable,
            moment: Moment::After,
        };
        failing.fail_at(failing.steps().len() + step, fault);
        let failed = yard.try_collect().await.is_err();
        failing.fail_at(usize::MAX, fault);
        check(&yard).await;
        yard.collect().await;
        check(&yard).await;
        nothing_is_left(&yard).await;
        if !failed {
            assert!(step > 50, "only {step} steps");
            break;
        }
    }
}

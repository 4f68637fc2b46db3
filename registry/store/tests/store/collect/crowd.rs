//! Several collectors and many callers at once, by dice and on threads.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use blob::{Backend, Local, Object, Sharing, Sync};
use oci::{Manifest, Tag};
use store::{Error, Store};
use tokio::task::JoinSet;

use super::yard::{Expected, GRACE, Yard, push};
use crate::dice::Dice;
use crate::paused::Paused;
use crate::promises;
use crate::scene::{digest, image};

const NAME: &str = "a/b";
const CALLERS: u64 = 4;
const CALLS: u64 = 6;
const CONFIG: &[u8] = b"{}";
const LAYERS: [&[u8]; 2] = [b"one layer", b"another layer"];

fn manifest(number: u64) -> Manifest {
    let layer = LAYERS[usize::try_from(number % 2).expect("small")];
    image(CONFIG, layer, &number.to_string())
}

/// Pushes an image of this caller's, which shares its layers with those of
/// the others, and deletes it now and then. Says whether it is there.
async fn call(yard: &Yard, caller: u64, dice: &Dice, there: &mut bool) -> Result<(), Error> {
    let scene = &yard.scene;
    let one = manifest(caller);
    match dice.throw(4) {
        0 if *there => {
            scene.delete(NAME).delete_manifest(&digest(&one)).await?;
            *there = false;
        }
        0 => {
            yard.later(dice.throw(GRACE));
        }
        1 => {
            let pull = scene.pull(NAME);
            for blob in one.required_blobs() {
                match pull.offer_blob(&blob.digest).await {
                    Ok(_) | Err(Error::BlobUnknown(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        _ => {
            for content in [CONFIG, LAYERS[usize::try_from(caller % 2).expect("small")]] {
                match scene.blob(NAME, content).await {
                    // What was there when it began was collected before it
                    // ended.
                    Err(Error::UploadUnknown) => return Ok(()),
                    pushed => pushed?,
                };
            }
            let tag: Tag = format!("v{caller}").parse().expect("a tag");
            let push = scene.push(NAME);
            match push.put_manifest(&one, &digest(&one), &[tag]).await {
                Ok(_) => *there = true,
                // Time went so fast that its layers were collected.
                Err(Error::ManifestBlobUnknown(_)) => *there = false,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Has callers race with collectors.
async fn race(backend: Arc<dyn Backend>, seed: u64) {
    let dice = Dice::new(seed);
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let paused: Arc<dyn Backend> = Arc::new(Paused::new(Arc::clone(&backend), dice.clone()));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let yard = Yard::over(Arc::clone(&paused), Arc::clone(&now)).await;
        let dice = dice.clone();
        callers.spawn(async move {
            let mut there = false;
            for _ in 0..CALLS {
                if let Err(error) = call(&yard, caller, &dice, &mut there).await {
                    panic!("seed {seed}: {error:?}");
                }
                if there {
                    yard.pulls(NAME, &manifest(caller)).await;
                }
            }
            there.then_some(caller)
        });
    }
    let mut collectors = JoinSet::new();
    for _ in 0..2 {
        let mut yard = Yard::over(Arc::clone(&paused), Arc::clone(&now)).await;
        // Ages protect nobody here.
        yard.policy.grace = Duration::from_millis(GRACE * (seed % 2));
        collectors.spawn(async move {
            for _ in 0..3 {
                yard.collect().await;
            }
        });
    }
    let mut there = Vec::new();
    while let Some(ended) = callers.join_next().await {
        there.extend(ended.expect("no caller fails"));
    }
    while let Some(ended) = collectors.join_next().await {
        ended.expect("no collector fails");
    }
    let yard = Yard::over(backend, now).await;
    yard.collect_all().await;
    yard.collect_all().await;
    let mut expected = Expected::new().repository(NAME);
    for caller in there {
        let tag = format!("v{caller}");
        expected = expected.image(NAME, &manifest(caller), &[&tag]);
        yard.pulls(NAME, &manifest(caller)).await;
    }
    promises::check(&yard.scene).await;
    if yard.keys().await.is_empty() {
        expected = Expected::new();
    }
    expected.check(&yard).await;
}

#[tokio::test(start_paused = true)]
async fn by_dice_in_memory() {
    for seed in 0..300 {
        race(Arc::new(Object::in_memory()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_threads_in_a_directory() {
    for seed in 0..10 {
        let folder = tempfile::tempdir().expect("a folder");
        let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never)
            .expect("opens");
        race(Arc::new(local), seed).await;
    }
}

/// Pushes blobs that nothing needs, collects them, and says how many went in a
/// second.
async fn clear(yard: Yard, blobs: usize) -> f64 {
    let scene = Arc::new(yard);
    let mut pushes = JoinSet::new();
    for worker in 0..8 {
        let yard = Arc::clone(&scene);
        pushes.spawn(async move {
            for number in (worker..blobs).step_by(8) {
                let content = format!("blob {number}").into();
                push(&yard.scene, NAME, content).await.expect("pushed");
            }
        });
    }
    while let Some(ended) = pushes.join_next().await {
        ended.expect("pushed");
    }
    let yard = Arc::into_inner(scene).expect("the last");
    yard.later(2 * GRACE);
    let started = tokio::time::Instant::now();
    let collected = yard.collect().await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(collected.blobs, blobs as u64);
    Expected::new().check(&yard).await;
    blobs as f64 / seconds
}

#[tokio::test]
async fn more_blobs_than_a_round_has() {
    clear(Yard::new().await, 1000).await;
    clear(Yard::in_directory().await, 600).await;
}

/// Measures; run it by its name, in a release build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn a_hundred_thousand_blobs() {
    use std::io::Write as _;
    let memory = clear(Yard::new().await, 100_000).await;
    let directory = clear(Yard::in_directory_synced().await, 100_000).await;
    let text = format!("in memory {memory:.0}, in a directory {directory:.0} blobs a second\n");
    std::io::stderr()
        .write_all(text.as_bytes())
        .expect("written");
}

//! Several replicas over one storage, that push, mount, put, delete and
//! collect at once, while some of them die in the middle of a call, storages
//! fail, and clocks differ. Dice decide everything, so a
//! seed tells a run, as far as threads that hash and write do not change it.
//!
//! `WHARF_SEEDS=1000..5000` runs other seeds, and `WHARF_SEEDS=57..58` one.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blob::testing::{Failing, Fault, Moment};
use blob::{Backend, ByteRange, ErrorKind, Object};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, Reference, Tag};
use store::{
    Clock, Collector, Delete, Error, Options, Policy, Pull, Push, Start, Store, TagPatterns,
    UploadId,
};
use tokio::task::JoinSet;

use super::truth::{Spot, Truth};
use crate::dice::Dice;
use crate::paused::Paused;
use crate::promises;
use crate::scene::{Scene, digest, image, repository};

const REPLICAS: usize = 3;
const CALLERS: u64 = 5;
const CALLS: u64 = 8;
const COLLECTIONS: u64 = 4;
const REPOSITORIES: [&str; 2] = ["a/b", "b"];
const CONFIG: &[u8] = b"{}";
/// Images share them, so that what one loses another needs.
const LAYERS: [&[u8]; 2] = [b"one layer", b"another layer"];
const IMAGES: u64 = 3;
const START: u64 = 1_700_000_000_000;
const GRACE: u64 = 60_000;
/// Longer than anything stays that nothing needs.
const LONG: u64 = 10 * 24 * 60 * 60 * 1000;

fn layer(number: u64) -> &'static [u8] {
    LAYERS[usize::try_from(number % 2).expect("small")]
}

fn manifest(number: u64) -> Manifest {
    image(CONFIG, layer(number), &number.to_string())
}

/// One process of several over the same storage.
#[derive(Debug, Clone)]
struct Replica {
    store: Store,
    failing: Failing,
    policy: Policy,
}

/// What all of them have to do with.
#[derive(Debug)]
struct World {
    place: Arc<dyn Backend>,
    dice: Dice,
    seed: u64,
    now: Arc<AtomicU64>,
    /// Counts the processes and uploads, so that each has a name of its own.
    numbers: AtomicU64,
    replicas: Vec<Replica>,
    truth: Truth,
    /// Counts the pushes that came to no good end. Bytes that are published
    /// in the instant before their entry is due are found by a scrub alone.
    unfinished: AtomicU64,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut world = Self {
            place: Arc::new(Object::in_memory()),
            dice: Dice::new(seed),
            seed,
            now: Arc::new(AtomicU64::new(START)),
            numbers: AtomicU64::new(0),
            replicas: Vec::new(),
            truth: Truth::default(),
            unfinished: AtomicU64::new(0),
        };
        for number in 0..REPLICAS {
            let replica = world.replica(number as u64).await;
            world.replicas.push(replica);
        }
        world
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts a process whose clock goes wrong by up to twice the grace.
    async fn replica(&self, number: u64) -> Replica {
        let failing = Failing::new(Arc::clone(&self.place));
        let paused = Paused::new(Arc::new(failing.clone()), self.dice.clone());
        let now = Arc::clone(&self.now);
        let skew = number * GRACE;
        let options = Options {
            backend: Arc::new(paused),
            clock: Clock::new(move || now.load(Ordering::Relaxed) + skew),
            seed: u128::from(self.number()) << 64 | u128::from(self.seed),
            immutable: TagPatterns::default(),
            grace: Duration::from_millis(GRACE * (self.seed % 2)),
        };
        Replica {
            store: Store::open(options).await.expect("opens"),
            failing,
            policy: Policy {
                // Ages protect nobody in every other run.
                grace: Duration::from_millis(GRACE * (self.seed % 2)),
                ..Policy::default()
            },
        }
    }

    /// Chooses who does the next call, and whether its storage fails in it.
    fn choose(&self) -> Replica {
        let number = usize::try_from(self.dice.throw(REPLICAS as u64)).expect("small");
        let replica = self.replicas[number].clone();
        if self.dice.throw(8) == 0 {
            let moment = match self.dice.throw(2) {
                0 => Moment::Before,
                _ => Moment::After,
            };
            let kind = ErrorKind::Unavailable;
            let step = replica.failing.steps().len() + self.small(40);
            replica.failing.fail_at(step, Fault { kind, moment });
        }
        replica
    }

    fn small(&self, sides: u64) -> usize {
        usize::try_from(self.dice.throw(sides)).expect("small")
    }

    /// Does something until its end, or until the process dies in it.
    async fn or_dies<T>(&self, does: impl Future<Output = T>) -> Option<T> {
        let turns = match self.dice.throw(5) {
            0 => 1 + self.dice.throw(150),
            // Who waits must not be kept awake, or time would never pass.
            _ => return Some(does.await),
        };
        let dies = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = does => Some(done),
            () = dies => None,
        }
    }
}

/// Says whether a failure is one that the world allows: the storage failed,
/// or what was not acknowledged yet was collected.
fn is_expected(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.kind() == ErrorKind::Unavailable,
        Error::ManifestUnknown(_)
        | Error::ManifestBlobUnknown(_)
        | Error::BlobUnknown(_)
        | Error::UploadUnknown
        | Error::UploadBusy => true,
        _ => false,
    }
}

async fn push_blob(
    world: &World,
    replica: &Replica,
    name: &str,
    content: &'static [u8],
) -> Result<(), Error> {
    let push = replica.store.repository(&repository(name), Push)?;
    let blob = Digest::sha256(content);
    if world.dice.throw(3) == 0 {
        let mounted = push.mount_from_anywhere(&blob, |_| true).await?;
        if mounted == store::Mounted::Yes {
            return Ok(());
        }
    }
    let id = UploadId::new(
        world.now.load(Ordering::Relaxed),
        u128::from(world.number()),
    );
    let mut writer = if world.dice.throw(3) == 0 {
        push.start_upload(id.clone(), Algorithm::Sha256).await?;
        push.continue_upload(&id, Start::At(0)).await?
    } else {
        push.receive_blob(&id, Algorithm::Sha256)?
    };
    writer.push(Bytes::from_static(content)).await?;
    writer.finish(&blob).await
}

/// Pushes an image as clients do: what it needs, and then the manifest.
async fn push(world: &World, replica: &Replica, spot: Spot) -> Result<(), Error> {
    let (name, image) = (REPOSITORIES[spot.repository], manifest(spot.image));
    for content in [CONFIG, layer(spot.image)] {
        push_blob(world, replica, name, content).await?;
    }
    let push = replica.store.repository(&repository(name), Push)?;
    let tag: Tag = format!("v{}", spot.image).parse().expect("a tag");
    push.put_manifest(&image, &digest(&image), &[tag]).await?;
    Ok(())
}

/// Puts the manifest alone, which may be there already.
async fn put(replica: &Replica, spot: Spot) -> Result<(), Error> {
    let (name, image) = (REPOSITORIES[spot.repository], manifest(spot.image));
    let push = replica.store.repository(&repository(name), Push)?;
    push.put_manifest(&image, &digest(&image), &[]).await?;
    Ok(())
}

async fn delete(replica: &Replica, spot: Spot) -> Result<(), Error> {
    let name = repository(REPOSITORIES[spot.repository]);
    let delete = replica.store.repository(&name, Delete)?;
    delete.delete_manifest(&digest(&manifest(spot.image))).await
}

/// Pulls an image whole.
async fn pull(store: &Store, spot: Spot) -> Result<(), Error> {
    let image = manifest(spot.image);
    let pull = store.repository(&repository(REPOSITORIES[spot.repository]), Pull)?;
    let found = pull.manifest(&Reference::Digest(digest(&image))).await?;
    assert_eq!(found.bytes, image.bytes());
    for needed in image.required_blobs() {
        let size = pull.blob_size(&needed.digest).await?;
        let stream = pull
            .open_blob(&needed.digest, ByteRange::whole(size))
            .await?;
        stream.verified(needed.digest).collect(1 << 20).await?;
    }
    Ok(())
}

/// Does something that the dice choose, and writes down what it means.
async fn call(world: &World) {
    let replica = world.choose();
    let spot = Spot {
        repository: world.small(REPOSITORIES.len() as u64),
        image: world.dice.throw(IMAGES),
    };
    let truth = &world.truth;
    match world.dice.throw(8) {
        0 => {
            world
                .now
                .fetch_add(world.dice.throw(GRACE), Ordering::Relaxed);
        }
        1 => {
            // Whoever collects for long counts as dead now and then.
            tokio::time::advance(Duration::from_secs(world.dice.throw(100))).await;
        }
        2 | 3 => {
            let begun = truth.begin_delete(spot);
            let done = world.or_dies(delete(&replica, spot)).await;
            truth.end_delete(spot, begun, ended(world, done));
        }
        4 => {
            let begun = truth.begin_put(spot);
            let done = world.or_dies(put(&replica, spot)).await;
            truth.end_put(spot, begun, ended(world, done));
        }
        _ => {
            let begun = truth.begin_put(spot);
            let done = world.or_dies(push(world, &replica, spot)).await;
            let done = ended(world, done);
            truth.end_put(spot, begun, done);
            world
                .unfinished
                .fetch_add(u64::from(!done), Ordering::Relaxed);
            if done && truth.is_there(spot) {
                let whole = pull(&world.replicas[0].store, spot).await;
                let still = truth.is_there(spot);
                match whole {
                    Err(Error::Storage(_)) => {}
                    Err(error) if still => panic!("{spot:?} was acknowledged: {error:?}"),
                    _ => {}
                }
            }
        }
    }
}

/// Says whether a call was acknowledged.
fn ended(world: &World, done: Option<Result<(), Error>>) -> bool {
    match done {
        Some(Ok(())) => true,
        Some(Err(error)) if !is_expected(&error) => panic!("seed {}: {error:?}", world.seed),
        Some(Err(_)) | None => false,
    }
}

async fn collect(world: &World) {
    let replica = world.choose();
    let collector = Collector::new(replica.store.clone(), replica.policy.clone());
    let collected = world.or_dies(collector.collect(&|_| ())).await;
    if let Some(Err(error)) = collected {
        assert!(is_expected(&error), "{error:?}");
    }
}

/// Has everybody race, and checks what is left.
async fn race(seed: u64) -> [u64; 3] {
    let world = Arc::new(World::new(seed).await);
    let mut everybody = JoinSet::new();
    for _ in 0..CALLERS {
        let world = Arc::clone(&world);
        everybody.spawn(async move {
            for _ in 0..CALLS {
                call(&world).await;
            }
        });
    }
    for _ in 0..2 {
        let world = Arc::clone(&world);
        everybody.spawn(async move {
            for _ in 0..COLLECTIONS {
                collect(&world).await;
            }
        });
    }
    while let Some(ended) = everybody.join_next().await {
        ended.expect("nobody fails");
    }
    check(&world).await
}

/// What was acknowledged is whole, what was deleted is gone, and one more
/// collection leaves nothing that nobody needs. Counts the images that had to
/// be there, those that had to be gone, and the pushes that failed.
async fn check(world: &World) -> [u64; 3] {
    let now = Arc::clone(&world.now);
    now.fetch_add(LONG, Ordering::Relaxed);
    let clock = Clock::new(move || now.load(Ordering::Relaxed));
    let scene = Scene::over_by(
        Arc::clone(&world.place),
        (clock, Duration::from_millis(GRACE)),
    )
    .await
    .expect("opens");
    let policy = Policy {
        grace: Duration::from_millis(GRACE),
        ..Policy::default()
    };
    let collector = Collector::new(scene.store.clone(), policy);
    for _ in 0..2 {
        collector.collect(&|_| ()).await.expect("collects");
        world.now.fetch_add(LONG, Ordering::Relaxed);
    }
    let clean = Scene::new().await;
    let mut counts = [0, 0, world.unfinished.load(Ordering::Relaxed)];
    for spot in spots() {
        let (there, gone) = (world.truth.is_there(spot), world.truth.is_gone(spot));
        counts[0] += u64::from(there);
        counts[1] += u64::from(gone);
        match pull(&scene.store, spot).await {
            Ok(()) => assert!(!gone, "{spot:?} was deleted"),
            Err(error) => assert!(!there, "{spot:?} was acknowledged: {error:?}"),
        }
        if there {
            say(&clean, spot).await;
        }
    }
    // Whatever was acknowledged can also be found, so that no later
    // collection takes it.
    let keys = scene.keys().await;
    for key in clean.keys().await {
        let is_of_tag = key.contains("/tags/") || key.contains("/tagged/");
        assert!(is_of_tag || keys.contains(&key), "`{key}` is missing");
    }
    // A put that died may be visible, and what it needs be gone if no age
    // protected that. Saying it again makes it whole.
    for spot in spots() {
        let is_sure = world.truth.is_there(spot) || world.truth.is_gone(spot);
        if !is_sure {
            say(&scene, spot).await;
            say(&clean, spot).await;
            let pulled = pull(&scene.store, spot).await;
            pulled.expect("it was pushed again");
        }
    }
    promises::check(&scene).await;
    let needed = clean.keys().await;
    let mut left = scene.keys().await;
    let unfinished = world.unfinished.load(Ordering::Relaxed) > 0;
    left.retain(|key| {
        let may_be_left = key.starts_with("catalog/") || unfinished && is_of_blob(key);
        !needed.contains(key) && !may_be_left
    });
    assert!(left.is_empty(), "left over: {left:#?}");
    counts
}

fn spots() -> impl Iterator<Item = Spot> {
    let all = 0..REPOSITORIES.len();
    all.flat_map(|repository| (0..IMAGES).map(move |image| Spot { repository, image }))
}

/// Pushes an image with its tag, alone and without a fault.
async fn say(scene: &Scene, spot: Spot) {
    let name = REPOSITORIES[spot.repository];
    for content in [CONFIG, layer(spot.image)] {
        scene.blob(name, content).await.expect("pushed");
    }
    let tag: Tag = format!("v{}", spot.image).parse().expect("a tag");
    let image = manifest(spot.image);
    let push = scene.push(name);
    let put = push.put_manifest(&image, &digest(&image), &[tag]).await;
    put.expect("published");
}

/// Says whether a key is one of those that a push of a blob writes first.
fn is_of_blob(key: &str) -> bool {
    let contents = [CONFIG, LAYERS[0], LAYERS[1]];
    let written = key.starts_with("blobs/") || key.starts_with("links/");
    written
        && contents
            .iter()
            .any(|content| key.contains(&Digest::sha256(content).hex()))
        || key.starts_with("data/")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is asked for more by its environment"
)]
fn seeds() -> Range<u64> {
    let wanted = std::env::var("WHARF_SEEDS").ok();
    let range = wanted.as_deref().and_then(|text| text.split_once(".."));
    let parsed = range.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or(0..60)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_and_nothing_is_left() {
    let (seeds, mut counts) = (seeds(), [0; 3]);
    let are_many = seeds.end.saturating_sub(seeds.start) >= 20;
    for seed in seeds {
        // In a task, so that what goes wrong can be told with its seed.
        let mut runs = JoinSet::new();
        runs.spawn(race(seed));
        match runs.join_next().await.expect("it was spawned") {
            Ok(these) => {
                for (count, this) in counts.iter_mut().zip(these) {
                    *count += this;
                }
            }
            Err(error) => panic!(
                "seed {seed}: {error}; again: WHARF_SEEDS={seed}..{} \
                 cargo nextest run -p store --test store races::replicas",
                seed + 1
            ),
        }
    }
    let happened = counts.iter().all(|&count| count > 0);
    assert!(happened || !are_many, "too little happens: {counts:?}");
}

//! Pushes, moves and deletes of a few things by many callers at once. Whoever
//! wins, nothing is half visible at the end, and every truth can be found.

mod replicas;
mod truth;

use std::sync::Arc;

use blob::{Backend, Local, Object, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, Reference, Tag};
use store::{Error, Store, UploadId};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::paused::Paused;
use crate::promises;
use crate::scene::{Scene, digest, image, referrer};

const NAME: &str = "a/b";
const OTHER: &str = "b";
const TAGS: [&str; 2] = ["v1", "v2"];
const CALLERS: u64 = 5;
const CALLS: u64 = 8;

/// Two images and a referrer of the first. The second image is pushed as a
/// blob too, so that a digest is both.
fn manifests() -> [Manifest; 3] {
    let one = image(b"{}", b"layer", "1");
    let two = image(b"{}", b"layer", "2");
    let note = referrer(b"{}", &one, "3");
    [one, two, note]
}

/// Does something that the dice choose.
async fn call(scene: &Scene, dice: &Dice) -> Result<(), Error> {
    let manifests = manifests();
    let manifest = &manifests[usize::try_from(dice.throw(3)).expect("small")];
    let blob = Digest::sha256(manifests[1].bytes());
    let tag: Tag = TAGS[usize::try_from(dice.throw(2)).expect("small")]
        .parse()
        .expect("a tag");
    let name = if dice.throw(4) == 0 { OTHER } else { NAME };
    match dice.throw(10) {
        0..4 => scene
            .push(NAME)
            .put_manifest(manifest, &digest(manifest), &[tag])
            .await
            .map(|_pushed| ()),
        4 => scene
            .push(NAME)
            .put_manifest(manifest, &digest(manifest), &[])
            .await
            .map(|_pushed| ()),
        5..7 => scene.delete(NAME).delete_manifest(&digest(manifest)).await,
        7 => scene.delete(NAME).delete_tag(&tag).await,
        8 => scene.delete(name).delete_blob(&blob).await,
        _ if dice.throw(2) == 0 => {
            let id = UploadId::new(0, u128::from(dice.throw(u64::MAX)));
            let mut writer = scene.push(name).receive_blob(&id, Algorithm::Sha256)?;
            writer.push(manifests[1].bytes().clone()).await?;
            writer.finish(&blob).await
        }
        _ => scene
            .push(name)
            .mount_from_anywhere(&blob, |_| true)
            .await
            .map(|_mounted| ()),
    }
}

/// Has callers race over a backend, and checks what is left.
async fn race(backend: Arc<dyn Backend>, seed: u64) {
    let dice = Dice::new(seed);
    let paused = Paused::new(Arc::clone(&backend), dice.clone());
    let scene = Scene::over(Arc::new(paused)).await.expect("opens");
    for content in [b"{}".as_slice(), b"layer"] {
        scene.blob(NAME, content).await.expect("pushed");
    }
    let scene = Arc::new(scene);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (scene, dice) = (Arc::clone(&scene), dice.clone());
        callers.spawn(async move {
            for _ in 0..CALLS {
                match call(&scene, &dice).await {
                    Ok(()) | Err(Error::ManifestUnknown(_) | Error::BlobUnknown(_)) => {}
                    Err(error) => panic!("seed {seed}: {error:?}"),
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("no caller fails");
    }
    let scene = Scene::over(backend).await.expect("opens");
    let mut checking = JoinSet::new();
    checking.spawn(async move {
        promises::check(&scene).await;
        everything_resolves(&scene).await;
    });
    let checked = checking.join_next().await.expect("spawned");
    if let Err(error) = checked {
        panic!("seed {seed} breaks a promise: {error}");
    }
}

async fn everything_resolves(scene: &Scene) {
    let pull = scene.pull(NAME);
    let tags = match pull.tags("", 100).await {
        Ok(page) => page.names,
        Err(Error::NameUnknown(_)) => Vec::new(),
        Err(error) => panic!("tags can not be listed: {error}"),
    };
    for tag in tags {
        let found = pull.manifest(&Reference::Tag(tag)).await;
        let found = found.expect("a listed tag resolves");
        assert_eq!(Digest::sha256(&found.bytes), found.digest);
    }
    let [one, _, note] = manifests();
    let listed = pull
        .referrers(&digest(&one), "", 100, 1 << 20)
        .await
        .expect("listed");
    let listed: Vec<Digest> = listed
        .descriptors
        .iter()
        .map(|found| found.digest)
        .collect();
    let there = pull.manifest(&Reference::Digest(digest(&note))).await;
    let expected = there.map_or(Vec::new(), |_there| vec![digest(&note)]);
    assert_eq!(
        listed, expected,
        "what is there is listed, and nothing else"
    );
}

#[tokio::test]
async fn by_dice_in_memory() {
    for seed in 0..400 {
        race(Arc::new(Object::in_memory()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_threads_in_memory() {
    for seed in 0..100 {
        race(Arc::new(Object::in_memory()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_threads_in_a_directory() {
    for seed in 0..40 {
        let folder = tempfile::tempdir().expect("a folder");
        let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never)
            .expect("opens");
        race(Arc::new(local), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_blob_and_image_by_many_at_once() {
    let scene = Arc::new(Scene::in_directory().await);
    let mut callers = JoinSet::new();
    for number in 0..64_u128 {
        let scene = Arc::clone(&scene);
        callers.spawn(async move {
            let push = scene.push(NAME);
            for content in [b"{}".as_slice(), b"layer"] {
                let id = UploadId::new(0, number << 8 | content.len() as u128);
                let mut writer = push.receive_blob(&id, Algorithm::Sha256).expect("a turn");
                writer
                    .push(Bytes::copy_from_slice(content))
                    .await
                    .expect("taken");
                writer
                    .finish(&Digest::sha256(content))
                    .await
                    .expect("published");
            }
            let image = image(b"{}", b"layer", &(number / 2).to_string());
            let tag: Tag = format!("v{number}").parse().expect("a tag");
            push.put_manifest(&image, &digest(&image), &[tag])
                .await
                .expect("published");
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("no caller fails");
    }
    promises::check(&scene).await;
    let tags = scene.pull(NAME).tags("", 100).await.expect("listed").names;
    assert_eq!(tags.len(), 64);
    let keys = scene.keys().await;
    let count = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
    assert_eq!(
        (
            count("/manifests/"),
            count("/tagged/"),
            count("/link"),
            count("data/"),
            count("uploads/")
        ),
        (32, 64, 2, 0, 0)
    );
}

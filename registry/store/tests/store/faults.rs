//! A story of pushes, moves and deletes, in which the storage fails once, at
//! every step in turn, or from there on as in a crash.
//!
//! Whatever fails: what was acknowledged stays, nothing is half visible, and
//! saying it again comes to the same end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blob::testing::{Failing, Fault, Moment};
use blob::{Backend, ByteRange, ErrorKind, Local, Object, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, Reference, Tag};
use store::{Delete, Error, Pull, Start, Store, UploadId};

use crate::promises;
use crate::scene::{Scene, digest, image, referrer, repository};

const NAME: &str = "a/b";
const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"the bytes of a layer";

/// A step of the story.
#[derive(Debug, Clone)]
enum Step {
    Receive(&'static [u8]),
    Upload(&'static [u8]),
    Put(Box<Manifest>, Option<&'static str>),
    DeleteTag(&'static str),
    DeleteManifest(Digest),
}

fn story() -> Vec<Step> {
    let (one, two) = (image(CONFIG, LAYER, "1"), image(CONFIG, LAYER, "2"));
    let note = referrer(CONFIG, &one, "signed");
    vec![
        Step::Receive(CONFIG),
        Step::Upload(LAYER),
        Step::Put(boxed(&one), Some("v1")),
        Step::Put(boxed(&note), Some("note")),
        Step::Put(boxed(&one), Some("v2")),
        Step::Put(boxed(&two), Some("v1")),
        Step::DeleteTag("note"),
        Step::DeleteManifest(digest(&one)),
        Step::Put(boxed(&two), None),
        Step::DeleteManifest(digest(&note)),
    ]
}

fn boxed(manifest: &Manifest) -> Box<Manifest> {
    Box::new(manifest.clone())
}

impl Step {
    async fn tell(&self, scene: &Scene, number: usize) -> Result<(), Error> {
        let push = scene.push(NAME);
        let delete = scene.store.repository(&repository(NAME), Delete)?;
        match self {
            Self::Receive(content) => scene.blob(NAME, content).await.map(|_digest| ()),
            Self::Upload(content) => {
                let id = UploadId::new(0, 1000 + number as u128);
                push.start_upload(id.clone(), Algorithm::Sha256).await?;
                let (head, tail) = content.split_at(content.len() / 2);
                let mut writer = push.continue_upload(&id, Start::At(0)).await?;
                writer.push(Bytes::from_static(head)).await?;
                writer.save().await?;
                let mut writer = push
                    .continue_upload(&id, Start::At(head.len() as u64))
                    .await?;
                writer.push(Bytes::from_static(tail)).await?;
                writer.finish(&Digest::sha256(content)).await
            }
            Self::Put(manifest, tag) => {
                let tags: Vec<Tag> = tag.iter().map(|tag| tag.parse().expect("a tag")).collect();
                push.put_manifest(manifest, &digest(manifest), &tags)
                    .await
                    .map(|_pushed| ())
            }
            Self::DeleteTag(tag) => delete.delete_tag(&tag.parse().expect("a tag")).await,
            Self::DeleteManifest(digest) => delete.delete_manifest(digest).await,
        }
    }

    /// Says what the step makes of the tags.
    fn apply(&self, tags: &mut BTreeMap<String, Digest>) {
        match self {
            Self::Receive(_) | Self::Upload(_) | Self::Put(_, None) => {}
            Self::Put(manifest, Some(tag)) => {
                tags.insert((*tag).to_owned(), digest(manifest));
            }
            Self::DeleteTag(tag) => {
                tags.remove(*tag);
            }
            Self::DeleteManifest(gone) => tags.retain(|_, digest| digest != gone),
        }
    }
}

/// Checks that nothing is half visible, and gives the tags.
async fn visible(scene: &Scene) -> BTreeMap<String, Digest> {
    let pull = scene
        .store
        .repository(&repository(NAME), Pull)
        .expect("a short name");
    let listed = match pull.tags("", 100).await {
        Ok(page) => page.names,
        Err(Error::NameUnknown(_)) => Vec::new(),
        Err(error) => panic!("tags can not be listed: {error}"),
    };
    let mut tags = BTreeMap::new();
    for tag in listed {
        let found = pull
            .manifest(&Reference::Tag(tag.clone()))
            .await
            .expect("a listed tag resolves");
        let manifest = Manifest::parse(found.bytes, &found.media_type).expect("a manifest");
        for blob in manifest.required_blobs() {
            let stream = pull
                .open_blob(&blob.digest, ByteRange::whole(blob.size))
                .await
                .expect("its blobs are there");
            stream
                .verified(blob.digest)
                .collect(1 << 20)
                .await
                .expect("its blobs are whole");
        }
        tags.insert(tag.to_string(), found.digest);
    }
    for subject in story().iter().filter_map(|step| {
        if let Step::Put(m, _) = step {
            Some(digest(m))
        } else {
            None
        }
    }) {
        let found = pull
            .referrers(&subject, "", 100, 1 << 20)
            .await
            .expect("referrers are listed");
        for referrer in found.descriptors {
            pull.manifest(&Reference::Digest(referrer.digest))
                .await
                .expect("a listed referrer resolves");
        }
    }
    tags
}

/// Says whether a key may be left over by a call that failed: it is a maybe,
/// or the bytes and the state of an upload, found by their age.
fn may_be_left(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        ["data" | "uploads" | "links", ..] => true,
        ["repositories", _, "tagged" | "referrers", ..] => true,
        ["repositories", _, "blobs", _, _, reference] => *reference != "link",
        _ => false,
    }
}

/// Checks that an end has all the keys of the end without a fault, and beyond
/// them only such as may be left over.
fn compare(keys: &[String], healthy: &[String], name: &str) {
    let missing: Vec<_> = healthy.iter().filter(|key| !keys.contains(key)).collect();
    assert!(missing.is_empty(), "{name}: {missing:?} are missing");
    let beyond: Vec<_> = keys
        .iter()
        .filter(|key| !healthy.contains(key) && !may_be_left(key))
        .collect();
    assert!(beyond.is_empty(), "{name}: {beyond:?} are too many");
}

/// Tells the story with a fault, then again without, and checks both ends.
async fn tell_with(failing: Failing, number: usize, healthy: &[String], name: &str) {
    let mut tags = BTreeMap::new();
    let mut after = BTreeMap::new();
    let mut done = 0;
    if let Ok(scene) = Scene::over(Arc::new(failing.clone())).await {
        for (index, step) in story().iter().enumerate() {
            step.apply(&mut after);
            if step.tell(&scene, index).await.is_err() {
                break;
            }
            step.apply(&mut tags);
            done = index + 1;
        }
    }
    failing.heal();
    let scene = Scene::over(Arc::clone(failing.inner()))
        .await
        .expect("opens after a fault");
    promises::check(&scene).await;
    let seen = visible(&scene).await;
    for (tag, digest) in &tags {
        // The step that failed may have been done; nothing else may differ.
        let kept = seen.get(tag) == Some(digest) || seen.get(tag) == after.get(tag);
        assert!(
            kept,
            "{name} {number}: `{tag}` was acknowledged as {digest}, and is {:?}",
            seen.get(tag)
        );
    }
    for (tag, digest) in &seen {
        let said = tags.get(tag) == Some(digest) || after.get(tag) == Some(digest);
        assert!(
            said,
            "{name} {number}: nobody said that `{tag}` is {digest}"
        );
    }
    for (index, step) in story().iter().enumerate().skip(done) {
        match step.tell(&scene, 100 + index).await {
            Ok(()) => {}
            // A delete whose answer was lost finds nothing to delete.
            Err(Error::ManifestUnknown(_)) if index == done => {}
            Err(error) => panic!("{name} {number}: {step:?} failed again: {error}"),
        }
    }
    visible(&scene).await;
    promises::check(&scene).await;
    compare(&scene.keys().await, healthy, &format!("{name} {number}"));
}

/// Tells the story without a fault, then with one at every so many steps.
async fn tell_all(make: impl Fn() -> Arc<dyn Backend>, kinds: &[ErrorKind], stride: usize) {
    let failing = Failing::new(make());
    let scene = Scene::over(Arc::new(failing.clone())).await.expect("opens");
    for (index, step) in story().iter().enumerate() {
        step.tell(&scene, index).await.expect("no fault");
    }
    let steps = failing.steps().len();
    assert!(steps > 100, "the story has {steps} steps");
    let healthy = scene.keys().await;

    for number in (0..steps).step_by(stride) {
        for moment in [Moment::Before, Moment::After] {
            for &kind in kinds {
                let failing = Failing::new(make());
                failing.fail_at(number, Fault { kind, moment });
                tell_with(
                    failing,
                    number,
                    &healthy,
                    &format!("one {kind:?} {moment:?}"),
                )
                .await;
            }
            let failing = Failing::new(make());
            let kind = ErrorKind::Unavailable;
            failing.fail_from(number, Fault { kind, moment });
            tell_with(failing, number, &healthy, &format!("crash {moment:?}")).await;
        }
    }
}

#[tokio::test]
async fn whatever_fails_nothing_acknowledged_is_lost() {
    let make = || Arc::new(Object::in_memory()) as Arc<dyn Backend>;
    tell_all(make, &[ErrorKind::Full, ErrorKind::Unavailable], 1).await;
}

#[tokio::test]
async fn whatever_fails_in_a_directory_nothing_acknowledged_is_lost() {
    let root = tempfile::tempdir().expect("a folder");
    let next = AtomicUsize::new(0);
    let make = || {
        let number = next.fetch_add(1, Ordering::Relaxed).to_string();
        let folder = root.path().join(number);
        let local =
            Local::open(&folder, &Store::MARK, Sharing::Exclusive, Sync::Never).expect("opens");
        Arc::new(local) as Arc<dyn Backend>
    };
    // In memory it is every step; here each one is ten times as dear.
    tell_all(make, &[ErrorKind::Unavailable], 3).await;
}

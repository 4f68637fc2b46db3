//! Checks that are stopped, and what goes on after them.

use std::sync::Arc;
use std::sync::Mutex;

use blob::Backend;
use blob::testing::{Failing, Operation};
use bytes::Bytes;
use oci::{Algorithm, Digest};
use store::{Mode, Policy, Rate, Scrub, Scrubbed};

use super::{Aged, BEFORE, LATER, at, key, keys, lines};
use crate::scene::{Scene, on_every_backend};

on_every_backend! {
    a_check_goes_on_where_it_was_stopped
    a_check_of_another_kind_starts_anew
}

/// Enough that it is written down how far a check has come.
async fn many(scene: Scene) -> Aged {
    for number in 0..120_u32 {
        let content = Bytes::from(number.to_string());
        let digest = Digest::sha256(&content);
        let mut writer = scene
            .push("many")
            .receive_blob(&scene.upload_id(), Algorithm::Sha256)
            .expect("a turn");
        writer.push(content).await.expect("taken");
        writer.finish(&digest).await.expect("finished");
    }
    super::push(&scene).await;
    let later = at(&scene.backend, LATER).await;
    Aged { scene, later }
}

/// Runs a check over a storage that fails from the first repository on, and
/// gives what it has seen by then.
async fn stopped(aged: &Aged, mode: Mode) -> Scrubbed {
    let failing = Arc::new(Failing::new(Arc::clone(&aged.scene.backend)));
    let backend: Arc<dyn Backend> = Arc::clone(&failing) as _;
    let store = at(&backend, LATER).await;
    failing.fail_when(BEFORE, |step| {
        step.operation == Operation::Page && step.key.as_str().starts_with("repositories")
    });
    let last = Mutex::new(Scrubbed::default());
    let scrub = Scrub::new(store, &Policy::default(), mode, Rate::Unlimited);
    let stopped = scrub
        .run(&|seen| *last.lock().expect("locked") = seen.clone())
        .await;
    assert!(stopped.is_err(), "{stopped:?}");
    last.into_inner().expect("unlocked")
}

/// Runs a check to its end, and gives what it had seen when it began.
async fn resumed(aged: &Aged, mode: Mode) -> (Scrubbed, Scrubbed) {
    let first = Mutex::new(None);
    let policy = Policy::default();
    let scrub = Scrub::new(aged.later.clone(), &policy, mode, Rate::Unlimited);
    let scrubbed = scrub
        .run(&|seen| {
            let mut first = first.lock().expect("locked");
            first.get_or_insert_with(|| seen.clone());
        })
        .await
        .expect("checked");
    let first = first.into_inner().expect("unlocked");
    (first.expect("it says where it begins"), scrubbed)
}

async fn a_check_goes_on_where_it_was_stopped(scene: Scene) {
    let aged = many(scene).await;
    let whole = resumed(&aged, Mode::Report).await;
    assert_eq!(whole.0, Scrubbed::default());
    assert!(whole.1.keys > 400, "{whole:?}");
    // Damage before the stop and after it.
    aged.write_bytes("blobs/sha256/L", b"lay").await;
    aged.remove("links/sha256/L/r").await;
    aged.write("links/sha256/backup", b"by hand").await;
    let stopped = stopped(&aged, Mode::Report).await;
    assert!(stopped.keys > 200, "{stopped:?}");
    assert!(keys(aged.backend()).await.contains(&"scrub".to_owned()));
    let (began, scrubbed) = resumed(&aged, Mode::Report).await;
    assert!(
        began.keys >= 200 && began.keys <= stopped.keys,
        "{} of {}",
        began.keys,
        stopped.keys
    );
    assert_eq!(
        lines(&scrubbed),
        [
            "corrupt nothing blobs/sha256/L",
            "unindexed nothing repositories/r/blobs/sha256/L/link",
            "unknown nothing links/sha256/backup",
        ]
    );
    // Nothing is looked at twice, and nothing left out.
    assert_eq!(scrubbed.keys, whole.1.keys);
    assert_eq!(scrubbed.blobs, whole.1.blobs);
    assert!(!keys(aged.backend()).await.contains(&"scrub".to_owned()));
}

async fn a_check_of_another_kind_starts_anew(scene: Scene) {
    let aged = many(scene).await;
    aged.remove("links/sha256/L/r").await;
    stopped(&aged, Mode::Report).await;
    let (began, scrubbed) = resumed(&aged, Mode::Repair).await;
    assert_eq!(began, Scrubbed::default());
    assert_eq!(scrubbed.remaining, 0);
    let holder = aged.backend().head(&key("links/sha256/L/r")).await;
    assert!(holder.expect("looked").is_some());
    // Nor does one that can not be read keep anybody from checking.
    stopped(&aged, Mode::Report).await;
    aged.write("scrub", b"{").await;
    let (began, _) = resumed(&aged, Mode::Report).await;
    assert_eq!(began, Scrubbed::default());
}

//! Blobs: those that nothing needs go, with every key of theirs.

use oci::Digest;
use store::Mounted;

use super::yard::{Expected, GRACE, Yard, cache, in_every_yard, index};
use crate::scene::{digest, image};

const LAYER: &[u8] = b"a layer";
const CONFIG: &[u8] = b"{}";

in_every_yard! {
    a_blob_that_was_never_referenced_goes_when_it_is_old
    a_blob_of_an_image_stays
    a_blob_that_is_asked_for_stays_longer
    a_mounted_blob_goes_by_itself
    a_mounted_blob_keeps_the_bytes
    the_layers_of_a_deleted_image_go
    layers_that_another_image_shares_stay
    layers_that_another_repository_shares_stay
    a_deleted_blob_leaves_no_key
    a_blob_in_an_old_cache_stays_until_that_goes
    a_blob_that_is_a_manifest_too_goes_with_both
    an_index_and_its_child_deleted_together_leave_nothing
    a_look_ahead_writes_nothing
    what_can_not_be_read_is_passed_over
}

async fn a_blob_that_was_never_referenced_goes_when_it_is_old(yard: Yard) {
    let layer = yard.blob("a/b", LAYER).await;
    let collected = yard.collect().await;
    assert_eq!((collected.blobs, collected.kept), (0, 1));
    yard.has("a/b", &layer).await;
    yard.later(GRACE - 1);
    assert_eq!(yard.collect().await.blobs, 0);
    yard.has("a/b", &layer).await;
    yard.later(1);
    let collected = yard.collect().await;
    let counts = (collected.entries, collected.links, collected.blobs);
    assert_eq!(counts, (1, 1, 1));
    assert_eq!(collected.bytes, LAYER.len() as u64);
    Expected::new().check(&yard).await;
    // Nothing is due any more.
    assert_eq!(yard.collect_all().await, store::Collected::default());
}

async fn a_blob_of_an_image_stays(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    assert_eq!(yard.collect().await.blobs, 0);
    assert_eq!(yard.collect_all().await.blobs, 0);
    Expected::new()
        .image("a/b", &one, &["v1"])
        .check(&yard)
        .await;
    yard.pulls("a/b", &one).await;
}

async fn an_image(yard: &Yard, name: &str, tag: &str) -> oci::Manifest {
    yard.blob(name, CONFIG).await;
    yard.blob(name, LAYER).await;
    let one = image(CONFIG, LAYER, "1");
    yard.put(name, &one, tag).await;
    one
}

async fn a_blob_that_is_asked_for_stays_longer(yard: Yard) {
    let layer = yard.blob("a/b", LAYER).await;
    yard.later(GRACE / 2 + 1);
    let size = yard.scene.pull("a/b").offer_blob(&layer).await;
    assert_eq!(size.expect("there"), LAYER.len() as u64);
    yard.later(GRACE / 2);
    // Asked for so soon after that nothing is written.
    yard.scene
        .pull("a/b")
        .offer_blob(&layer)
        .await
        .expect("there");
    yard.later(GRACE / 2 - 1);
    assert_eq!(yard.collect().await.blobs, 0);
    yard.has("a/b", &layer).await;
    yard.later(1);
    assert_eq!(yard.collect().await.blobs, 1);
    Expected::new().check(&yard).await;
}

async fn a_mounted_blob_goes_by_itself(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    mount(&yard, "c", "a/b").await;
    let collected = yard.collect_all().await;
    assert_eq!((collected.links, collected.blobs), (1, 0));
    Expected::new()
        .image("a/b", &one, &["v1"])
        .check(&yard)
        .await;
}

async fn mount(yard: &Yard, into: &str, from: &str) {
    let from = yard.scene.pull(from);
    let layer = Digest::sha256(LAYER);
    let mounted = yard.scene.push(into).mount(&layer, &from).await;
    assert_eq!(mounted.expect("mounts"), Mounted::Yes);
}

async fn a_mounted_blob_keeps_the_bytes(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    mount(&yard, "c", "a/b").await;
    yard.blob("c", CONFIG).await;
    yard.put("c", &one, "").await;
    yard.delete("a/b", &one).await;
    assert_eq!(yard.collect_all().await.links, 2);
    Expected::new()
        .repository("a/b")
        .image("c", &one, &[])
        .check(&yard)
        .await;
    yard.pulls("c", &one).await;
    yard.delete("c", &one).await;
    assert_eq!(yard.collect().await.blobs, 3);
    Expected::new()
        .repository("a/b")
        .repository("c")
        .check(&yard)
        .await;
}

async fn the_layers_of_a_deleted_image_go(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one).await;
    let collected = yard.collect().await;
    assert_eq!((collected.links, collected.blobs), (2, 3));
    Expected::new().repository("a/b").check(&yard).await;
}

async fn layers_that_another_image_shares_stay(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    yard.blob("a/b", b"another").await;
    let two = image(CONFIG, b"another", "2");
    yard.put("a/b", &two, "v2").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one).await;
    assert_eq!(yard.collect().await.links, 1);
    Expected::new()
        .image("a/b", &two, &["v2"])
        .check(&yard)
        .await;
    yard.pulls("a/b", &two).await;
}

async fn layers_that_another_repository_shares_stay(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    an_image(&yard, "c", "v1").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one).await;
    let collected = yard.collect().await;
    assert_eq!((collected.links, collected.blobs), (2, 0));
    Expected::new()
        .repository("a/b")
        .image("c", &one, &["v1"])
        .check(&yard)
        .await;
    yard.pulls("c", &one).await;
}

async fn a_deleted_blob_leaves_no_key(yard: Yard) {
    let layer = yard.blob("a/b", LAYER).await;
    yard.later(2 * GRACE);
    let delete = yard.scene.delete("a/b");
    delete.delete_blob(&layer).await.expect("deleted");
    assert_eq!(yard.collect().await.blobs, 1);
    Expected::new().check(&yard).await;
}

async fn a_blob_in_an_old_cache_stays_until_that_goes(yard: Yard) {
    let cache = cache(LAYER);
    // The child comes after the index that has it.
    yard.put("a/b", &cache, "cache").await;
    let layer = yard.blob("a/b", LAYER).await;
    yard.collect_all().await;
    Expected::new()
        .manifest("a/b", &cache, &["cache"])
        .blob("a/b", &layer)
        .check(&yard)
        .await;
    yard.delete("a/b", &cache).await;
    yard.collect().await;
    Expected::new().repository("a/b").check(&yard).await;
}

async fn a_blob_that_is_a_manifest_too_goes_with_both(yard: Yard) {
    let one = an_image(&yard, "a/b", "v1").await;
    super::yard::push(&yard.scene, "a/b", one.bytes().clone())
        .await
        .expect("pushed");
    yard.later(2 * GRACE);
    let delete = yard.scene.delete("a/b");
    delete.delete_blob(&digest(&one)).await.expect("deleted");
    yard.collect().await;
    Expected::new()
        .image("a/b", &one, &["v1"])
        .check(&yard)
        .await;
    super::yard::push(&yard.scene, "a/b", one.bytes().clone())
        .await
        .expect("pushed");
    yard.later(2 * GRACE);
    yard.delete("a/b", &one).await;
    yard.collect().await;
    Expected::new().repository("a/b").check(&yard).await;
}

async fn an_index_and_its_child_deleted_together_leave_nothing(yard: Yard) {
    for index_first in [true, false] {
        let one = an_image(&yard, "a/b", "").await;
        let index = index(&[&one]);
        yard.put("a/b", &index, "v1").await;
        yard.collect_all().await;
        let (first, second) = if index_first {
            (&index, &one)
        } else {
            (&one, &index)
        };
        yard.delete("a/b", first).await;
        yard.later(1);
        yard.delete("a/b", second).await;
        yard.collect().await;
        Expected::new().repository("a/b").check(&yard).await;
    }
}

async fn a_look_ahead_writes_nothing(yard: Yard) {
    let layer = yard.blob("a/b", LAYER).await;
    an_image(&yard, "c", "v1").await;
    yard.later(2 * GRACE);
    let before = yard.keys().await;
    let foreseen = yard.foresee().await;
    assert_eq!(yard.keys().await, before);
    let path = layer.to_string().replace(':', "/");
    // The other repository keeps the bytes.
    assert_eq!(
        foreseen
            .keys
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            format!("links/{path}/a.~b"),
            format!("repositories/a.~b/blobs/{path}/link"),
        ]
    );
    assert_eq!((foreseen.counts.links, foreseen.counts.blobs), (1, 0));
    let collected = yard.collect().await;
    assert_eq!(collected.links, 1);
    assert_eq!(collected.entries, foreseen.counts.entries);
}

async fn what_can_not_be_read_is_passed_over(yard: Yard) {
    let backend = yard.scene.backend.as_ref();
    let due = blob::Key::top("due");
    for (name, value) in [
        ("0000000000000000000000000000000a", "{}"),
        ("nonsense", "{}"),
        ("018bcfe568000000000000000000000a", "not JSON"),
    ] {
        let value = bytes::Bytes::from_static(value.as_bytes());
        let created = backend.create(&due.child(name), value).await;
        assert_eq!(created.expect("written"), blob::Swapped::Done);
    }
    yard.blob("a/b", LAYER).await;
    let collected = yard.collect_all().await;
    assert_eq!(
        (collected.blobs, collected.entries, collected.kept),
        (1, 1, 3)
    );
    assert_eq!(yard.keys().await.len(), 3);
}

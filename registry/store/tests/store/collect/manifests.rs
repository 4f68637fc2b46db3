//! Manifests: roots, until a delete or a policy takes them.

use std::time::Duration;

use oci::{Digest, Manifest};

use super::yard::{Expected, GRACE, Yard, in_every_yard, index};
use crate::scene::{digest, image, referrer};

const LAYER: &[u8] = b"a layer";
const CONFIG: &[u8] = b"{}";
const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

in_every_yard! {
    untagged_manifests_are_roots
    children_of_a_deleted_index_stay
    a_sparse_index_keeps_what_it_has
    a_referrer_goes_with_its_subject
    a_referrer_whose_subject_never_came_stays
    a_referrer_with_a_tag_stays
    a_referrer_whose_subject_is_back_stays
    a_referrer_that_came_after_its_subject_went_stays
    a_referrer_of_a_referrer_goes_too
    untagged_manifests_go_where_a_policy_says_so
    an_untagged_manifest_that_gets_a_tag_stays
    a_push_that_was_refused_leaves_nothing
    an_index_of_hundreds_of_children_is_deleted
}

async fn blobs(yard: &Yard) {
    yard.blob("a/b", CONFIG).await;
    yard.blob("a/b", LAYER).await;
}

fn one() -> Manifest {
    image(CONFIG, LAYER, "1")
}

async fn untagged_manifests_are_roots(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "").await;
    yard.later(100 * WEEK);
    yard.collect().await;
    Expected::new().image("a/b", &one(), &[]).check(&yard).await;
}

async fn children_of_a_deleted_index_stay(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "").await;
    let index = index(&[&one()]);
    yard.put("a/b", &index, "v1").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &index).await;
    assert_eq!(yard.collect().await.blobs, 1);
    Expected::new().image("a/b", &one(), &[]).check(&yard).await;
    yard.pulls("a/b", &one()).await;
}

async fn a_sparse_index_keeps_what_it_has(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "").await;
    let absent = image(CONFIG, LAYER, "absent");
    let index = index(&[&one(), &absent]);
    yard.put("a/b", &index, "v1").await;
    yard.collect_all().await;
    let expected = || {
        Expected::new()
            .image("a/b", &one(), &[])
            .manifest("a/b", &index, &["v1"])
    };
    expected().check(&yard).await;
    // The child comes and goes.
    yard.put("a/b", &absent, "").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &absent).await;
    yard.collect().await;
    expected().check(&yard).await;
}

async fn a_referrer_goes_with_its_subject(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "v1").await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "").await;
    yard.collect_all().await;
    Expected::new()
        .image("a/b", &one(), &["v1"])
        .image("a/b", &note, &[])
        .check(&yard)
        .await;
    yard.delete("a/b", &one()).await;
    let collected = yard.collect().await;
    assert_eq!((collected.manifests, collected.blobs), (1, 4));
    Expected::new().repository("a/b").check(&yard).await;
}

async fn a_referrer_whose_subject_never_came_stays(yard: Yard) {
    blobs(&yard).await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "").await;
    yard.later(100 * WEEK);
    yard.collect().await;
    Expected::new().image("a/b", &note, &[]).check(&yard).await;
}

async fn a_referrer_with_a_tag_stays(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "v1").await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "note").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one()).await;
    yard.collect().await;
    Expected::new()
        .image("a/b", &note, &["note"])
        .check(&yard)
        .await;
}

async fn a_referrer_whose_subject_is_back_stays(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "v1").await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one()).await;
    yard.put("a/b", &one(), "v2").await;
    yard.collect().await;
    Expected::new()
        .image("a/b", &one(), &["v2"])
        .image("a/b", &note, &[])
        .check(&yard)
        .await;
}

async fn a_referrer_that_came_after_its_subject_went_stays(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "v1").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one()).await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "").await;
    yard.collect_all().await;
    Expected::new().image("a/b", &note, &[]).check(&yard).await;
}

async fn a_referrer_of_a_referrer_goes_too(yard: Yard) {
    blobs(&yard).await;
    yard.put("a/b", &one(), "v1").await;
    let note = referrer(CONFIG, &one(), "note");
    yard.put("a/b", &note, "").await;
    yard.put("a/b", &referrer(CONFIG, &note, "signed"), "")
        .await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &one()).await;
    assert_eq!(yard.collect().await.manifests, 2);
    Expected::new().repository("a/b").check(&yard).await;
}

async fn untagged_manifests_go_where_a_policy_says_so(mut yard: Yard) {
    yard.policy.untagged_after = Some(Duration::from_millis(WEEK));
    blobs(&yard).await;
    let (two, moved) = (image(CONFIG, LAYER, "2"), image(CONFIG, LAYER, "moved"));
    let child = image(CONFIG, LAYER, "child");
    let (index, note) = (index(&[&child]), referrer(CONFIG, &two, "note"));
    yard.put("a/b", &one(), "").await;
    yard.put("a/b", &child, "").await;
    yard.put("a/b", &index, "index").await;
    yard.put("a/b", &moved, "v2").await;
    assert_eq!(yard.collect().await.manifests, 0);
    yard.later(2 * WEEK);
    yard.put("a/b", &two, "v2").await;
    yard.put("a/b", &note, "").await;
    let collected = yard.collect().await;
    assert_eq!((collected.manifests, collected.blobs), (1, 1));
    let expected = || {
        Expected::new()
            .image("a/b", &two, &["v2"])
            .image("a/b", &child, &[])
            .image("a/b", &note, &[])
            .manifest("a/b", &index, &["index"])
    };
    // Less than a week without a tag.
    yard.later(WEEK - 1);
    assert_eq!(yard.collect().await.manifests, 0);
    yard.pulls("a/b", &moved).await;
    yard.later(1);
    assert_eq!(yard.collect().await.manifests, 1);
    expected().check(&yard).await;
    // The child of an index that went has its own week.
    yard.delete("a/b", &index).await;
    yard.collect().await;
    yard.later(WEEK - 1);
    yard.collect().await;
    yard.pulls("a/b", &child).await;
    yard.later(1);
    yard.collect().await;
    Expected::new()
        .image("a/b", &two, &["v2"])
        .image("a/b", &note, &[])
        .check(&yard)
        .await;
}

async fn an_untagged_manifest_that_gets_a_tag_stays(mut yard: Yard) {
    yard.policy.untagged_after = Some(Duration::from_millis(WEEK));
    blobs(&yard).await;
    yard.put("a/b", &one(), "").await;
    yard.later(WEEK - 1);
    yard.collect().await;
    yard.put("a/b", &one(), "v1").await;
    yard.later(2 * WEEK);
    assert_eq!(yard.collect().await.manifests, 0);
    Expected::new()
        .image("a/b", &one(), &["v1"])
        .check(&yard)
        .await;
}

async fn a_push_that_was_refused_leaves_nothing(yard: Yard) {
    yard.blob("a/b", CONFIG).await;
    let push = yard.scene.push("a/b");
    let refused = push.put_manifest(&one(), &digest(&one()), &[]).await;
    assert!(matches!(refused, Err(store::Error::ManifestBlobUnknown(_))));
    yard.collect_all().await;
    Expected::new().check(&yard).await;
}

async fn an_index_of_hundreds_of_children_is_deleted(yard: Yard) {
    blobs(&yard).await;
    let children: Vec<Manifest> = (0..300)
        .map(|number| image(CONFIG, LAYER, &number.to_string()))
        .collect();
    let index = index(&children.iter().collect::<Vec<_>>());
    for child in children.iter().take(3) {
        yard.put("a/b", child, "").await;
    }
    yard.put("a/b", &index, "v1").await;
    yard.later(2 * GRACE);
    yard.delete("a/b", &index).await;
    assert!(yard.collect().await.rounds > 1);
    let mut expected = Expected::new();
    for child in children.iter().take(3) {
        expected = expected.image("a/b", child, &[]);
    }
    expected.check(&yard).await;
    let layer = Digest::sha256(LAYER);
    yard.has("a/b", &layer).await;
}

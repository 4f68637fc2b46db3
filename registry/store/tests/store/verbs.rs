//! What each verb answers, and exactly which keys it leaves.

use blob::ByteRange;
use oci::{Digest, Reference, Tag};
use store::{Delete, Error, Mounted, Pull};

use crate::scene::{Scene, digest, image, on_every_backend, referrer, repository};

on_every_backend! {
    a_push_leaves_these_keys_and_a_delete_these
    a_blob_is_visible_where_it_was_pushed_or_mounted
    tags_move_are_listed_and_go_with_their_manifest
    a_manifest_needs_its_blobs_here_but_not_its_subject
    large_annotations_are_read_from_the_manifest
    repositories_are_listed_in_the_order_of_their_names
    names_that_fit_no_key_are_refused
    a_store_of_another_format_is_not_touched
}

fn tag(text: &str) -> Tag {
    text.parse().expect("a tag")
}

async fn a_push_leaves_these_keys_and_a_delete_these(scene: Scene) {
    let config = scene.blob("a/b", b"{}").await.expect("pushed").hex();
    let layer = scene.blob("a/b", b"layer").await.expect("pushed").hex();
    let first = image(b"{}", b"layer", "one");
    let second = referrer(b"{}", &first, "two");
    let (one, two) = (digest(&first), digest(&second));
    let push = scene.push("a/b");
    push.put_manifest(&first, &one, &[tag("v1")])
        .await
        .expect("published");
    let pushed = push
        .put_manifest(&second, &two, &[])
        .await
        .expect("published");
    assert_eq!(pushed.subject, Some(one));

    let (one, two) = (one.hex(), two.hex());
    let mut expected = vec![
        format!("blobs/sha256/{config}"),
        format!("blobs/sha256/{layer}"),
        format!("blobs/sha256/{one}"),
        format!("blobs/sha256/{two}"),
        "catalog/a.~b".to_owned(),
        format!("links/sha256/{config}/a.~b"),
        format!("links/sha256/{layer}/a.~b"),
        format!("links/sha256/{one}/a.~b"),
        format!("links/sha256/{two}/a.~b"),
        format!("repositories/a.~b/blobs/sha256/{config}/link"),
        format!("repositories/a.~b/blobs/sha256/{config}/sha256-{one}"),
        format!("repositories/a.~b/blobs/sha256/{config}/sha256-{two}"),
        format!("repositories/a.~b/blobs/sha256/{layer}/link"),
        format!("repositories/a.~b/blobs/sha256/{layer}/sha256-{one}"),
        format!("repositories/a.~b/manifests/sha256/{one}"),
        format!("repositories/a.~b/manifests/sha256/{two}"),
        format!("repositories/a.~b/referrers/sha256-{one}/sha256-{two}"),
        format!("repositories/a.~b/tagged/sha256-{one}/v1"),
        "repositories/a.~b/tags/v1".to_owned(),
    ];
    expected.sort();
    let mut keys = scene.keys().await;
    keys.sort();
    assert_eq!(keys, expected);

    let delete = scene.delete("a/b");
    delete
        .delete_manifest(&digest(&first))
        .await
        .expect("deleted");
    delete
        .delete_manifest(&digest(&second))
        .await
        .expect("deleted");
    delete
        .delete_blob(&Digest::sha256(b"layer"))
        .await
        .expect("deleted");
    // The rest is the collector's.
    let link = format!("{layer}/link");
    let gone = ["/manifests/", "/tagged/", "/tags/", &link];
    expected.retain(|key| !gone.iter().any(|part| key.contains(part)));
    let mut keys = scene.keys().await;
    keys.sort();
    assert_eq!(keys, expected);
}

async fn a_blob_is_visible_where_it_was_pushed_or_mounted(scene: Scene) {
    let blob = scene.blob("a", b"layer").await.expect("pushed");
    let pull = |name: &str| {
        scene
            .store
            .repository(&repository(name), Pull)
            .expect("a short name")
    };
    assert_eq!(pull("a").blob_size(&blob).await.expect("visible"), 5);
    assert!(
        matches!(pull("b").blob_size(&blob).await, Err(Error::BlobUnknown(unknown)) if unknown == blob)
    );

    let absent = Digest::sha256(b"absent");
    assert_eq!(
        scene
            .push("b")
            .mount(&absent, &pull("a"))
            .await
            .expect("asked"),
        Mounted::No
    );
    assert_eq!(
        scene
            .push("b")
            .mount(&blob, &pull("c"))
            .await
            .expect("asked"),
        Mounted::No
    );
    assert_eq!(
        scene
            .push("b")
            .mount_from_anywhere(&blob, |_| false)
            .await
            .expect("asked"),
        Mounted::No
    );
    assert!(pull("b").blob_size(&blob).await.is_err());
    assert_eq!(
        scene
            .push("b")
            .mount_from_anywhere(&blob, |_| true)
            .await
            .expect("asked"),
        Mounted::Yes
    );

    let delete = scene
        .store
        .repository(&repository("a"), Delete)
        .expect("a short name");
    delete.delete_blob(&blob).await.expect("deleted");
    assert!(matches!(
        delete.delete_blob(&blob).await,
        Err(Error::BlobUnknown(_))
    ));
    assert!(pull("a").blob_size(&blob).await.is_err());
    let stream = pull("b")
        .open_blob(&blob, ByteRange { start: 1, end: 4 })
        .await
        .expect("visible");
    assert_eq!(stream.collect(10).await.expect("read"), "aye");
}

async fn tags_move_are_listed_and_go_with_their_manifest(scene: Scene) {
    scene.blob("a", b"{}").await.expect("pushed");
    scene.blob("a", b"layer").await.expect("pushed");
    let (one, two) = (image(b"{}", b"layer", "1"), image(b"{}", b"layer", "2"));
    let push = scene.push("a");
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    let delete = scene
        .store
        .repository(&repository("a"), Delete)
        .expect("a short name");
    assert!(matches!(
        pull.tags("", 10).await,
        Err(Error::NameUnknown(_))
    ));
    push.put_manifest(
        &one,
        &digest(&one),
        &[tag("x"), tag("v10"), tag("v2"), tag("A")],
    )
    .await
    .expect("published");
    push.put_manifest(&two, &digest(&two), &[tag("x")])
        .await
        .expect("published");

    let page = pull.tags("", 3).await.expect("listed");
    assert_eq!(
        (page.names, page.more),
        (vec![tag("A"), tag("v10"), tag("v2")], true)
    );
    let page = pull.tags("v2", 3).await.expect("listed");
    assert_eq!((page.names, page.more), (vec![tag("x")], false));
    let moved = pull
        .manifest(&Reference::Tag(tag("x")))
        .await
        .expect("there");
    assert_eq!((moved.digest, &moved.bytes), (digest(&two), two.bytes()));

    delete
        .delete_manifest(&digest(&one))
        .await
        .expect("deleted");
    let page = pull.tags("", 10).await.expect("listed");
    assert_eq!(page.names, [tag("x")]);
    delete.delete_tag(&tag("x")).await.expect("deleted");
    assert!(matches!(
        delete.delete_tag(&tag("x")).await,
        Err(Error::ManifestUnknown(_))
    ));
    assert!(
        pull.manifest(&Reference::Digest(digest(&two)))
            .await
            .is_ok()
    );
    assert_eq!(pull.tags("", 10).await.expect("listed").names, []);
}

async fn a_manifest_needs_its_blobs_here_but_not_its_subject(scene: Scene) {
    scene.blob("other", b"layer").await.expect("pushed");
    scene.blob("a", b"{}").await.expect("pushed");
    let needy = image(b"{}", b"layer", "");
    let refused = scene
        .push("a")
        .put_manifest(&needy, &digest(&needy), &[tag("x")])
        .await;
    assert!(
        matches!(refused, Err(Error::ManifestBlobUnknown(missing)) if missing == [Digest::sha256(b"layer")])
    );
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    assert!(pull.manifest(&Reference::Tag(tag("x"))).await.is_err());

    let note = referrer(b"{}", &needy, "early");
    scene
        .push("a")
        .put_manifest(&note, &digest(&note), &[])
        .await
        .expect("published");
    let found = pull
        .referrers(&digest(&needy), "", 10, 1 << 20)
        .await
        .expect("listed");
    assert_eq!(found.next, None);
    let [descriptor] = found.descriptors.as_slice() else {
        panic!("one referrer, not {found:?}")
    };
    assert_eq!(
        descriptor.artifact_type.as_deref(),
        Some("application/vnd.example.note")
    );
    assert_eq!(
        descriptor.annotations.get("note").map(String::as_str),
        Some("early")
    );
}

async fn large_annotations_are_read_from_the_manifest(scene: Scene) {
    scene.blob("a", b"{}").await.expect("pushed");
    let subject = image(b"{}", b"layer", "");
    let large = "x".repeat(100_000);
    for note in ["1", "2", "3"] {
        let note = referrer(b"{}", &subject, &format!("{note}{large}"));
        scene
            .push("a")
            .put_manifest(&note, &digest(&note), &[])
            .await
            .expect("published");
    }
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    let mut after = String::new();
    let mut pages = Vec::new();
    loop {
        let page = pull
            .referrers(&digest(&subject), &after, 10, 150_000)
            .await
            .expect("listed");
        pages.push(page.descriptors.len());
        assert!(
            page.descriptors
                .iter()
                .all(|found| found.annotations["note"].len() == 100_001)
        );
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(pages, [2, 1]);
}

async fn repositories_are_listed_in_the_order_of_their_names(scene: Scene) {
    for name in ["a/b", "a-b", "a", "a0", "a.b", "b"] {
        scene.blob(name, b"{}").await.expect("pushed");
        scene.blob(name, b"layer").await.expect("pushed");
        let image = image(b"{}", b"layer", "");
        scene
            .push(name)
            .put_manifest(&image, &digest(&image), &[])
            .await
            .expect("published");
    }
    let page = scene.store.catalog("", 4).await.expect("listed");
    assert_eq!(page.names, ["a", "a-b", "a.b", "a/b"].map(repository));
    let page = scene.store.catalog("a/b", 4).await.expect("listed");
    assert_eq!(
        (page.names, page.more),
        (["a0", "b"].map(repository).to_vec(), false)
    );
}

async fn names_that_fit_no_key_are_refused(scene: Scene) {
    let long = format!("{}a", "a/".repeat(127));
    let refused = scene.store.repository(&repository(&long), Pull);
    assert!(matches!(
        refused,
        Err(Error::NameTooLong { limit: 255, .. })
    ));
}

async fn a_store_of_another_format_is_not_touched(scene: Scene) {
    let key = blob::Key::top("format");
    let other = bytes::Bytes::from_static(br#"{"format": 7}"#);
    let _done = scene
        .backend
        .swap(&key, blob::Expected::Anything, other)
        .await
        .expect("written");
    let opened = Scene::over(scene.backend).await.map(|_scene| ());
    assert!(matches!(opened, Err(Error::Format { found: 7, known: 1 })));
}

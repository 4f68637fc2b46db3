//! Uploads: continued, refused, lost and found by another process.

use std::sync::Arc;

use blob::{Expected, Key, Local, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest};
use store::{Error, Pull, Start, Store, UploadId};

use crate::scene::{Scene, on_every_backend, repository};

on_every_backend! {
    a_lost_hasher_is_made_again_from_the_bytes
    sha512_needs_no_announcement
    one_writer_at_a_time_and_only_in_its_repository
    a_wrong_digest_leaves_the_upload_as_it_was
    a_whole_blob_of_another_digest_leaves_no_bytes
}

/// Starts an upload and has the first bytes acknowledged.
async fn begun(scene: &Scene, content: &'static [u8]) -> UploadId {
    let id = scene.upload_id();
    let push = scene.push("a");
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    writer
        .push(Bytes::from_static(content))
        .await
        .expect("taken");
    assert_eq!(
        writer.save().await.expect("saved").length(),
        content.len() as u64
    );
    id
}

#[tokio::test]
async fn another_process_continues_where_the_first_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never)
            .expect("opens");
        Scene::over(Arc::new(local))
    };
    let scene = open().await.expect("opens");
    let id = begun(&scene, b"hello ").await;
    // What is not saved is not acknowledged.
    let mut writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer
        .push(Bytes::from(vec![b'x'; 1 << 20]))
        .await
        .expect("taken");
    drop(writer);
    drop(scene);

    let scene = open().await.expect("opens again");
    let refused = scene
        .push("a")
        .continue_upload(&id, Start::At(5))
        .await
        .map(|_writer| ());
    assert!(matches!(
        refused,
        Err(Error::UploadOffset {
            length: 6,
            start: 5
        })
    ));
    let mut writer = scene
        .push("a")
        .continue_upload(&id, Start::At(6))
        .await
        .expect("a turn");
    writer
        .push(Bytes::from_static(b"world"))
        .await
        .expect("taken");
    writer
        .finish(&Digest::sha256(b"hello world"))
        .await
        .expect("finished");
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    assert_eq!(
        pull.blob_size(&Digest::sha256(b"hello world"))
            .await
            .expect("there"),
        11
    );
    assert!(matches!(
        scene.push("a").upload(&id).await,
        Err(Error::UploadUnknown)
    ));
}

async fn a_lost_hasher_is_made_again_from_the_bytes(scene: Scene) {
    let id = begun(&scene, b"first").await;
    // As if another version had written it.
    let key = Key::top("uploads").child(id.as_str());
    let record = scene
        .backend
        .read(&key)
        .await
        .expect("read")
        .expect("there");
    let mut value: serde_json::Value = serde_json::from_slice(&record.value).expect("JSON");
    value["hash"]["version"] = 0.into();
    let value = Bytes::from(value.to_string());
    let _done = scene
        .backend
        .swap(&key, Expected::Version(record.version), value)
        .await
        .expect("written");

    let mut writer = scene
        .push("a")
        .continue_upload(&id, Start::At(5))
        .await
        .expect("a turn");
    writer
        .push(Bytes::from_static(b"second"))
        .await
        .expect("taken");
    writer
        .finish(&Digest::sha256(b"firstsecond"))
        .await
        .expect("finished");
}

async fn sha512_needs_no_announcement(scene: Scene) {
    let id = scene.upload_id();
    scene
        .push("a")
        .start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer
        .push(Bytes::from_static(b"content"))
        .await
        .expect("taken");
    writer.save().await.expect("saved");
    let digest = Digest::of(Algorithm::Sha512, b"content");
    let writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer.finish(&digest).await.expect("finished");
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    assert_eq!(pull.blob_size(&digest).await.expect("there"), 7);
}

async fn one_writer_at_a_time_and_only_in_its_repository(scene: Scene) {
    let id = scene.upload_id();
    scene
        .push("a")
        .start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    let second = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .map(|_writer| ());
    assert!(matches!(second, Err(Error::UploadBusy)));
    assert!(matches!(
        scene.push("a").cancel_upload(&id).await,
        Err(Error::UploadBusy)
    ));
    drop(writer);
    assert!(matches!(
        scene.push("b").upload(&id).await,
        Err(Error::UploadUnknown)
    ));
    let stranger = scene
        .push("b")
        .continue_upload(&id, Start::AtEnd)
        .await
        .map(|_writer| ());
    assert!(matches!(stranger, Err(Error::UploadUnknown)));
    scene.push("a").cancel_upload(&id).await.expect("cancelled");
    assert!(matches!(
        scene.push("a").cancel_upload(&id).await,
        Err(Error::UploadUnknown)
    ));
    assert_eq!(scene.keys().await, Vec::<String>::new());
}

async fn a_wrong_digest_leaves_the_upload_as_it_was(scene: Scene) {
    let id = scene.upload_id();
    scene
        .push("a")
        .start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer
        .push(Bytes::from_static(b"content"))
        .await
        .expect("taken");
    writer.save().await.expect("saved");
    let wrong = Digest::sha256(b"other");
    let writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    let refused = writer.finish(&wrong).await;
    assert!(matches!(refused, Err(Error::DigestMismatch { expected }) if expected == wrong));
    let pull = scene
        .store
        .repository(&repository("a"), Pull)
        .expect("a short name");
    assert!(pull.blob_size(&wrong).await.is_err());
    assert_eq!(
        scene.push("a").upload(&id).await.expect("there").length(),
        7
    );
    let writer = scene
        .push("a")
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer
        .finish(&Digest::sha256(b"content"))
        .await
        .expect("finished");
}

async fn a_whole_blob_of_another_digest_leaves_no_bytes(scene: Scene) {
    let mut writer = scene
        .push("a")
        .receive_blob(&scene.upload_id(), Algorithm::Sha256)
        .expect("a turn");
    writer
        .push(Bytes::from_static(b"content"))
        .await
        .expect("taken");
    assert!(matches!(
        writer.finish(&Digest::sha256(b"other")).await,
        Err(Error::DigestMismatch { .. })
    ));
    // Who may have it is left to the collector.
    let holder = format!("links/sha256/{}/a", Digest::sha256(b"other").hex());
    assert_eq!(scene.keys().await, [holder]);
}

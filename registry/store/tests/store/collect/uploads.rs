//! Uploads that their clients gave up.

use std::time::Duration;

use bytes::Bytes;
use oci::{Algorithm, Digest};
use store::{Error, Start, UploadId};

use super::yard::{Expected, Yard, in_every_yard};

const DAY: u64 = 24 * 60 * 60 * 1000;
const CONTENT: &[u8] = b"some bytes";

in_every_yard! {
    an_upload_that_rests_for_a_day_goes
    an_upload_that_goes_on_stays
    a_finished_upload_leaves_its_blob_alone
    an_upload_of_this_moment_stays
    bytes_that_were_never_acknowledged_go
}

async fn started(yard: &Yard) -> UploadId {
    let now = yard.now.load(std::sync::atomic::Ordering::Relaxed);
    let id = UploadId::new(now, 7);
    let push = yard.scene.push("a/b");
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    id
}

async fn send(yard: &Yard, id: &UploadId, start: Start, content: &'static [u8]) {
    let push = yard.scene.push("a/b");
    let mut writer = push.continue_upload(id, start).await.expect("a turn");
    writer
        .push(Bytes::from_static(content))
        .await
        .expect("taken");
    writer.save().await.expect("kept");
}

async fn an_upload_that_rests_for_a_day_goes(yard: Yard) {
    started(&yard).await;
    yard.later(1);
    let id = started(&yard).await;
    send(&yard, &id, Start::At(0), CONTENT).await;
    yard.later(DAY - 1);
    assert_eq!(yard.foresee().await.counts.uploads, 1);
    assert_eq!(yard.collect().await.uploads, 1);
    let length = CONTENT.len() as u64;
    let upload = yard.scene.push("a/b").upload(&id).await;
    assert_eq!(upload.expect("there").length(), length);
    yard.later(1);
    assert_eq!(yard.collect().await.uploads, 1);
    Expected::new().check(&yard).await;
    let push = yard.scene.push("a/b");
    let gone = push.continue_upload(&id, Start::At(length)).await;
    assert!(matches!(gone, Err(Error::UploadUnknown)), "{gone:?}");
}

async fn an_upload_that_goes_on_stays(yard: Yard) {
    let id = started(&yard).await;
    for number in 0..3 {
        yard.later(DAY - 1);
        let start = Start::At(number * CONTENT.len() as u64);
        send(&yard, &id, start, CONTENT).await;
        assert_eq!(yard.collect().await.uploads, 0);
    }
    let push = yard.scene.push("a/b");
    let upload = push.upload(&id).await.expect("there");
    assert_eq!(upload.length(), 3 * CONTENT.len() as u64);
}

async fn a_finished_upload_leaves_its_blob_alone(mut yard: Yard) {
    yard.policy.grace = Duration::from_millis(10 * DAY);
    let id = started(&yard).await;
    send(&yard, &id, Start::At(0), CONTENT).await;
    let blob = Digest::sha256(CONTENT);
    let push = yard.scene.push("a/b");
    let writer = push
        .continue_upload(&id, Start::At(CONTENT.len() as u64))
        .await
        .expect("a turn");
    writer.finish(&blob).await.expect("published");
    yard.later(2 * DAY);
    yard.collect().await;
    yard.has("a/b", &blob).await;
    yard.later(10 * DAY);
    yard.collect().await;
    Expected::new().check(&yard).await;
}

async fn an_upload_of_this_moment_stays(yard: Yard) {
    let id = started(&yard).await;
    let push = yard.scene.push("a/b");
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    // A connection so slow that nothing was acknowledged in a day.
    yard.later(2 * DAY);
    assert_eq!(yard.collect().await.uploads, 0);
    writer
        .push(Bytes::from_static(CONTENT))
        .await
        .expect("taken");
    writer.save().await.expect("kept");
    yard.later(2 * DAY);
    assert_eq!(yard.collect().await.uploads, 1);
    Expected::new().check(&yard).await;
}

async fn bytes_that_were_never_acknowledged_go(yard: Yard) {
    let id = started(&yard).await;
    let push = yard.scene.push("a/b");
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    // More than are gathered before they are written.
    let content = Bytes::from(vec![b'x'; 300 * 1024]);
    writer.push(content).await.expect("taken");
    // The connection is cut, or the process killed.
    drop(writer);
    yard.later(2 * DAY);
    assert_eq!(yard.collect().await.uploads, 1);
    Expected::new().check(&yard).await;
}

//! Exactly which keys each verb adds and removes, but for the notes to the
//! collector below `due/`. What a deletion leaves is the collector's.
//!
//! Digests are told by a letter: `C` the config, `L` the layer, `1` and `2`
//! two images of them, `N` a referrer of `1`, `A` what is absent.

use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, MediaType, Reference, Tag};
use serde_json::json;
use store::{Error, Mounted, Pushed, Start};

use crate::promises;
use crate::scene::{Scene, descriptor, digest, image, manifest, on_every_backend, referrer};

on_every_backend! {
    a_blob_is_pushed
    a_blob_is_deleted_in_one_repository
    a_mount
    an_upload_comes_and_goes
    an_upload_that_is_cancelled
    a_wrong_digest_at_the_end_of_an_upload
    an_upload_that_broke_off
    a_manifest_is_pushed_and_pushed_again
    a_tag_moves
    a_tag_is_deleted
    a_manifest_is_deleted
    a_digest_that_is_a_blob_and_a_manifest
    an_index_without_its_children
    foreign_layers_need_not_be_here
    a_type_that_nobody_knows
    a_manifest_by_sha512
    a_refused_manifest_leaves_nothing
}

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"layer";

fn one() -> Manifest {
    image(CONFIG, LAYER, "1")
}

fn two() -> Manifest {
    image(CONFIG, LAYER, "2")
}

fn note() -> Manifest {
    referrer(CONFIG, &one(), "3")
}

fn tag(text: &str) -> Tag {
    text.parse().expect("a tag")
}

/// What was seen of a store before.
struct Watch {
    seen: Vec<String>,
}

impl Watch {
    async fn new(scene: &Scene) -> Self {
        Self {
            seen: scene.keys().await,
        }
    }

    /// Checks which keys came and went since.
    async fn sees(&mut self, scene: &Scene, came: &[&str], went: &[&str]) {
        let now = scene.keys().await;
        let apart = |these: &[String], those: &[String]| {
            let mut apart: Vec<String> = these
                .iter()
                .filter(|key| !those.contains(key))
                .map(|key| told(key))
                .collect();
            apart.sort();
            apart
        };
        let sorted = |keys: &[&str]| {
            let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            keys.sort();
            keys
        };
        assert_eq!(apart(&now, &self.seen), sorted(came), "what came");
        assert_eq!(apart(&self.seen, &now), sorted(went), "what went");
        promises::check(scene).await;
        self.seen = now;
    }
}

/// Writes a key with letters for digests.
fn told(key: &str) -> String {
    let mut told = key.to_owned();
    for (letter, digest) in [
        ("C", Digest::sha256(CONFIG)),
        ("L", Digest::sha256(LAYER)),
        ("A", Digest::sha256(b"absent")),
        ("1", digest(&one())),
        ("2", digest(&two())),
        ("N", digest(&note())),
    ] {
        told = told.replace(&digest.hex(), letter);
    }
    told
}

async fn put(scene: &Scene, manifest: &Manifest, tags: &[&str]) -> Pushed {
    let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
    let pushed = scene
        .push("r")
        .put_manifest(manifest, &digest(manifest), &tags)
        .await;
    pushed.expect("published")
}

/// Puts the blobs of both images there.
async fn with_blobs(scene: &Scene) -> Watch {
    scene.blob("r", CONFIG).await.expect("pushed");
    scene.blob("r", LAYER).await.expect("pushed");
    Watch::new(scene).await
}

async fn a_blob_is_pushed(scene: Scene) {
    let mut watch = Watch::new(&scene).await;
    scene.blob("r", LAYER).await.expect("pushed");
    let came = [
        "blobs/sha256/L",
        "links/sha256/L/r",
        "repositories/r/blobs/sha256/L/link",
    ];
    watch.sees(&scene, &came, &[]).await;
    scene.blob("r", LAYER).await.expect("pushed again");
    watch.sees(&scene, &[], &[]).await;
    scene.blob("s/t", LAYER).await.expect("pushed elsewhere");
    let came = [
        "links/sha256/L/s.~t",
        "repositories/s.~t/blobs/sha256/L/link",
    ];
    watch.sees(&scene, &came, &[]).await;
}

async fn a_blob_is_deleted_in_one_repository(scene: Scene) {
    let layer = scene.blob("r", LAYER).await.expect("pushed");
    scene.blob("s", LAYER).await.expect("pushed");
    let mut watch = Watch::new(&scene).await;
    scene
        .delete("r")
        .delete_blob(&layer)
        .await
        .expect("deleted");
    let went = ["repositories/r/blobs/sha256/L/link"];
    watch.sees(&scene, &[], &went).await;
    assert_eq!(scene.pull("s").blob_size(&layer).await.expect("there"), 5);
    let again = scene.delete("r").delete_blob(&layer).await;
    assert!(matches!(again, Err(Error::BlobUnknown(unknown)) if unknown == layer));
    watch.sees(&scene, &[], &[]).await;
}

async fn a_mount(scene: Scene) {
    let layer = scene.blob("r", LAYER).await.expect("pushed");
    let mut watch = Watch::new(&scene).await;
    let target = scene.push("s");
    let absent = Digest::sha256(b"absent");
    for (digest, from) in [(&absent, "r"), (&layer, "t")] {
        let mounted = target.mount(digest, &scene.pull(from)).await;
        assert_eq!(mounted.expect("asked"), Mounted::No);
    }
    let mounted = target.mount_from_anywhere(&layer, |_| false).await;
    assert_eq!(mounted.expect("asked"), Mounted::No);
    watch.sees(&scene, &[], &[]).await;
    let mounted = target.mount(&layer, &scene.pull("r")).await;
    assert_eq!(mounted.expect("asked"), Mounted::Yes);
    let came = ["links/sha256/L/s", "repositories/s/blobs/sha256/L/link"];
    watch.sees(&scene, &came, &[]).await;
    // Where the first repository lost it since, the next one has it.
    scene
        .delete("r")
        .delete_blob(&layer)
        .await
        .expect("deleted");
    let mounted = scene
        .push("u")
        .mount_from_anywhere(&layer, |name| name.as_str() == "s")
        .await;
    assert_eq!(mounted.expect("asked"), Mounted::Yes);
    let came = ["links/sha256/L/u", "repositories/u/blobs/sha256/L/link"];
    let went = ["repositories/r/blobs/sha256/L/link"];
    watch.sees(&scene, &came, &went).await;
}

async fn an_upload_comes_and_goes(scene: Scene) {
    let mut watch = Watch::new(&scene).await;
    let (push, id) = (scene.push("r"), scene.upload_id());
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let record = format!("uploads/{}", id.as_str());
    watch.sees(&scene, &[&record], &[]).await;
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    writer.push(Bytes::from_static(LAYER)).await.expect("taken");
    writer.save().await.expect("saved");
    let data = data(&scene).await;
    assert_eq!(data.len(), 1, "{data:?}");
    watch.sees(&scene, &[&data[0]], &[]).await;
    let writer = push
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer
        .finish(&Digest::sha256(LAYER))
        .await
        .expect("finished");
    let came = [
        "blobs/sha256/L",
        "links/sha256/L/r",
        "repositories/r/blobs/sha256/L/link",
    ];
    watch.sees(&scene, &came, &[&record, &data[0]]).await;
}

async fn data(scene: &Scene) -> Vec<String> {
    let keys = scene.keys().await;
    keys.into_iter()
        .filter(|key| key.starts_with("data/"))
        .collect()
}

async fn an_upload_that_is_cancelled(scene: Scene) {
    let mut watch = Watch::new(&scene).await;
    let (push, id) = (scene.push("r"), scene.upload_id());
    for _ in 0..2 {
        push.start_upload(id.clone(), Algorithm::Sha256)
            .await
            .expect("started");
        let mut writer = push
            .continue_upload(&id, Start::AtEnd)
            .await
            .expect("a turn");
        writer.push(Bytes::from_static(LAYER)).await.expect("taken");
        writer.save().await.expect("saved");
        push.cancel_upload(&id).await.expect("cancelled");
        watch.sees(&scene, &[], &[]).await;
        assert!(matches!(push.upload(&id).await, Err(Error::UploadUnknown)));
    }
}

async fn a_wrong_digest_at_the_end_of_an_upload(scene: Scene) {
    let mut watch = Watch::new(&scene).await;
    let (push, id) = (scene.push("r"), scene.upload_id());
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let record = format!("uploads/{}", id.as_str());
    watch.sees(&scene, &[&record], &[]).await;
    let wrong = Digest::sha256(b"absent");
    // The first bytes come with the request that is refused: more than are
    // gathered before they are written.
    for (size, came) in [(5, &["links/sha256/A/r"][..]), (300 * 1024, &[])] {
        let mut writer = push
            .continue_upload(&id, Start::AtEnd)
            .await
            .expect("a turn");
        writer
            .push(Bytes::from(vec![b'x'; size]))
            .await
            .expect("taken");
        let refused = writer.finish(&wrong).await;
        assert!(matches!(refused, Err(Error::DigestMismatch { expected }) if expected == wrong));
        assert_eq!(push.upload(&id).await.expect("there").length(), 0);
        // Who may have it is left to the collector.
        watch.sees(&scene, came, &[]).await;
    }
    push.cancel_upload(&id).await.expect("cancelled");
    watch.sees(&scene, &[], &[&record]).await;
}

async fn an_upload_that_broke_off(scene: Scene) {
    let (push, id) = (scene.push("r"), scene.upload_id());
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = push
        .continue_upload(&id, Start::AtEnd)
        .await
        .expect("a turn");
    writer.push(Bytes::from_static(b"la")).await.expect("taken");
    writer.settle().await.expect("settled");
    assert_eq!(push.upload(&id).await.expect("there").length(), 2);
    let mut writer = push
        .continue_upload(&id, Start::At(2))
        .await
        .expect("a turn");
    assert_eq!(writer.length(), 2);
    writer
        .push(Bytes::from_static(b"yer"))
        .await
        .expect("taken");
    writer
        .finish(&Digest::sha256(LAYER))
        .await
        .expect("finished");
    // A blob in one request has nothing to go on with.
    let mut watch = Watch::new(&scene).await;
    let mut writer = push.receive_blob(&id, Algorithm::Sha256).expect("a turn");
    writer
        .push(Bytes::from(vec![0; 300 * 1024]))
        .await
        .expect("taken");
    writer.settle().await.expect("settled");
    watch.sees(&scene, &[], &[]).await;
}

async fn a_manifest_is_pushed_and_pushed_again(scene: Scene) {
    let mut watch = with_blobs(&scene).await;
    let pushed = put(&scene, &one(), &["v1", "v2"]).await;
    assert_eq!((pushed.digest, pushed.subject), (digest(&one()), None));
    let came = [
        "blobs/sha256/1",
        "catalog/r",
        "links/sha256/1/r",
        "repositories/r/blobs/sha256/C/sha256-1",
        "repositories/r/blobs/sha256/L/sha256-1",
        "repositories/r/manifests/sha256/1",
        "repositories/r/tagged/sha256-1/v1",
        "repositories/r/tagged/sha256-1/v2",
        "repositories/r/tags/v1",
        "repositories/r/tags/v2",
    ];
    watch.sees(&scene, &came, &[]).await;
    put(&scene, &one(), &["v1"]).await;
    watch.sees(&scene, &[], &[]).await;
    let pushed = put(&scene, &note(), &[]).await;
    assert_eq!(pushed.subject, Some(digest(&one())));
    let came = [
        "blobs/sha256/N",
        "links/sha256/N/r",
        "repositories/r/blobs/sha256/C/sha256-N",
        "repositories/r/manifests/sha256/N",
        "repositories/r/referrers/sha256-1/sha256-N",
    ];
    watch.sees(&scene, &came, &[]).await;
}

async fn a_tag_moves(scene: Scene) {
    with_blobs(&scene).await;
    put(&scene, &one(), &["v1", "v2"]).await;
    put(&scene, &two(), &[]).await;
    let mut watch = Watch::new(&scene).await;
    put(&scene, &two(), &["v1"]).await;
    let came = ["repositories/r/tagged/sha256-2/v1"];
    watch
        .sees(&scene, &came, &["repositories/r/tagged/sha256-1/v1"])
        .await;
    let found = scene.pull("r").manifest(&Reference::Tag(tag("v1"))).await;
    let found = found.expect("there");
    assert_eq!(
        (found.digest, &found.bytes),
        (digest(&two()), two().bytes())
    );
}

async fn a_tag_is_deleted(scene: Scene) {
    with_blobs(&scene).await;
    put(&scene, &one(), &["v1", "v2"]).await;
    let mut watch = Watch::new(&scene).await;
    scene
        .delete("r")
        .delete_tag(&tag("v1"))
        .await
        .expect("deleted");
    let went = [
        "repositories/r/tagged/sha256-1/v1",
        "repositories/r/tags/v1",
    ];
    watch.sees(&scene, &[], &went).await;
    let again = scene.delete("r").delete_tag(&tag("v1")).await;
    assert!(
        matches!(again, Err(Error::ManifestUnknown(Reference::Tag(unknown))) if unknown == tag("v1"))
    );
    watch.sees(&scene, &[], &[]).await;
}

async fn a_manifest_is_deleted(scene: Scene) {
    with_blobs(&scene).await;
    put(&scene, &one(), &["v1", "v2"]).await;
    put(&scene, &note(), &["n"]).await;
    let mut watch = Watch::new(&scene).await;
    scene
        .delete("r")
        .delete_manifest(&digest(&note()))
        .await
        .expect("deleted");
    let went = [
        "repositories/r/manifests/sha256/N",
        "repositories/r/tagged/sha256-N/n",
        "repositories/r/tags/n",
    ];
    watch.sees(&scene, &[], &went).await;
    scene
        .delete("r")
        .delete_manifest(&digest(&one()))
        .await
        .expect("deleted");
    let went = [
        "repositories/r/manifests/sha256/1",
        "repositories/r/tagged/sha256-1/v1",
        "repositories/r/tagged/sha256-1/v2",
        "repositories/r/tags/v1",
        "repositories/r/tags/v2",
    ];
    watch.sees(&scene, &[], &went).await;
    let again = scene.delete("r").delete_manifest(&digest(&one())).await;
    assert!(
        matches!(again, Err(Error::ManifestUnknown(Reference::Digest(unknown))) if unknown == digest(&one()))
    );
}

async fn a_digest_that_is_a_blob_and_a_manifest(scene: Scene) {
    with_blobs(&scene).await;
    put(&scene, &one(), &[]).await;
    let bytes: &'static [u8] = one().bytes().to_vec().leak();
    let mut watch = Watch::new(&scene).await;
    scene.blob("r", bytes).await.expect("pushed");
    watch
        .sees(&scene, &["repositories/r/blobs/sha256/1/link"], &[])
        .await;
    // The repository is still found by the manifest.
    scene
        .delete("r")
        .delete_blob(&digest(&one()))
        .await
        .expect("deleted");
    watch
        .sees(&scene, &[], &["repositories/r/blobs/sha256/1/link"])
        .await;
    scene.blob("r", bytes).await.expect("pushed");
    watch
        .sees(&scene, &["repositories/r/blobs/sha256/1/link"], &[])
        .await;
    // And by the blob.
    scene
        .delete("r")
        .delete_manifest(&digest(&one()))
        .await
        .expect("deleted");
    let went = ["repositories/r/manifests/sha256/1"];
    watch.sees(&scene, &[], &went).await;
}

async fn an_index_without_its_children(scene: Scene) {
    let index = manifest(&json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [descriptor(&MediaType::OCI_MANIFEST, b"absent")],
    }));
    let mut watch = Watch::new(&scene).await;
    put(&scene, &index, &[]).await;
    let own = digest(&index).hex();
    let came = [
        format!("blobs/sha256/{own}"),
        "catalog/r".to_owned(),
        format!("links/sha256/{own}/r"),
        format!("repositories/r/blobs/sha256/A/sha256-{own}"),
        format!("repositories/r/manifests/sha256/{own}"),
    ];
    watch
        .sees(&scene, &came.each_ref().map(String::as_str), &[])
        .await;
    let found = scene
        .pull("r")
        .describe_manifest(&Reference::Digest(digest(&index)))
        .await;
    let found = found.expect("there");
    assert_eq!(
        (found.media_type, found.size),
        (MediaType::OCI_INDEX, index.bytes().len() as u64)
    );
}

async fn foreign_layers_need_not_be_here(scene: Scene) {
    scene.blob("r", CONFIG).await.expect("pushed");
    let layer = |media_type: &str| {
        let media_type: MediaType = media_type.parse().expect("a media type");
        manifest(&json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": descriptor(&MediaType::OCI_CONFIG, CONFIG),
            "layers": [descriptor(&media_type, b"absent")],
        }))
    };
    let near = layer("application/vnd.oci.image.layer.v1.tar+gzip");
    let refused = scene
        .push("r")
        .put_manifest(&near, &digest(&near), &[])
        .await;
    assert!(
        matches!(refused, Err(Error::ManifestBlobUnknown(missing)) if missing == [Digest::sha256(b"absent")])
    );
    for foreign in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ] {
        put(&scene, &layer(foreign), &[]).await;
    }
    promises::check(&scene).await;
}

async fn a_type_that_nobody_knows(scene: Scene) {
    let media_type: MediaType = "application/vnd.example.thing+json"
        .parse()
        .expect("a media type");
    let bytes = Bytes::from_static(br#"{ "layers": "is another word here", "x": [1] }"#);
    let thing = Manifest::parse(bytes.clone(), &media_type).expect("a JSON object");
    put(&scene, &thing, &["x"]).await;
    let found = scene
        .pull("r")
        .manifest(&Reference::Tag(tag("x")))
        .await
        .expect("there");
    assert_eq!((found.media_type, found.bytes), (media_type, bytes));
}

async fn a_manifest_by_sha512(scene: Scene) {
    with_blobs(&scene).await;
    let by_sha512 = one().digest(Algorithm::Sha512);
    let mut watch = Watch::new(&scene).await;
    let pushed = scene
        .push("r")
        .put_manifest(&one(), &by_sha512, &[tag("v1")])
        .await
        .expect("published");
    assert_eq!(pushed.digest, by_sha512);
    let own = by_sha512.hex();
    let came = [
        format!("blobs/sha512/{own}"),
        "catalog/r".to_owned(),
        format!("links/sha512/{own}/r"),
        format!("repositories/r/blobs/sha256/C/sha512-{own}"),
        format!("repositories/r/blobs/sha256/L/sha512-{own}"),
        format!("repositories/r/manifests/sha512/{own}"),
        format!("repositories/r/tagged/sha512-{own}/v1"),
        "repositories/r/tags/v1".to_owned(),
    ];
    watch
        .sees(&scene, &came.each_ref().map(String::as_str), &[])
        .await;
    // It is here under the name that it was given, and under no other.
    let other = Reference::Digest(digest(&one()));
    assert!(scene.pull("r").manifest(&other).await.is_err());
    let found = scene.pull("r").manifest(&Reference::Tag(tag("v1"))).await;
    assert_eq!(found.expect("there").digest, by_sha512);
}

async fn a_refused_manifest_leaves_nothing(scene: Scene) {
    scene.blob("r", CONFIG).await.expect("pushed");
    scene.blob("elsewhere", LAYER).await.expect("pushed");
    let mut watch = Watch::new(&scene).await;
    let refused = scene
        .push("r")
        .put_manifest(&one(), &digest(&one()), &[tag("v1")])
        .await;
    assert!(
        matches!(refused, Err(Error::ManifestBlobUnknown(missing)) if missing == [Digest::sha256(LAYER)])
    );
    watch.sees(&scene, &[], &[]).await;
    assert!(matches!(
        scene.pull("r").tags("", 1).await,
        Err(Error::NameUnknown(_))
    ));
}

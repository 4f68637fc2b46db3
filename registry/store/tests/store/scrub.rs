//! Scrubbing: each kind of damage made by hand, what is told of it, and which
//! keys are there after a repair.
//!
//! Digests are told by a letter: `C` the config, `L` the layer, `1` an image of
//! them that is tagged `v1`, `N` a referrer of it, `A` and `B` what is absent.

mod stopped;

use std::sync::Arc;

use blob::testing::{Failing, Fault, Moment, Operation, listing};
use blob::{Backend, Expected, Key, Local, Sharing, Sync};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, Tag};
use store::{Clock, Collector, Mode, Policy, Rate, Scrub, Scrubbed, Start, Store};

use crate::scene::{Scene, digest, image, on_every_backend, referrer};

on_every_backend! {
    nothing_is_wrong_with_what_is_pushed_and_deleted
    damaged_bytes_are_put_aside_and_can_be_pushed_again
    damaged_bytes_are_put_aside_beside_others
    what_finds_things_is_written_again
    what_is_left_over_goes_to_the_collector
    what_is_known_to_the_collector_is_no_finding
    what_is_gone_is_told_and_nothing_else_goes
    what_says_nothing_is_told
    a_damaged_round_is_replaced_so_that_clients_can_push
    a_damaged_tag_is_moved_and_deleted
    bytes_of_no_upload_go
    what_can_not_be_read_is_told_and_stays
}

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"layer";
const DAMAGED: &[u8] = b"lay";

/// The storage gives nothing.
const BEFORE: Fault = Fault {
    kind: blob::ErrorKind::Unavailable,
    moment: Moment::Before,
};

/// When everything is checked: two days after it was pushed, in milliseconds.
const LATER: u64 = 1_700_000_000_000 + 48 * 60 * 60 * 1000;

fn one() -> Manifest {
    image(CONFIG, LAYER, "1")
}

fn note() -> Manifest {
    referrer(CONFIG, &one(), "n")
}

/// Writes a key with letters for digests.
fn told(key: &str) -> String {
    let mut told = key.to_owned();
    for (letter, digest) in [
        ("C", Digest::sha256(CONFIG)),
        ("L", Digest::sha256(LAYER)),
        ("A", Digest::sha256(b"absent")),
        ("B", Digest::sha256(b"absent too")),
        ("1", digest(&one())),
        ("N", digest(&note())),
    ] {
        told = told.replace(&digest.hex(), letter);
    }
    told
}

/// Reads a key that was written with letters.
fn key(told: &str) -> Key {
    let segments = told.split('/').map(|segment| {
        let (start, letter) = segment.rsplit_once('-').unwrap_or(("", segment));
        let hex = match letter {
            "C" => Digest::sha256(CONFIG).hex(),
            "L" => Digest::sha256(LAYER).hex(),
            "A" => Digest::sha256(b"absent").hex(),
            "B" => Digest::sha256(b"absent too").hex(),
            "1" => digest(&one()).hex(),
            "N" => digest(&note()).hex(),
            other => other.to_owned(),
        };
        match start {
            "" => hex,
            start => format!("{start}-{hex}"),
        }
    });
    let text = segments.collect::<Vec<_>>().join("/");
    Key::try_from(text).expect("a key")
}

/// An image with a tag and a referrer, as it is two days after it was pushed.
struct Aged {
    scene: Scene,
    /// The same store, two days later.
    later: Store,
}

impl Aged {
    async fn new(scene: Scene) -> Self {
        push(&scene).await;
        let later = at(&scene.backend, LATER).await;
        let aged = Self { scene, later };
        aged.collect().await;
        aged
    }

    fn backend(&self) -> &dyn Backend {
        self.scene.backend.as_ref()
    }

    async fn collect(&self) {
        let collector = Collector::new(self.later.clone(), Policy::default());
        collector.collect(&|_| {}).await.expect("collected");
    }

    async fn remove(&self, told: &str) {
        let key = key(told);
        assert!(
            self.backend().head(&key).await.expect("looked").is_some(),
            "{told} is there"
        );
        self.backend().delete(&key).await.expect("removed");
    }

    async fn write(&self, told: &str, value: &'static [u8]) {
        let swapped = self
            .backend()
            .swap(&key(told), Expected::Anything, Bytes::from_static(value))
            .await;
        assert_eq!(swapped.expect("written"), blob::Swapped::Done);
    }

    async fn write_bytes(&self, told: &str, content: &'static [u8]) {
        let (key, place) = (key(told), Key::top("data").child("by-hand"));
        self.backend().delete(&key).await.expect("removed");
        self.backend()
            .create_blob(&key, &place, Bytes::from_static(content))
            .await
            .expect("written");
    }

    async fn keys(&self) -> Vec<String> {
        keys(self.backend()).await
    }

    async fn scrub(&self, mode: Mode) -> Scrubbed {
        scrub(&self.later, mode).await
    }

    /// Checks what a report says, and that it does not change anything.
    async fn reports(&self, findings: &[&str]) {
        let before = self.keys().await;
        let scrubbed = self.scrub(Mode::Report).await;
        let expected: Vec<String> = findings
            .iter()
            .map(|finding| finding.replace('!', "nothing"))
            .collect();
        assert_eq!(lines(&scrubbed), expected);
        assert_eq!(scrubbed.remaining, findings.len() as u64);
        assert_eq!(self.keys().await, before);
    }
}

async fn push(scene: &Scene) {
    for blob in [CONFIG, LAYER] {
        scene.blob("r", blob).await.expect("pushed");
    }
    let push = scene.push("r");
    let tag: Tag = "v1".parse().expect("a tag");
    for (manifest, tags) in [(one(), &[tag][..]), (note(), &[])] {
        push.put_manifest(&manifest, &digest(&manifest), tags)
            .await
            .expect("published");
    }
}

async fn at(backend: &Arc<dyn Backend>, now: u64) -> Store {
    let scene = Scene::over_by(
        Arc::clone(backend),
        (Clock::new(move || now), Policy::GRACE),
    )
    .await;
    scene.expect("opens").store
}

async fn scrub(store: &Store, mode: Mode) -> Scrubbed {
    let scrub = Scrub::new(store.clone(), &Policy::default(), mode, Rate::Unlimited);
    scrub.run(&|_| {}).await.expect("checked")
}

/// Lists every key that a check could change, with letters.
async fn keys(backend: &dyn Backend) -> Vec<String> {
    let mut keys = Vec::new();
    for top in [
        "blobs",
        "catalog",
        "data",
        "due",
        "links",
        "quarantine",
        "repositories",
        "uploads",
    ] {
        let listed = listing(backend, &Key::top(top)).await.expect("lists");
        keys.extend(listed.iter().map(|key| told(key)));
    }
    let scrub = Key::top("scrub");
    if backend.head(&scrub).await.expect("looked").is_some() {
        keys.push(scrub.to_string());
    }
    keys
}

/// Tells each finding in a line: its kind, what was done, its key.
fn lines(scrubbed: &Scrubbed) -> Vec<String> {
    let mut lines: Vec<String> = scrubbed
        .findings
        .iter()
        .map(|finding| {
            let (kind, done) = (finding.kind.as_str(), finding.done.as_str());
            format!("{kind} {done} {}", told(finding.key.as_str()))
        })
        .collect();
    lines.sort();
    lines
}

/// What differs between two lists of keys: what came, then what went.
fn apart(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        let apart = these.iter().filter(|key| !those.contains(key));
        apart.cloned().collect()
    };
    (without(after, before), without(before, after))
}

async fn nothing_is_wrong_with_what_is_pushed_and_deleted(scene: Scene) {
    push(&scene).await;
    let upload = scene.upload_id();
    let push = scene.push("r");
    push.start_upload(upload.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = push
        .continue_upload(&upload, Start::At(0))
        .await
        .expect("a turn");
    writer.push(Bytes::from_static(LAYER)).await.expect("taken");
    writer.save().await.expect("saved");
    let before = keys(scene.backend.as_ref()).await;
    for now in [1_700_000_000_000, LATER] {
        let store = at(&scene.backend, now).await;
        let scrubbed = scrub(&store, Mode::Repair).await;
        assert_eq!(lines(&scrubbed), Vec::<String>::new());
        let bytes = [one().bytes(), note().bytes()].map(|bytes| bytes.len());
        let bytes = bytes.iter().sum::<usize>() + CONFIG.len() + LAYER.len();
        assert_eq!(
            (scrubbed.blobs, scrubbed.bytes, scrubbed.remaining),
            (4, bytes as u64, 0)
        );
        assert_eq!((scrubbed.manifests, scrubbed.tags), (2, 1));
        assert_eq!(scrubbed.keys, before.len() as u64);
        assert_eq!(keys(scene.backend.as_ref()).await, before);
    }
    // What is deleted leaves keys behind, of which the collector knows.
    for manifest in [note(), one()] {
        let deleted = scene.delete("r").delete_manifest(&digest(&manifest)).await;
        deleted.expect("deleted");
    }
    let layer = Digest::sha256(LAYER);
    let deleted = scene.delete("r").delete_blob(&layer).await;
    deleted.expect("deleted");
    let store = at(&scene.backend, LATER).await;
    let before = keys(scene.backend.as_ref()).await;
    assert_eq!(
        lines(&scrub(&store, Mode::Repair).await),
        Vec::<String>::new()
    );
    assert_eq!(keys(scene.backend.as_ref()).await, before);
}

async fn damaged_bytes_are_put_aside_and_can_be_pushed_again(scene: Scene) {
    let aged = Aged::new(scene).await;
    aged.write_bytes("blobs/sha256/L", DAMAGED).await;
    aged.reports(&["corrupt ! blobs/sha256/L"]).await;
    let before = aged.keys().await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    let missing = [
        "missing ! repositories/r/blobs/sha256/L/link",
        "missing ! repositories/r/manifests/sha256/1",
    ];
    assert_eq!(lines(&scrubbed), ["corrupt quarantined blobs/sha256/L"]);
    assert_eq!(scrubbed.remaining, 1);
    let aside = "quarantine/sha256/L";
    assert_eq!(
        apart(&before, &aged.keys().await),
        (vec![aside.to_owned()], vec!["blobs/sha256/L".to_owned()])
    );
    let size = aged.backend().head(&key(aside)).await.expect("looked");
    assert_eq!(size, Some(DAMAGED.len() as u64));
    aged.reports(&missing).await;
    aged.scene.blob("r", LAYER).await.expect("pushed again");
    aged.reports(&[]).await;
}

async fn damaged_bytes_are_put_aside_beside_others(scene: Scene) {
    let aged = Aged::new(scene).await;
    for _ in 0..2 {
        aged.write_bytes("blobs/sha256/L", DAMAGED).await;
        aged.scrub(Mode::Repair).await;
    }
    let hex = Digest::sha256(LAYER).hex();
    for name in [hex.clone(), format!("{hex}.1")] {
        let key = Key::top("quarantine").child("sha256").child(&name);
        let size = aged.backend().head(&key).await.expect("looked");
        assert_eq!(size, Some(DAMAGED.len() as u64), "{key}");
    }
}

async fn what_finds_things_is_written_again(scene: Scene) {
    let aged = Aged::new(scene).await;
    let before = aged.keys().await;
    for key in [
        "catalog/r",
        "links/sha256/1/r",
        "links/sha256/L/r",
        "repositories/r/blobs/sha256/L/sha256-1",
        "repositories/r/referrers/sha256-1/sha256-N",
        "repositories/r/tagged/sha256-1/v1",
    ] {
        aged.remove(key).await;
    }
    let of = [
        "repositories/r/blobs/sha256/L/link",
        "repositories/r/manifests/sha256/1",
        "repositories/r/manifests/sha256/1",
        "repositories/r/manifests/sha256/1",
        "repositories/r/manifests/sha256/N",
        "repositories/r/manifests/sha256/N",
        "repositories/r/tags/v1",
    ];
    let told = of.map(|key| format!("unindexed ! {key}"));
    aged.reports(&told.each_ref().map(String::as_str)).await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    // The catalog is written once.
    let mut expected = of.map(|key| format!("unindexed rewritten {key}")).to_vec();
    expected.remove(1);
    assert_eq!(lines(&scrubbed), expected);
    assert_eq!(scrubbed.remaining, 0);
    assert_eq!(aged.keys().await, before);
    aged.reports(&[]).await;
}

async fn what_is_left_over_goes_to_the_collector(scene: Scene) {
    let aged = Aged::new(scene).await;
    let before = aged.keys().await;
    let referrer = aged
        .backend()
        .read(&key("repositories/r/referrers/sha256-1/sha256-N"))
        .await
        .expect("read")
        .expect("there");
    let fact = br#"{"since":1}"#;
    aged.write_bytes("blobs/sha256/A", b"absent").await;
    let facts = [
        "links/sha256/A/r",
        "repositories/r/blobs/sha256/L/sha256-A",
        "repositories/r/tagged/sha256-A/v2",
    ];
    for key in facts {
        aged.write(key, fact).await;
    }
    // Of another manifest that is gone.
    let left = key("repositories/r/referrers/sha256-1/sha256-B");
    let swapped = aged
        .backend()
        .swap(&left, Expected::Absent, referrer.value)
        .await;
    assert_eq!(swapped.expect("written"), blob::Swapped::Done);
    let of = [
        "blobs/sha256/A",
        "links/sha256/A/r",
        "repositories/r/blobs/sha256/L/sha256-A",
        "repositories/r/referrers/sha256-1/sha256-B",
        "repositories/r/tagged/sha256-A/v2",
    ];
    let told = of.map(|key| format!("orphaned ! {key}"));
    aged.reports(&told.each_ref().map(String::as_str)).await;
    let damaged = aged.keys().await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    let queued = of.map(|key| format!("orphaned queued {key}"));
    assert_eq!(lines(&scrubbed), queued);
    assert_eq!(scrubbed.remaining, 0);
    // Nothing went, and something is due for each.
    let (came, went) = apart(&damaged, &aged.keys().await);
    assert!(
        came.len() == of.len() && came.iter().all(|key| key.starts_with("due/")),
        "{came:?}"
    );
    assert_eq!(went, Vec::<String>::new());
    aged.reports(&[]).await;
    aged.collect().await;
    assert_eq!(aged.keys().await, before);
    aged.reports(&[]).await;
}

async fn what_is_known_to_the_collector_is_no_finding(scene: Scene) {
    let aged = Aged::new(scene).await;
    // Young leftovers may be the start of a push, if anybody can push.
    let young = format!(r#"{{"since":{LATER}}}"#).into_bytes().leak();
    aged.write("links/sha256/A/r", young).await;
    aged.write_bytes("blobs/sha256/A", b"absent").await;
    aged.write("repositories/r/blobs/sha256/L/sha256-A", young)
        .await;
    let left = [
        "orphaned ! blobs/sha256/A",
        "orphaned ! links/sha256/A/r",
        "orphaned ! repositories/r/blobs/sha256/L/sha256-A",
    ];
    let alone = !aged.backend().is_shared();
    aged.reports(if alone { &left } else { &[] }).await;
    let much_later = at(&aged.scene.backend, LATER * 2).await;
    let scrubbed = scrub(&much_later, Mode::Report).await;
    assert_eq!(
        lines(&scrubbed),
        left.map(|told| told.replace('!', "nothing"))
    );
}

async fn what_is_gone_is_told_and_nothing_else_goes(scene: Scene) {
    let aged = Aged::new(scene).await;
    aged.remove("blobs/sha256/L").await;
    aged.remove("blobs/sha256/N").await;
    aged.write(
        "repositories/r/tags/lost",
        format!(r#"{{"digest":"{}","moved":1}}"#, Digest::sha256(b"absent"))
            .into_bytes()
            .leak(),
    )
    .await;
    aged.write("repositories/r/tagged/sha256-A/lost", br#"{"since":1}"#)
        .await;
    let findings = [
        "missing ! repositories/r/blobs/sha256/L/link",
        "missing ! repositories/r/manifests/sha256/1",
        "missing ! repositories/r/manifests/sha256/N",
        "missing ! repositories/r/tags/lost",
        "orphaned ! repositories/r/tagged/sha256-A/lost",
    ];
    aged.reports(&findings).await;
    let before = aged.keys().await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    assert_eq!(scrubbed.remaining, 4);
    let (_, went) = apart(&before, &aged.keys().await);
    assert_eq!(went, Vec::<String>::new());
    // A link alone that is gone is told as well: nobody can pull the image.
    aged.write_bytes("blobs/sha256/L", LAYER).await;
    aged.remove("repositories/r/blobs/sha256/C/link").await;
    let scrubbed = aged.scrub(Mode::Report).await;
    let needs = scrubbed
        .findings
        .iter()
        .filter(|finding| finding.what.contains("it needs the blob"))
        .map(|finding| told(finding.key.as_str()));
    assert_eq!(
        needs.collect::<Vec<_>>(),
        ["repositories/r/manifests/sha256/1"]
    );
}

async fn what_says_nothing_is_told(scene: Scene) {
    let aged = Aged::new(scene).await;
    aged.write("repositories/r/manifests/sha256/N", b"{").await;
    aged.write("repositories/r/tags/v1", b"v1").await;
    aged.write("repositories/r/tags/x%20y", b"{}").await;
    aged.write("repositories/r/notes", b"by hand").await;
    aged.write("links/sha256/L/r", b"?").await;
    aged.write_bytes("blobs/sha256/backup", b"by hand").await;
    let findings = [
        "unknown ! blobs/sha256/backup",
        "unknown ! repositories/r/notes",
        "unknown ! repositories/r/tags/x%20y",
        "unreadable ! links/sha256/L/r",
        "unreadable ! repositories/r/manifests/sha256/N",
        "unreadable ! repositories/r/tags/v1",
    ];
    aged.reports(&findings).await;
    let before = aged.keys().await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    assert_eq!(scrubbed.remaining, 5);
    let rewritten = "unreadable rewritten links/sha256/L/r".to_owned();
    assert!(lines(&scrubbed).contains(&rewritten), "{scrubbed:?}");
    assert_eq!(aged.keys().await, before);
    for (told, value) in [
        ("repositories/r/manifests/sha256/N", &b"{"[..]),
        ("repositories/r/tags/v1", b"v1"),
        ("repositories/r/notes", b"by hand"),
    ] {
        let record = aged.backend().read(&key(told)).await.expect("read");
        assert_eq!(record.expect("there").value, value, "{told}");
    }
}

async fn a_damaged_round_is_replaced_so_that_clients_can_push(scene: Scene) {
    let aged = Aged::new(scene).await;
    aged.write("round", b"{").await;
    let blob = aged.scene.blob("r", b"more").await;
    assert!(matches!(blob, Err(store::Error::Record { .. })), "{blob:?}");
    aged.reports(&["unreadable ! round"]).await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    assert_eq!(lines(&scrubbed), ["unreadable rewritten round"]);
    assert_eq!(scrubbed.remaining, 0);
    aged.scene.blob("r", b"more").await.expect("pushed");
}

async fn a_damaged_tag_is_moved_and_deleted(scene: Scene) {
    let aged = Aged::new(scene).await;
    let tag: Tag = "v1".parse().expect("a tag");
    aged.write("repositories/r/tags/v1", b"{").await;
    let push = aged.scene.push("r");
    push.put_manifest(&one(), &digest(&one()), std::slice::from_ref(&tag))
        .await
        .expect("moved");
    let read = aged
        .scene
        .pull("r")
        .manifest(&oci::Reference::Tag(tag.clone()))
        .await;
    assert_eq!(read.expect("read").digest, digest(&one()));
    aged.write("repositories/r/tags/v1", b"{").await;
    let delete = aged.scene.delete("r");
    delete.delete_tag(&tag).await.expect("deleted");
    assert!(
        aged.scene
            .pull("r")
            .manifest(&oci::Reference::Tag(tag))
            .await
            .is_err()
    );
    aged.write("repositories/r/tags/v1", b"{").await;
    delete
        .delete_manifest(&digest(&one()))
        .await
        .expect("deleted");
}

async fn bytes_of_no_upload_go(scene: Scene) {
    let aged = Aged::new(scene).await;
    let before = aged.keys().await;
    let scene = &aged.scene;
    let (push, id) = (scene.push("r"), scene.upload_id());
    push.start_upload(id.clone(), Algorithm::Sha256)
        .await
        .expect("started");
    let mut writer = push
        .continue_upload(&id, Start::At(0))
        .await
        .expect("a turn");
    writer.push(Bytes::from_static(LAYER)).await.expect("taken");
    writer.save().await.expect("saved");
    aged.reports(&[]).await;
    aged.remove(&format!("uploads/{}", id.as_str())).await;
    let data = format!("orphaned ! data/{}", id.as_str());
    aged.reports(&[&data]).await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    assert_eq!(lines(&scrubbed), [data.replace('!', "removed")]);
    assert_eq!(scrubbed.remaining, 0);
    assert_eq!(aged.keys().await, before);
}

async fn what_can_not_be_read_is_told_and_stays(scene: Scene) {
    let aged = Aged::new(scene).await;
    let failing = Arc::new(Failing::new(Arc::clone(&aged.scene.backend)));
    let backend: Arc<dyn Backend> = Arc::clone(&failing) as _;
    let store = at(&backend, LATER).await;
    // One blob that can not be read is told, and kept.
    let layer = key("blobs/sha256/L");
    failing.fail_when(BEFORE, move |step| {
        step.operation == Operation::Open && step.key == layer
    });
    let scrubbed = scrub(&store, Mode::Repair).await;
    assert_eq!(lines(&scrubbed), ["unreadable nothing blobs/sha256/L"]);
    failing.heal();
    aged.reports(&[]).await;
}

#[tokio::test]
async fn files_that_were_cut_off_or_changed_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Local::open(folder.path(), &Store::MARK, Sharing::Exclusive, Sync::Never);
    let scene = Scene::over(Arc::new(local.expect("opens"))).await;
    let aged = Aged::new(scene.expect("opens")).await;
    let file = |told: &str| folder.path().join(key(told).as_str());
    fs_err::write(file("blobs/sha256/L"), b"layes").expect("changed");
    fs_err::write(file("blobs/sha256/N"), b"").expect("cut off");
    fs_err::write(folder.path().join("blobs/sha256/.hidden"), b"").expect("written");
    fs_err::write(folder.path().join("blobs/sha256/a b"), b"").expect("written");
    aged.reports(&[
        "corrupt ! blobs/sha256/L",
        "corrupt ! blobs/sha256/N",
        "unknown ! blobs/sha256/a%20b",
    ])
    .await;
    let scrubbed = aged.scrub(Mode::Repair).await;
    assert_eq!(scrubbed.remaining, 3, "{scrubbed:?}");
    let aside = fs_err::read(file("quarantine/sha256/L")).expect("put aside");
    assert_eq!(aside, b"layes");
    assert!(!file("blobs/sha256/L").exists());
    assert!(folder.path().join("blobs/sha256/a b").exists());
}

//! Caches packed and unpacked again, and artefacts that are not sound.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Seek as _};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use image::{AT_ONCE, BlobStream, Images, Inspected, Place, PlatformChoice};
use layer::{
    ContentPlace, Contents, DeviceKind, Directory, Entry, EntryPath, Form, Given, Kind, LayerIndex,
    Metadata, Observation, Rights, Time,
};
use oci::{Descriptor, Digest, Manifest, MediaType, Platform};
use proptest::prelude::*;

use super::collect::{CachedFile, collect};
use super::import::{Finding, operations};
use super::pack::{Contained, Parcel};
use super::unpack::{Room, brisk};
use super::{MountId, MountKey, MountPlace, MountSource, compose};
use crate::events::{Event, Progress};

const TIME: i64 = 1_000_000;

/// What any process can give.
const ANYBODY: Rights = Rights {
    owners: Given::Recorded,
    devices: Given::Recorded,
    attributes: Given::Recorded,
};

/// Says what is made in a cache.
#[derive(Debug, Clone)]
enum Made {
    File(Vec<u8>, u32, i64),
    LinkToFirst,
    Symlink(String),
    Fifo,
    Directory(u32),
}

const PATHS: [&str; 8] = [
    "a",
    "b/c",
    "b/d/e",
    "b/d/f g",
    "b/.hidden",
    "c/\u{fc}",
    "z/z/z/z",
    "z/zz",
];

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        4 => (prop::collection::vec(any::<u8>(), 0..3000), 0_u32..0o1000, 0..2 * TIME)
            .prop_map(|(bytes, mode, time)| Made::File(bytes, mode | 0o400, time)),
        2 => Just(Made::LinkToFirst),
        1 => "[a-z/.]{1,9}".prop_map(Made::Symlink),
        1 => Just(Made::Fifo),
        1 => (0_u32..0o1000).prop_map(|mode| Made::Directory(mode | 0o700)),
    ]
}

fn fill(root: &Path, all: &[Option<Made>]) {
    let mut first = None;
    for (name, made) in PATHS.iter().zip(all) {
        let at = root.join(name);
        if let Some(parent) = at.parent() {
            fs_err::create_dir_all(parent).expect("made");
        }
        match made {
            None => {}
            Some(Made::File(bytes, mode, time)) => {
                fs_err::write(&at, bytes).expect("written");
                let file = fs_err::File::options()
                    .write(true)
                    .open(&at)
                    .expect("there");
                let time = std::time::UNIX_EPOCH
                    + std::time::Duration::new(u64::try_from(*time).expect("positive"), 123);
                file.file().set_modified(time).expect("set");
                let mode = std::fs::Permissions::from_mode(*mode);
                fs_err::set_permissions(&at, mode).expect("set");
                first.get_or_insert(at);
            }
            Some(Made::LinkToFirst) => match &first {
                Some(first) => fs_err::hard_link(first, &at).expect("linked"),
                None => fs_err::write(&at, "").expect("written"),
            },
            Some(Made::Symlink(target)) => {
                std::os::unix::fs::symlink(target, &at).expect("made");
            }
            Some(Made::Fifo) => {
                let kind = rustix::fs::FileType::Fifo;
                let mode = rustix::fs::Mode::RUSR;
                rustix::fs::mknodat(rustix::fs::CWD, &at, kind, mode, 0).expect("made");
            }
            Some(Made::Directory(mode)) => {
                fs_err::create_dir(&at).expect("made");
                let mode = std::fs::Permissions::from_mode(*mode);
                fs_err::set_permissions(&at, mode).expect("set");
            }
        }
    }
}

fn look(directory: &Path) -> Observation {
    let directory = Directory::open(directory).expect("opened");
    layer::observe(&directory, (Form::Plain, ANYBODY)).expect("readable")
}

/// Says what was seen, with the names of one file as one, and no younger than
/// a time.
fn told(directory: &Path) -> Vec<String> {
    let mut first = BTreeMap::new();
    let observation = look(directory);
    let seen = observation.seen.into_iter().map(|mut seen| {
        seen.metadata.mtime = seen.metadata.mtime.min(Time::from_seconds(TIME));
        let first = first.entry(seen.inode).or_insert_with(|| seen.path.clone());
        format!("{} {:?} {:?} {first}", seen.path, seen.kind, seen.metadata)
    });
    seen.collect()
}

/// Has the content of a directory by the paths of what is packed.
struct Content<'a>(Directory, &'a [EntryPath]);

impl Contents for Content<'_> {
    fn open(
        &self,
        place: ContentPlace,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        let path = &self.1[usize::try_from(place.position).expect("small")];
        let file = std::fs::File::from(self.0.open_file(path)?);
        Ok(Box::new(file.take(size)))
    }
}

fn contained(from: &Path, group: usize) -> Contained {
    let collected = collect(look(from), Time::from_seconds(TIME));
    let groups = collected.files.chunks(group).map(<[CachedFile]>::to_vec);
    Contained::new(collected.frame, groups.collect())
}

fn pack(
    (from, group): (&Path, usize),
    known: &BTreeMap<Digest, Descriptor>,
    parcel: &Parcel,
) -> Vec<Descriptor> {
    let contained = contained(from, group);
    let content = Content(Directory::open(from).expect("opened"), &contained.paths);
    let packed = contained.pack(&content, known, (parcel, NonZeroUsize::MIN));
    packed.expect("packed")
}

fn blobs(parcel: &Parcel) -> BTreeSet<String> {
    let image::Place::Layout { directory, .. } = parcel.place() else {
        panic!("a layout");
    };
    let entries = fs_err::read_dir(directory.join("blobs/sha256")).expect("there");
    let names = entries.map(|entry| entry.expect("there").file_name());
    names
        .map(|name| name.into_string().expect("text"))
        .collect()
}

/// Puts what was packed into a directory.
fn unpack(layers: &[Descriptor], parcel: &Parcel, into: &Path) {
    let image::Place::Layout { directory, .. } = parcel.place() else {
        panic!("a layout");
    };
    let mut files = Vec::new();
    for layer in layers {
        let blob = fs_err::File::open(directory.join("blobs/sha256").join(layer.digest.hex()));
        let blob = blob.expect("packed");
        assert_eq!(blob.metadata().expect("there").len(), layer.size);
        let mut file = tempfile::tempfile().expect("made");
        let mut plain = layer::decompress(BufReader::new(blob)).expect("compressed");
        std::io::copy(&mut plain, &mut file).expect("decompressed");
        file.rewind().expect("rewound");
        let index = LayerIndex::read(&mut BufReader::new(&file)).expect("a layer");
        files.push((file, index));
    }
    let indexes: Vec<_> = files.iter().map(|(_, index)| index).collect();
    let all = operations(&indexes).expect("sound");
    let into = Directory::open(into).expect("opened");
    for ((file, _), operations) in files.iter().zip(all) {
        layer::perform(&operations, file, &into, (Form::Plain, ANYBODY)).expect("done");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_unpacked_is_what_was_packed(
        all in prop::collection::vec(prop::option::of(made()), PATHS.len()),
        group in 1_usize..4,
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs_err::create_dir(&from).expect("made");
        fs_err::create_dir(&to).expect("made");
        fill(&from, &all);
        let parcel = Parcel::new(folder.path()).expect("made");
        let layers = pack((&from, group), &BTreeMap::new(), &parcel);
        unpack(&layers, &parcel, &to);
        prop_assert_eq!(told(&to), told(&from));
        // What is unpacked comes to the same artefact, without packing it.
        let again = Parcel::new(folder.path()).expect("made");
        let known = super::compose::known(&layers);
        prop_assert_eq!(pack((&to, group), &known, &again), layers);
        prop_assert!(blobs(&again).is_empty());
    }
}

#[test]
fn only_groups_that_changed_are_packed() {
    let folder = tempfile::tempdir().expect("a directory");
    let from = folder.path().join("from");
    fs_err::create_dir(&from).expect("made");
    let file = |text: &str| Some(Made::File(text.into(), 0o644, TIME));
    let all = ["a", "b", "c", "d", "e", "f", "g", "h"].map(file);
    fill(&from, &all);
    let parcel = Parcel::new(folder.path()).expect("made");
    let before = pack((&from, 2), &BTreeMap::new(), &parcel);
    assert_eq!((before.len(), blobs(&parcel).len()), (5, 5));
    fs_err::write(from.join("c/\u{fc}"), "other").expect("written");
    let parcel = Parcel::new(folder.path()).expect("made");
    let after = pack((&from, 2), &super::compose::known(&before), &parcel);
    let new: Vec<_> = after
        .iter()
        .filter(|layer| !before.contains(layer))
        .map(|layer| layer.digest.hex())
        .collect();
    assert_eq!(new.len(), 1);
    assert_eq!(blobs(&parcel), new.into_iter().collect());
}

#[test]
fn a_file_that_changes_meanwhile_is_found_out() {
    let folder = tempfile::tempdir().expect("a directory");
    let from = folder.path().join("from");
    fs_err::create_dir(&from).expect("made");
    fs_err::write(from.join("f"), "one").expect("written");
    let contained = contained(&from, 1);
    fs_err::write(from.join("f"), "two").expect("written");
    let content = Content(Directory::open(&from).expect("opened"), &contained.paths);
    let parcel = Parcel::new(folder.path()).expect("made");
    let packed = contained.pack(&content, &BTreeMap::new(), (&parcel, NonZeroUsize::MIN));
    let error = packed.expect_err("it is another one");
    assert_eq!(error.kind(), crate::error::ErrorKind::Changed);
}

fn entry(path: &str, kind: Kind) -> Entry {
    Entry {
        path: EntryPath::parse(path.as_bytes()).expect("a path"),
        kind,
        metadata: Metadata::default(),
    }
}

fn index(entries: &[Entry]) -> LayerIndex {
    let records = entries.iter().map(|entry| layer::Record {
        entry: entry.clone(),
        content: matches!(entry.kind, Kind::File { .. }).then(|| layer::Stored {
            offset: Some(512),
            digest: Digest::sha256(b""),
        }),
    });
    LayerIndex::new(records.collect(), BTreeMap::new())
}

#[test]
fn what_is_no_cache_is_refused() {
    let directory = |path| entry(path, Kind::Directory);
    let file = |path| entry(path, Kind::File { size: 0 });
    let symlink = |path| {
        let target = Box::from(*b"/etc");
        entry(path, Kind::Symlink { target })
    };
    let link = |path, target: &str| {
        let target = EntryPath::parse(target.as_bytes()).expect("a path");
        entry(path, Kind::HardLink { target })
    };
    let device = |path| {
        let kind = DeviceKind::Character;
        let (major, minor) = (1, 3);
        entry(path, Kind::Device { kind, major, minor })
    };
    let frame = [directory(""), directory("d"), symlink("s")];
    let sound = [&frame[..], &[file("a"), link("b", "a")], &[file("d/c")]];
    let plan = |layers: &[&[Entry]]| {
        let indexes: Vec<_> = layers.iter().map(|layer| index(layer)).collect();
        operations(&indexes.iter().collect::<Vec<_>>())
    };
    assert_eq!(plan(&sound).expect("sound").len(), 3);
    let wrong: &[(&str, &[&[Entry]])] = &[
        ("a file in the frame", &[&[directory(""), file("a")]]),
        ("a whiteout in the frame", &[&[entry("x", Kind::Whiteout)]]),
        ("a device in the frame", &[&[device("null")]]),
        (
            "a path twice in the frame",
            &[&[symlink("s"), directory("s")]],
        ),
        ("a file through a link", &[&frame, &[file("s/passwd")]]),
        ("a file in the place of a link", &[&frame, &[file("s")]]),
        ("a file in nothing", &[&frame, &[file("x/y")]]),
        (
            "a directory among files",
            &[&frame, &[directory("x"), file("x/y")]],
        ),
        ("a device among files", &[&frame, &[device("null")]]),
        (
            "a whiteout among files",
            &[&frame, &[entry("d", Kind::Whiteout)]],
        ),
        (
            "a clearing among files",
            &[&frame, &[entry("d", Kind::Opaque)]],
        ),
        (
            "a path in two layers",
            &[&frame, &[file("a")], &[file("a")]],
        ),
        ("a name of nothing", &[&frame, &[link("b", "a")]]),
        (
            "a name of a file elsewhere",
            &[&frame, &[file("a")], &[link("b", "a")]],
        ),
        ("a name of a directory", &[&frame, &[link("b", "d")]]),
    ];
    for (what, layers) in wrong {
        assert!(plan(layers).is_err(), "{what}");
    }
}

/// Remembers what was warned of.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress for Said {
    fn note(&self, event: &Event<'_>) {
        if let Event::Warned { message, .. } = event {
            self.0.lock().expect("no panic").push((*message).to_owned());
        }
    }
}

fn id() -> MountId {
    let platform = Platform {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    };
    MountId::new("cache", &platform)
}

fn images(scratch: &Path) -> Images {
    let client = client::Client::new(client::Options::new("test/1")).expect("a client");
    Images::new(client, None, scratch.to_owned())
}

/// Puts the artefact of a directory, a file to a layer, into a layout.
async fn exported(images: &Images, from: &Path, scratch: &Path) -> Inspected {
    let parcel = Parcel::new(scratch).expect("made");
    let layers = pack((from, 1), &BTreeMap::new(), &parcel);
    let manifest = compose::compose(&id(), &MountKey::Newest, &layers);
    let manifest = Manifest::parse(manifest, &MediaType::OCI_MANIFEST).expect("a manifest");
    let place = Place::layout(scratch.join("layout"), "cache".parse().expect("a tag"));
    let delivery = images.delivery(&place).await.expect("a layout");
    for layer in &layers {
        let sent = delivery.blob(layer, &parcel.place()).await;
        sent.expect("sent");
    }
    let config = manifest.config().expect("a config");
    let sent = delivery.bytes(config, compose::EMPTY.into()).await;
    sent.expect("sent");
    delivery.name(&manifest).await.expect("named");
    delivery.finish().await.expect("finished");
    let inspected = images.inspect(&place, &PlatformChoice::All).await;
    inspected.expect("there")
}

#[tokio::test]
async fn layers_take_a_few_files_and_so_much_memory_however_many_there_are() {
    let folder = tempfile::tempdir().expect("a directory");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs_err::create_dir(&from).expect("made");
    fs_err::create_dir(&to).expect("made");
    for number in 0..40_usize {
        let text = number.to_string().repeat(number * 50);
        fs_err::write(from.join(format!("f{number}")), text).expect("written");
    }
    let images = images(folder.path());
    let artefact = exported(&images, &from, folder.path()).await;
    let said = Said::default();
    let finding = Finding {
        images: &images,
        scratch: folder.path(),
        progress: &said,
        limit: Duration::from_secs(60),
        silence: Duration::from_secs(60),
    };
    let fetched = finding.fetch(&artefact, &id(), Room::new(1 << 20)).await;
    let seed = fetched.expect("sound");
    assert_eq!(seed.parts.len(), 41);
    let files: BTreeSet<_> = seed
        .parts
        .iter()
        .map(|(file, _)| Arc::as_ptr(file))
        .collect();
    assert!(files.len() <= AT_ONCE, "{}", files.len());
    let into = Directory::open(&to).expect("opened");
    for (file, operations) in &seed.parts {
        let how = (Form::Plain, ANYBODY);
        layer::perform(operations, file.file(), &into, how).expect("done");
    }
    assert_eq!(told(&to), told(&from));

    // What there is room for, all layers share.
    let expected = ["its quota", "more entries", "more bytes of names"];
    for (narrow, expected) in expected.into_iter().enumerate() {
        let room = Room::new(1 << 20);
        let (left, amount) = [
            (&room.bytes, 30_000),
            (&room.entries, 39),
            (&room.text, 109),
        ][narrow];
        left.store(amount, Relaxed);
        let refused = finding.fetch(&artefact, &id(), room).await;
        let refused = super::chain(&refused.expect_err("too large"));
        assert!(refused.contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a directory");
    // It takes connections, as the kernel does that for it, and no more.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let source = MountSource {
        place: MountPlace::Registry(
            address.parse().expect("a registry"),
            "shop/mounts".parse().expect("a repository"),
        ),
        ids: Vec::new(),
        key: MountKey::File(Digest::sha256(b"lock")),
        quota: 1,
    };
    let (images, said) = (images(folder.path()), Said::default());
    let finding = Finding {
        images: &images,
        scratch: folder.path(),
        progress: &said,
        limit: Duration::from_millis(50),
        silence: Duration::from_millis(50),
    };
    assert!(finding.find(&[source], &id()).await.is_none());
    let said = said.0.into_inner().expect("no panic");
    // Of two tags the second one is not asked for.
    assert_eq!(said.len(), 1, "{said:?}");
    let expected =
        format!("the cache `cache` can not be filled from `docker://{address}/shop/mounts:");
    assert!(said[0].starts_with(&expected), "{said:?}");
    assert!(
        said[0].ends_with("there was no answer after 50ms"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_layer_that_does_not_come_on_is_given_up() {
    let first = || futures_util::stream::iter([Ok(Bytes::from_static(b"first"))]);
    let whole: BlobStream = Box::pin(first());
    let (whole, fell_silent) = brisk(whole, Duration::from_secs(60));
    assert_eq!((whole.count().await, fell_silent.load(Relaxed)), (1, false));
    let stuck: BlobStream = Box::pin(first().chain(futures_util::stream::pending()));
    let (stuck, fell_silent) = brisk(stuck, Duration::from_millis(20));
    assert_eq!((stuck.count().await, fell_silent.load(Relaxed)), (1, true));
}

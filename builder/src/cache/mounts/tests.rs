//! Caches packed and unpacked again, and artefacts that are not sound.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Seek as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use layer::{
    ContentPlace, Contents, DeviceKind, Directory, Entry, EntryPath, Form, Given, Kind, LayerIndex,
    Metadata, Observation, Rights, Time,
};
use oci::{Descriptor, Digest};
use proptest::prelude::*;

use super::collect::{CachedFile, collect};
use super::import::operations;
use super::pack::{Contained, Parcel};

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

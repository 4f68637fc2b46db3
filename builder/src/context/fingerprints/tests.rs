use std::fs::FileTimes;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layer::{EntryPath, NodeKind, Time};
use tempfile::TempDir;

use super::*;
use crate::context::{Context, ContextSource, Look, Opened, Wanted};
use crate::error::ErrorKind;
use crate::pack::confirm::confirm;
use crate::pack::contents::{CONTEXT, Shelf};
use crate::pack::layers;
use crate::pack::recipe::{Content, Item, Recipe};
use crate::request::{Cache, Fidelity};

/// A moment at which all files of a test are old.
const LATER: Moment = Moment(Some(i64::MAX));

/// Is a context and a store.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a temporary directory"));
        fs_err::create_dir(scene.context()).expect("writable");
        scene
    }

    fn context(&self) -> PathBuf {
        self.0.path().join("context")
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.context().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs_err::write(self.path(name), content).expect("writable");
    }

    /// Looks at the context as a build does.
    fn look(&self, cache: Cache) -> (Opened, Context) {
        let source = ContextSource::Directory(self.context());
        let (opened, _) = Opened::open(&source, self.0.path()).expect("a directory");
        let opened = opened.remembering(&source, &self.store());
        let context = opened.look(&Look {
            ignore: dockerfile::Ignore::default(),
            wanted: Wanted::All,
            fidelity: Fidelity::default(),
            time: Time::from_seconds(0),
            origin: CONTEXT,
            cache,
        });
        (opened, context.expect("readable"))
    }

    /// Looks, reads every file, and has it remembered.
    fn build(&self, cache: Cache, before: Moment) {
        let (opened, context) = self.look(cache);
        for (_, node) in context.tree.walk(&EntryPath::root()) {
            let NodeKind::File(file) = &node.kind else {
                continue;
            };
            let mut bytes = Vec::new();
            let mut content = context
                .open(file.place.position, file.size)
                .expect("unchanged");
            std::io::Read::read_to_end(&mut content, &mut bytes).expect("unchanged");
            context.learn(file.place.position, &Digest::sha256(&bytes), before);
        }
        opened.keep_learned();
    }

    /// Gives what the next build knows of a file before it reads it.
    fn known(&self, name: &str) -> Option<Digest> {
        self.known_to(Cache::Use, name)
    }

    fn known_to(&self, cache: Cache, name: &str) -> Option<Digest> {
        let (_, context) = self.look(cache);
        let path = EntryPath::parse(name.as_bytes()).expect("valid");
        match &context.tree.node(&path).expect("it is there").kind {
            NodeKind::File(file) => file.digest,
            _ => None,
        }
    }

    /// Gives the files that hold what is remembered.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs_err::read_dir(self.store().join("fingerprints"));
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| entry.expect("readable").path())
            .collect()
    }

    fn file(&self) -> PathBuf {
        let files = self.files();
        let [file] = files.as_slice() else {
            panic!("{files:?}");
        };
        file.clone()
    }
}

/// Gives a file the time of another one.
fn same_mtime(path: &Path, as_of: &Path) {
    let modified = fs_err::metadata(as_of).and_then(|metadata| metadata.modified());
    let times = FileTimes::new().set_modified(modified.expect("there are times"));
    let file = fs_err::OpenOptions::new().write(true).open(path);
    file.expect("writable")
        .file()
        .set_times(times)
        .expect("it is ours");
}

fn sha256(text: &str) -> Option<Digest> {
    Some(Digest::sha256(text.as_bytes()))
}

#[test]
fn a_file_that_is_as_it_was_is_known() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.write("b", "two");
    assert_eq!(scene.known("a"), None);
    scene.build(Cache::Use, LATER);
    assert_eq!(scene.known("a"), sha256("one"));
    assert_eq!(scene.known("b"), sha256("two"));
    // Its mode is no part of its content, and still it was changed.
    let permissions = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(scene.path("a"), permissions).expect("it is ours");
    assert_eq!(scene.known("a"), None);
}

#[test]
fn same_size_and_same_mtime_are_not_the_same_content() {
    let scene = Scene::new();
    scene.write("a", "version 1");
    scene.write("clock", "");
    same_mtime(&scene.path("a"), &scene.path("clock"));
    scene.build(Cache::Use, LATER);
    assert_eq!(scene.known("a"), sha256("version 1"));
    let inode = fs_err::metadata(scene.path("a")).expect("there").ino();
    scene.write("a", "version 2");
    same_mtime(&scene.path("a"), &scene.path("clock"));
    assert_eq!(
        fs_err::metadata(scene.path("a")).expect("there").ino(),
        inode
    );
    assert_eq!(scene.known("a"), None);
}

#[test]
fn a_file_that_was_written_just_now_is_not_remembered() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Use, Moment::now());
    assert_eq!(scene.known("a"), None);
    assert_eq!(scene.files(), Vec::<PathBuf>::new());
    scene.build(Cache::Use, Moment(None));
    assert_eq!(scene.known("a"), None);
}

#[test]
fn times_have_to_be_older_than_any_rounding() {
    let found = |mtime, ctime| Found {
        kind: FoundKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 1,
        mtime: (mtime, 999_999_999),
        ctime: (ctime, 999_999_999),
        device: 1,
        inode: 2,
        links: 1,
    };
    let now = Moment(Some(1000));
    for (mtime, ctime, is_after) in [
        (997, 997, true),
        (997, 998, false),
        (998, 997, false),
        (0, 1000, false),
        (1000, 0, false),
        (5000, 0, false),
        (0, i64::MAX, false),
        (i64::MIN, i64::MIN, true),
    ] {
        assert_eq!(
            now.is_after(&found(mtime, ctime)),
            is_after,
            "{mtime} {ctime}"
        );
    }
    assert!(!Moment(None).is_after(&found(0, 0)));
    assert!(Moment::now().0.is_some_and(|now| now > 1_700_000_000));
}

#[test]
fn another_file_of_the_name_is_another_one() {
    let scene = Scene::new();
    scene.write("a", "version 1");
    scene.build(Cache::Use, LATER);
    // As `mv` and `cp -a` leave it: of the same size and time.
    let other = scene.0.path().join("other");
    fs_err::write(&other, "version 2").expect("writable");
    same_mtime(&other, &scene.path("a"));
    fs_err::rename(&other, scene.path("a")).expect("one file system");
    assert_eq!(scene.known("a"), None);

    scene.build(Cache::Use, LATER);
    fs_err::create_dir(scene.path("copied")).expect("writable");
    scene.write("copied/a", "version 2");
    same_mtime(&scene.path("copied/a"), &scene.path("a"));
    assert_eq!(scene.known("copied/a"), None);
    assert_eq!(scene.known("a"), sha256("version 2"));
}

#[test]
fn all_names_of_a_file_are_known() {
    let scene = Scene::new();
    scene.write("a", "one");
    fs_err::hard_link(scene.path("a"), scene.path("b")).expect("one file system");
    scene.build(Cache::Use, LATER);
    assert_eq!(scene.known("a"), sha256("one"));
    assert_eq!(scene.known("b"), sha256("one"));
    fs_err::write(scene.path("b"), "two").expect("writable");
    assert_eq!(scene.known("a"), None);
}

#[test]
fn a_time_without_nanoseconds_is_not_believed() {
    let scene = Scene::new();
    let fingerprints = Fingerprints::of(&scene.context(), &scene.store());
    let found = |nanoseconds| Found {
        kind: FoundKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 1,
        mtime: (10, 0),
        ctime: (10, nanoseconds),
        device: 1,
        inode: 2,
        links: 1,
    };
    let digest = Digest::sha256(b"x");
    fingerprints.learn(&found(0), &digest, LATER);
    fingerprints.keep();
    assert_eq!(scene.files(), Vec::<PathBuf>::new());
    fingerprints.learn(&found(1), &digest, LATER);
    fingerprints.keep();
    let next = Fingerprints::of(&scene.context(), &scene.store());
    assert_eq!(next.recall(&found(1)), Some(digest));
    assert_eq!(next.recall(&found(2)), None);
    assert_eq!(next.recall(&found(0)), None);
}

#[test]
fn what_is_damaged_is_ignored_and_replaced() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Use, LATER);
    let whole = fs_err::read(scene.file()).expect("readable");
    let mut other = whole.clone();
    other[30] ^= 1;
    for damaged in [&other[..], &whole[..whole.len() - 1], b"", b"other"] {
        fs_err::write(scene.file(), damaged).expect("writable");
        assert_eq!(scene.known("a"), None);
        scene.build(Cache::Use, LATER);
        assert_eq!(fs_err::read(scene.file()).expect("readable"), whole);
    }
    assert_eq!(scene.known("a"), sha256("one"));
}

#[test]
fn what_others_may_have_written_is_ignored() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Use, LATER);
    let file = scene.file();
    let mode = |path: &Path, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(path, permissions).expect("it is ours");
    };
    let is = |path: &Path| fs_err::metadata(path).expect("there").mode() & 0o777;
    let directory = scene.store().join("fingerprints");
    assert_eq!((is(&file), is(&directory)), (0o600, 0o700));
    for (path, bad, good) in [
        (&file, 0o620, 0o600),
        (&file, 0o602, 0o600),
        (&directory, 0o777, 0o700),
        (&scene.store(), 0o720, 0o700),
    ] {
        mode(path, bad);
        assert_eq!(scene.known("a"), None, "{} {bad:o}", path.display());
        // Nor is anything written there.
        scene.build(Cache::Refresh, LATER);
        mode(path, good);
        assert_eq!(scene.known("a"), sha256("one"));
    }
    let moved = scene.0.path().join("moved");
    fs_err::rename(&file, &moved).expect("writable");
    fs_err::os::unix::fs::symlink(&moved, &file).expect("writable");
    assert_eq!(scene.known("a"), None);
    fs_err::rename(&moved, &file).expect("writable");
    assert_eq!(scene.known("a"), sha256("one"));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(1000), None).expect("root may");
        assert_eq!(scene.known("a"), None);
    }
}

#[test]
fn two_builds_at_once_keep_what_both_learn() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.write("b", "two");
    let builds = [scene.look(Cache::Use), scene.look(Cache::Use)];
    for ((_, context), (name, text)) in builds.iter().zip([("a", "one"), ("b", "two")]) {
        let path = EntryPath::parse(name.as_bytes()).expect("valid");
        let Some(NodeKind::File(file)) = context.tree.node(&path).map(|node| &node.kind) else {
            panic!("no file");
        };
        context.learn(file.place.position, &Digest::sha256(text.as_bytes()), LATER);
    }
    std::thread::scope(|scope| {
        for (opened, _) in &builds {
            scope.spawn(|| opened.keep_learned());
        }
    });
    // Whoever comes second may not have seen what the first one wrote: then it
    // is read once more, and nothing is wrong.
    for (name, text) in [("a", "one"), ("b", "two")] {
        assert!([None, sha256(text)].contains(&scene.known(name)));
    }
    assert!(scene.known("a").or(scene.known("b")).is_some());
    for (opened, _) in &builds {
        opened.keep_learned();
    }
    scene.build(Cache::Use, LATER);
    let (_, first) = scene.look(Cache::Use);
    drop(first);
    assert_eq!(scene.known("a"), sha256("one"));
    assert_eq!(scene.known("b"), sha256("two"));
}

#[test]
fn what_another_build_wrote_meanwhile_stays() {
    let scene = Scene::new();
    scene.write("a", "one");
    let (opened, context) = scene.look(Cache::Use);
    context.learn(0, &Digest::sha256(b"one"), LATER);
    scene.write("b", "two");
    scene.build(Cache::Use, LATER);
    fs_err::remove_file(scene.path("a")).expect("writable");
    scene.write("c", "three");
    opened.keep_learned();
    assert_eq!(scene.known("b"), sha256("two"));
}

#[test]
fn caches_that_are_not_used_are_not_used() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Apart, LATER);
    assert_eq!(scene.files(), Vec::<PathBuf>::new());
    scene.build(Cache::Refresh, LATER);
    assert_eq!(scene.known("a"), sha256("one"));
    assert_eq!(scene.known_to(Cache::Refresh, "a"), None);
    assert_eq!(scene.known_to(Cache::Apart, "a"), None);
}

#[test]
fn what_is_not_new_is_not_written() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Use, LATER);
    let inode = |path: PathBuf| fs_err::metadata(path).expect("there").ino();
    let before = inode(scene.file());
    scene.build(Cache::Use, LATER);
    assert_eq!(inode(scene.file()), before);
    scene.write("b", "two");
    scene.build(Cache::Use, LATER);
    assert_ne!(inode(scene.file()), before);
    assert_eq!(scene.known("a"), sha256("one"));
}

#[test]
fn a_store_that_can_not_be_written_is_no_failure() {
    let scene = Scene::new();
    scene.write("a", "one");
    fs_err::write(scene.store(), "in the way").expect("writable");
    scene.build(Cache::Use, LATER);
    assert_eq!(scene.known("a"), None);
}

#[test]
fn what_was_not_seen_for_long_is_forgotten() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.build(Cache::Use, LATER);
    let gone = scene.0.path().join("gone");
    fs_err::rename(scene.path("a"), &gone).expect("one file system");
    let records = || record::decode(&fs_err::read(scene.file()).expect("readable"));
    let numbers: Vec<usize> = (0..20)
        .map(|number| {
            scene.write("b", &format!("version {number}"));
            scene.build(Cache::Use, LATER);
            records().expect("whole").len()
        })
        .collect();
    assert!(
        numbers[..16].iter().all(|number| *number == 2),
        "{numbers:?}"
    );
    assert!(
        numbers[16..].iter().all(|number| *number == 1),
        "{numbers:?}"
    );
}

#[test]
fn only_so_many_contexts_are_remembered() {
    let scene = Scene::new();
    scene.write("a", "one");
    let found = layer::Directory::open(&scene.context()).expect("there");
    let path = EntryPath::parse(b"a").expect("valid");
    let found = found.stat(&path).expect("readable").expect("there");
    for number in 0..70 {
        let context = PathBuf::from(format!("/context/{number}"));
        let fingerprints = Fingerprints::of(&context, &scene.store());
        fingerprints.learn(&found, &Digest::sha256(b"one"), LATER);
        fingerprints.keep();
        assert_eq!(
            Fingerprints::of(&context, &scene.store()).recall(&found),
            sha256("one")
        );
    }
    assert_eq!(scene.files().len(), 64);
    assert!(remove_all(&scene.store()) > 0);
    assert_eq!(scene.files(), Vec::<PathBuf>::new());
    assert_eq!(remove_all(&scene.store()), 0);
}

#[test]
fn a_remembered_digest_that_is_wrong_is_found_out() {
    let scene = Scene::new();
    scene.write("a", "one");
    let (opened, context) = scene.look(Cache::Use);
    context.learn(0, &Digest::sha256(b"two"), LATER);
    opened.keep_learned();
    assert_eq!(scene.known("a"), sha256("two"));

    let (opened, context) = scene.look(Cache::Use);
    let mut recipe = Recipe::default();
    let path = EntryPath::parse(b"a").expect("valid");
    let node = context.tree.node(&path).expect("it is there").clone();
    let NodeKind::File(file) = node.kind else {
        panic!("no file");
    };
    recipe.add(Item {
        entry: layer::Entry {
            path,
            kind: layer::Kind::File { size: file.size },
            metadata: node.metadata,
        },
        content: Content::Place {
            place: file.place,
            digest: file.digest,
        },
    });
    let mut shelf = Shelf::default();
    shelf.context = Some(Arc::new(context));
    let mut writer = layer::Writer::new(std::io::sink());
    layers::fill(&recipe, &shelf, &mut writer, &mut |_| {}).expect("readable");
    let (_, index) = writer.finish().expect("whole");
    let error = confirm(&mut recipe, &index, &shelf, LATER).expect_err("it is another one");
    assert_eq!(error.kind(), ErrorKind::Changed);
    opened.keep_learned();
    assert_eq!(scene.known("a"), None);
    // Now it is what it was known to be.
    confirm(&mut recipe, &index, &shelf, LATER).expect("it is the same");
    opened.keep_learned();
    assert_eq!(scene.known("a"), sha256("one"));
}

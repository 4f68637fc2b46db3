//! Every backend keeps to the one contract, and behaves as a map would.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blob::testing::{Failing, conformance, listing};
use blob::{
    Backend, ByteRange, Expected, Key, Local, Mark, Object, Sharing, Swapped, Sync, Version,
};
use bytes::Bytes;
use proptest::prelude::*;

#[path = "backends/s3.rs"]
mod s3;

const MARK: Mark = Mark {
    what: "backend of tests",
    name: "mark",
    value: b"1",
    before: &["lock", "tmp"],
};

/// Runs the suite on directories, a new one for each check.
async fn local(sharing: Sharing, sync: Sync) {
    let root = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    conformance(async || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let directory = root.path().join(number.to_string());
        Arc::new(Local::open(&directory, &MARK, sharing, sync).unwrap()) as Arc<dyn Backend>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    conformance(async || Arc::new(Object::in_memory()) as Arc<dyn Backend>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_synced_directory_conforms() {
    local(Sharing::Exclusive, Sync::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_directory_conforms() {
    local(Sharing::Shared, Sync::Never).await;
}

/// A wrapper that has no orders changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failing_backend_without_faults_conforms() {
    conformance(async || Arc::new(Failing::new(Arc::new(Object::in_memory()))) as Arc<dyn Backend>)
        .await;
}

/// The keys of the model: records and blobs of their own, two of them in a
/// directory, so that no key is ever both.
const KEYS: [&[&str]; 6] = [
    &["a"],
    &["a-b"],
    &["d", "x"],
    &["d", "y:z"],
    &["d.1", "x"],
    &["e"],
];

fn top() -> Key {
    Key::top("model")
}

fn key(number: usize) -> Key {
    KEYS[number]
        .iter()
        .fold(top(), |key, segment| key.child(segment))
}

/// One step of a story.
#[derive(Debug, Clone)]
enum Act {
    Create(usize, u8),
    /// Swaps what is expected: nothing, the version last read, anything.
    Swap(usize, u8, Expect),
    Delete(usize),
    DeleteIf(usize),
    Read(usize),
    Publish(usize, u8, usize),
    Page(String, usize),
}

#[derive(Debug, Clone, Copy)]
enum Expect {
    Absent,
    LastRead,
    Anything,
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0..KEYS.len();
    let expect = prop_oneof![
        Just(Expect::Absent),
        Just(Expect::LastRead),
        Just(Expect::Anything)
    ];
    prop_oneof![
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Act::Create(key, value)),
        (key.clone(), any::<u8>(), expect)
            .prop_map(|(key, value, expect)| Act::Swap(key, value, expect)),
        key.clone().prop_map(Act::Delete),
        key.clone().prop_map(Act::DeleteIf),
        key.clone().prop_map(Act::Read),
        (
            key,
            any::<u8>(),
            prop_oneof![Just(0), Just(512), 1..2000_usize]
        )
            .prop_map(|(key, value, size)| Act::Publish(key, value, size)),
        ("[-.ad]{0,3}", 0..5_usize).prop_map(|(after, limit)| Act::Page(after, limit)),
    ]
}

/// What a key holds, by the model.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Record(Bytes),
    Blob(Bytes),
}

/// A map that says what a backend must answer.
#[derive(Debug, Default)]
struct Model {
    held: BTreeMap<usize, Held>,
    /// What was read last, and in which version.
    read: BTreeMap<usize, (Bytes, Version)>,
    /// Directories in which there was something once; they may still be
    /// listed.
    once: BTreeSet<String>,
}

impl Model {
    fn is_last_read(&self, key: usize) -> bool {
        match (self.held.get(&key), self.read.get(&key)) {
            (Some(Held::Record(value)), Some((read, _))) => value == read,
            _ => false,
        }
    }

    fn hold(&mut self, key: usize, held: Held) {
        self.once
            .insert(top().child(KEYS[key][0]).name().to_owned());
        self.held.insert(key, held);
    }

    fn names(&self) -> BTreeSet<String> {
        self.held
            .keys()
            .map(|&key| top().child(KEYS[key][0]).name().to_owned())
            .collect()
    }

    async fn act(&mut self, backend: &dyn Backend, act: &Act) {
        match act {
            Act::Create(key, value) => self.create(backend, *key, *value).await,
            Act::Swap(key, value, expect) => self.swap(backend, *key, *value, *expect).await,
            Act::Delete(key) => {
                backend.delete(&self::key(*key)).await.unwrap();
                self.held.remove(key);
            }
            Act::DeleteIf(key) => self.delete_if(backend, *key).await,
            Act::Read(key) => self.read(backend, *key).await,
            Act::Publish(key, value, size) => self.publish(backend, *key, *value, *size).await,
            Act::Page(after, limit) => self.page(backend, after, *limit).await,
        }
    }

    async fn create(&mut self, backend: &dyn Backend, key: usize, value: u8) {
        let bytes = Bytes::from(vec![value; 20]);
        let done = backend
            .create(&self::key(key), bytes.clone())
            .await
            .unwrap();
        let is_absent = !self.held.contains_key(&key);
        assert_eq!(done == Swapped::Done, is_absent);
        if is_absent {
            self.hold(key, Held::Record(bytes));
        }
    }

    async fn swap(&mut self, backend: &dyn Backend, key: usize, value: u8, expect: Expect) {
        // Records and blobs are kept under keys of their own.
        if matches!(self.held.get(&key), Some(Held::Blob(_))) {
            return;
        }
        let (expected, is_met) = match (expect, self.read.get(&key)) {
            (Expect::LastRead, None) => return,
            (Expect::LastRead, Some((_, version))) => {
                (Expected::Version(version.clone()), self.is_last_read(key))
            }
            (Expect::Absent, _) => (Expected::Absent, !self.held.contains_key(&key)),
            (Expect::Anything, _) => (Expected::Anything, true),
        };
        // A version may or may not tell two writings of the same value apart.
        let may_differ = matches!(expect, Expect::LastRead) && is_met;
        let bytes = Bytes::from(vec![value; 20]);
        let swapped = backend.swap(&self::key(key), expected, bytes.clone()).await;
        let is_done = swapped.unwrap() == Swapped::Done;
        assert!(is_done == is_met || may_differ, "{expect:?} of {key}");
        if is_done {
            self.hold(key, Held::Record(bytes));
        }
    }

    async fn delete_if(&mut self, backend: &dyn Backend, key: usize) {
        let Some((_, version)) = self.read.get(&key) else {
            return;
        };
        let deleted = backend.delete_if(&self::key(key), version).await.unwrap();
        if deleted == Swapped::Done {
            assert!(self.is_last_read(key), "a newer value was deleted");
            self.held.remove(&key);
        }
    }

    async fn read(&mut self, backend: &dyn Backend, key: usize) {
        let path = self::key(key);
        let held = self.held.get(&key);
        if let Some(Held::Blob(content)) = held {
            let size = content.len() as u64;
            assert_eq!(backend.head(&path).await.unwrap(), Some(size));
            let stream = backend.open(&path, ByteRange::whole(size)).await.unwrap();
            assert_eq!(stream.unwrap().collect(size).await.unwrap(), *content);
            return;
        }
        let read = backend.read(&path).await.unwrap();
        let value = read.as_ref().map(|record| record.value.clone());
        let size = value.as_ref().map(|value| value.len() as u64);
        assert_eq!(backend.head(&path).await.unwrap(), size);
        assert_eq!(value.map(Held::Record).as_ref(), held);
        if let Some(record) = read {
            self.read.insert(key, (record.value, record.version));
        }
    }

    async fn publish(&mut self, backend: &dyn Backend, key: usize, value: u8, size: usize) {
        if matches!(self.held.get(&key), Some(Held::Record(_))) {
            return;
        }
        let content = Bytes::from(vec![value; size]);
        let mut upload = backend.begin(&Key::top("places").child("p")).await.unwrap();
        upload.append(content.clone()).await.unwrap();
        let path = self::key(key);
        upload.publish(&path).await.unwrap();
        self.read.remove(&key);
        // A blob that lay there may stay.
        let size = backend.head(&path).await.unwrap().unwrap();
        let whole = ByteRange::whole(size);
        let stream = backend.open(&path, whole).await.unwrap().unwrap();
        let read = Held::Blob(stream.collect(size).await.unwrap());
        if self.held.get(&key) != Some(&read) {
            assert_eq!(read, Held::Blob(content));
        }
        self.hold(key, read);
    }

    async fn page(&self, backend: &dyn Backend, after: &str, limit: usize) {
        let page = backend.page(&top(), after, limit).await.unwrap();
        assert!(page.names.len() <= limit);
        assert!(page.names.is_sorted() && page.names.iter().all(|name| name.as_str() > after));
        assert!(page.names.iter().all(|name| self.once.contains(name)));
        // Whatever there is up to the last name is on the page.
        let last = page.names.last().filter(|_| page.more);
        for name in self.names() {
            let is_within = name.as_str() > after && last.is_none_or(|last| name <= *last);
            let is_cut = limit == 0 && page.more;
            assert_eq!(
                page.names.contains(&name),
                is_within && !is_cut,
                "{name} in {page:?}"
            );
        }
    }
}

async fn play(backend: &dyn Backend, story: &[Act]) {
    let mut model = Model::default();
    for act in story {
        model.act(backend, act).await;
    }
    for number in 0..KEYS.len() {
        model.read(backend, number).await;
    }
    let mut keys: Vec<String> = model
        .held
        .keys()
        .map(|&held| key(held).to_string())
        .collect();
    keys.sort_unstable();
    assert_eq!(listing(backend, &top()).await.unwrap(), keys);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn memory_behaves_as_a_map(story in proptest::collection::vec(act(), 1..60)) {
        runtime().block_on(play(&Object::in_memory(), &story));
    }

    #[test]
    fn a_directory_behaves_as_a_map(story in proptest::collection::vec(act(), 1..60)) {
        let root = tempfile::tempdir().unwrap();
        let local = Local::open(root.path(), &MARK, Sharing::Exclusive, Sync::Never).unwrap();
        runtime().block_on(play(&local, &story));
    }
}

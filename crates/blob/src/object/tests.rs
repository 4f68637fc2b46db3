//! What only an object store must do: leave no data behind, cost few
//! requests, and believe nothing that was pushed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt as _;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};
use proptest::prelude::*;

use super::frame::resembles_frame;
use super::*;
use crate::testing::{conformance, listing};

mod crash;
mod interleaved;
mod mortal;

/// More than one part.
const LARGE: usize = 17 * 1024 * 1024;

/// An object store that is seen from below as well.
struct Seen {
    object: Object,
    objects: Arc<InMemory>,
    memory: Arc<Memory>,
    lists: Arc<Counting>,
}

/// Counts listings and their entries.
struct Counting {
    memory: Arc<Memory>,
    requests: AtomicUsize,
    entries: AtomicUsize,
}

#[async_trait]
impl PaginatedListStore for Counting {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        let listed = self.memory.list_paginated(prefix, options).await?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let entries = listed.result.objects.len() + listed.result.common_prefixes.len();
        self.entries.fetch_add(entries, Ordering::Relaxed);
        Ok(listed)
    }
}

fn seen(scratch: Scratch) -> Seen {
    let objects = Arc::new(InMemory::new());
    let memory = Arc::new(Memory::new(Arc::clone(&objects)));
    let lists = Arc::new(Counting {
        memory: Arc::clone(&memory),
        requests: AtomicUsize::new(0),
        entries: AtomicUsize::new(0),
    });
    Seen {
        object: Object::over(
            Store {
                objects: Arc::clone(&objects) as _,
                parts: Arc::clone(&memory) as _,
                lists: Arc::clone(&lists) as _,
                signer: None,
                removal: None,
            },
            "",
            scratch,
        ),
        objects,
        memory,
        lists,
    }
}

impl Seen {
    /// Lists what is really stored, tombstones included.
    async fn stored(&self) -> Vec<String> {
        let all: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        all.into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }

    async fn publish(&self, key: &Key, content: Bytes) {
        let mut upload = self.object.begin(&Key::top("place")).await.unwrap();
        upload.append(content).await.unwrap();
        upload.publish(key).await.unwrap();
    }
}

fn content(size: usize) -> Bytes {
    vec![b'x'; size].into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_with_scratch_files() {
    let directory = tempfile::tempdir().unwrap();
    let scratch = Scratch::Directory(directory.path().to_owned());
    conformance(async || Arc::new(seen(scratch.clone()).object) as Arc<dyn Backend>).await;
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn no_data_stays_behind() {
    let seen = seen(Scratch::Memory);
    let (key, place) = (Key::top("blobs").child("b"), Key::top("place"));
    for size in [10, LARGE, 0] {
        for _ in 0..2 {
            seen.publish(&key, content(size)).await;
            let data = usize::from(size == LARGE);
            assert_eq!(seen.stored().await.len(), 1 + data, "after {size} bytes");
        }
        seen.object.delete(&key).await.unwrap();
        // In memory, a tombstone stands for a conditional deletion.
        assert!(seen.stored().await.len() <= 1);
        seen.objects.delete(&Path::from("blobs/b")).await.unwrap();
    }
    let mut upload = seen.object.begin(&place).await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    let saved = upload.save().await.unwrap();
    upload.read_back().await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    upload.save().await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    assert_eq!(seen.memory.running(), 1);
    drop(upload);
    seen.object.discard(&place, &saved).await.unwrap();
    assert_eq!(seen.stored().await, Vec::<String>::new());
    assert_eq!(seen.memory.running(), 0);
}

#[tokio::test]
async fn saved_tails_do_not_pile_up() {
    let seen = seen(Scratch::Memory);
    let place = Key::top("place");
    let mut upload = seen.object.begin(&place).await.unwrap();
    let mut saved = upload.save().await.unwrap();
    for _ in 0..20 {
        let mut upload = seen.object.resume(&place, &saved).await.unwrap().unwrap();
        upload.append(content(1000)).await.unwrap();
        saved = upload.save().await.unwrap();
        // The newest, and the one that counts until that is written down.
        assert_eq!(seen.stored().await.len(), 2);
    }
}

#[tokio::test]
async fn a_pointer_to_nothing_is_corrupt_until_it_is_replaced() {
    let seen = seen(Scratch::Memory);
    let key = Key::top("b");
    let whole = ByteRange::whole(LARGE as u64);
    for broken in ["data gone", "pointer damaged"] {
        seen.publish(&key, content(LARGE)).await;
        let stored = seen.stored().await;
        let data = stored.iter().find(|key| key.starts_with(".wharf/data/"));
        let data = Path::from(data.unwrap().as_str());
        if broken == "data gone" {
            seen.objects.delete(&data).await.unwrap();
        } else {
            let record = seen.object.read(&key).await.unwrap().unwrap();
            let mut pointer = record.value.to_vec();
            pointer[63] = b'\n';
            let put = PutPayload::from(pointer);
            seen.objects.put(&Path::from("b"), put).await.unwrap();
            seen.objects.delete(&data).await.unwrap();
            let error = seen.object.head(&key).await.unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        }
        let error = seen.object.open(&key, whole).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        seen.publish(&key, content(LARGE)).await;
        assert!(seen.object.open(&key, whole).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_record_can_not_be_a_blob() {
    let seen = seen(Scratch::Memory);
    seen.publish(&Key::top("b"), content(LARGE)).await;
    seen.publish(&Key::top("c"), content(10)).await;
    for name in ["b", "c"] {
        let record = seen.object.read(&Key::top(name)).await.unwrap().unwrap();
        assert!(resembles_frame(&record.value));
        let forged = Key::top("forged");
        for expected in [Expected::Absent, Expected::Anything] {
            let swap = seen.object.swap(&forged, expected, record.value.clone());
            let error = swap.await.unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        }
        // As content it is kept, and read as it is.
        let (copy, size) = (Key::top("copies").child(name), record.value.len() as u64);
        seen.publish(&copy, record.value.clone()).await;
        let stream = seen.object.open(&copy, ByteRange::whole(size)).await;
        let read = stream.unwrap().unwrap().collect(size).await.unwrap();
        assert_eq!(read, record.value);
    }
}

#[tokio::test]
async fn a_store_in_memory_passes_the_probe() {
    let seen = seen(Scratch::Memory);
    let probes = (0..4).map(|_| seen.object.probe());
    for outcome in futures_util::future::join_all(probes).await {
        outcome.unwrap();
    }
    assert_eq!(seen.stored().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_prefix_comes_before_every_key() {
    let seen = seen(Scratch::Memory);
    let below = Object::over(
        Store {
            objects: Arc::clone(&seen.objects) as _,
            parts: Arc::clone(&seen.memory) as _,
            lists: Arc::clone(&seen.lists) as _,
            signer: None,
            removal: None,
        },
        "/some/where/",
        Scratch::Memory,
    );
    below.probe().await.unwrap();
    let (key, place) = (Key::top("blobs").child("b"), Key::top("place"));
    let mut upload = below.begin(&place).await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    upload.save().await.unwrap();
    upload.publish(&key).await.unwrap();
    let made = below
        .create(&Key::top("blobs").child("r"), content(3))
        .await;
    assert_eq!(made.unwrap(), Swapped::Done);
    assert_eq!(below.head(&key).await.unwrap(), Some(LARGE as u64));
    let page = below.page(&Key::top("blobs"), "", 10).await.unwrap();
    assert_eq!(page.names, ["b", "r"]);
    let page = below.page(&Key::top("blobs"), "b", 10).await.unwrap();
    assert_eq!(page.names, ["r"]);
    let stored = seen.stored().await;
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|key| key.starts_with("some/where/")));
    // Another prefix is another place.
    assert_eq!(seen.object.head(&key).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_backend_keeps_is_not_listed() {
    let seen = seen(Scratch::Memory);
    seen.publish(&Key::top("blobs").child("b"), content(LARGE))
        .await;
    for top in [".wharf", "place"] {
        let keys = listing(&seen.object, &Key::top(top)).await.unwrap();
        assert_eq!(keys, Vec::<String>::new());
    }
    let keys = listing(&seen.object, &Key::top("blobs")).await.unwrap();
    assert_eq!(keys, ["blobs/b"]);
}

#[tokio::test]
async fn a_page_costs_a_page() {
    let seen = seen(Scratch::Memory);
    // Directories with much below them, and names with many dashes.
    for number in 0..600 {
        let name = format!("{:08x}-{number:04x}-4abc.x", number * 7919);
        for below in 0..5 {
            let path = Path::from(format!("d/{name}/{below}"));
            seen.objects.put(&path, "x".into()).await.unwrap();
        }
    }
    let mut after = String::new();
    let mut pages = 0;
    loop {
        seen.lists.requests.store(0, Ordering::Relaxed);
        seen.lists.entries.store(0, Ordering::Relaxed);
        let page = seen.object.page(&Key::top("d"), &after, 50).await.unwrap();
        // One listing, and one for each dash and dot of the last name.
        assert!(seen.lists.requests.load(Ordering::Relaxed) <= 1 + 3);
        assert!(seen.lists.entries.load(Ordering::Relaxed) <= 50 + 2 + 3);
        pages += 1;
        if !page.more {
            break;
        }
        after.clone_from(page.names.last().unwrap());
    }
    assert_eq!(pages, 12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_are_as_a_set_would_give_them(
        names in proptest::collection::btree_map("[-.0~_a]{1,4}", any::<bool>(), 0..30),
        tombstones in proptest::collection::btree_set("[-.0~_a]{1,4}", 0..10),
        after in "[-.0~_a]{0,4}",
        limit in 0_usize..12,
    ) {
        let seen = seen(Scratch::Memory);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let top = Key::top("d");
        let page = runtime.block_on(async {
            for name in &tombstones {
                let path = bucket::path(&top.child(name)).unwrap();
                seen.objects.put(&path, PutPayload::new()).await.unwrap();
            }
            for (name, is_directory) in &names {
                let key = top.child(name);
                let key = if *is_directory { key.child("x") } else { key };
                let path = bucket::path(&key).unwrap();
                seen.objects.put(&path, "x".into()).await.unwrap();
            }
            seen.object.page(&top, &after, limit).await.unwrap()
        });
        let model: BTreeSet<String> = names.keys().map(|name| top.child(name).name().to_owned()).collect();
        let rest: Vec<String> = model.into_iter().filter(|name| *name > after).collect();
        prop_assert_eq!(page.more, rest.len() > limit);
        prop_assert_eq!(page.names, rest.into_iter().take(limit).collect::<Vec<_>>());
    }
}

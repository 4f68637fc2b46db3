//! What only an object store must do: leave no data behind, cost few
//! requests, and believe nothing that was pushed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt as _;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use proptest::prelude::*;

use super::frame::{FRAME_LIMIT, resembles_frame};
use super::*;
use crate::testing::{conformance, listing};

mod crash;

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
    for size in [10, LARGE, LARGE, 0, LARGE, 10] {
        seen.publish(&key, content(size)).await;
        let data = usize::from(size == LARGE);
        assert_eq!(seen.stored().await.len(), 1 + data, "after {size} bytes");
    }
    seen.publish(&key, content(LARGE)).await;
    seen.object.delete(&key).await.unwrap();
    let mut upload = seen.object.begin(&place).await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    let saved = upload.save().await.unwrap();
    upload.read_back().await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    assert_eq!(seen.memory.running(), 1);
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

/// A publish that is cut off between the data and the pointer.
#[tokio::test]
async fn data_without_its_pointer_is_continued_or_removed() {
    for discard in [false, true] {
        let seen = seen(Scratch::Memory);
        let (key, place) = (Key::top("b"), Key::top("place"));
        let mut upload = seen.object.begin(&place).await.unwrap();
        upload.append(content(LARGE)).await.unwrap();
        let saved = upload.save().await.unwrap();
        upload.publish(&key).await.unwrap();
        // Back to the moment before: the pointer gone, the place as it was.
        let state = saved.0["open"].clone();
        let (data, id) = (&state["data"], &state["upload"]);
        let note = serde_json::json!({ "upload": id, "key": "b" }).to_string();
        let note_path = Path::from(format!("place/data-{}", data.as_str().unwrap()));
        let tail = [&b"t"[..], &content(1024 * 1024)].concat();
        for (path, value) in [
            (note_path, note.into_bytes()),
            ("place/tail-1".into(), tail),
        ] {
            seen.objects
                .put(&path, PutPayload::from(value))
                .await
                .unwrap();
        }
        // With its pointer it counts as published.
        assert!(seen.object.resume(&place, &saved).await.unwrap().is_none());
        seen.objects.delete(&Path::from("b")).await.unwrap();
        if discard {
            seen.object.discard(&place, &saved).await.unwrap();
            assert_eq!(seen.stored().await, Vec::<String>::new());
        } else {
            let upload = seen.object.resume(&place, &saved).await.unwrap().unwrap();
            upload.publish(&key).await.unwrap();
            let size = seen.object.head(&key).await.unwrap();
            assert_eq!(size, Some(LARGE as u64));
        }
    }
}

#[tokio::test]
async fn a_pointer_to_nothing_is_corrupt_until_it_is_replaced() {
    let seen = seen(Scratch::Memory);
    let key = Key::top("b");
    let whole = ByteRange::whole(LARGE as u64);
    for broken in ["data gone", "pointer damaged"] {
        seen.publish(&key, content(LARGE)).await;
        let data = Path::from(seen.stored().await[0].clone());
        assert!(data.as_ref().starts_with(".wharf/data/"), "{data}");
        if broken == "data gone" {
            seen.objects.delete(&data).await.unwrap();
        } else {
            let record = seen.object.read(&key).await.unwrap().unwrap();
            let mut pointer = record.value.to_vec();
            pointer[20] = b'\n';
            let put = PutPayload::from(pointer);
            seen.objects.put(&Path::from("b"), put).await.unwrap();
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
async fn a_record_can_not_be_a_pointer() {
    let seen = seen(Scratch::Memory);
    seen.publish(&Key::top("b"), content(LARGE)).await;
    let record = seen.object.read(&Key::top("b")).await.unwrap().unwrap();
    assert!(resembles_pointer(&record.value));
    let forged = Key::top("forged");
    for expected in [Expected::Absent, Expected::Anything] {
        let swap = seen.object.swap(&forged, expected, record.value.clone());
        let error = swap.await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
    }
    // As content it is kept, and read as it is.
    seen.publish(&Key::top("copy"), record.value.clone()).await;
    let range = ByteRange::whole(POINTER_SIZE);
    let copy = seen.object.open(&Key::top("copy"), range).await.unwrap();
    let copy = copy.unwrap().collect(POINTER_SIZE).await.unwrap();
    assert_eq!(copy, record.value);
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

//! What is kept in memory is never older than what was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{Local, MARK, open};
use crate::backend::{Backend as _, Expected, Swapped, Version};
use crate::key::Key;
use crate::local::{Sharing, Sync};

fn key(number: u64) -> Key {
    Key::top("r").child(&number.to_string())
}

fn number(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).expect("text");
    text.parse().expect("a number")
}

async fn all_of(mut tasks: JoinSet<()>) {
    while let Some(done) = tasks.join_next().await {
        done.expect("no task fails");
    }
}

/// A key whose value only grows, and the greatest that was acknowledged. An
/// odd number means that the key was deleted.
#[derive(Default)]
struct Counter {
    acknowledged: AtomicU64,
    turn: tokio::sync::Mutex<u64>,
}

/// Writers count up, by creating, swapping and deleting; whoever begins to
/// read after a count was acknowledged must find it or a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_finds_less_than_was_acknowledged() {
    const KEYS: u64 = 4;
    const COUNTS: u64 = 400;
    let root = tempfile::tempdir().expect("a folder");
    let local = open(root.path()).expect("opens");
    let counters: Arc<Vec<Counter>> = Arc::new((0..KEYS).map(|_| Counter::default()).collect());
    let mut tasks = JoinSet::new();
    for index in 0..KEYS {
        for _writer in 0..2 {
            let (local, counters) = (local.clone(), Arc::clone(&counters));
            tasks.spawn(async move {
                loop {
                    let counter = &counters[usize::try_from(index).expect("small")];
                    let mut next = counter.turn.lock().await;
                    if *next >= COUNTS {
                        return;
                    }
                    *next += 1;
                    write(&local, index, *next).await;
                    counter.acknowledged.store(*next, Ordering::SeqCst);
                }
            });
        }
        for reader in 0..4 {
            let (local, counters) = (local.clone(), Arc::clone(&counters));
            tasks.spawn(async move {
                let counter = &counters[usize::try_from(index).expect("small")];
                while counter.acknowledged.load(Ordering::SeqCst) < COUNTS {
                    look(&local, index, counter, reader % 2).await;
                    tokio::task::yield_now().await;
                }
            });
        }
    }
    // Forgetting is allowed at any time.
    let (forgetful, all) = (local.clone(), Arc::clone(&counters));
    tasks.spawn(async move {
        let is_done = |counter: &Counter| counter.acknowledged.load(Ordering::SeqCst) >= COUNTS;
        while !all.iter().all(is_done) {
            for index in 0..KEYS {
                let records = forgetful.directory.records().expect("kept");
                records.forget(&key(index));
            }
            tokio::task::yield_now().await;
        }
    });
    all_of(tasks).await;
}

async fn write(local: &Local, index: u64, next: u64) {
    let (key, value) = (key(index), Bytes::from(next.to_string()));
    let done = match next % 8 {
        1 | 3 | 5 => local.delete(&key).await.map(|()| Swapped::Done),
        7 => {
            let record = local.read(&key).await.expect("read").expect("there");
            local.delete_if(&key, &record.version).await
        }
        0 | 2 => local.create(&key, value).await,
        4 => local.swap(&key, Expected::Absent, value).await,
        _ => local.swap(&key, Expected::Anything, value).await,
    };
    assert_eq!(done.expect("written"), Swapped::Done, "{next}");
}

async fn look(local: &Local, index: u64, counter: &Counter, order: u64) {
    let before = counter.acknowledged.load(Ordering::SeqCst);
    let head = async || local.head(&key(index)).await.expect("looked at");
    let early = if order == 0 { head().await } else { None };
    let found = local.read(&key(index)).await.expect("read");
    let size = if order == 0 { early } else { head().await };
    // A write may be done and not acknowledged yet.
    let after = counter.acknowledged.load(Ordering::SeqCst) + 1;
    match found {
        Some(record) => {
            let found = number(&record.value);
            assert!((before..=after).contains(&found), "{found}, not {before}");
        }
        None => assert!(before % 2 == 1 || before == 0 || after > before),
    }
    if before + 1 == after && before > 0 {
        // Nothing changed meanwhile but for what is being written.
        let digits = |number: u64| number.to_string().len() as u64;
        let sizes = [before, after].map(|at| (at % 2 == 0).then(|| digits(at)));
        assert!(sizes.contains(&size), "{size:?} at {before}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_known_needs_no_disk() {
    let root = tempfile::tempdir().expect("a folder");
    let local = open(root.path()).expect("opens");
    let gone = async |key: &Key| {
        let path = local.directory.path(key);
        fs_err::remove_file(path).expect("removed behind its back");
    };
    let value = Bytes::from_static(b"12");
    let created = local.create(&key(0), value.clone()).await.expect("created");
    assert_eq!(created, Swapped::Done);
    gone(&key(0)).await;
    let record = local.read(&key(0)).await.expect("read").expect("known");
    assert_eq!(record.value, value);
    assert_eq!(local.head(&key(0)).await.expect("known"), Some(2));
    let lost = local.create(&key(0), value).await.expect("known");
    assert_eq!(lost, Swapped::Lost);
    // Where others write as well nothing is known.
    drop(local);
    let shared = Local::open(root.path(), &MARK, Sharing::Shared, Sync::Never).expect("opens");
    let again = shared.create(&key(0), "3".into()).await.expect("created");
    assert_eq!(again, Swapped::Done);
    fs_err::remove_file(root.path().join("r/0")).expect("removed by another");
    assert_eq!(shared.read(&key(0)).await.expect("read"), None);
    assert_eq!(shared.head(&key(0)).await.expect("looked at"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_has_every_name_that_was_acknowledged() {
    const WRITERS: u64 = 4;
    const ROUNDS: u64 = 60;
    let root = tempfile::tempdir().expect("a folder");
    let local = open(root.path()).expect("opens");
    for number in 0..2000 {
        super::write(root.path(), &format!("r/old-{number:05}"));
    }
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let local = local.clone();
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let (one, two) = (key(writer * 1000 + round), key(500_000 + writer));
                let listed = async |key: &Key| {
                    let mut before = key.name().to_owned();
                    let last = before.pop().expect("not empty") as u8;
                    before.push(char::from(last - 1));
                    before.push('~');
                    let page = local.page(&Key::top("r"), &before, 1).await;
                    let names = page.expect("listed").names;
                    names.iter().any(|name| name == key.name())
                };
                let created = local.create(&one, "x".into()).await.expect("created");
                assert_eq!(created, Swapped::Done);
                assert!(listed(&one).await, "{one} was created");
                let mut upload = local.begin(&two.child("u")).await.expect("begins");
                upload.append("x".into()).await.expect("written");
                let blob = key(900_000 + writer * 100 + round % 7);
                upload.publish(&blob).await.expect("published");
                assert!(listed(&blob).await, "{blob} was published");
                if round % 3 == 0 {
                    local.delete(&one).await.expect("deleted");
                    assert!(!listed(&one).await, "{one} was deleted");
                }
                if round % 20 == writer {
                    let names = local.directory.names().expect("kept");
                    names.drop_all();
                }
            }
        });
    }
    all_of(tasks).await;
    let kept = whole(&local).await;
    drop(local);
    let local = open(root.path()).expect("opens again");
    assert_eq!(kept, whole(&local).await);
}

async fn whole(local: &Local) -> BTreeSet<String> {
    let page = local
        .page(&Key::top("r"), "", 100_000)
        .await
        .expect("listed");
    assert!(!page.more && page.names.is_sorted());
    page.names.into_iter().collect()
}

async fn publish(local: &Local, key: &Key, content: &'static [u8]) -> Version {
    let place = Key::top("data").child("u");
    let mut upload = local.begin(&place).await.expect("begins");
    upload
        .append(Bytes::from_static(content))
        .await
        .expect("written");
    upload.publish(key).await.expect("published");
    local.version(key).await.expect("looked at").expect("there")
}

/// Numbers of files are used again at once, within one tick of the clock.
#[tokio::test]
async fn no_two_writings_have_the_same_version() {
    const ROUNDS: usize = 500;
    for sharing in [Sharing::Exclusive, Sharing::Shared] {
        let root = tempfile::tempdir().expect("a folder");
        let local = Local::open(root.path(), &MARK, sharing, Sync::Never).expect("opens");
        let blob = Key::top("b").child("x");
        let mut versions = BTreeSet::new();
        for round in 0..ROUNDS {
            let version = publish(&local, &blob, b"the same").await;
            assert!(versions.insert(version.0.clone()), "{round}: {version:?}");
            match round % 4 {
                0 => local.delete(&blob).await.expect("deleted"),
                1 => {
                    let deleted = local.delete_if(&blob, &version).await.expect("deleted");
                    assert_eq!(deleted, Swapped::Done);
                }
                _ => {}
            }
            if round % 4 == 1 {
                // As a manifest is kept: a record under a blob's key.
                let created = local.create(&blob, "the same".into()).await;
                assert_eq!(created.expect("created"), Swapped::Done);
                let version = local.version(&blob).await.expect("looked at");
                assert!(versions.insert(version.expect("there").0), "{round}");
            }
        }
    }
}

/// The same where the clock stands still, and where it goes back.
#[tokio::test]
async fn times_of_one_key_only_grow() {
    let root = tempfile::tempdir().expect("a folder");
    let local = open(root.path()).expect("opens");
    let (blob, place) = (Key::top("b").child("x"), Key::top("data").child("u"));
    let time_of = |key: &Key| {
        let stat = rustix::fs::stat(local.directory.path(key)).expect("there");
        (stat.st_mtime, stat.st_mtime_nsec)
    };
    let mut last = (0, 0);
    for round in 0..41 {
        let mut upload = local.begin(&place).await.expect("begins");
        upload.append("x".into()).await.expect("written");
        let time = rustix::fs::Timespec {
            tv_sec: 1_000_000_000 - round / 20,
            tv_nsec: 999_999_990,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let path = local.directory.path(&place);
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).expect("set");
        upload.publish(&blob).await.expect("published");
        assert!(time_of(&blob) > last, "{round}");
        last = time_of(&blob);
        if round % 3 == 0 {
            local.delete(&blob).await.expect("deleted");
        }
    }
    // A file that an earlier process left counts as well.
    drop(local);
    let local = open(root.path()).expect("opens again");
    let path = local.directory.path(&blob);
    let before = rustix::fs::stat(&path).expect("there").st_mtime;
    let later = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec {
            tv_sec: before + 1_000_000_000,
            tv_nsec: 0,
        },
        last_modification: rustix::fs::Timespec {
            tv_sec: before + 1_000_000_000,
            tv_nsec: 0,
        },
    };
    let flags = rustix::fs::AtFlags::empty();
    rustix::fs::utimensat(rustix::fs::CWD, &path, &later, flags).expect("set");
    local.delete(&blob).await.expect("deleted");
    publish(&local, &blob, b"x").await;
    let found = rustix::fs::stat(&path).expect("there");
    assert!((found.st_mtime, found.st_mtime_nsec) > (before + 1_000_000_000, 0));
}

#[tokio::test]
async fn versions_outlive_the_process() {
    let root = tempfile::tempdir().expect("a folder");
    let blob = Key::top("b").child("x");
    let local = open(root.path()).expect("opens");
    let old = publish(&local, &blob, b"content").await;
    drop(local);
    let local = open(root.path()).expect("opens again");
    let found = local.version(&blob).await.expect("looked at");
    assert_eq!(found.as_ref(), Some(&old));
    let new = publish(&local, &blob, b"content").await;
    assert_ne!(new, old);
    let lost = local.delete_if(&blob, &old).await.expect("compared");
    assert_eq!(lost, Swapped::Lost);
    assert_eq!(local.head(&blob).await.expect("looked at"), Some(7));
    drop(local);
    let local = open(root.path()).expect("opens again");
    let done = local.delete_if(&blob, &new).await.expect("deleted");
    assert_eq!(done, Swapped::Done);
    assert_eq!(local.head(&blob).await.expect("looked at"), None);
}

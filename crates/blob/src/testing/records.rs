//! Checks of records: reading, creating, swapping, deleting, and races.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use super::content::{content, is_absent, key, record};
use super::{Checked, Failure, race};
use crate::backend::{Backend, Expected, RECORD_LIMIT, Swapped};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// Racers: more than the threads of any runtime that checks run on.
const RACERS: usize = 64;

const ONE: Bytes = Bytes::from_static(b"one");
const TWO: Bytes = Bytes::from_static(b"two");

pub(super) async fn what_is_not_there_is_absent(backend: Arc<dyn Backend>) -> Checked {
    is_absent(&*backend, &key("a")).await?;
    ensure_eq!(backend.create(&key("a"), ONE).await?, Swapped::Done);
    // Neither what is below a record nor what is above it.
    is_absent(&*backend, &key("a").child("b")).await?;
    is_absent(&*backend, &Key::top("conformance")).await?;
    is_absent(&*backend, &key("aa")).await
}

pub(super) async fn what_is_created_is_read_back(backend: Arc<dyn Backend>) -> Checked {
    let largest = usize::try_from(RECORD_LIMIT).unwrap_or(usize::MAX);
    for size in [1, 511, 512, 513, 70_000, largest] {
        let (key, value) = (key(&format!("r{size}")), content(size as u64, size));
        ensure_eq!(backend.create(&key, value.clone()).await?, Swapped::Done);
        ensure!(
            record(&*backend, &key).await?.value == value,
            "a record of {size} bytes is not read as it was written"
        );
        ensure_eq!(backend.head(&key).await?, Some(size as u64));
    }
    Ok(())
}

pub(super) async fn create_leaves_what_is_there(backend: Arc<dyn Backend>) -> Checked {
    ensure_eq!(backend.create(&key("a"), ONE).await?, Swapped::Done);
    let before = record(&*backend, &key("a")).await?;
    ensure_eq!(backend.create(&key("a"), TWO).await?, Swapped::Lost);
    ensure_eq!(backend.create(&key("a"), ONE).await?, Swapped::Lost);
    ensure_eq!(
        backend.swap(&key("a"), Expected::Absent, TWO).await?,
        Swapped::Lost
    );
    ensure_eq!(record(&*backend, &key("a")).await?, before);
    Ok(())
}

pub(super) async fn swap_writes_only_what_was_expected(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(
        backend.swap(&a, Expected::Absent, ONE).await?,
        Swapped::Done
    );
    let one = record(&*backend, &a).await?;
    let expected = Expected::Version(one.version);
    ensure_eq!(
        backend.swap(&a, expected.clone(), TWO).await?,
        Swapped::Done
    );
    let two = record(&*backend, &a).await?;
    ensure_eq!(two.value, TWO);
    let late = backend.swap(&a, expected.clone(), "three".into()).await?;
    ensure_eq!(late, Swapped::Lost);
    ensure_eq!(record(&*backend, &a).await?, two);
    backend.delete(&a).await?;
    let gone = Expected::Version(two.version);
    ensure_eq!(backend.swap(&a, gone, ONE).await?, Swapped::Lost);
    ensure_eq!(backend.swap(&key("b"), expected, ONE).await?, Swapped::Lost);
    is_absent(&*backend, &key("b")).await?;
    is_absent(&*backend, &a).await
}

pub(super) async fn swap_of_anything_writes(backend: Arc<dyn Backend>) -> Checked {
    for value in [ONE, TWO] {
        let swapped = backend
            .swap(&key("a"), Expected::Anything, value.clone())
            .await?;
        ensure_eq!(swapped, Swapped::Done);
        ensure_eq!(record(&*backend, &key("a")).await?.value, value);
    }
    Ok(())
}

pub(super) async fn versions_tell_writings_apart(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    let one = record(&*backend, &a).await?.version;
    ensure_eq!(record(&*backend, &a).await?.version, one);
    ensure_eq!(
        backend.swap(&a, Expected::Anything, TWO).await?,
        Swapped::Done
    );
    ensure!(
        record(&*backend, &a).await?.version != one,
        "another value has the same version"
    );
    Ok(())
}

pub(super) async fn sizes_out_of_bounds_are_refused(backend: Arc<dyn Backend>) -> Checked {
    let too_large = usize::try_from(RECORD_LIMIT).unwrap_or(usize::MAX - 1) + 1;
    for value in [Bytes::new(), content(1, too_large)] {
        for expected in [Expected::Absent, Expected::Anything] {
            let refused = backend.swap(&key("a"), expected, value.clone()).await;
            ensure_eq!(
                refused.map_err(|error| error.kind()),
                Err(ErrorKind::TooLarge)
            );
        }
        let refused = backend.create(&key("a"), value).await;
        ensure_eq!(
            refused.map_err(|error| error.kind()),
            Err(ErrorKind::TooLarge)
        );
    }
    is_absent(&*backend, &key("a")).await
}

pub(super) async fn delete_can_be_repeated(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    backend.delete(&a).await?;
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    ensure_eq!(backend.create(&key("b"), ONE).await?, Swapped::Done);
    for _ in 0..2 {
        backend.delete(&a).await?;
        is_absent(&*backend, &a).await?;
    }
    backend.delete(&a.child("below")).await?;
    ensure_eq!(backend.create(&a, TWO).await?, Swapped::Done);
    ensure_eq!(record(&*backend, &a).await?.value, TWO);
    ensure_eq!(record(&*backend, &key("b")).await?.value, ONE);
    Ok(())
}

pub(super) async fn delete_if_spares_other_versions(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    let one = record(&*backend, &a).await?.version;
    ensure_eq!(
        backend.swap(&a, Expected::Anything, TWO).await?,
        Swapped::Done
    );
    ensure_eq!(backend.delete_if(&a, &one).await?, Swapped::Lost);
    ensure_eq!(record(&*backend, &a).await?.value, TWO);
    ensure_eq!(backend.delete_if(&key("b"), &one).await?, Swapped::Lost);
    is_absent(&*backend, &key("b")).await
}

pub(super) async fn after_delete_if_there_is_nothing(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    let mut expected = Expected::Absent;
    for round in 0..3 {
        let value = Bytes::from(format!("value {round}"));
        let swapped = backend.swap(&a, expected, value.clone()).await?;
        ensure_eq!(swapped, Swapped::Done);
        let record = record(&*backend, &a).await?;
        ensure_eq!(record.value, value);
        ensure_eq!(backend.delete_if(&a, &record.version).await?, Swapped::Done);
        is_absent(&*backend, &a).await?;
        ensure_eq!(backend.delete_if(&a, &record.version).await?, Swapped::Lost);
        let late = Expected::Version(record.version);
        ensure_eq!(backend.swap(&a, late, ONE).await?, Swapped::Lost);
        expected = if round == 0 {
            Expected::Absent
        } else {
            Expected::Anything
        };
    }
    ensure_eq!(backend.create(&a, TWO).await?, Swapped::Done);
    ensure_eq!(record(&*backend, &a).await?.value, TWO);
    // Deleting for good what was deleted before.
    let version = record(&*backend, &a).await?.version;
    ensure_eq!(backend.delete_if(&a, &version).await?, Swapped::Done);
    backend.delete(&a).await?;
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    Ok(())
}

pub(super) async fn of_many_creates_one_wins(backend: Arc<dyn Backend>) -> Checked {
    let create = async |key: Key, differ: bool| -> Checked {
        let outcomes = race(RACERS, |number| {
            let (backend, key) = (Arc::clone(&backend), key.clone());
            let value = Bytes::from(format!("value {}", if differ { number } else { 0 }));
            async move {
                let swapped = backend.create(&key, value.clone()).await?;
                Ok((swapped, value))
            }
        });
        one_winner(&*backend, &key, outcomes.await?).await
    };
    create(key("different"), true).await?;
    create(key("same"), false).await
}

pub(super) async fn of_many_creates_after_delete_if_one_wins(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    let version = record(&*backend, &a).await?.version;
    ensure_eq!(backend.delete_if(&a, &version).await?, Swapped::Done);
    let outcomes = race(RACERS, |number| {
        let backend = Arc::clone(&backend);
        let value = Bytes::from(format!("value {number}"));
        async move {
            let swapped = backend.create(&key("a"), value.clone()).await?;
            Ok((swapped, value))
        }
    });
    one_winner(&*backend, &a, outcomes.await?).await
}

pub(super) async fn of_many_swaps_one_wins(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    let version = record(&*backend, &a).await?.version;
    let outcomes = race(RACERS, |number| {
        let (backend, version) = (Arc::clone(&backend), version.clone());
        let value = Bytes::from(format!("value {number}"));
        async move {
            let expected = Expected::Version(version);
            let swapped = backend.swap(&key("a"), expected, value.clone()).await?;
            Ok((swapped, value))
        }
    });
    one_winner(&*backend, &a, outcomes.await?).await
}

async fn one_winner(backend: &dyn Backend, key: &Key, outcomes: Vec<(Swapped, Bytes)>) -> Checked {
    let won: Vec<Bytes> = outcomes
        .into_iter()
        .filter(|(swapped, _)| *swapped == Swapped::Done)
        .map(|(_, value)| value)
        .collect();
    ensure_eq!(won.len(), 1);
    ensure_eq!(vec![record(backend, key).await?.value], won);
    Ok(())
}

pub(super) async fn concurrent_counts_are_not_lost(backend: Arc<dyn Backend>) -> Checked {
    const COUNTERS: usize = 8;
    const COUNTS: usize = 8;
    ensure_eq!(backend.create(&key("a"), "0".into()).await?, Swapped::Done);
    race(COUNTERS, |_| {
        let backend = Arc::clone(&backend);
        async move {
            for _ in 0..COUNTS {
                count(&*backend, &key("a")).await?;
            }
            Ok(())
        }
    })
    .await?;
    ensure_eq!(
        record(&*backend, &key("a")).await?.value,
        Bytes::from((COUNTERS * COUNTS).to_string())
    );
    Ok(())
}

async fn count(backend: &dyn Backend, key: &Key) -> Result<(), Error> {
    loop {
        let corrupt = || Error::new(ErrorKind::Corrupt, "the counter is no number");
        let record = backend.read(key).await?.ok_or_else(corrupt)?;
        let number: u64 = std::str::from_utf8(&record.value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(corrupt)?;
        let next = Bytes::from((number + 1).to_string());
        let expected = Expected::Version(record.version);
        if backend.swap(key, expected, next).await? == Swapped::Done {
            return Ok(());
        }
    }
}

pub(super) async fn of_many_deletes_one_wins(backend: Arc<dyn Backend>) -> Checked {
    let a = key("a");
    ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
    let version = record(&*backend, &a).await?.version;
    let outcomes = race(RACERS, |_| {
        let (backend, version) = (Arc::clone(&backend), version.clone());
        async move { backend.delete_if(&key("a"), &version).await }
    })
    .await?;
    let done = outcomes
        .iter()
        .filter(|swapped| **swapped == Swapped::Done)
        .count();
    ensure_eq!(done, 1);
    is_absent(&*backend, &a).await
}

pub(super) async fn of_a_swap_and_a_delete_one_wins(backend: Arc<dyn Backend>) -> Checked {
    for round in 0..16 {
        let a = key(&format!("a{round}"));
        ensure_eq!(backend.create(&a, ONE).await?, Swapped::Done);
        let version = record(&*backend, &a).await?.version;
        let outcomes = race(2, |number| {
            let (backend, a, version) = (Arc::clone(&backend), a.clone(), version.clone());
            async move {
                let swapped = if number == 0 {
                    backend.delete_if(&a, &version).await?
                } else {
                    backend.swap(&a, Expected::Version(version), TWO).await?
                };
                Ok((number, swapped))
            }
        })
        .await?;
        let won: Vec<usize> = outcomes
            .into_iter()
            .filter(|(_, swapped)| *swapped == Swapped::Done)
            .map(|(number, _)| number)
            .collect();
        ensure_eq!(won.len(), 1);
        let left = backend.read(&a).await?.map(|record| record.value);
        ensure_eq!(left, (won == [1]).then_some(TWO));
    }
    Ok(())
}

pub(super) async fn dropped_calls_leave_no_half_value(backend: Arc<dyn Backend>) -> Checked {
    let values = [content(1, 100_000), content(2, 200_000)];
    for polls in 0..6 {
        let a = key(&format!("a{polls}"));
        poll_and_drop(polls, backend.create(&a, values[0].clone())).await;
        let seen = backend.read(&a).await?.map(|record| record.value);
        ensure!(
            seen.is_none_or(|value| value == values[0]),
            "a create that was dropped left something else"
        );
        // Whether or not it has run, this one is done.
        let swap = backend.swap(&a, Expected::Anything, values[1].clone());
        ensure_eq!(swap.await?, Swapped::Done);
        poll_and_drop(
            polls,
            backend.swap(&a, Expected::Anything, values[0].clone()),
        )
        .await;
        let seen = record(&*backend, &a).await?.value;
        ensure!(
            values.contains(&seen),
            "a swap that was dropped left something else"
        );
    }
    Ok(())
}

/// Polls a call some times, and then forgets about it.
async fn poll_and_drop<T>(polls: usize, call: impl Future<Output = T>) {
    let mut call = pin!(call);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        if polled.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn no_segment_leaves_its_key(backend: Arc<dyn Backend>) -> Checked {
    let segments = [
        "",
        ".",
        "..",
        "../../x",
        "/",
        "//",
        "a/b",
        "a%2Fb",
        "%",
        "%%",
        ".hidden",
        "tail-1",
        "sha256:abc",
        "ü",
        "\0",
        " ",
        "\\",
        "a\nb",
        "*",
        "~",
        "-",
        "A",
        "a",
    ];
    for (number, segment) in segments.iter().enumerate() {
        let value = Bytes::from(format!("value {number}"));
        ensure_eq!(backend.create(&key(segment), value).await?, Swapped::Done);
    }
    for (number, segment) in segments.iter().enumerate() {
        let value = record(&*backend, &key(segment)).await?.value;
        ensure_eq!(value, Bytes::from(format!("value {number}")));
    }
    let mut names: Vec<String> = segments
        .iter()
        .map(|segment| key(segment).name().to_owned())
        .collect();
    names.sort_unstable();
    let page = backend
        .page(&Key::top("conformance"), "", segments.len())
        .await?;
    ensure_eq!(page.names, names);
    ensure_eq!(page.more, false);
    match backend.create(&key(&"x".repeat(5000)), ONE).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::TooLarge => Ok(()),
        Err(error) => Err(Failure(format!(
            "a long key is refused with {:?} instead of `TooLarge`",
            error.kind()
        ))),
    }
}

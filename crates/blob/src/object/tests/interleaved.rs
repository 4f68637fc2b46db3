//! Two processes that meet at each of their requests in turn: one stops at its
//! request, the other runs up to one of its own, then each runs to its end.

use std::future::Future;

use futures_util::future::join3;

use super::mortal::{Mortal, size_of};
use super::*;

/// What came of a meeting.
struct Met<A, B> {
    one: A,
    two: B,
    /// Whether either was through before the request it should have stopped
    /// at.
    is_through: (bool, bool),
}

async fn meet<A: Future, B: Future>(
    stops: (&Mortal, &Mortal),
    one: A,
    two: B,
) -> Met<A::Output, B::Output> {
    let ended = tokio::sync::Semaphore::new(0);
    let one = async {
        let outcome = one.await;
        stops.0.reached.add_permits(1);
        ended.add_permits(1);
        outcome
    };
    let two = async {
        let _begun = stops.0.reached.acquire().await.unwrap();
        let outcome = two.await;
        stops.1.reached.add_permits(1);
        outcome
    };
    let order = async {
        let _reached = stops.1.reached.acquire().await.unwrap();
        stops.0.release();
        // The first to its end, and only then the second.
        let _ended = ended.acquire().await.unwrap();
        stops.1.release();
    };
    let (one, two, ()) = join3(one, two, order).await;
    let is_left = |stop: &Mortal| stop.left.load(Ordering::Relaxed) > 0;
    Met {
        one,
        two,
        is_through: (is_left(stops.0), is_left(stops.1)),
    }
}

/// Saves an upload that is ready to be published.
async fn ready(object: &Object, place: &Key, tail: usize) -> Saved {
    let mut upload = object.begin(place).await.unwrap();
    upload.append(content(LARGE)).await.unwrap();
    upload.save().await.unwrap();
    upload.append(content(tail)).await.unwrap();
    upload.save().await.unwrap()
}

async fn publish(object: &Object, place: &Key, saved: &Saved) -> Option<()> {
    let upload = object.resume(place, saved).await.ok()??;
    upload.publish(&Key::top("blob")).await.ok()
}

/// Tries all pairs of requests at which two processes meet.
async fn at_every_pair<F>(check: impl Fn(usize, usize) -> F)
where
    F: Future<Output = (bool, bool)>,
{
    const MOST: usize = 200;
    for one in 0..MOST {
        let mut is_one_through = true;
        for two in 0..MOST {
            let (one_through, two_through) = check(one, two).await;
            is_one_through &= one_through;
            if two_through {
                assert!(one > 0 || two > 2, "the second asks nothing");
                break;
            }
        }
        if is_one_through {
            assert!(one > 5, "the first asks only {one} times");
            return;
        }
    }
    unreachable!("nobody asks so often");
}

/// Publishes and discards in both orders, stopping either at each request.
async fn publish_meets_discard(is_publish_first: bool) {
    let (key, place) = (Key::top("blob"), Key::top("place"));
    let (key, place) = (&key, &place);
    let origin = &Mortal::new();
    let saved = &ready(&origin.object(), place, 7).await;
    at_every_pair(async |one, two| {
        let base = origin.fork();
        let (first, second) = (base.pausing(one), base.pausing(two));
        let (publisher, sweeper) = match is_publish_first {
            true => (first.object(), second.object()),
            false => (second.object(), first.object()),
        };
        let publishing = publish(&publisher, place, saved);
        let discarding = sweeper.discard(place, saved);
        let (published, is_through) = if is_publish_first {
            let met = meet((&first, &second), publishing, discarding).await;
            met.two.unwrap();
            (met.one, met.is_through)
        } else {
            let met = meet((&first, &second), discarding, publishing).await;
            met.one.unwrap();
            (met.two, met.is_through)
        };
        let object = base.object();
        let size = size_of(&object, key).await;
        let wanted = published.map(|()| LARGE as u64 + 7);
        assert_eq!(size, wanted, "at {one} and {two}");
        object.discard(place, saved).await.unwrap();
        assert_eq!(size_of(&object, key).await, wanted);
        let segments = if wanted.is_some() { 2 } else { 0 };
        assert_eq!(base.data().await, segments, "at {one} and {two}");
        let page = object.page(place, "", 10).await.unwrap();
        assert_eq!(page, Page::default());
        is_through
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_meets_a_discard() {
    publish_meets_discard(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_discard_meets_a_publish() {
    publish_meets_discard(false).await;
}

/// A publish that is killed at each request, and a discard that is killed at
/// each of its own: the next discard clears everything away.
#[tokio::test(start_paused = true)]
async fn killed_publishes_are_discarded() {
    let (key, place) = (Key::top("blob"), Key::top("place"));
    let origin = Mortal::new();
    let saved = ready(&origin.object(), &place, 7).await;
    for publish_at in 0.. {
        let mut is_published = false;
        for discard_at in 0.. {
            let mortal = origin.fork();
            let object = mortal.object();
            mortal.left.store(publish_at, Ordering::Relaxed);
            is_published = publish(&object, &place, &saved).await.is_some();
            mortal.left.store(discard_at, Ordering::Relaxed);
            let is_discarded = object.discard(&place, &saved).await.is_ok();
            mortal.left.store(usize::MAX, Ordering::Relaxed);
            object.discard(&place, &saved).await.unwrap();
            let size = size_of(&object, &key).await;
            assert!(size.is_none() || size == Some(LARGE as u64 + 7));
            assert!(size.is_some() || !is_published);
            let segments = if size.is_some() { 2 } else { 0 };
            assert_eq!(
                mortal.data().await,
                segments,
                "killed at {publish_at} and {discard_at}"
            );
            if is_discarded {
                break;
            }
        }
        // What is swept after it was published may fail unseen.
        if is_published && publish_at > 40 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_publishes_of_one_blob_meet() {
    let (key, places) = (Key::top("blob"), [Key::top("one"), Key::top("two")]);
    let (key, places) = (&key, &places);
    let origin = &Mortal::new();
    let saved = &[
        ready(&origin.object(), &places[0], 7).await,
        ready(&origin.object(), &places[1], 7).await,
    ];
    at_every_pair(async |one, two| {
        let base = origin.fork();
        let object = base.object();
        let (first, second) = (base.pausing(one), base.pausing(two));
        let objects = (first.object(), second.object());
        let met = meet(
            (&first, &second),
            publish(&objects.0, &places[0], &saved[0]),
            publish(&objects.1, &places[1], &saved[1]),
        )
        .await;
        assert_eq!(
            (met.one, met.two),
            (Some(()), Some(())),
            "at {one} and {two}"
        );
        assert_eq!(size_of(&object, key).await, Some(LARGE as u64 + 7));
        assert_eq!(base.data().await, 2, "at {one} and {two}");
        met.is_through
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_meets_a_deletion() {
    let (key, place) = (Key::top("blob"), Key::top("place"));
    let (key, place) = (&key, &place);
    let origin = &Mortal::new();
    let object = origin.object();
    let older = ready(&object, &Key::top("older"), 7).await;
    publish(&object, &Key::top("older"), &older).await.unwrap();
    let version = &object.version(key).await.unwrap().unwrap();
    let saved = &ready(&object, place, 7).await;
    at_every_pair(async |one, two| {
        let base = origin.fork();
        let object = base.object();
        let (first, second) = (base.pausing(one), base.pausing(two));
        let objects = (first.object(), second.object());
        let met = meet(
            (&first, &second),
            publish(&objects.0, place, saved),
            objects.1.delete_if(key, version),
        )
        .await;
        assert_eq!(met.one, Some(()), "at {one} and {two}");
        let size = size_of(&object, key).await;
        assert!(size.is_none() || size == Some(LARGE as u64 + 7));
        if let Ok(Swapped::Lost) = met.two {
            assert!(size.is_some(), "at {one} and {two}");
        }
        let _hit_or_lost = object.delete_if(key, version).await.unwrap();
        let segments = if size_of(&object, key).await.is_some() {
            2
        } else {
            0
        };
        assert_eq!(base.data().await, segments, "at {one} and {two}");
        met.is_through
    })
    .await;
}

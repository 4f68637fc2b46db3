//! A process that is killed at each request to the object store in turn, and
//! one whose answers are lost.

use super::mortal::{Mortal, size_of};
use super::*;

/// What a process that was killed had been told.
#[derive(Debug, Default)]
struct Told {
    saved: Option<Saved>,
    is_published: bool,
}

/// Pushes a blob in two requests, reading it back in between.
async fn push(object: &Object, place: &Key, key: &Key, told: &mut Told) -> Option<()> {
    let mut upload = object.begin(place).await.ok()?;
    upload.append(content(LARGE)).await.ok()?;
    told.saved = Some(upload.save().await.ok()?);
    upload.read_back().await.ok()?;
    upload.append(content(LARGE)).await.ok()?;
    told.saved = Some(upload.save().await.ok()?);
    let saved = told.saved.clone()?;
    let mut upload = object.resume(place, &saved).await.ok()??;
    upload.append(content(5)).await.ok()?;
    upload.publish(key).await.ok()?;
    told.is_published = true;
    Some(())
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    const NEW: u64 = 2 * LARGE as u64 + 5;
    let (place, key) = (Key::top("place"), Key::top("blob"));
    for (kill, discard) in (0..).flat_map(|kill| [(kill, false), (kill, true)]) {
        let mortal = Mortal::new();
        let object = mortal.object();
        mortal.left.store(kill, Ordering::Relaxed);
        let mut told = Told::default();
        push(&object, &place, &key, &mut told).await;
        let is_through = mortal.left.swap(usize::MAX, Ordering::Relaxed) > 0;

        let size = size_of(&object, &key).await;
        assert!(size == Some(NEW) || (size.is_none() && !told.is_published));
        let Some(saved) = told.saved else { continue };
        let resumed = match discard {
            true => None,
            false => object.resume(&place, &saved).await.unwrap(),
        };
        if let Some(mut upload) = resumed {
            let missing = NEW - upload.length();
            let missing = content(usize::try_from(missing).unwrap());
            upload.append(missing).await.unwrap();
            upload.publish(&key).await.unwrap();
            assert_eq!(size_of(&object, &key).await, Some(NEW));
        }
        object.discard(&place, &saved).await.unwrap();
        let page = object.page(&place, "", 10).await.unwrap();
        assert_eq!(page, Page::default());
        let size = size_of(&object, &key).await;
        assert!(size == Some(NEW) || size.is_none());
        // Only an upload without parts may be left.
        let lying = content::look(&object.bucket, &bucket::path(&key).unwrap()).await;
        let segments = match lying.unwrap().what {
            content::What::Pointer(segments) => segments.as_slice().len(),
            _ => 0,
        };
        assert_eq!(mortal.data().await, segments, "killed at {kill}");
        assert!(mortal.memory.running() <= 1);
        if is_through {
            assert!(kill > 20, "only {kill} requests");
            assert_eq!(mortal.memory.running(), 0);
            break;
        }
    }
}

#[tokio::test]
async fn a_kill_deletes_all_or_nothing() {
    let key = Key::top("blob");
    for kill in 0.. {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("place")).await.unwrap();
        upload.append(content(LARGE)).await.unwrap();
        upload.publish(&key).await.unwrap();
        mortal.left.store(kill, Ordering::Relaxed);
        let deleted = object.delete(&key).await;
        mortal.left.store(usize::MAX, Ordering::Relaxed);
        let size = size_of(&object, &key).await;
        if deleted.is_ok() {
            assert_eq!(size, None);
            break;
        }
        assert!(size.is_none() || size == Some(LARGE as u64));
        object.delete(&key).await.unwrap();
        assert_eq!(size_of(&object, &key).await, None);
        assert_eq!(mortal.data().await, 0, "killed at {kill}");
    }
}

/// Whoever does the same again, as a collector does, clears away what the
/// first has left.
#[tokio::test]
async fn a_kill_of_delete_if_leaves_nothing_for_ever() {
    let key = Key::top("blob");
    for kill in 0.. {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("place")).await.unwrap();
        upload.append(content(LARGE)).await.unwrap();
        upload.publish(&key).await.unwrap();
        let version = object.version(&key).await.unwrap().unwrap();
        mortal.left.store(kill, Ordering::Relaxed);
        let deleted = object.delete_if(&key, &version).await;
        mortal.left.store(usize::MAX, Ordering::Relaxed);
        let is_gone = size_of(&object, &key).await.is_none();
        let again = object.delete_if(&key, &version).await.unwrap();
        assert_eq!(again == Swapped::Done, !is_gone, "killed at {kill}");
        assert_eq!(size_of(&object, &key).await, None);
        assert_eq!(mortal.data().await, 0, "killed at {kill}");
        if deleted.is_ok() {
            assert!(kill > 3, "only {kill} requests");
            break;
        }
    }
}

/// A writer is told of what it has done itself, however often it was sent.
#[tokio::test]
async fn a_lost_answer_is_no_lost_race() {
    let mortal = Mortal::new();
    let object = mortal.object();
    let key = Key::top("record");
    mortal.loses_answers.store(true, Ordering::Relaxed);
    let created = object.create(&key, content(3)).await.unwrap();
    assert_eq!(created, Swapped::Done);
    let record = object.read(&key).await.unwrap().unwrap();
    mortal.loses_answers.store(true, Ordering::Relaxed);
    let expected = Expected::Version(record.version);
    let swapped = object.swap(&key, expected.clone(), content(4)).await;
    assert_eq!(swapped.unwrap(), Swapped::Done);
    // The same bytes of somebody else are not one's own.
    let created = object.create(&key, content(4)).await.unwrap();
    assert_eq!(created, Swapped::Lost);
    let swapped = object.swap(&key, expected, content(4)).await;
    assert_eq!(swapped.unwrap(), Swapped::Lost);
    let record = object.read(&key).await.unwrap().unwrap();
    mortal.loses_answers.store(true, Ordering::Relaxed);
    let deleted = object.delete_if(&key, &record.version).await;
    assert_eq!(deleted.unwrap(), Swapped::Done);
}

#[tokio::test]
async fn a_lost_answer_loses_no_blob() {
    let key = Key::top("blob");
    for size in [10, 0, LARGE, LARGE, 10] {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("place")).await.unwrap();
        upload.append(content(size)).await.unwrap();
        mortal.loses_answers.store(true, Ordering::Relaxed);
        upload.publish(&key).await.unwrap();
        assert!(!mortal.loses_answers.load(Ordering::Relaxed));
        assert_eq!(size_of(&object, &key).await, Some(size as u64));
    }
}

//! Calls that are interrupted by others: before one operation on the storage
//! another call runs from its start to its end, and before a later one a third.
//! Every pair of moments is tried, so each such interleaving is met every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use blob::{Backend, Object};
use oci::{Manifest, Tag};
use store::Error;
use tokio::task::JoinSet;

use crate::paused::{Pause, Paused};
use crate::promises;
use crate::scene::{Scene, digest, image, referrer};

const NAME: &str = "a/b";

/// What is called, on a repository with two blobs and one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// Pushes a referrer with the tag.
    PushNote,
    /// Moves the tag away from the referrer.
    PushImage,
    DeleteNote,
    DeleteTag,
}

const CALLS: [Call; 4] = [
    Call::PushNote,
    Call::PushImage,
    Call::DeleteNote,
    Call::DeleteTag,
];

fn one() -> Manifest {
    image(b"{}", b"layer", "1")
}

fn note() -> Manifest {
    referrer(b"{}", &one(), "2")
}

fn tag() -> Tag {
    "v1".parse().expect("a tag")
}

impl Call {
    async fn make(self, scene: &Scene) {
        let made = match self {
            Self::PushNote => put(scene, &note()).await,
            Self::PushImage => put(scene, &one()).await,
            Self::DeleteNote => scene.delete(NAME).delete_manifest(&digest(&note())).await,
            Self::DeleteTag => scene.delete(NAME).delete_tag(&tag()).await,
        };
        match made {
            Ok(()) | Err(Error::ManifestUnknown(_)) => {}
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}

async fn put(scene: &Scene, manifest: &Manifest) -> Result<(), Error> {
    let push = scene.push(NAME);
    push.put_manifest(manifest, &digest(manifest), &[tag()])
        .await
        .map(|_pushed| ())
}

/// Makes other calls before some operations of a call.
#[derive(Debug)]
struct Interruptions {
    /// How the others see the storage.
    others: Arc<Scene>,
    /// What is called, and before which operation.
    calls: [(usize, Call); 2],
    operations: AtomicUsize,
    made: Arc<AtomicUsize>,
}

#[async_trait]
impl Pause for Interruptions {
    async fn pause(&self) {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        for (_, call) in self.calls.iter().filter(|(before, _)| *before == number) {
            call.make(&self.others).await;
            self.made.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes a call that is interrupted, checks what is left, and counts the
/// interruptions whose moment came.
async fn interrupt(call: Call, calls: [(usize, Call); 2]) -> usize {
    let backend: Arc<dyn Backend> = Arc::new(Object::in_memory());
    let others = Scene::over(Arc::clone(&backend)).await.expect("opens");
    for content in [b"{}".as_slice(), b"layer"] {
        others.blob(NAME, content).await.expect("pushed");
    }
    Call::PushNote.make(&others).await;
    let others = Arc::new(others);
    let made = Arc::new(AtomicUsize::new(0));
    let interruptions = Interruptions {
        others: Arc::clone(&others),
        calls,
        operations: AtomicUsize::new(0),
        made: Arc::clone(&made),
    };
    let scene = Scene::over(Arc::new(Paused::new(backend, interruptions)))
        .await
        .expect("opens");
    call.make(&scene).await;
    promises::check(&others).await;
    let made = made.load(Ordering::Relaxed);
    if made == 2 && [call, calls[1].1] == [Call::PushNote; 2] {
        // Whatever removes the tag has ended before the second push began.
        let tags = others.pull(NAME).tags("", 2).await.expect("listed");
        assert_eq!(tags.names, [tag()], "an acknowledged tag is lost");
    }
    made
}

/// Does the same, and tells of a failure which call it was.
async fn interrupt_and_tell(call: Call, calls: [(usize, Call); 2]) -> usize {
    let mut running = JoinSet::new();
    running.spawn(interrupt(call, calls));
    let ended = running.join_next().await.expect("spawned");
    ended.unwrap_or_else(|error| panic!("{call:?} interrupted by {calls:?}: {error}"))
}

/// Interrupts a call by every pair of calls at every pair of moments.
async fn interrupt_everywhere(call: Call) {
    for first in CALLS {
        for second in CALLS {
            for early in 0.. {
                let mut late = early;
                // An interruption may make the call shorter, so the moments
                // end where one did not come.
                let made = loop {
                    let made = interrupt_and_tell(call, [(early, first), (late, second)]).await;
                    if made < 2 {
                        break made;
                    }
                    late += 1;
                };
                if made == 0 {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_push() {
    interrupt_everywhere(Call::PushNote).await;
}

#[tokio::test]
async fn a_push_that_moves_the_tag() {
    interrupt_everywhere(Call::PushImage).await;
}

#[tokio::test]
async fn a_delete_of_the_manifest() {
    interrupt_everywhere(Call::DeleteNote).await;
}

#[tokio::test]
async fn a_delete_of_the_tag() {
    interrupt_everywhere(Call::DeleteTag).await;
}

//! Does what heals a problem. Everything is conditional on what was seen, and
//! what leaves its place was copied before.

use blob::{Backend, ByteRange, Expected, Key, Saved, Swapped, Version, blob_key};
use futures_util::StreamExt as _;
use oci::Digest;

use super::finding::Done;
use super::position;
use super::problem::{Action, Index, Problem, action};
use crate::error::Error;
use crate::keys;
use crate::records::{self, FactRecord};
use crate::referrers;
use crate::repository::Pull;
use crate::store::Store;

/// How many damaged blobs of one digest are kept.
const COPIES: usize = 16;

/// Heals a problem of a key as far as that can be done.
pub(crate) async fn heal(store: &Store, key: &Key, problem: &Problem) -> Result<Done, Error> {
    match action(problem) {
        Action::Keep => Ok(Done::Nothing),
        Action::Write(key, index) => {
            write(store, key, index).await?;
            Ok(Done::Rewritten)
        }
        Action::Restate(version) => restate(store, key, version).await,
        Action::Quarantine(digest, version) => quarantine(store, digest, version).await,
        Action::Queue(due) => {
            store.make_due(store.now(), &due).await?;
            Ok(Done::Queued)
        }
        Action::Discard => {
            let nothing = serde_json::from_value::<Saved>(serde_json::Value::Null);
            let Ok(nothing) = nothing else {
                return Ok(Done::Nothing);
            };
            store.backend().discard(key, &nothing).await?;
            Ok(Done::Removed)
        }
    }
}

async fn write(store: &Store, key: &Key, index: &Index) -> Result<(), Error> {
    match index {
        Index::Fact => store.state_fact(key).await,
        Index::Referrer {
            repository,
            manifest,
            digest,
        } => {
            let repository = store.repository(repository, Pull)?;
            referrers::state(&repository, manifest, digest).await
        }
    }
}

async fn restate(store: &Store, key: &Key, version: &Version) -> Result<Done, Error> {
    let fact = records::to_bytes(&FactRecord {
        since: store.now(),
        nonce: store.nonce(),
    });
    let expected = Expected::Version(version.clone());
    Ok(match store.backend().swap(key, expected, fact).await? {
        Swapped::Done => Done::Rewritten,
        Swapped::Lost => Done::Nothing,
    })
}

/// Copies bytes aside, as far as they can be read, and removes them where they
/// are, if they are still those.
async fn quarantine(store: &Store, digest: &Digest, version: &Version) -> Result<Done, Error> {
    let backend = store.backend();
    let key = blob_key(digest);
    let Some(aside) = free(backend, digest).await? else {
        return Ok(Done::Nothing);
    };
    copy(store, &key, &aside).await?;
    match backend.delete_if(&key, version).await? {
        Swapped::Done => Ok(Done::Quarantined),
        // Somebody has pushed it again; the copy is of that, or of both.
        Swapped::Lost => Ok(Done::Nothing),
    }
}

/// Finds a place for damaged bytes where no others are.
async fn free(backend: &dyn Backend, digest: &Digest) -> Result<Option<Key>, Error> {
    for number in 0..COPIES {
        let key = position::quarantine(digest, number);
        if backend.head(&key).await?.is_none() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

async fn copy(store: &Store, from: &Key, to: &Key) -> Result<(), Error> {
    let backend = store.backend();
    let mut upload = backend.begin(&keys::manifest_data(&store.nonce())).await?;
    let size = backend.head(from).await?.unwrap_or_default();
    let opened = backend.open(from, ByteRange::whole(size)).await;
    if let Ok(Some(mut stream)) = opened {
        while let Some(piece) = stream.next().await {
            // What comes after bytes that can not be read can not be either.
            let Ok(piece) = piece else { break };
            upload.append(piece).await?;
        }
    }
    upload.publish(to).await?;
    Ok(())
}

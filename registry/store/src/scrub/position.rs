//! How far a check has come, for the next one to go on from, and the keys that
//! checks write.
//!
//! ```text
//! scrub                            how far a check has come that was stopped
//! quarantine/<alg>/<hex>           bytes that are not those of the digest
//! quarantine/<alg>/<hex>.<n>       the same, found there again
//! ```

use blob::{Expected, Key};
use oci::Digest;
use serde::{Deserialize, Serialize};

use super::Mode;
use super::finding::Scrubbed;
use crate::error::Error;
use crate::records;
use crate::store::Store;

/// Says how far a check has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) mode: Mode,
    /// The last key that was looked at; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Key>,
    /// What has to be looked at again at the end.
    pub(crate) suspects: Vec<Key>,
    /// The digests that a repository has whose holders were not there.
    #[serde(default)]
    pub(crate) unheld: Vec<Digest>,
    /// Whether something could not be looked at by which bytes are found: no
    /// bytes are called nobody's then.
    #[serde(default)]
    pub(crate) blind: bool,
    /// What was seen before.
    pub(crate) seen: Scrubbed,
}

impl Position {
    /// Starts before the first key.
    pub(crate) fn start(mode: Mode) -> Self {
        Self {
            mode,
            last: None,
            suspects: Vec::new(),
            unheld: Vec::new(),
            blind: false,
            seen: Scrubbed::default(),
        }
    }

    /// Goes on where a check of this kind was stopped, or starts anew.
    pub(crate) async fn read(store: &Store, mode: Mode) -> Result<Self, Error> {
        let found = records::read::<Self>(store.backend(), &scrub()).await;
        match found {
            Ok(Some((position, _version))) if position.mode == mode => Ok(position),
            // One of another version may have been stopped.
            Ok(_) | Err(Error::Record { .. }) => Ok(Self::start(mode)),
            Err(error) => Err(error),
        }
    }

    /// Writes it down. Of several checks at once the last one counts.
    pub(crate) async fn save(&self, store: &Store) -> Result<(), Error> {
        let value = records::to_bytes(self);
        let _last_wins = store
            .backend()
            .swap(&scrub(), Expected::Anything, value)
            .await?;
        Ok(())
    }

    /// Forgets it: the check has come to its end.
    pub(crate) async fn forget(store: &Store) -> Result<(), Error> {
        Ok(store.backend().delete(&scrub()).await?)
    }
}

fn scrub() -> Key {
    Key::top("scrub")
}

/// Names the place where damaged bytes are put aside.
pub(crate) fn quarantine(digest: &Digest, number: usize) -> Key {
    let hex = digest.hex();
    let name = match number {
        0 => hex,
        number => format!("{hex}.{number}"),
    };
    Key::top("quarantine")
        .child(digest.algorithm().as_str())
        .child(&name)
}

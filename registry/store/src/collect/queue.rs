//! Takes what is due, in the order of its time, without looking at what is not.
//!
//! The names under `due/` and `uploads/` begin with their time, so the first
//! one that is not due ends the search: what it costs grows with what is due.
//! Whatever can not be read is passed over and left where it is.

use std::collections::VecDeque;

use blob::{Key, Version};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::error::Error;
use crate::keys;
use crate::records::{self, DueRecord, UploadRecord};
use crate::repository::AT_ONCE;
use crate::store::Store;
use crate::uploads::UploadId;

/// The names that are listed at once: a directory is read whole for each page.
const PAGE: usize = 4096;

/// Holds something that is due.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) version: Version,
    pub(crate) what: What,
}

/// Says what is due.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Something that somebody wrote down to be looked at.
    Due(DueRecord),
    /// An upload that was started long ago.
    Upload(UploadId, Box<UploadRecord>),
}

/// Holds what was taken.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    /// Counts what could not be read.
    pub(crate) unreadable: u64,
}

/// Takes what is due under one key.
#[derive(Debug)]
pub(crate) struct Queue {
    root: Key,
    /// The last name that was listed.
    after: String,
    names: VecDeque<String>,
    /// Whether nothing more is due.
    ended: bool,
}

impl Queue {
    /// Takes what was written down.
    pub(crate) fn dues() -> Self {
        Self::new(keys::dues())
    }

    /// Takes uploads.
    pub(crate) fn uploads() -> Self {
        Self::new(keys::uploads())
    }

    fn new(root: Key) -> Self {
        Self {
            root,
            after: String::new(),
            names: VecDeque::new(),
            ended: false,
        }
    }

    /// Takes at most so many entries; none where nothing more is due.
    pub(crate) async fn take(
        &mut self,
        store: &Store,
        now: u64,
        limit: usize,
    ) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        while batch.entries.is_empty() {
            let mut names = Vec::new();
            while names.len() < limit {
                let Some(name) = self.next(store).await? else {
                    break;
                };
                match time(&name) {
                    Some(due) if due > now => {
                        self.ended = true;
                        self.names.clear();
                    }
                    Some(_) => names.push(name),
                    None => batch.unreadable += 1,
                }
            }
            if names.is_empty() {
                break;
            }
            let calls: Vec<_> = names.iter().map(|name| self.read(store, name)).collect();
            let mut reads = futures_util::stream::iter(calls).buffered(AT_ONCE);
            while let Some(read) = reads.try_next().await? {
                match read {
                    Read::Entry(entry) => batch.entries.push(*entry),
                    Read::Gone => {}
                    Read::Unreadable => batch.unreadable += 1,
                }
            }
        }
        Ok(batch)
    }

    async fn next(&mut self, store: &Store) -> Result<Option<String>, Error> {
        if self.names.is_empty() && !self.ended {
            let page = store.backend().page(&self.root, &self.after, PAGE).await?;
            self.ended = !page.more;
            self.names = page.names.into();
            self.after = self.names.back().cloned().unwrap_or_default();
        }
        Ok(self.names.pop_front())
    }

    async fn read(&self, store: &Store, name: &str) -> Result<Read, Error> {
        let key = self.root.child(name);
        let backend = store.backend();
        let found = if self.root == keys::uploads() {
            let Ok(id) = name.parse::<UploadId>() else {
                return Ok(Read::Unreadable);
            };
            let found = records::read::<UploadRecord>(backend, &key).await;
            found.map(|found| {
                found.map(|(record, version)| (What::Upload(id, Box::new(record)), version))
            })
        } else {
            let found = records::read::<DueRecord>(backend, &key).await;
            found.map(|found| found.map(|(record, version)| (What::Due(record), version)))
        };
        match found {
            Ok(Some((what, version))) => Ok(Read::Entry(Box::new(Entry { key, version, what }))),
            Ok(None) => Ok(Read::Gone),
            Err(Error::Record { .. }) => Ok(Read::Unreadable),
            Err(error) => Err(error),
        }
    }
}

/// Says what was found under a name.
enum Read {
    Entry(Box<Entry>),
    /// Somebody else has settled it.
    Gone,
    Unreadable,
}

/// Reads the time with which a name begins, in milliseconds since 1970.
fn time(name: &str) -> Option<u64> {
    let digits = name.get(..UploadId::TIME_DIGITS)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !digits.bytes().all(is_digit) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_their_time() {
        let id = UploadId::new(1_700_000_000_000, 7);
        assert_eq!(time(id.as_str()), Some(1_700_000_000_000));
        for name in ["", "short", "00000000000G0", "+00000000001", "é00000000000"] {
            assert_eq!(time(name), None, "{name}");
        }
    }
}

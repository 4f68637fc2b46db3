//! Walks over all keys of the store, a page at a time, and goes on after any of
//! them: below each key in byte order, and those at the top in an order of
//! their own.

use std::collections::VecDeque;

use blob::{Backend, Key};

use super::meaning::{Meaning, TOPS, meaning};
use crate::error::Error;

/// The names that are listed at once.
const PAGE: usize = 256;

/// Walks over keys.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The directories that lead to the next key, the deepest last.
    levels: Vec<Level>,
}

/// Is a directory that is listed.
#[derive(Debug)]
struct Level {
    /// Absent at the top, which is not listed.
    key: Option<Key>,
    names: VecDeque<String>,
    /// The last name that was taken.
    after: String,
    /// Whether there are names that were not listed yet.
    more: bool,
}

impl Walk {
    /// Starts before the first key.
    pub(crate) fn new() -> Self {
        Self {
            levels: vec![Level::top("")],
        }
    }

    /// Goes on after a key.
    pub(crate) fn after(last: &Key) -> Self {
        let segments: Vec<&str> = last.as_str().split('/').collect();
        let mut levels = vec![Level::top(segments.first().unwrap_or(&""))];
        let mut above: Option<Key> = None;
        for pair in segments.windows(2) {
            let [directory, after] = pair else { continue };
            let key = join(above.as_ref(), directory);
            levels.push(Level {
                key: Some(key.clone()),
                names: VecDeque::new(),
                after: (*after).to_owned(),
                more: true,
            });
            above = Some(key);
        }
        Self { levels }
    }

    /// Gives the next key below which there is none, and what it means.
    pub(crate) async fn next(
        &mut self,
        backend: &dyn Backend,
    ) -> Result<Option<(Key, Meaning)>, Error> {
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.names.pop_front() {
                let key = join(level.key.as_ref(), &name);
                level.after = name;
                match meaning(&key) {
                    Meaning::Directory => self.levels.push(Level::below(key)),
                    meaning => return Ok(Some((key, meaning))),
                }
            } else if let Some(key) = level.key.as_ref().filter(|_| level.more) {
                let page = backend.page(key, &level.after, PAGE).await?;
                level.more = page.more && !page.names.is_empty();
                level.names = page.names.into();
            } else {
                self.levels.pop();
            }
        }
        Ok(None)
    }
}

impl Level {
    /// Lists the keys at the top after one.
    fn top(after: &str) -> Self {
        let names = TOPS.iter();
        let past = names.clone().position(|name| *name == after);
        let names = names.skip(past.map_or(0, |past| past + 1));
        Self {
            key: None,
            names: names.map(|name| (*name).to_owned()).collect(),
            after: after.to_owned(),
            more: false,
        }
    }

    fn below(key: Key) -> Self {
        Self {
            key: Some(key),
            names: VecDeque::new(),
            after: String::new(),
            more: true,
        }
    }
}

/// Joins a name as it was listed, which is escaped. What nobody has escaped is
/// nothing of ours; its key is close enough for a report.
fn join(above: Option<&Key>, name: &str) -> Key {
    let text = match above {
        Some(above) => format!("{above}/{name}"),
        None => name.to_owned(),
    };
    Key::try_from(text).unwrap_or_else(|_foreign| match above {
        Some(above) => above.child(name),
        None => Key::top(name),
    })
}

//! Looks at directories of a context before the walk comes to them, on a thread
//! of its own: to ask the kernel is most of a walk's time.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use layer::{Directory, EntryPath, Found};

use crate::context::Wanted;
use crate::context::directory::unreadable;
use crate::error::{Error, ErrorKind};
use crate::pack::layers::locked;

/// How many directories are known before the walk comes to them.
const AHEAD: usize = 64;

/// Is a directory that was looked at.
pub(super) struct Seen {
    /// Whether the kernel notes whenever something is changed in it.
    pub(super) noted: bool,
    /// What is wanted of it, ordered by the bytes of the names.
    pub(super) names: Vec<(EntryPath, Box<[u8]>, Found)>,
}

/// Looks ahead, as long as a walk lasts.
pub(super) struct Ahead<'a> {
    directory: &'a Directory,
    wanted: &'a Wanted,
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Default)]
struct Work {
    /// The directories that the walk will come to, the next one last.
    waiting: Vec<EntryPath>,
    /// The one that is being looked at.
    taken: Option<EntryPath>,
    done: BTreeMap<EntryPath, Result<Seen, Error>>,
    is_over: bool,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(directory: &'a Directory, wanted: &'a Wanted) -> Self {
        Self {
            directory,
            wanted,
            work: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Has `walk` be done while another thread looks ahead of it, if there can
    /// be one.
    pub(super) fn of<T>(&self, walk: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("context".into());
            let _ = thread.spawn_scoped(scope, || self.look());
            let _over = Over(self);
            walk()
        })
    }

    /// Says that the walk will come to a directory.
    pub(super) fn expect(&self, path: &EntryPath) {
        locked(&self.work).waiting.push(path.clone());
        self.changed.notify_all();
    }

    /// Gives what is in a directory that the walk has come to.
    pub(super) fn seen(&self, path: &EntryPath) -> Result<Seen, Error> {
        let mut work = locked(&self.work);
        while work.taken.as_ref() == Some(path) {
            let waited = self.changed.wait(work);
            work = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if let Some(seen) = work.done.remove(path) {
            drop(work);
            self.changed.notify_all();
            return seen;
        }
        // It is one of the last.
        if let Some(at) = work.waiting.iter().rposition(|waiting| waiting == path) {
            work.waiting.remove(at);
        }
        drop(work);
        see(self.directory, self.wanted, path)
    }

    fn look(&self) {
        let _over = Over(self);
        let mut work = locked(&self.work);
        while !work.is_over {
            let next = match work.done.len() < AHEAD {
                true => work.waiting.pop(),
                false => None,
            };
            let Some(path) = next else {
                let waited = self.changed.wait(work);
                work = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            };
            work.taken = Some(path.clone());
            drop(work);
            let seen = see(self.directory, self.wanted, &path);
            work = locked(&self.work);
            work.taken = None;
            work.done.insert(path, seen);
            self.changed.notify_all();
        }
    }
}

/// Has each side know that the other one is gone, whatever became of it: then
/// nobody looks ahead any more.
struct Over<'a, 'b>(&'a Ahead<'b>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        let mut work = locked(&self.0.work);
        work.is_over = true;
        work.taken = None;
        drop(work);
        self.0.changed.notify_all();
    }
}

/// Looks at what is wanted of a directory.
fn see(directory: &Directory, wanted: &Wanted, path: &EntryPath) -> Result<Seen, Error> {
    let failed = |error| unreadable(path, error);
    let listing = directory.list(path).map_err(failed)?;
    let mut names = Vec::with_capacity(listing.names().len());
    for name in listing.names() {
        let inner = path.child(name);
        if !wanted.leads_to(&inner) && !wanted.has(&inner) {
            continue;
        }
        let found = listing.stat(name);
        let Some(found) = found.map_err(|error| unreadable(&inner, error))? else {
            return Err(Error::new(
                ErrorKind::Changed,
                format!("`{inner}` went away while the context was read"),
            ));
        };
        names.push((inner, name.clone(), found));
    }
    Ok(Seen {
        noted: listing.notes_changes().map_err(failed)?,
        names,
    })
}

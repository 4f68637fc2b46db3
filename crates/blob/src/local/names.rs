//! The names in directories that were listed lately, in byte order, so that a
//! page costs a page and not a pass over the directory.
//!
//! Only where this process has the directory for itself. A directory is read
//! once, at its first page; from then on whoever changes a name in it says so
//! before it answers ([`Names::changed`]), and the name is looked at again. So
//! it does not matter in which order two changes of one name are told: the
//! last to tell finds what is. Changes that are told while the directory is
//! being read are looked at after that.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use rustix::io::Errno;

use crate::backend::Page;

/// The memory that all names may use, in bytes, about: names of a million
/// repositories or tags.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

/// What a name takes besides its bytes, and a directory besides its path and
/// names, in bytes, about.
const NAME_OVERHEAD: usize = 40;
const DIRECTORY_OVERHEAD: usize = 256;

/// Keeps the names of directories.
#[derive(Debug)]
pub(super) struct Names {
    state: Mutex<State>,
    limit: usize,
    /// Counts pages, to tell which directory was listed longest ago.
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    directories: HashMap<PathBuf, Arc<Directory>>,
    weight: usize,
}

/// The names of one directory.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    used: AtomicU64,
    /// Its part of the weight of the state, under whose lock it changes.
    counted: AtomicUsize,
    /// Held by who reads the directory, so that nobody else does meanwhile.
    reading: Mutex<()>,
    content: RwLock<Content>,
}

#[derive(Debug)]
enum Content {
    /// Not read yet. The names are those that were changed since the reading
    /// began.
    Unread(Vec<String>),
    /// Exactly what the directory has.
    Read(Sorted),
    /// Not to be relied on.
    Broken,
}

impl Names {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
            clock: AtomicU64::new(0),
        }
    }

    /// Gives a page of a directory that was read before.
    pub(super) fn page(&self, path: &Path, after: &str, limit: usize) -> Option<Page> {
        let directory = self.find(path)?;
        directory.used.store(self.tick(), Ordering::Relaxed);
        directory.page(after, limit)
    }

    /// Reads a directory by `walk`, which gives the names or what it could
    /// not keep in the given number of bytes, and then the page.
    ///
    /// # Errors
    ///
    /// Fails where the directory can not be read.
    pub(super) fn read<E>(
        &self,
        path: &Path,
        (after, limit): (&str, usize),
        walk: impl FnOnce(usize) -> Result<Walked, E>,
    ) -> Result<Page, E> {
        let directory = self.find_or_add(path);
        let _reading = lock(&directory.reading);
        // Who waited for another reader finds what that one has read.
        if let Some(page) = directory.page(after, limit) {
            return Ok(page);
        }
        let walked = walk(self.limit / 2);
        match walked {
            Ok(Walked::Names(names)) => {
                if directory.fill(names) {
                    self.weigh(&directory);
                } else {
                    self.forget(&directory);
                }
                // It was filled for this call, whatever was forgotten since.
                Ok(directory.page(after, limit).unwrap_or_default())
            }
            Ok(Walked::Absent) => {
                self.forget(&directory);
                Ok(Page::default())
            }
            Ok(Walked::TooMany(page)) => {
                self.forget(&directory);
                Ok(page)
            }
            Err(error) => {
                self.forget(&directory);
                Err(error)
            }
        }
    }

    /// Takes in that a name was made or removed, or may have been. What goes
    /// wrong only costs the next page a pass.
    pub(super) fn changed(&self, path: &Path) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        let Some(directory) = self.find(parent) else {
            return;
        };
        // What is no text is no key.
        let Some(name) = name.to_str() else {
            return;
        };
        let is_sure = match &mut *directory.write() {
            Content::Unread(changed) => {
                changed.push(name.to_owned());
                return;
            }
            Content::Read(names) => names.look(path, name).is_ok(),
            Content::Broken => false,
        };
        if is_sure {
            self.weigh(&directory);
        } else {
            self.forget(&directory);
        }
    }

    /// Takes out every directory, as when there is no room.
    #[cfg(test)]
    pub(super) fn drop_all(&self) {
        let mut state = self.lock();
        for directory in state.directories.values().cloned().collect::<Vec<_>>() {
            state.remove(&directory);
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn find(&self, path: &Path) -> Option<Arc<Directory>> {
        self.lock().directories.get(path).cloned()
    }

    fn find_or_add(&self, path: &Path) -> Arc<Directory> {
        let mut state = self.lock();
        if let Some(directory) = state.directories.get(path) {
            return Arc::clone(directory);
        }
        let directory = Arc::new(Directory {
            path: path.to_owned(),
            used: AtomicU64::new(self.tick()),
            reading: Mutex::new(()),
            counted: AtomicUsize::new(0),
            content: RwLock::new(Content::Unread(Vec::new())),
        });
        state
            .directories
            .insert(path.to_owned(), Arc::clone(&directory));
        directory
    }

    /// Takes a directory out, unless it was before. Whoever still has it may
    /// answer from it only what was asked before.
    fn forget(&self, directory: &Arc<Directory>) {
        self.lock().remove(directory);
    }

    /// Counts what a directory takes now, and makes room.
    fn weigh(&self, directory: &Arc<Directory>) {
        let weight = directory.weight();
        let mut state = self.lock();
        if !state.has(directory) {
            return;
        }
        let before = directory.counted.swap(weight, Ordering::Relaxed);
        state.weight = (state.weight + weight).saturating_sub(before);
        if state.weight <= self.limit {
            return;
        }
        // An eighth at once, so that the next directories cost no search.
        let mut oldest: Vec<Arc<Directory>> = state.directories.values().cloned().collect();
        oldest.sort_unstable_by_key(|directory| directory.used.load(Ordering::Relaxed));
        for directory in oldest {
            if state.weight <= self.limit - self.limit / 8 {
                break;
            }
            state.remove(&directory);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn has(&self, directory: &Arc<Directory>) -> bool {
        self.directories
            .get(&directory.path)
            .is_some_and(|found| Arc::ptr_eq(found, directory))
    }

    fn remove(&mut self, directory: &Arc<Directory>) {
        if !self.has(directory) {
            return;
        }
        self.directories.remove(&directory.path);
        let weight = directory.counted.swap(0, Ordering::Relaxed);
        self.weight = self.weight.saturating_sub(weight);
    }
}

impl Directory {
    /// Counts the memory that it takes, in bytes, about.
    fn weight(&self) -> usize {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let names = match &*content {
            Content::Read(names) => names.weight,
            Content::Unread(_) | Content::Broken => 0,
        };
        DIRECTORY_OVERHEAD + 2 * self.path.as_os_str().len() + names
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        match self.content.write() {
            Ok(content) => content,
            Err(poisoned) => {
                let mut content = poisoned.into_inner();
                *content = Content::Broken;
                self.content.clear_poison();
                content
            }
        }
    }

    fn page(&self, after: &str, limit: usize) -> Option<Page> {
        let content = self.content.read().ok()?;
        let Content::Read(names) = &*content else {
            return None;
        };
        let mut rest = names
            .sorted
            .range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let names = rest.by_ref().take(limit).map(|name| name.to_string());
        Some(Page {
            names: names.collect(),
            more: rest.next().is_some(),
        })
    }

    /// Takes in what was read, and looks again at what was changed meanwhile.
    /// Says whether it can be relied on later.
    fn fill(&self, names: Vec<String>) -> bool {
        let mut names = Sorted::new(names);
        let mut content = self.write();
        let mut is_sure = true;
        match &mut *content {
            Content::Unread(changed) => {
                for name in changed.drain(..) {
                    is_sure &= names.look(&self.path.join(&name), &name).is_ok();
                }
            }
            Content::Read(_) | Content::Broken => is_sure = false,
        }
        *content = Content::Read(names);
        is_sure
    }
}

/// Names in byte order, and the memory that they take.
#[derive(Debug)]
struct Sorted {
    sorted: BTreeSet<Box<str>>,
    weight: usize,
}

impl Sorted {
    fn new(names: Vec<String>) -> Self {
        let sorted: BTreeSet<Box<str>> = names.into_iter().map(Into::into).collect();
        let weight = sorted.iter().map(|name| weight_of(name)).sum();
        Self { sorted, weight }
    }

    /// Looks whether there is a name.
    fn look(&mut self, path: &Path, name: &str) -> Result<(), Errno> {
        match rustix::fs::lstat(path) {
            Ok(_) => {
                if self.sorted.insert(name.into()) {
                    self.weight += weight_of(name);
                }
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {
                if self.sorted.remove(name) {
                    self.weight = self.weight.saturating_sub(weight_of(name));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What was found in a directory.
pub(super) enum Walked {
    /// There is none.
    Absent,
    /// All its names.
    Names(Vec<String>),
    /// Too many names to be kept; the page that was asked for.
    TooMany(Page),
}

/// Counts the memory of names, in bytes, about.
pub(super) fn weight_of(name: &str) -> usize {
    NAME_OVERHEAD + name.len()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is under these locks is whole whatever their holder panicked on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &Names, path: &Path, count: usize) -> Page {
        let listed = (0..count).map(|number| format!("{number:05}")).collect();
        let walk = |_room| Ok::<_, Errno>(Walked::Names(listed));
        names.read(path, ("", 10), walk).expect("read")
    }

    #[test]
    fn memory_is_bounded() {
        let names = Names::new(100_000);
        let path = |number: usize| PathBuf::from(format!("/nowhere/{number}"));
        for number in 0..100 {
            let page = read(&names, &path(number), 300);
            assert_eq!((page.names.len(), page.more), (10, true));
            // The first is used all the time.
            assert!(names.page(&path(0), "", 1).is_some(), "after {number}");
            let state = names.lock();
            let counted = state.directories.values();
            let counted: usize = counted
                .map(|directory| directory.counted.load(Ordering::Relaxed))
                .sum();
            assert_eq!(state.weight, counted);
            assert!(counted <= 100_000);
        }
        assert!(names.page(&path(99), "", 1).is_some());
        assert!(names.page(&path(1), "", 1).is_none(), "used long ago");
        names.drop_all();
        assert_eq!(names.lock().weight, 0);
    }

    #[test]
    fn what_changes_while_a_directory_is_read_is_looked_at_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = Names::new(LIMIT);
        let walk = |_room| {
            // Both names are as they were when the reading has passed them.
            fs_err::write(folder.path().join("new"), "x").expect("written");
            names.changed(&folder.path().join("new"));
            names.changed(&folder.path().join("gone"));
            Ok::<_, Errno>(Walked::Names(vec!["gone".into(), "old".into()]))
        };
        let page = names.read(folder.path(), ("", 10), walk).expect("read");
        assert_eq!(page.names, ["new", "old"]);
        let page = names.page(folder.path(), "new", 10).expect("kept");
        assert_eq!((page.names, page.more), (vec!["old".to_owned()], false));
    }
}

//! The directories of cache mounts, and who has them.

use std::path::{Path, PathBuf};

use dockerfile::Sharing;
use oci::Digest;

use crate::error::{Error, ErrorKind};
use crate::snapshot::chain;
use crate::snapshot::locks::{Held, Lock};
use crate::snapshot::store::{CACHES, FILES, Home, ID, LOCK, make, stored};

/// How many commands may have a cache of one name for themselves at a time.
const CACHES_LIMIT: usize = 100;

/// Is the directory of a cache mount.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Its files; absent where nobody has used it.
    pub(crate) files: PathBuf,
    /// What it is in.
    pub(crate) directory: PathBuf,
    _lock: Lock,
}

impl Cache {
    fn new(directory: PathBuf, lock: Lock) -> Self {
        Self {
            files: directory.join(FILES),
            directory,
            _lock: lock,
        }
    }

    /// Names the directory of the caches of an id. Whoever waits for several
    /// takes them in the order of these names, so that no two wait for each
    /// other.
    pub(crate) fn place(id: &str) -> String {
        chain::name(&Digest::sha256(id.as_bytes()))
    }

    /// Gives the name of its files in its directory.
    pub(crate) fn name(&self) -> &'static [u8] {
        FILES.as_bytes()
    }
}

impl Home {
    /// Finds the directory of a cache mount, which may not be there yet, and
    /// holds it. `sharing` says who else may have it at a time. Where others may
    /// not and one does, there is another one of the same name, or it is tried
    /// again after each `pause`, until that fails.
    pub(crate) fn cache(
        &self,
        id: &str,
        sharing: Sharing,
        pause: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Cache, Error> {
        let held = match sharing {
            Sharing::Private => return self.free_cache(id),
            Sharing::Shared => Held::Shared,
            Sharing::Locked => Held::Alone,
        };
        loop {
            if let Some(cache) = self.try_cache(id, 0, held)? {
                return Ok(cache);
            }
            pause()?;
        }
    }

    /// Holds the first cache of a name that nobody has.
    fn free_cache(&self, id: &str) -> Result<Cache, Error> {
        for number in 0..CACHES_LIMIT {
            if let Some(cache) = self.try_cache(id, number, Held::Alone)? {
                return Ok(cache);
            }
        }
        let message = format!("more than {CACHES_LIMIT} commands use the cache `{id}` at a time");
        Err(Error::new(ErrorKind::Storage, message))
    }

    fn try_cache(&self, id: &str, number: usize, held: Held) -> Result<Option<Cache>, Error> {
        // Made anew where it was pruned meanwhile.
        let directory = self.of_cache(id, number)?;
        let lock = Lock::attempt(&directory.join(LOCK), held)?;
        Ok(lock.map(|lock| Cache::new(directory, lock)))
    }

    /// Finds the directory of a cache mount that commands share, and holds it
    /// alone; `None` where one has it just now.
    pub(crate) fn cache_alone(&self, id: &str) -> Result<Option<Cache>, Error> {
        self.try_cache(id, 0, Held::Alone)
    }

    /// Holds the cache of a directory that a command had, for as long as its
    /// files are read. Where another command has it alone, it `waits` and says
    /// so.
    pub(crate) fn held_cache(&self, directory: &Path, waits: &dyn Fn()) -> Result<Cache, Error> {
        let path = directory.join(LOCK);
        let lock = match Lock::attempt(&path, Held::Shared)? {
            Some(lock) => lock,
            None => {
                waits();
                Lock::wait(&path, Held::Shared)?
            }
        };
        Ok(Cache::new(directory.to_owned(), lock))
    }

    /// Says whether a command that wants a cache now would find it empty, as
    /// far as that can be told before the command has it.
    pub(crate) fn lacks_cache(&self, id: &str, sharing: Sharing) -> bool {
        let is_free = |number: &usize| {
            let lock = self.cache_path(id, *number).join(LOCK);
            sharing != Sharing::Private
                || !lock.exists()
                || matches!(Lock::attempt(&lock, Held::Alone), Ok(Some(_)))
        };
        let number = (0..CACHES_LIMIT).find(is_free).unwrap_or_default();
        match fs_err::read_dir(self.cache_path(id, number).join(FILES)) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    fn cache_path(&self, id: &str, number: usize) -> PathBuf {
        let name = Cache::place(id);
        let name = match number {
            0 => name,
            number => format!("{name}-{number}"),
        };
        self.path.join(CACHES).join(name)
    }

    /// Makes the directory of a cache.
    fn of_cache(&self, id: &str, number: usize) -> Result<PathBuf, Error> {
        let directory = self.cache_path(id, number);
        make(&directory)?;
        let path = directory.join(ID);
        // Whoever waits comes here often.
        if !path.exists() {
            fs_err::write(&path, id).map_err(|error| stored("write", &path, error))?;
        }
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        (directory, Home { path })
    }

    fn at_once() -> Result<(), Error> {
        panic!("nobody has it");
    }

    #[test]
    fn a_cache_that_is_taken_is_tried_again_after_each_pause() {
        for (first, second) in [
            (Sharing::Locked, Sharing::Locked),
            (Sharing::Locked, Sharing::Shared),
            (Sharing::Shared, Sharing::Locked),
        ] {
            let (_directory, home) = home();
            let mut taken = Some(home.cache("x", first, &mut at_once).expect("taken"));
            let mut pauses = 0;
            let cache = home.cache("x", second, &mut || {
                pauses += 1;
                if pauses == 3 {
                    taken = None;
                }
                Ok(())
            });
            assert!(cache.is_ok(), "{first:?} {second:?}");
            assert_eq!(pauses, 3, "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_cache_that_stays_taken_is_not_waited_for_when_a_pause_fails() {
        let (_directory, home) = home();
        let _taken = home.cache("x", Sharing::Locked, &mut at_once);
        let mut pauses = 0;
        let cache = home.cache("x", Sharing::Locked, &mut || {
            pauses += 1;
            match pauses {
                3 => Err(Error::new(ErrorKind::Command, "stopped")),
                _ => Ok(()),
            }
        });
        assert_eq!(cache.expect_err("stopped").to_string(), "stopped");
    }

    #[test]
    fn who_shares_or_takes_another_one_does_not_wait() {
        let (_directory, home) = home();
        let take = |sharing| home.cache("x", sharing, &mut at_once).expect("taken");
        let (one, two) = (take(Sharing::Shared), take(Sharing::Shared));
        assert_eq!(one.files, two.files);
        let (three, four) = (take(Sharing::Private), take(Sharing::Private));
        let mut all = [&one, &three, &four]
            .map(|cache| cache.files.clone())
            .to_vec();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}

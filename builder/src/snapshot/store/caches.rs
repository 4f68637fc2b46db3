//! The directories of cache mounts, and who has them.

use std::path::{Path, PathBuf};

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

    /// Gives the name of its files in its directory.
    pub(crate) fn name(&self) -> &'static [u8] {
        FILES.as_bytes()
    }
}

impl Home {
    /// Finds the directory of a cache mount, which may not be there yet, and
    /// holds it. `held` says who else may have it at a time; where others may
    /// not and one does, there is another one of the same name, or it `waits` and
    /// says so.
    pub(crate) fn cache(
        &self,
        id: &str,
        sharing: dockerfile::Sharing,
        waits: &dyn Fn(),
    ) -> Result<Cache, Error> {
        let take = |number: usize| {
            let directory = self.of_cache(id, number)?;
            let lock = directory.join(LOCK);
            let lock = match sharing {
                dockerfile::Sharing::Shared => Some(Lock::wait(&lock, Held::Shared)?),
                dockerfile::Sharing::Locked => match Lock::attempt(&lock, Held::Alone)? {
                    None => {
                        waits();
                        Some(Lock::wait(&lock, Held::Alone)?)
                    }
                    held => held,
                },
                dockerfile::Sharing::Private => Lock::attempt(&lock, Held::Alone)?,
            };
            Ok::<_, Error>(lock.map(|lock| Cache::new(directory, lock)))
        };
        for number in 0..CACHES_LIMIT {
            if let Some(cache) = take(number)? {
                return Ok(cache);
            }
        }
        let message = format!("more than {CACHES_LIMIT} commands use the cache `{id}` at a time");
        Err(Error::new(ErrorKind::Storage, message))
    }

    /// Finds the directory of a cache mount that commands share, and holds it
    /// alone; `None` where one has it just now.
    pub(crate) fn cache_alone(&self, id: &str) -> Result<Option<Cache>, Error> {
        let directory = self.of_cache(id, 0)?;
        let lock = Lock::attempt(&directory.join(LOCK), Held::Alone)?;
        Ok(lock.map(|lock| Cache::new(directory, lock)))
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
    pub(crate) fn lacks_cache(&self, id: &str, sharing: dockerfile::Sharing) -> bool {
        let is_free = |number: &usize| {
            let lock = self.cache_path(id, *number).join(LOCK);
            sharing != dockerfile::Sharing::Private
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
        let name = chain::name(&Digest::sha256(id.as_bytes()));
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
        fs_err::write(&path, id).map_err(|error| stored("write", &path, error))?;
        Ok(directory)
    }
}

//! Digests files, on several threads where there is much of it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use oci::{Algorithm, Digest, Hasher};

use crate::directory::{Directory, Found};
use crate::error::Error;
use crate::path::EntryPath;

/// How many bytes are read at a time.
const PIECE: usize = 512 * 1024;
/// The most threads that digest.
const THREADS_LIMIT: usize = 8;
/// How many bytes or files are worth a thread of their own.
const BYTES_FOR_THREAD: u64 = 4 * 1024 * 1024;
const FILES_FOR_THREAD: usize = 512;

/// Is a file to be digested.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) path: EntryPath,
    pub(super) found: Found,
}

/// Digests files, each inode once, and gives what was found by inode.
pub(super) fn digest(
    directory: &Directory,
    jobs: &[Job],
) -> Result<BTreeMap<(u64, u64), Digest>, Error> {
    let bytes = jobs
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(job.found.size));
    let worth = (bytes / BYTES_FOR_THREAD) as usize + jobs.len() / FILES_FOR_THREAD;
    let most = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = worth.min(most).min(THREADS_LIMIT);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = || -> Result<(), Error> {
        let mut buffer = vec![0; PIECE];
        let mut mine = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let digest = digest_one(directory, job, &mut buffer)?;
            mine.push(((job.found.device, job.found.inode), digest));
        }
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(mine);
        Ok(())
    };
    if threads <= 1 {
        work()?;
    } else {
        std::thread::scope(|scope| {
            let mut handles = Vec::new();
            for _ in 1..threads {
                let thread = std::thread::Builder::new().name("digest".into());
                // Whoever can not be started leaves the work to the others.
                handles.extend(thread.spawn_scoped(scope, work).ok());
            }
            let mut result = work();
            for handle in handles {
                let other = handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(other);
            }
            result
        })?;
    }
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn digest_one(directory: &Directory, job: &Job, buffer: &mut [u8]) -> Result<Digest, Error> {
    let mut held = directory.read(&job.path, &job.found)?.quietly();
    let mut hasher = Hasher::unbroken(Algorithm::Sha256);
    loop {
        let length = held
            .read(buffer)
            .map_err(|error| Error::io(format!("can not read `{}`", job.path), error))?;
        let piece = buffer.get(..length).unwrap_or_default();
        if piece.is_empty() {
            return Ok(hasher.finish());
        }
        hasher.update(piece);
    }
}

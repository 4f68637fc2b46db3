//! Work that blocks: files, hashing and decompression, each on a thread that
//! may wait. The one place of this crate that hands work to other threads.

use crate::error::{Error, ErrorKind};

/// Runs work to its end, whether or not anybody still waits for it.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::caused(ErrorKind::Storage, "work on files was cut off", error))?
}

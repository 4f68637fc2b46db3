//! Where blobs came from that the library may lack.

use blob::{Expected, Key, Swapped};
use oci::{Digest, RegistryHost, RepositoryName};

use crate::error::{Error, ErrorKind};
use crate::library::Library;

/// Names a repository that has a blob.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// The registry.
    pub registry: RegistryHost,
    /// The repository.
    pub repository: RepositoryName,
}

/// How many repositories are remembered of one blob; the latest are.
const LIMIT: usize = 8;
/// How often a record that others write too is tried again.
const ATTEMPTS: usize = 16;

impl Library {
    /// Lists the repositories that had a blob, the latest first.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`].
    pub async fn origins(&self, blob: &Digest) -> Result<Vec<Origin>, Error> {
        let record = self.backend.read(&key(blob)).await;
        match record.map_err(|error| failed(blob, error))? {
            Some(record) => Ok(parse(&record.value)),
            None => Ok(Vec::new()),
        }
    }

    /// Remembers that a repository has a blob, before all that are known.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`].
    pub async fn add_origin(&self, blob: &Digest, origin: &Origin) -> Result<(), Error> {
        self.change_origins(blob, |origins| {
            origins.retain(|known| known != origin);
            origins.insert(0, origin.clone());
            origins.truncate(LIMIT);
        })
        .await
    }

    /// Remembers that somebody says of a repository that it has a blob: behind
    /// all that are known, as far as there is room.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`].
    pub async fn suggest_origin(&self, blob: &Digest, origin: &Origin) -> Result<(), Error> {
        self.change_origins(blob, |origins| {
            if !origins.contains(origin) && origins.len() < LIMIT {
                origins.push(origin.clone());
            }
        })
        .await
    }

    /// Writes a record anew, if that changes it.
    async fn change_origins(
        &self,
        blob: &Digest,
        change: impl Fn(&mut Vec<Origin>),
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let record = self.backend.read(&key(blob)).await;
            let record = record.map_err(|error| failed(blob, error))?;
            let (mut origins, expected) = match record {
                Some(record) => (parse(&record.value), Expected::Version(record.version)),
                None => (Vec::new(), Expected::Absent),
            };
            let known = origins.clone();
            change(&mut origins);
            if origins == known {
                return Ok(());
            }
            let value = serde_json::to_vec(&origins)
                .map_err(|error| Error::caused(ErrorKind::Storage, said(blob), error))?;
            let swapped = self.backend.swap(&key(blob), expected, value.into()).await;
            if swapped.map_err(|error| failed(blob, error))? == Swapped::Done {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Storage, said(blob)))
    }
}

fn key(blob: &Digest) -> Key {
    Key::top("origins")
        .child(blob.algorithm().as_str())
        .child(&blob.hex())
}

/// Reads a record. One that is damaged says nothing, and is written anew: it is
/// no more than a hint.
fn parse(record: &[u8]) -> Vec<Origin> {
    serde_json::from_slice(record).unwrap_or_default()
}

fn said(blob: &Digest) -> String {
    format!("can not note where `{blob}` came from")
}

fn failed(blob: &Digest, error: blob::Error) -> Error {
    Error::stored(said(blob), error)
}

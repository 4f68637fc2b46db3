//! The certificates that are trusted everywhere, read when the first connection
//! asks for them: those of a machine take milliseconds, and many a command
//! speaks to nobody who shows one.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::error::BoxError;

/// Gives the certificates that are trusted everywhere, each in DER. One that can
/// not be read is left out, as stores of machines hold odd ones.
///
/// Clones read them once between them.
#[derive(Clone, Default)]
pub struct Roots(Arc<Source>);

type Read = dyn Fn() -> Result<Vec<Vec<u8>>, BoxError> + Send + Sync;

#[derive(Default)]
struct Source {
    known: OnceLock<Vec<Vec<u8>>>,
    /// None where there are none but those that are known.
    read: Option<Box<Read>>,
}

impl Roots {
    /// Has them be read when they are needed; after a failure again.
    pub fn later(
        read: impl Fn() -> Result<Vec<Vec<u8>>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Source {
            known: OnceLock::new(),
            read: Some(Box::new(read)),
        }))
    }

    /// Gives them. It blocks while they are read.
    ///
    /// # Errors
    ///
    /// Fails as reading them does.
    pub fn get(&self) -> Result<&[Vec<u8>], BoxError> {
        let Source { known, read } = &*self.0;
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let certificates = read.as_ref().map(|read| read()).transpose()?;
        Ok(known.get_or_init(|| certificates.unwrap_or_default()))
    }
}

impl From<Vec<Vec<u8>>> for Roots {
    fn from(certificates: Vec<Vec<u8>>) -> Self {
        Self(Arc::new(Source {
            known: OnceLock::from(certificates),
            read: None,
        }))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.known.get().map(Vec::len);
        f.debug_tuple("Roots").field(&known).finish()
    }
}

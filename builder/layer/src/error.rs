//! The error of everything about layers.

use std::fmt;

/// Says what a caller can do about a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A file or stream can not be read or written.
    Io,
    /// An archive, an index or a list of entries is not of the form that it
    /// should be.
    Invalid,
    /// The form is known, but not read or written.
    Unsupported,
    /// A file is not any more as it was found.
    Changed,
    /// There is more than the limits allow.
    Limit,
}

/// Reports a failed operation: what was done, and why it failed.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<std::io::Error>,
}

impl Error {
    /// Reports a failure that has no cause below it.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// Reports a failure of reading or writing. Where another error of this
    /// crate is inside, its kind is taken over.
    #[must_use]
    pub fn io(context: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        let source = source.into();
        let inner = source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>());
        Self {
            kind: inner.map_or(ErrorKind::Io, Self::kind),
            context: context.into(),
            source: Some(source),
        }
    }

    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Carries the error through an interface of readers and writers;
/// [`Error::io`] finds its kind again.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

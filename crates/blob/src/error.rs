//! The error of every storage operation.

use std::fmt;

/// Says what a caller can do about a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The disk, quota or bucket is full; reading goes on, writing may later.
    Full,
    /// Another process holds what was asked for.
    Busy,
    /// What is stored is not what was promised: a wrong size or digest.
    Corrupt,
    /// What was handed in is not what was promised: a wrong size or digest.
    Mismatch,
    /// A record is empty or larger than 4 MiB, or a key is longer than the
    /// place permits.
    TooLarge,
    /// The place can not do what is needed at all.
    Unsupported,
    /// The place failed in some other way; trying again may help.
    Unavailable,
}

/// Reports a failed storage operation: what was done, on which key, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Reports a failure that has no deeper cause.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// Reports a failure and what caused it.
    pub fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(source.into()),
        }
    }

    /// Reports a failed system call.
    pub(crate) fn io(context: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        use std::io::ErrorKind as Io;
        let source = source.into();
        let kind = match source.kind() {
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Full,
            Io::InvalidFilename => ErrorKind::TooLarge,
            Io::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Unavailable,
        };
        Self::caused(kind, context, source)
    }

    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

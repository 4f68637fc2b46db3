//! The error of every operation on images.

use std::fmt;

/// Says what a caller can do about a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The place has no such image, or lacks a part of it.
    NotFound,
    /// The place has several images, or the image is for several platforms,
    /// and one has to be chosen.
    Ambiguous,
    /// What was read is not of the form that it should be.
    Invalid,
    /// Content is not what its digest or size says.
    Mismatch,
    /// The form is known, but this can not be done with it.
    Unsupported,
    /// A file or directory can not be read or written.
    Storage,
    /// The registry failed or refused; see [`Error::registry`].
    Registry,
    /// The local library can not be used: its directory can not be made or
    /// written.
    Home,
}

/// Names an end of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Where the image is.
    Source,
    /// Where it is to be.
    Target,
}

/// Reports a failed operation: what was done, in which place, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<client::BoxError>,
    end: Option<End>,
    hint: Option<&'static str>,
}

impl Error {
    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Finds the registry's own error among the causes, if there is one.
    #[must_use]
    pub fn registry(&self) -> Option<&client::Error> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// Says which end of a copy failed; nothing where there was no copy. A
    /// target that failed because the source did is not to blame.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if error.downcast_ref::<Self>().and_then(Self::end) == Some(End::Source) {
                return Some(End::Source);
            }
            cause = error.source();
        }
        self.end
    }

    /// Says what would help, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }

    /// Adds what would help.
    pub(crate) fn advised(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Says which end failed, where that is not known yet.
    pub(crate) fn at(mut self, end: End) -> Self {
        self.end = self.end().or(Some(end));
        self
    }

    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
            end: None,
            hint: None,
        }
    }

    pub(crate) fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<client::BoxError>,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(source.into()),
            end: None,
            hint: None,
        }
    }

    /// Reports a failed system call; `fs_err` names the path.
    pub(crate) fn file(context: impl Into<String>, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Self::caused(kind, context, source)
    }

    /// Reports what the storage of a local target said.
    pub(crate) fn stored(context: impl Into<String>, source: blob::Error) -> Self {
        let kind = match source.kind() {
            blob::ErrorKind::Mismatch | blob::ErrorKind::Corrupt => ErrorKind::Mismatch,
            _ => ErrorKind::Storage,
        };
        Self::caused(kind, context, source)
    }

    /// Reports what the client of a registry said. Where an upload failed
    /// because its source did, the source decides of what kind that is.
    pub(crate) fn remote(context: impl Into<String>, source: client::Error) -> Self {
        let kind = match source.kind() {
            client::ErrorKind::NotFound => ErrorKind::NotFound,
            client::ErrorKind::Mismatch => ErrorKind::Mismatch,
            client::ErrorKind::Source => inner_kind(&source).unwrap_or(ErrorKind::Registry),
            _ => ErrorKind::Registry,
        };
        Self::caused(kind, context, source)
    }
}

fn inner_kind(error: &client::Error) -> Option<ErrorKind> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.kind);
        }
        cause = error.source();
    }
    None
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

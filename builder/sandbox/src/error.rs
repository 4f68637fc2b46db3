//! The error of everything about sandboxes.

use std::fmt;

/// Says what a caller can do about a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ErrorKind {
    /// The kernel, or who runs this program, does not allow it. The hint says
    /// what would.
    Denied,
    /// The command can not be started: it is not there, or is no program.
    Command,
    /// This machine does not have what is needed.
    Unsupported,
    /// The worker is gone, or says what nobody understands.
    Broken,
    /// Anything else that the kernel refuses.
    System,
}

/// Reports a failed operation: what was done, and why it failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    hint: Option<String>,
    /// The number of the system's error, as the kernel has it.
    code: Option<i32>,
}

impl Error {
    /// Reports a failure that has no cause below it.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            hint: None,
            code: None,
        }
    }

    /// Reports that the system refused something.
    #[must_use]
    pub fn system(context: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        let source = source.into();
        let mut error = Self::new(ErrorKind::System, context);
        match source.raw_os_error() {
            Some(code) => error.code = Some(code),
            None => error.context = format!("{}: {source}", error.context),
        }
        error
    }

    /// Says what else can be done about it.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Says of which kind it is, where the system did not.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds what would be right.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Says what would be right, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Gives the number of the system's error, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match self.code {
            // It crosses a process boundary, so that no source can be kept.
            Some(code) => write!(f, ": {}", std::io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

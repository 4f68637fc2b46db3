//! What is asked of a worker, and what it answers.

use std::path::PathBuf;

use layer::{EntryPath, Form, Marks, Observation, Operation, Performed, Rights, Settlement, Time};
use sandbox::{Ended, Step};

use crate::request::OciRuntime;

/// Is asked of a worker. Paths are of its file system.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Ask {
    /// Make a directory, with those that it is in.
    Make { directory: PathBuf },
    /// Do to a directory what a layer says, with the content of the descriptor.
    Perform {
        directory: PathBuf,
        operations: Vec<Operation>,
        form: Form,
        rights: Rights,
    },
    /// Rename something, within one file system.
    Rename { from: PathBuf, to: PathBuf },
    /// Take something away with all that is in it; what is not there is right.
    Remove { path: PathBuf },
    /// Mount an overlay.
    Mount(Overlay),
    /// Unmount what was mounted last at a directory.
    Unmount { directory: PathBuf },
    /// Run a command. The descriptors are its output, its errors, the one that
    /// stops it, and those that its mounts name.
    Run {
        step: Box<Step>,
        runtime: OciRuntime,
    },
    /// Look at the upper directory of an overlay.
    Observe {
        directory: PathBuf,
        form: Form,
        rights: Rights,
    },
    /// Remember what is in a directory.
    Remember { directory: PathBuf },
    /// Look at what is other than it was remembered.
    Compare { directory: PathBuf, rights: Rights },
    /// Take away what was put there for mounts, where nothing is in it.
    Unstub {
        directory: PathBuf,
        paths: Vec<EntryPath>,
    },
    /// Make an empty directory or file, and the directories that it is in, as
    /// far as they are missing.
    Stub {
        directory: PathBuf,
        path: EntryPath,
        is_directory: bool,
    },
    /// Have nothing in a directory be younger than a time.
    Age { directory: PathBuf, youngest: Time },
    /// Add up the bytes of the files in a directory.
    Measure { directory: PathBuf },
    /// List the files of a directory, with the times of their last use.
    Uses { directory: PathBuf },
    /// Say whether there is nothing in a directory.
    IsEmpty { directory: PathBuf },
    /// Open a file of a directory.
    Open { directory: PathBuf, path: EntryPath },
    /// Have a directory be what its layer says.
    Settle {
        directory: PathBuf,
        settlements: Vec<Settlement>,
        form: Form,
        rights: Rights,
    },
}

/// Is an overlay to be mounted.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Overlay {
    /// Where.
    pub(crate) at: PathBuf,
    /// The directory that relative paths count from.
    pub(crate) base: PathBuf,
    /// What lies below, the highest first.
    pub(crate) lower: Vec<PathBuf>,
    /// What is written to.
    pub(crate) upper: PathBuf,
    /// What the kernel needs besides.
    pub(crate) work: PathBuf,
    /// Where its marks are.
    pub(crate) marks: Marks,
}

/// Is what a worker answers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// It was made, at this time of the file system.
    Made(Time),
    /// These are the bytes.
    Measured(u64),
    /// These are the files and the times.
    Uses(Vec<(EntryPath, Time)>),
    /// There is nothing, or something.
    IsEmpty(bool),
    /// It was done to a directory.
    Performed(Performed),
    /// The command ended.
    Ended(Ended),
    /// This was seen.
    Observed(Observation),
    /// The file is open; its descriptor comes along.
    Open,
    /// It failed.
    Failed(Fault),
}

/// Says why a worker could not do what it was asked.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// What failed and its causes, each in a line of its own.
    pub(crate) chain: Vec<String>,
    pub(crate) hint: Option<String>,
}

/// Says what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum FaultKind {
    /// The kernel does not allow it.
    Denied,
    /// The command can not be started.
    Command,
    /// There is more than the limits allow, or a form that is not done.
    Unsupported,
    /// Anything else.
    Failed,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.chain.join(": "))
    }
}

impl std::error::Error for Fault {}

impl Fault {
    fn of(kind: FaultKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        Self {
            kind,
            chain: chain.map(ToString::to_string).collect(),
            hint: None,
        }
    }
}

impl From<sandbox::Error> for Fault {
    fn from(error: sandbox::Error) -> Self {
        let kind = match error.kind() {
            sandbox::ErrorKind::Denied => FaultKind::Denied,
            sandbox::ErrorKind::Command => FaultKind::Command,
            sandbox::ErrorKind::Unsupported => FaultKind::Unsupported,
            _ => FaultKind::Failed,
        };
        let mut fault = Self::of(kind, &error);
        fault.hint = error.hint().map(str::to_owned);
        fault
    }
}

impl From<layer::Error> for Fault {
    fn from(error: layer::Error) -> Self {
        let kind = match error.kind() {
            layer::ErrorKind::Unsupported | layer::ErrorKind::Limit => FaultKind::Unsupported,
            _ => FaultKind::Failed,
        };
        Self::of(kind, &error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::of(FaultKind::Failed, &error)
    }
}

//! Why a command of this crate stopped. Nothing here is for users of wharf.

use std::io;
use std::process::ExitStatus;

/// Why a command stopped. Each text says its own level; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line was not understood.
    #[error("{0}; see `cargo xtask --help`")]
    Usage(String),
    /// A program could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The command line that was tried.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed: {status}")]
    Failed {
        /// The command line that ran.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The answer of `cargo metadata` has another shape than expected.
    #[error("cannot read the answer of `cargo metadata`")]
    Metadata(#[source] serde_json::Error),
    /// A file of the repository could not be read; the cause names the file.
    #[error("cannot read the repository")]
    Read(#[source] io::Error),
    /// A folder could not be made; the cause names it.
    #[error("cannot write to the repository's folder")]
    Write(#[source] io::Error),
    /// The checks found this many breaches.
    #[error("the house has {0} findings")]
    Findings(usize),
    /// A part of `ci` failed.
    #[error("part `{part}` of `ci` failed")]
    Part {
        /// The name of the part.
        part: &'static str,
        /// Why it failed.
        source: Box<Error>,
    },
}

//! One command, from its namespaces to its end.
//!
//! [`run`] starts this program once more: the *keeper*, which has one thread
//! and watches over the command from outside of its namespaces. Inside them
//! the first process is the *init*: it makes the root, starts the command and
//! takes in orphans. When it ends, the kernel kills everything in there.
//!
//! It does not decide what a command sees: the step says all of it.

mod capability;
mod command;
mod descendants;
mod descriptors;
mod filter;
mod init;
mod inside;
mod keeper;
mod limit;
mod mounts;
mod place;
mod relay;
mod restrict;
mod scope;
mod start;
mod wire;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::runtime;
use crate::tier::Tier;

pub(crate) use capability::DEFAULT as DEFAULT_CAPABILITIES;
pub(crate) use filter::{HOST_SOCKETS, NAMESPACES, PERSONALITIES, calls};
pub(crate) use init::leave;
pub(crate) use keeper::{Handed, fork, step_main};
pub(crate) use limit::RESOURCES;
pub(crate) use mounts::{HIDDEN, READ_ONLY, make_devices};
pub(crate) use relay::start as relay_to;
pub(crate) use wire::{Job, decode, encode};

/// Is a command, and what it sees. Paths in `root` are absolute there, and
/// have no links in them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The directory that becomes its root.
    pub root: PathBuf,
    /// A directory outside of the root for what is made for this command
    /// alone. It is empty before, and taken away by whoever made it.
    pub scratch: PathBuf,
    /// The program and its arguments, without NUL.
    pub arguments: Vec<Vec<u8>>,
    /// All variables that it has.
    pub environment: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The directory where it starts.
    pub directory: Vec<u8>,
    /// The number of its user.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
    /// The numbers of its further groups.
    pub groups: Vec<u32>,
    /// The name of the machine that it sees.
    pub hostname: String,
    /// What it reaches.
    pub network: Network,
    /// What is mounted, each onto what was before.
    pub mounts: Vec<Mount>,
    /// What it keeps of the privileges of root.
    pub kept: Kept,
    /// How much it may take.
    pub limits: Limits,
}

/// Says what a command reaches of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Network {
    /// What this machine does.
    Host,
    /// Itself.
    None,
}

/// Says what a command keeps of the privileges of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kept {
    /// What commands in containers have: see `docs/reference/sandbox.md`.
    Default,
    /// All that the tier gives (`RUN --security=insecure`): every capability,
    /// no filter, nothing of `/proc` and `/sys` hidden.
    All,
}

/// Says how much a command may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Resource limits (setrlimit(2)) by the kernel's number of each: the
    /// soft one and the hard one. `u64::MAX` is none.
    pub resources: BTreeMap<u32, (u64, u64)>,
    /// How many processes and threads there may be at a time.
    pub processes: Option<u64>,
    /// After how many milliseconds it is killed.
    pub milliseconds: Option<u64>,
}

/// Is something that is mounted into the root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Where. It is there already, and of the right kind.
    pub target: Vec<u8>,
    /// What.
    pub kind: MountKind,
}

/// Says what is mounted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MountKind {
    /// A file or directory of the worker's file system.
    Bind {
        /// Where it is. A link is not followed.
        source: PathBuf,
        /// Whether it can not be written.
        read_only: bool,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// How many bytes it can hold; as many as the machine allows.
        size: Option<u64>,
        /// Its mode.
        mode: u32,
    },
    /// A file in memory that can not be written.
    Secret {
        /// Which of the descriptors that come with the step has its content,
        /// from 0, behind those of the streams.
        descriptor: usize,
        /// Its mode.
        mode: u32,
        /// The number of its user.
        uid: u32,
        /// The number of its group.
        gid: u32,
    },
    /// A socket that whoever connects to reaches an agent of this machine.
    Agent {
        /// Where the agent's socket is.
        source: PathBuf,
        /// The mode of the socket.
        mode: u32,
        /// The number of its user.
        uid: u32,
        /// The number of its group.
        gid: u32,
    },
}

/// Is what the command reads and writes, and what comes along.
#[derive(Debug)]
pub struct Stdio {
    /// Where its output goes.
    pub output: OwnedFd,
    /// Where its errors go.
    pub errors: OwnedFd,
    /// What mounts take by number.
    pub descriptors: Vec<OwnedFd>,
    /// Reads as ended when the command is to be killed with all that it
    /// started.
    pub stop: OwnedFd,
}

/// Says how a command ended. All that it started has ended too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It took too long.
    TimedOut,
    /// It was to be killed.
    Stopped,
}

/// Has what every command needs be there before the first one.
pub(crate) fn prepare() {
    start::prepare();
}

/// Runs a command in a worker: from its namespaces to the end of everything
/// that it started. It blocks.
///
/// # Errors
///
/// Fails with [`ErrorKind::Command`](crate::ErrorKind::Command) when the program is not there or is none;
/// with [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the tier can not do what the step asks, with
/// the hint what would; with [`ErrorKind::System`](crate::ErrorKind::System) otherwise.
pub fn run(tier: &Tier, step: &Step, stdio: Stdio) -> Result<Ended, Error> {
    start::run(tier, step, stdio)
}

/// Does as [`run`], by an OCI runtime (`runc`, `crun`, `youki`), whose program
/// is at this path. The command is the first process of its namespace, and a
/// signal that ended it is a code from 129.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) in tiers without namespaces or with
/// one user alone, and where the step has what no runtime can be told; with
/// [`ErrorKind::Command`](crate::ErrorKind::Command) when the program is not there or is none; with
/// [`ErrorKind::System`](crate::ErrorKind::System) and what the runtime says otherwise.
pub fn run_with(runtime: &Path, tier: &Tier, step: &Step, stdio: Stdio) -> Result<Ended, Error> {
    runtime::supported(tier)?;
    start::run_with(runtime, tier, step, stdio)
}

//! How the commands of `RUN` are to be run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use sandbox::{Launch, Limits, TierName};

/// Says how commands are run, and what they may.
#[derive(Debug, Clone)]
pub struct Running {
    /// Which sandbox.
    pub sandbox: SandboxChoice,
    /// How this program is started again.
    pub launch: Launch,
    /// Where unpacked layers and cache mounts are kept. Overlays need a file
    /// system that is none itself.
    pub store: PathBuf,
    /// What the program is that runs commands: wharf itself, or another one.
    pub runtime: OciRuntime,
    /// What commands reach that say nothing of the network.
    pub network: RunNetwork,
    /// Whether commands may ask for all that the sandbox gives
    /// (`--security=insecure`).
    pub insecure: Grant,
    /// What mounts of secrets give, by the names of the secrets.
    pub secrets: BTreeMap<String, Secret>,
    /// The sockets of SSH agents, by the names that mounts have for them.
    pub agents: BTreeMap<String, PathBuf>,
    /// Further names of machines, each with its address, in their order.
    pub hosts: Vec<(String, std::net::IpAddr)>,
    /// What `/etc/resolv.conf` of this machine says.
    pub resolver: Vec<u8>,
    /// How much a command may take.
    pub limits: Limits,
    /// What the build may reach that nobody can check.
    pub reach: Reach,
}

/// Says which sandbox commands are run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxChoice {
    /// The best that this machine allows.
    #[default]
    Best,
    /// This one, or none.
    Named(TierName),
}

/// Says which program runs commands.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum OciRuntime {
    /// This one.
    #[default]
    Own,
    /// An OCI runtime, by its path: `runc`, `crun` or `youki`.
    Program(PathBuf),
}

/// Says what a command reaches that says nothing of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunNetwork {
    /// What this machine does.
    #[default]
    Host,
    /// Nothing.
    None,
}

/// Says whether something may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grant {
    /// It may not.
    #[default]
    Refused,
    /// It may.
    Allowed,
}

/// Says what a build may reach that nobody can check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Anything that the Dockerfile names.
    #[default]
    Open,
    /// Base images, and what comes with its checksum.
    Hermetic,
}

/// Holds a secret of whoever builds. It is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The most bytes that a secret can have, as BuildKit has it.
    pub const LIMIT: usize = 500 * 1024;

    /// Takes a secret.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

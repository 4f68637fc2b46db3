//! The flags that say how commands are run.

mod agent;
mod host;
mod limits;
mod secret;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use builder::{
    Grant, Launch, Limits, OciRuntime, Reach, RunNetwork, Running, SandboxChoice, TierName,
};

use crate::config::{Config, Sandbox};
use crate::environment::{self, Environment};
use crate::report::{WithHint as _, missing, usage};

use self::limits::Resource;

/// Says how commands are run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for RUN")]
pub(super) struct Flags {
    /// A secret for `RUN --mount=type=secret`, from a file or a variable of the environment; with neither, from the variable ID, else the file ID; may be given several times
    #[arg(long = "secret", value_name = "id=ID[,src=FILE|,env=NAME]")]
    secrets: Vec<String>,

    /// An SSH agent for `RUN --mount=type=ssh`: the socket of one [default socket: $SSH_AUTH_SOCK]; may be given several times
    #[arg(long = "ssh", value_name = "default|ID[=SOCKET]")]
    agents: Vec<String>,

    /// What commands reach that say nothing of it: default and host are what this machine does
    #[arg(long, value_name = "NETWORK", default_value = "default")]
    network: NetworkName,

    /// What keeps commands apart from this machine [default: `build.sandbox` of the configuration, else auto]
    #[arg(long, value_name = "SANDBOX")]
    sandbox: Option<Sandbox>,

    /// What commands may ask for; may be given several times
    #[arg(long = "allow", value_name = "RIGHT")]
    allowed: Vec<Right>,

    /// Reach nothing that nobody can check: commands have no network, and ADD needs a checksum
    #[arg(long)]
    hermetic: bool,

    /// The most that a process may take, as in nofile=1024:4096 or core=unlimited; may be given several times
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = limits::resource)]
    resources: Vec<Resource>,

    /// The most processes and threads of a command at a time
    #[arg(long = "pids-limit", value_name = "NUMBER", value_parser = limits::processes)]
    processes: Option<u64>,

    /// How long a command may take, as in 30s, 5m or 1h30m
    #[arg(long = "run-timeout", value_name = "DURATION", value_parser = limits::duration)]
    time: Option<Duration>,

    /// A further name of a machine in /etc/hosts of commands; may be given several times
    #[arg(long = "add-host", value_name = "NAME=ADDRESS", value_parser = host::parse)]
    hosts: Vec<(String, IpAddr)>,

    /// The program that runs commands in the place of wharf itself, as in runc, crun or youki
    #[arg(long = "oci-runtime", value_name = "NAME|PATH")]
    runtime: Option<PathBuf>,
}

/// Names what commands reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NetworkName {
    /// What this machine does
    Default,
    /// Nothing
    None,
    /// What this machine does
    Host,
}

/// Names what commands may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Right {
    /// All rights that the builder has
    #[value(name = "security.insecure")]
    Insecure,
    /// The network of this machine, which is never refused
    #[value(name = "network.host")]
    HostNetwork,
}

/// Says how commands are run where nothing else is said.
pub(crate) fn usual(environment: &Environment) -> Running {
    let store = environment.store_directory();
    Running {
        sandbox: SandboxChoice::Best,
        launch: launch(),
        // Who has no home can check a Dockerfile, and not build it.
        store: store.unwrap_or_else(|_| environment.temporary_directory()),
        runtime: OciRuntime::Own,
        network: RunNetwork::Host,
        insecure: Grant::Refused,
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        hosts: Vec::new(),
        resolver: fs_err::read("/etc/resolv.conf").unwrap_or_default(),
        limits: Limits::default(),
        reach: Reach::Open,
    }
}

/// Says how the program is started again, whatever became of its file.
pub(crate) fn launch() -> Launch {
    Launch {
        program: "/proc/self/exe".into(),
    }
}

/// Names the sandbox that was chosen.
pub(crate) fn choice(sandbox: Sandbox) -> SandboxChoice {
    match sandbox {
        Sandbox::Auto => SandboxChoice::Best,
        Sandbox::Root => SandboxChoice::Named(TierName::Root),
        Sandbox::Mapped => SandboxChoice::Named(TierName::Mapped),
        Sandbox::One => SandboxChoice::Named(TierName::One),
        Sandbox::Chroot => SandboxChoice::Named(TierName::Chroot),
        Sandbox::None => SandboxChoice::Named(TierName::None),
    }
}

impl Flags {
    /// Says how commands are run.
    pub(super) fn running(
        &self,
        environment: &Environment,
        config: &Config,
    ) -> anyhow::Result<Running> {
        Ok(Running {
            sandbox: choice(self.sandbox.unwrap_or(config.build.sandbox)),
            store: environment.store_directory()?,
            runtime: match &self.runtime {
                None => OciRuntime::Own,
                Some(program) => OciRuntime::Program(find_program(environment, program)?),
            },
            network: match self.network {
                NetworkName::Default | NetworkName::Host => RunNetwork::Host,
                NetworkName::None => RunNetwork::None,
            },
            insecure: match self.allowed.contains(&Right::Insecure) {
                true => Grant::Allowed,
                false => Grant::Refused,
            },
            secrets: secret::read_all(environment, &self.secrets)?,
            agents: agent::find_all(environment, &self.agents)?,
            hosts: self.hosts.clone(),
            limits: limits::all(&self.resources, self.processes, self.time),
            reach: match self.hermetic {
                true => Reach::Hermetic,
                false => Reach::Open,
            },
            ..usual(environment)
        })
    }
}

/// Finds a program as a shell does: a name in the directories of `PATH`, and a
/// path from here.
fn find_program(environment: &Environment, program: &Path) -> anyhow::Result<PathBuf> {
    let shown = program.display();
    if program.components().count() > 1 || program.is_absolute() {
        let path = absolute(program)?;
        return match is_program(&path) {
            true => Ok(path),
            false => Err(missing(format!("`{shown}` is no program"))),
        };
    }
    let places = environment.variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(places)
        .filter(|place| place.is_absolute())
        .map(|place| place.join(program))
        .find(|path| is_program(path));
    found
        .ok_or_else(|| missing(format!("there is no program `{shown}` in `PATH`")))
        .hint("install it, give its path, or leave `--oci-runtime` out: wharf runs commands itself")
}

/// Says whether a path is of a file that may be executed.
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let there = fs_err::metadata(path);
    there.is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

/// Makes a path absolute that is one from here.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    match environment::working_directory() {
        Some(here) => Ok(here.join(path)),
        None if path.is_absolute() => Ok(path.to_owned()),
        None => Err(usage("the directory that the program runs in is gone")),
    }
}

#[cfg(test)]
mod tests;

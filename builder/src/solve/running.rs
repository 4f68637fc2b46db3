//! `RUN` in a build under way: what a command depends on, what it came to
//! before, and if it did not, the command itself.

mod bind;
mod defining;
mod execute;
mod job;
mod mounting;
mod output;
mod pool;
mod seeding;

use std::collections::BTreeMap;

use dockerfile::{Mount, MountKind, Network, Security};
use layer::Tree;
use oci::Digest;
use sandbox::{Probe, TierName};

use crate::blocking;
use crate::cache::Known;
use crate::error::{Error, ErrorKind};
use crate::events::Outcome;
use crate::pack::layers::packed_as;
use crate::plan::{CopyFrom, Step, excerpt};
use crate::request::{Grant, Reach, RunNetwork, Running, SandboxChoice};
use crate::solve::lookup::{Packed, Packing};
use crate::solve::run::Run;
use crate::solve::stage::StageState;
use crate::step::owner::Names;
use crate::step::run::command::{self, Started};
use crate::step::run::environment::{Environment, Origins};
use crate::step::run::files::Host;
use crate::step::run::key::{self, Depends, Mounted, MountedKind};
use crate::step::run::mounts::{self, Access, Planned, PlannedKind, Shape, Wanted};
use crate::step::run::user::{self, User};

use self::bind::Brings;

pub(crate) use self::pool::{Lease, Sandbox, Sandboxes};

/// Is what an instruction says of its mounts, each with where it stands.
type Written = Vec<(Mount, dockerfile::Span)>;
/// Is what mounts bring, by their numbers in the instruction.
type Brought = BTreeMap<usize, Brings>;

/// Is a command with everything that its result depends on.
struct Command {
    started: Started,
    environment: Environment,
    user: User,
    directory: String,
    network: Network,
    security: Security,
    mounts: Planned,
    /// What mounts bring, by their numbers in the instruction.
    brings: BTreeMap<usize, Brings>,
    hosts: Vec<Host>,
}

impl Run<'_> {
    /// Does a `RUN`.
    pub(super) async fn command(
        &self,
        number: usize,
        stage: &mut StageState,
        (run, step): (&dockerfile::Run, &Step),
    ) -> Result<Outcome, Error> {
        self.allowed(run)?;
        let written = self.written(stage, run)?;
        let (definition, brought) = self.defined(number, stage, (run, step), &written).await?;
        let mut lookup = self.look_up(&definition).await?;
        if let Some(outcome) = self.take_found(stage, &mut lookup).await? {
            return Ok(outcome);
        }
        self.see(stage).await?;
        let asked = (written, brought);
        let command = self.understood(number, stage, (run, step), asked).await?;
        let key = self.key_of(stage, &command);
        if let Some(found) = self.memory().find(&key).await?
            && let Some(found) = self.proper(found, &[key]).await?
        {
            let outcome = self.take(stage, &found);
            self.keep(lookup, Vec::new(), Packed::of(Some(found), Packing::Cached))
                .await?;
            return Ok(outcome);
        }
        self.explain_miss(&mut lookup).await;
        let turn = self.turn().await?;
        let layer = self.execute(stage, command).await?;
        drop(turn);
        let known = layer.as_ref().map(|layer| Known::here(Some(layer)));
        let packed = Packed::of(known, Packing::Packed);
        self.keep(lookup, vec![key], packed).await
    }

    /// Expands the mounts of a command.
    fn written(
        &self,
        stage: &StageState,
        run: &dockerfile::Run,
    ) -> Result<Vec<(Mount, dockerfile::Span)>, Error> {
        let mut written = Vec::new();
        for text in run.mounts() {
            let runtime = &stage.configured.config.config;
            let variables = stage.configured.scope.with(runtime);
            let expanded = dockerfile::expand_mount(text.as_str(), self.plan().escape, &variables);
            let (mount, _unset) = expanded.map_err(|error| {
                Error::new(ErrorKind::Step, error.message)
                    .with_hint(error.hint)
                    .at(text.span())
            })?;
            written.push((mount, text.span()));
        }
        Ok(written)
    }

    /// Works out what is started, and what it sees.
    async fn understood(
        &self,
        number: usize,
        stage: &mut StageState,
        (run, step): (&dockerfile::Run, &Step),
        (written, brought): (Written, Brought),
    ) -> Result<Command, Error> {
        let (network, security) = self.allowed(run)?;
        let names = Names {
            passwd: self.small_file(stage, "/etc/passwd").await?,
            group: self.small_file(stage, "/etc/group").await?,
        };
        let runtime = &stage.configured.config.config;
        let user = user::find(&runtime.user, &names)?;
        let started = command::started(run, runtime)?;
        let directory = stage.working_directory().to_owned();
        let (mounts, brings) = self
            .mounts((number, stage), &written, &step.mounts, brought)
            .await?;
        let running = &self.request().running;
        // The first one that the file asks for, as in other builders.
        let first = written
            .iter()
            .find(|(mount, _)| mount.kind == MountKind::Ssh);
        let has_agent = first.is_some_and(|(mount, _)| {
            let id = mount.id.as_deref().unwrap_or_default();
            running.agents.contains_key(id)
        });
        let environment = Environment::new(&Origins {
            config: &stage.configured.config.config.env,
            declared: stage.configured.scope.declared(),
            given: &self.request().arguments,
            home: user.home.as_deref(),
            agent: mounts.agent.as_deref().filter(|_| has_agent),
            epoch: self.time()?.seconds(),
        })?;
        let hosts = running.hosts.iter().map(|(name, address)| Host {
            name: name.clone(),
            address: *address,
        });
        Ok(Command {
            started,
            environment,
            user,
            directory,
            network,
            security,
            mounts,
            brings,
            hosts: hosts.collect(),
        })
    }

    /// Sees to it that a command asks for nothing that it may not have.
    fn allowed(&self, run: &dockerfile::Run) -> Result<(Network, Security), Error> {
        let running = &self.request().running;
        let network = match (run.network(), running.network, running.reach) {
            (Network::Host, _, Reach::Hermetic) => {
                let message = "the command asks for the network, and the build is hermetic";
                return Err(Error::new(ErrorKind::Step, message).with_hint(
                    "fetch what it needs with `ADD --checksum`, or build without `--hermetic`",
                ));
            }
            (Network::Default, RunNetwork::None, _) | (Network::Default, _, Reach::Hermetic) => {
                Network::None
            }
            (network, ..) => network,
        };
        let security = run.security();
        if security == Security::Insecure && running.insecure == Grant::Refused {
            let message = "`--security=insecure` is not allowed";
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(
                "`wharf build --allow security.insecure` allows it: the command then has all rights that the builder has",
            ));
        }
        Ok((network, security))
    }

    /// Plans the mounts, and finds what they bring.
    async fn mounts(
        &self,
        (number, stage): (usize, &StageState),
        written: &[(Mount, dockerfile::Span)],
        from: &[CopyFrom],
        mut brought: Brought,
    ) -> Result<(Planned, Brought), Error> {
        let mut brings = BTreeMap::new();
        let mut wanted = Vec::with_capacity(written.len());
        for (at, (mount, span)) in written.iter().enumerate() {
            let mut shape = Shape::Directory;
            if let Some(from) = from.get(at).filter(|_| takes_files(mount)) {
                let brings_it = match brought.remove(&at) {
                    Some(brings) => brings,
                    None => {
                        let brings = self.brings(number, from, mount).await;
                        brings.map_err(|error| error.at(*span))?
                    }
                };
                shape = brings_it.shape;
                brings.insert(at, brings_it);
            }
            wanted.push(Wanted { mount, shape });
        }
        let nothing = Tree::new();
        let tree = stage.tree.as_ref().unwrap_or(&nothing);
        let planned = mounts::plan(&wanted, stage.working_directory(), tree)?;
        Ok((planned, brings))
    }

    /// Gives the key of a command.
    fn key_of(&self, stage: &StageState, command: &Command) -> Digest {
        let parent: Vec<Digest> = stage
            .layers
            .iter()
            .map(|placed| placed.layer.diff_id)
            .collect();
        let mounts = &command.mounts;
        let mut mounted: Vec<Mounted> = mounts
            .mounts
            .iter()
            .map(|mount| Mounted {
                target: mount.target.as_bytes().to_vec(),
                kind: mounted(&mount.kind, command.brings.get(&mount.number)),
            })
            .collect();
        mounted.extend(mounts.variables.iter().map(|variable| Mounted {
            target: variable.name.clone().into_bytes(),
            kind: MountedKind::Variable {
                id: variable.id.clone(),
            },
        }));
        let key = key::key(&Depends {
            parent: &parent,
            platform: &stage.configured.config.platform,
            started: &command.started,
            environment: &command.environment.kept,
            directory: &command.directory,
            user: &command.user,
            network: command.network,
            security: command.security,
            mounts: &mounted,
            hosts: &command.hosts,
            epoch: i64::try_from(self.request().epoch).unwrap_or(i64::MAX),
        });
        packed_as(self.request().compression, key)
    }
}

/// Says whether a mount takes files of something else.
fn takes_files(mount: &Mount) -> bool {
    let is_filled = mount.from.is_some() || mount.source.is_some();
    mount.kind == MountKind::Bind || (mount.kind == MountKind::Cache && is_filled)
}

fn mounted(kind: &PlannedKind, brings: Option<&Brings>) -> MountedKind {
    let content = || brings.map(|brings| brings.digest);
    let numbers = |access: &Access| [access.mode, access.uid, access.gid];
    match kind {
        PlannedKind::Bind { read_only, .. } => MountedKind::Bind {
            content: content().unwrap_or_else(|| Digest::sha256(b"")),
            read_only: *read_only,
        },
        PlannedKind::Cache {
            id,
            access,
            read_only,
            ..
        } => MountedKind::Cache {
            id: id.clone(),
            content: content(),
            read_only: *read_only,
            access: numbers(access),
        },
        PlannedKind::Tmpfs {
            read_only: true, ..
        } => MountedKind::Bind {
            content: Digest::sha256(b""),
            read_only: true,
        },
        PlannedKind::Tmpfs { size, .. } => MountedKind::Tmpfs { size: *size },
        PlannedKind::Secret { id, access, .. } => MountedKind::Secret {
            id: id.clone(),
            access: numbers(access),
        },
        PlannedKind::Ssh { id, access, .. } => MountedKind::Agent {
            id: id.clone(),
            access: numbers(access),
        },
    }
}

/// Names another sandbox than the one that a build is done in, where this
/// machine has one that runs commands as well.
pub(super) async fn another(running: &Running) -> Result<Option<TierName>, Error> {
    let running = running.clone();
    blocking::run(move || {
        let probe = Probe::run(&running.launch, &running.store);
        let chosen = match running.sandbox {
            SandboxChoice::Best => probe.tiers.first().map(sandbox::Tier::name),
            SandboxChoice::Named(name) => Some(name),
        };
        let mut names = probe.tiers.iter().map(sandbox::Tier::name);
        Ok(names.find(|name| Some(*name) != chosen))
    })
    .await
}

/// Says that something which a mount needs was not given.
fn not_given(what: &str, id: &str, flag: &str) -> Error {
    let message = format!("there is no {what} `{}`", excerpt(id));
    Error::new(ErrorKind::Step, message).with_hint(format!("give it with `{flag}`"))
}

//! A command with everything that it needs, and the thread that it is run on.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use layer::{EntryPath, Operation, Tree};
use sandbox::{Ended, Kept};

use crate::error::{Error, ErrorKind};
use crate::pack::layers::locked;
use crate::plan::excerpt;
use crate::request::OciRuntime;
use crate::snapshot::{Chain, Prepared, Snapshots};
use crate::solve::run::Run;
use crate::solve::running::bind::Packed;
use crate::solve::running::mounting::Mounting;
use crate::solve::running::pool::Sandbox;
use crate::solve::running::seeding::Caching;
use crate::solve::running::{Command, not_given};
use crate::solve::stage::StageState;
use crate::step::run::command::Script;
use crate::step::run::files;
use crate::step::run::mask;
use crate::step::run::mounts::{PlannedKind, PlannedMount, Shape, Stub};
use crate::step::run::stubs::{self, Stubs, Target};
use crate::step::run::user::User;

/// Is a command that is to be run, with what it needs.
pub(super) struct Job {
    pub(super) sandbox: Sandbox,
    pub(super) chain: Chain,
    /// What gives a directory over others the root of the file system.
    pub(super) root: Operation,
    pub(super) stubs: Stubs,
    /// The time of what is made for the command.
    pub(super) time: rustix::fs::Timestamps,
    /// Where the standing files go.
    pub(super) files: Vec<(EntryPath, Vec<u8>)>,
    pub(super) command: Started,
    pub(super) mounts: Vec<PlannedMount>,
    /// What mounts bring, by their numbers in the instruction.
    pub(super) packed: BTreeMap<usize, Packed>,
    /// What caches need.
    pub(super) caching: Caching,
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    pub(super) agents: BTreeMap<String, PathBuf>,
}

/// Is what is started, without what has to be made for it.
pub(super) struct Started {
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) scripts: Vec<Script>,
    pub(super) environment: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) directory: Vec<u8>,
    pub(super) user: User,
    pub(super) network: sandbox::Network,
    pub(super) kept: Kept,
    pub(super) limits: sandbox::Limits,
    pub(super) runtime: OciRuntime,
}

impl Run<'_> {
    /// Gathers the secrets that a command may see.
    pub(super) fn secrets(&self, command: &Command) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let given = &self.request().running.secrets;
        let files = command
            .mounts
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                PlannedKind::Secret { id, required, .. } => Some((id, *required)),
                _ => None,
            });
        let variables = command.mounts.variables.iter();
        let variables = variables.map(|variable| (&variable.id, variable.required));
        let mut secrets = BTreeMap::new();
        for (id, required) in files.chain(variables) {
            match given.get(id) {
                Some(secret) => {
                    if !mask::can_hide(secret.bytes()) {
                        let message = format!(
                            "the secret `{}` is so short that it is not hidden in what the command says",
                            excerpt(id)
                        );
                        self.warn(&message, "four bytes and more are shown as `***`");
                    }
                    secrets.insert(id.clone(), secret.bytes().to_vec());
                }
                None if required => {
                    return Err(not_given("secret", id, "--secret id=ID,src=FILE"));
                }
                None => {}
            }
        }
        Ok(secrets)
    }

    /// Gathers everything that a command needs.
    pub(super) async fn job(
        &self,
        stage: &StageState,
        mut command: Command,
        (sandbox, chain, secrets): (Sandbox, Chain, BTreeMap<String, Vec<u8>>),
    ) -> Result<Job, Error> {
        let running = &self.request().running;
        let nothing = Tree::new();
        let tree = stage.tree.as_ref().unwrap_or(&nothing);
        let mut packed = BTreeMap::new();
        for (number, brings) in std::mem::take(&mut command.brings) {
            packed.insert(number, self.packed(brings).await?);
        }
        let mut variables = BTreeMap::new();
        for variable in &command.mounts.variables {
            if let Some(secret) = secrets.get(&variable.id) {
                variables.insert(variable.name.clone(), secret.clone());
            }
        }
        for mount in &command.mounts.mounts {
            if let PlannedKind::Ssh { id, required, .. } = &mount.kind
                && *required
                && !running.agents.contains_key(id)
            {
                return Err(not_given("SSH agent", id, "--ssh ID=SOCKET"));
            }
        }
        let standing = stubs::standing(tree)?;
        let files = standing_files(&standing, &command, &running.resolver);
        let is_given = |kind: &PlannedKind| match kind {
            PlannedKind::Secret { id, .. } => secrets.contains_key(id),
            PlannedKind::Ssh { id, .. } => running.agents.contains_key(id),
            _ => true,
        };
        let asked = (command.mounts.mounts.as_slice(), command.directory.as_str());
        let targets = targets(tree, standing, asked, is_given)?;
        let root = Operation::directory_of(tree, &EntryPath::root());
        let platform = &stage.configured.config.platform;
        let caching = self.caching(platform, asked.0, &sandbox).await;
        Ok(Job {
            root: root.ok_or_else(|| Error::new(ErrorKind::Step, "the stage has no files"))?,
            stubs: stubs::stubs(tree, &targets, self.time()?)?,
            time: times(self.time()?),
            files,
            command: Started {
                arguments: words(command.started.arguments),
                scripts: command.started.scripts,
                environment: command.environment.with(&variables),
                directory: command.directory.into_bytes(),
                user: command.user,
                network: match command.network {
                    dockerfile::Network::None => sandbox::Network::None,
                    _ => sandbox::Network::Host,
                },
                kept: match command.security {
                    dockerfile::Security::Insecure => Kept::All,
                    dockerfile::Security::Sandbox => Kept::Default,
                },
                limits: running.limits.clone(),
                runtime: running.runtime.clone(),
            },
            mounts: command.mounts.mounts,
            packed,
            caching,
            secrets,
            agents: running.agents.clone(),
            sandbox,
            chain,
        })
    }
}

/// The kernel's number of the limit of dumps (setrlimit(2), `RLIMIT_CORE`).
const CORE: u32 = 4;

/// Says what is in the files that every command sees.
fn standing_files(
    standing: &[Target],
    command: &Command,
    resolver: &[u8],
) -> Vec<(EntryPath, Vec<u8>)> {
    let reach = match command.network {
        dockerfile::Network::None => files::Reach::Itself,
        _ => files::Reach::Machine,
    };
    let texts = [
        files::hosts(&command.hosts).into_bytes(),
        files::resolvers(resolver, reach),
        files::hostname().into_bytes(),
    ];
    let own = standing.iter().filter(|target| target.shape == Shape::File);
    own.map(|target| target.path.clone()).zip(texts).collect()
}

fn times(time: layer::Time) -> rustix::fs::Timestamps {
    let time = rustix::fs::Timespec {
        tv_sec: time.seconds(),
        tv_nsec: time.nanoseconds().into(),
    };
    rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn words(words: Vec<String>) -> Vec<Vec<u8>> {
    words.into_iter().map(String::into_bytes).collect()
}

/// Lists what has to be in the file system of a command: places for mounts, and
/// the directory where it starts.
fn targets(
    tree: &Tree,
    standing: Vec<Target>,
    (mounts, directory): (&[PlannedMount], &str),
    is_given: impl Fn(&PlannedKind) -> bool,
) -> Result<Vec<Target>, Error> {
    let mut targets = standing;
    let in_tree = mounts
        .iter()
        .filter(|mount| mount.stub == Stub::Tree && is_given(&mount.kind));
    targets.extend(in_tree.map(|mount| Target {
        path: mount.target.clone(),
        shape: mount.shape,
    }));
    // A base may name one that it does not have.
    let resolved = tree.resolve(directory.as_bytes(), layer::Follow::All);
    let resolved = resolved.map_err(|error| {
        let message = format!("the command can not start in `{directory}`");
        Error::caused(ErrorKind::Step, message, error)
    })?;
    if !targets
        .iter()
        .any(|target| target.shape == Shape::Directory && resolved.path.is_in(&target.path))
    {
        targets.push(Target {
            path: resolved.path,
            shape: Shape::Directory,
        });
    }
    Ok(targets)
}

impl Job {
    /// Makes the file system, and runs the command in it. It blocks.
    pub(super) fn run(self, streams: [OwnedFd; 3]) -> Result<(Prepared, Ended), Error> {
        let stubs = (self.stubs.operations.clone(), self.stubs.created.clone());
        let mut snapshots = locked(&self.sandbox);
        let prepared = snapshots.prepare(&self.chain, &self.root, stubs)?;
        let ended = self.run_in(&snapshots, &prepared, streams);
        match ended {
            Ok(ended) => Ok((prepared, ended)),
            Err(error) => {
                // The first error counts.
                let _ = snapshots.discard(&prepared);
                Err(error)
            }
        }
    }

    fn run_in(
        &self,
        snapshots: &Snapshots,
        prepared: &Prepared,
        streams: [OwnedFd; 3],
    ) -> Result<Ended, Error> {
        let [_, _, stop] = &streams;
        // All of them before anything is made: they may have to be waited for.
        let caches = self.caching.take(snapshots, stop.as_fd())?;
        let mut mounting = Mounting::new(self, (snapshots, prepared), streams, caches);
        mounting.standing()?;
        mounting.asked()?;
        mounting.scripts()?;
        let step = self.step(prepared, std::mem::take(&mut mounting.mounts));
        // Caches are held until the command has ended.
        let room = snapshots.room();
        room.handle()
            .run(step, &self.command.runtime, &mounting.descriptors)
    }

    fn step(&self, prepared: &Prepared, mounts: Vec<sandbox::Mount>) -> sandbox::Step {
        let command = &self.command;
        let mut limits = command.limits.clone();
        // A dump would have the command's secrets, and be in the layer.
        limits.resources.entry(CORE).or_insert((0, 0));
        sandbox::Step {
            root: prepared.root.clone(),
            scratch: prepared.scratch.clone(),
            arguments: command.arguments.clone(),
            environment: command.environment.clone(),
            directory: command.directory.clone(),
            user: command.user.uid,
            group: command.user.gid,
            groups: command.user.groups.clone(),
            hostname: files::HOSTNAME.to_owned(),
            network: command.network,
            mounts,
            kept: command.kept,
            limits,
        }
    }
}

//! Runs a command: has its file system made, mounts what it asks for, and
//! makes a layer of what it left.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use layer::{Clamp, Diff, EntryPath, Form, Metadata, Operation, Tree};
use sandbox::{Ended, Kept, MountKind};

use crate::blocking;
use crate::contents::{Brought, Shelf};
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Stream};
use crate::image::LayerOf;
use crate::layers::locked;
use crate::plan::excerpt;
use crate::recipe::{Content, Item, Recipe};
use crate::request::OciRuntime;
use crate::snapshot::{Cache, Chain, Prepared, Snapshots};
use crate::solve::run::Run;
use crate::solve::running::bind::{self, Packed};
use crate::solve::running::output::{self, LastLines};
use crate::solve::running::{Command, not_given};
use crate::solve::stage::StageState;
use crate::step::run::files;
use crate::step::run::mask::{self, Mask};
use crate::step::run::mounts::{PlannedKind, PlannedMount, Shape, Stub};
use crate::step::run::stubs::{self, Stubs, Target};

/// How many layers are fetched at a time.
const LAYERS_AT_ONCE: usize = 4;

/// The directories of one build, which one command has at a time.
pub(crate) type Sandbox = Arc<Mutex<Snapshots>>;

/// Is a command that is to be run, with what it needs.
struct Job {
    sandbox: Sandbox,
    chain: Chain,
    /// What gives a directory over others the root of the file system.
    root: Operation,
    stubs: Stubs,
    /// The time of what is made for the command.
    time: rustix::fs::Timestamps,
    /// Where the standing files go.
    files: Vec<(EntryPath, Vec<u8>)>,
    command: Started,
    mounts: Vec<PlannedMount>,
    /// What mounts bring, by their numbers in the instruction.
    packed: BTreeMap<usize, Packed>,
    secrets: BTreeMap<String, Vec<u8>>,
    agents: BTreeMap<String, PathBuf>,
}

/// Is what is started, without what has to be made for it.
struct Started {
    arguments: Vec<Vec<u8>>,
    scripts: Vec<crate::step::run::command::Script>,
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
    directory: Vec<u8>,
    user: crate::step::run::user::User,
    network: sandbox::Network,
    kept: Kept,
    limits: sandbox::Limits,
    runtime: OciRuntime,
}

impl Run<'_> {
    /// Gives the sandbox of this build; it is made when a command needs it.
    async fn sandbox(&mut self) -> Result<Sandbox, Error> {
        if let Some(sandbox) = &self.sandbox {
            return Ok(Arc::clone(sandbox));
        }
        let running = self.request.running.clone();
        let sandbox = blocking::run(move || Snapshots::start(&running)).await?;
        let tier = sandbox.tier().name();
        self.note(&Event::Sandboxed { tier });
        let sandbox = Arc::new(Mutex::new(sandbox));
        self.sandbox = Some(Arc::clone(&sandbox));
        Ok(sandbox)
    }

    /// Has all layers of a stage unpacked.
    async fn unpacked(&mut self, stage: &StageState, sandbox: &Sandbox) -> Result<Chain, Error> {
        let chain = Chain::of(stage.layers.iter().map(|placed| &placed.layer.diff_id));
        let (asked, of) = (Arc::clone(sandbox), chain.clone());
        let missing = blocking::run(move || locked(&asked).missing(&of)).await?;
        let Some(last) = missing.last() else {
            return Ok(chain);
        };
        let wanted = stage.layers.iter().enumerate();
        let wanted = wanted.filter(|(at, _)| missing.contains(at));
        // Fetched, checked and decompressed some at a time; they are put into
        // directories one after the other, each by several threads.
        let (layers, step) = (&self.layers, self.step);
        let contents = futures_util::stream::iter(wanted)
            .map(|(_, placed)| layers.unpack(step, &placed.place, &placed.layer))
            .buffered(LAYERS_AT_ONCE)
            .collect::<Vec<_>>();
        let mut contents = contents.await.into_iter();
        let (mut tree, mut below) = (Tree::new(), Chain::default());
        for (at, placed) in stage.layers.iter().enumerate().take(last + 1) {
            let digest = placed.layer.descriptor.digest;
            let index = self
                .layers
                .index(self.step, &placed.place, &placed.layer)
                .await?;
            let fitting = |error| Error::layer(format!("the layer `{digest}` does not fit"), error);
            below.push(&placed.layer.diff_id);
            if missing.contains(&at)
                && let Some(content) = contents.next().transpose()?
            {
                self.note(&Event::Unpacking {
                    step,
                    digest: &digest,
                });
                let operations = layer::operations(&tree, &index).map_err(fitting)?;
                let (sandbox, chain) = (Arc::clone(sandbox), below.clone());
                blocking::run(move || {
                    let content = content.file.file().as_fd();
                    locked(&sandbox).unpack(&chain, operations, content)
                })
                .await?;
            }
            let origin = self.origin(placed)?;
            tree.apply(origin, &index).map_err(fitting)?;
        }
        Ok(chain)
    }

    /// Runs a command, and gives the layer that it made, if it changed
    /// anything.
    pub(super) async fn execute(
        &mut self,
        stage: &mut StageState,
        command: Command,
    ) -> Result<Option<LayerOf>, Error> {
        let sandbox = self.sandbox().await?;
        let chain = self.unpacked(stage, &sandbox).await?;
        let secrets = self.secrets(&command)?;
        let mask = Arc::new(Mask::new(secrets.values().map(Vec::as_slice)));
        let job = self.job(stage, command, (sandbox, chain, secrets)).await?;
        let (stop_read, stop) = output::pipe()?;
        let (out_read, out) = output::pipe()?;
        let (err_read, err) = output::pipe()?;
        let last = LastLines::default();
        let tell = |pipe, stream| {
            let (mask, last, step) = (Arc::clone(&mask), last.clone(), self.step);
            let progress = Arc::clone(&self.request.progress);
            blocking::run(move || {
                output::tell(pipe, (step, stream), &mask, (progress.as_ref(), &last));
                Ok(())
            })
        };
        let sandbox = Arc::clone(&job.sandbox);
        let chain = job.chain.clone();
        let running = blocking::run(move || job.run([out, err, stop_read]));
        let (ran, told, also) = tokio::join!(
            running,
            tell(out_read, Stream::Output),
            tell(err_read, Stream::Errors)
        );
        // As long as this is held, nobody stops the command.
        drop(stop);
        told.and(also)?;
        let (prepared, ended) = ran?;
        if let Some(error) = failed(ended, &last) {
            let error = self.foreign(stage, error);
            blocking::run(move || locked(&sandbox).discard(&prepared)).await?;
            return Err(error);
        }
        self.taken(stage, (sandbox, chain, prepared)).await
    }

    /// Says what may be the reason that no program of a stage can be run.
    fn foreign(&self, stage: &StageState, error: Error) -> Error {
        let (here, there) = (
            &self.request.build_platform,
            &stage.configured.config.platform,
        );
        if error.hint().is_some() || here.architecture == there.architecture {
            return error;
        }
        error.with_hint(format!(
            "the stage is for `{there}`, and this machine is `{here}`: its programs run only where the kernel knows an emulator for them (binfmt_misc)"
        ))
    }

    /// Gathers the secrets that a command may see.
    fn secrets(&self, command: &Command) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let given = &self.request.running.secrets;
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
    async fn job(
        &self,
        stage: &StageState,
        command: Command,
        (sandbox, chain, secrets): (Sandbox, Chain, BTreeMap<String, Vec<u8>>),
    ) -> Result<Job, Error> {
        let running = &self.request.running;
        let nothing = Tree::new();
        let tree = stage.tree.as_ref().unwrap_or(&nothing);
        let mut packed = BTreeMap::new();
        for (number, brings) in command.brings {
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
        let reach = match command.network {
            dockerfile::Network::None => files::Reach::Itself,
            _ => files::Reach::Machine,
        };
        let texts = [
            files::hosts(&command.hosts).into_bytes(),
            files::resolvers(&running.resolver, reach),
            files::hostname().into_bytes(),
        ];
        let own = standing.iter().filter(|target| target.shape == Shape::File);
        let files = own.map(|target| target.path.clone()).zip(texts).collect();
        let root = Operation::directory_of(tree, &EntryPath::root());
        Ok(Job {
            root: root.ok_or_else(|| Error::new(ErrorKind::Step, "the stage has no files"))?,
            stubs: stubs::stubs(
                tree,
                &targets(tree, standing, (&command.mounts.mounts, &command.directory))?,
                self.time()?,
            )?,
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
            secrets,
            agents: running.agents.clone(),
            sandbox,
            chain,
        })
    }

    /// Makes a layer of what a command left.
    async fn taken(
        &mut self,
        stage: &mut StageState,
        (sandbox, chain, prepared): (Sandbox, Chain, Prepared),
    ) -> Result<Option<LayerOf>, Error> {
        let clamp = Clamp {
            epoch: self.time()?,
            started: prepared.started,
        };
        let tree = stage.tree.take().unwrap_or_default();
        let look = Arc::clone(&sandbox);
        let (prepared, diff, tree) = blocking::run(move || {
            let snapshots = locked(&look);
            let observation = snapshots.look(&prepared)?;
            let diff = layer::diff(&tree, &observation, clamp, snapshots.how());
            let diff = diff.map_err(|error| {
                Error::layer("what the command left can be in no layer".to_owned(), error)
            })?;
            Ok((prepared, diff, tree))
        })
        .await?;
        stage.tree = Some(tree);
        let Diff {
            changed,
            settlements,
        } = diff;
        let mut shelf = Shelf::default();
        let origin = shelf.next_origin().unwrap_or_default();
        let (mut recipe, paths) = recipe(changed, origin);
        let left = locked(&sandbox).source(&prepared);
        shelf.bring(Brought::Left {
            left,
            paths: Arc::new(paths),
        });
        let layer = if recipe.is_empty() {
            None
        } else {
            if let Some(tree) = &stage.tree {
                recipe.enclose(tree);
            }
            let bytes = recipe.size();
            let layer = self.packed_layer(stage, &mut recipe, &shelf).await?;
            self.put_on(stage, layer.clone()).await?;
            Some((layer, bytes))
        };
        let mut chain = chain;
        if let Some((layer, _)) = &layer {
            chain.push(&layer.diff_id);
        }
        let added = layer.as_ref().map(|(_, bytes)| *bytes);
        blocking::run(move || {
            let mut snapshots = locked(&sandbox);
            snapshots.settle(&prepared, settlements)?;
            snapshots.keep(prepared, &chain, added)
        })
        .await?;
        Ok(layer.map(|(layer, _)| layer))
    }

    /// Finds or packs the layer of a recipe.
    async fn packed_layer(
        &mut self,
        stage: &mut StageState,
        recipe: &mut Recipe,
        shelf: &Shelf,
    ) -> Result<LayerOf, Error> {
        let media_type = self.request.format.layer();
        if let Some(layer) = self.layers.find(recipe, shelf, &media_type).await? {
            return Ok(layer);
        }
        stage.packed += 1;
        let step = self.step;
        self.layers.make(step, recipe, shelf, &media_type).await
    }
}

/// Makes a recipe of what changed, whose content is at this origin, by the
/// numbers of the paths that come along.
fn recipe(changed: Vec<layer::Changed>, origin: u32) -> (Recipe, Vec<EntryPath>) {
    let (mut recipe, mut paths) = (Recipe::default(), Vec::new());
    for layer::Changed { entry, source } in changed {
        let content = match source {
            None => Content::None,
            Some(source) => {
                let place = layer::ContentPlace {
                    origin,
                    position: paths.len() as u64,
                };
                paths.push(source.path);
                Content::Place {
                    place,
                    digest: Some(source.digest),
                }
            }
        };
        recipe.add(Item { entry, content });
    }
    (recipe, paths)
}

/// Says why a command failed, if it did.
fn failed(ended: Ended, last: &LastLines) -> Option<Error> {
    let message = match ended {
        Ended::Code(0) => return None,
        Ended::Code(code) => format!("the command failed with code {code}"),
        Ended::Signal(number) => format!("the command was killed by signal {number}"),
        Ended::TimedOut => "the command took longer than it may, and was killed".to_owned(),
        Ended::Stopped => "the command was stopped".to_owned(),
    };
    let said = last.text();
    Some(match said.is_empty() {
        true => Error::new(ErrorKind::Command, message),
        false => Error::caused(ErrorKind::Command, message, LastSaid(said)),
    })
}

/// Is what a command said at last.
#[derive(Debug, thiserror::Error)]
#[error("its last words were:\n{0}")]
struct LastSaid(String);

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
) -> Result<Vec<Target>, Error> {
    let mut targets = standing;
    let in_tree = mounts.iter().filter(|mount| mount.stub == Stub::Tree);
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
    fn run(self, streams: [OwnedFd; 3]) -> Result<(Prepared, Ended), Error> {
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
        let room = snapshots.room();
        let mut descriptors: Vec<OwnedFd> = streams.into();
        let first = descriptors.len();
        let mut mounts = Vec::new();
        let own = prepared.own();
        let stored =
            |error| Error::caused(ErrorKind::Storage, "can not write for a command", error);
        for (number, (target, text)) in self.files.iter().enumerate() {
            let source = own.join(format!("e{number}"));
            fs_err::write(&source, text).map_err(stored)?;
            // A command that looks sees no time of this machine.
            rustix::fs::utimensat(
                rustix::fs::CWD,
                &source,
                &self.time,
                rustix::fs::AtFlags::empty(),
            )
            .map_err(|errno| stored(errno.into()))?;
            mounts.push(sandbox::Mount {
                target: absolute(target),
                kind: MountKind::Bind {
                    source,
                    read_only: false,
                },
            });
        }
        // Held until the command has ended.
        let mut caches: Vec<Cache> = Vec::new();
        let mut sources: Vec<Option<PathBuf>> = Vec::new();
        for (number, mount) in self.mounts.iter().enumerate() {
            let source = self.source(snapshots, prepared, mount, &mut caches)?;
            if let Stub::Inside { mount: outer, path } = &mount.stub
                && let Some(Some(outer)) = sources.get(*outer)
            {
                room.handle().stub(outer, path, mount.shape)?;
            }
            sources.push(source.clone());
            let kind = match (&mount.kind, source) {
                (
                    PlannedKind::Bind { read_only, .. } | PlannedKind::Cache { read_only, .. },
                    Some(source),
                ) => MountKind::Bind {
                    source,
                    read_only: *read_only,
                },
                // Empty, and to stay so.
                (
                    PlannedKind::Tmpfs {
                        read_only: true, ..
                    },
                    _,
                ) => {
                    let source = own.join(format!("t{number}"));
                    fs_err::create_dir(&source).map_err(stored)?;
                    MountKind::Bind {
                        source,
                        read_only: true,
                    }
                }
                (PlannedKind::Tmpfs { size, .. }, _) => MountKind::Tmpfs {
                    size: *size,
                    mode: TMPFS_MODE,
                },
                (PlannedKind::Secret { id, access, .. }, _) => {
                    let Some(secret) = self.secrets.get(id) else {
                        continue;
                    };
                    descriptors.push(memory(secret)?);
                    MountKind::Secret {
                        descriptor: descriptors.len() - first - 1,
                        mode: access.mode,
                        uid: access.uid,
                        gid: access.gid,
                    }
                }
                (PlannedKind::Ssh { id, access, .. }, _) => {
                    let Some(source) = self.agents.get(id) else {
                        continue;
                    };
                    MountKind::Agent {
                        source: source.clone(),
                        mode: access.mode,
                        uid: access.uid,
                        gid: access.gid,
                    }
                }
                _ => continue,
            };
            mounts.push(sandbox::Mount {
                target: absolute(&mount.target),
                kind,
            });
        }
        for script in &self.command.scripts {
            descriptors.push(memory(script.content.as_bytes())?);
            mounts.push(sandbox::Mount {
                target: format!("{}/{}", crate::step::run::command::SCRIPTS, script.name)
                    .into_bytes(),
                kind: MountKind::Secret {
                    descriptor: descriptors.len() - first - 1,
                    mode: crate::step::run::command::SCRIPT_MODE,
                    uid: 0,
                    gid: 0,
                },
            });
        }
        let step = self.step(prepared, mounts);
        room.handle().run(step, &descriptors)
    }

    fn step(&self, prepared: &Prepared, mounts: Vec<sandbox::Mount>) -> sandbox::Step {
        let command = &self.command;
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
            limits: command.limits.clone(),
        }
    }

    /// Makes what a mount mounts, where that is files.
    fn source(
        &self,
        snapshots: &Snapshots,
        prepared: &Prepared,
        mount: &PlannedMount,
        caches: &mut Vec<Cache>,
    ) -> Result<Option<PathBuf>, Error> {
        let (room, how) = (snapshots.room(), (Form::Plain, snapshots.how().1));
        let handle = room.handle();
        let packed = self.packed.get(&mount.number);
        let unpack = |directory: &std::path::Path, packed: &Packed| {
            let operations = layer::operations(&Tree::new(), &packed.index).map_err(|error| {
                Error::layer("the files of a mount do not fit".to_owned(), error)
            })?;
            handle.make(directory)?;
            handle.perform(directory, operations, packed.file.as_fd(), how)?;
            Ok::<_, Error>(directory.join(bind::NAME))
        };
        match &mount.kind {
            PlannedKind::Bind { .. } => {
                let Some(packed) = packed else {
                    return Ok(None);
                };
                let directory = prepared.own().join(format!("b{}", mount.number));
                unpack(&directory, packed).map(Some)
            }
            PlannedKind::Cache {
                id,
                sharing,
                access,
                ..
            } => {
                let cache = snapshots.home().cache(id, *sharing)?;
                if !cache.files.exists() {
                    match packed {
                        Some(packed) => {
                            let made = unpack(&cache.directory.join("new"), packed)?;
                            handle.rename(&made, &cache.files)?;
                        }
                        None => {
                            let operation = Operation::Directory {
                                path: EntryPath::root().child(cache.name()),
                                metadata: Metadata {
                                    mode: u16::try_from(access.mode & 0o7777).unwrap_or(0o755),
                                    uid: access.uid,
                                    gid: access.gid,
                                    ..Metadata::default()
                                },
                                links: BTreeMap::new(),
                            };
                            let nothing = memory(b"")?;
                            let nothing = nothing.as_fd();
                            handle.perform(&cache.directory, vec![operation], nothing, how)?;
                        }
                    }
                }
                let files = cache.files.clone();
                caches.push(cache);
                Ok(Some(files))
            }
            _ => Ok(None),
        }
    }
}

/// The permissions of a directory in memory, as `/tmp` has them.
const TMPFS_MODE: u32 = 0o1777;

fn absolute(path: &EntryPath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// Holds bytes in memory, for another process to read.
fn memory(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let failed = |error| Error::caused(ErrorKind::Sandbox, "can not hold a file in memory", error);
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let memory = rustix::fs::memfd_create("wharf", flags);
    let mut file = std::fs::File::from(memory.map_err(|errno| failed(errno.into()))?);
    file.write_all(bytes).map_err(failed)?;
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    Ok(file.into())
}

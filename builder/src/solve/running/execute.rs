//! Runs a command: has its file system made, mounts what it asks for, and
//! makes a layer of what it left.

use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use layer::{Clamp, Diff, EntryPath, Tree};
use sandbox::{Ended, Ids, Limits};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Stream};
use crate::image::LayerOf;
use crate::pack::contents::{Brought, Shelf};
use crate::pack::layers::locked;
use crate::pack::recipe::{Content, Item, Recipe};
use crate::snapshot::{Chain, Prepared, Snapshots};
use crate::solve::run::Run;
use crate::solve::running::Command;
use crate::solve::running::output::{self, LastLines};
use crate::solve::stage::StageState;
use crate::step::run::mask::Mask;

/// How many layers are fetched at a time.
const LAYERS_AT_ONCE: usize = 4;

/// The directories of one build, which one command has at a time.
pub(crate) type Sandbox = Arc<Mutex<Snapshots>>;

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
        let is_recorded = matches!(locked(&sandbox).tier().ids, Ids::One);
        if is_recorded && command.user.uid != 0 && !self.told_of_users {
            self.told_of_users = true;
            let message = "the sandbox `one` does not keep users of the image from files of others: what a command finds writable may be otherwise elsewhere";
            self.warn(
                message,
                "`usermod --add-subuids` gives this user ids, for the sandbox `mapped`",
            );
        }
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
        if let Some(error) = failed(ended, &self.request.running.limits, &last) {
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
fn failed(ended: Ended, limits: &Limits, last: &LastLines) -> Option<Error> {
    let message = match ended {
        Ended::Code(0) => return None,
        Ended::Code(code) => format!("the command failed with code {code}"),
        Ended::Signal(number) => format!("the command was killed by signal {number}"),
        Ended::TimedOut => {
            let limit = Duration::from_millis(limits.milliseconds.unwrap_or_default());
            format!("the command took longer than {limit:?}, and was killed")
        }
        Ended::Stopped => "the command was stopped".to_owned(),
    };
    let said = last.text();
    let error = match said.is_empty() {
        true => Error::new(ErrorKind::Command, message),
        false => Error::caused(ErrorKind::Command, message, LastSaid(said)),
    };
    Some(match ended {
        Ended::TimedOut => error.with_hint("`--run-timeout` gives commands more time"),
        _ => error,
    })
}

/// Is what a command said at last.
#[derive(Debug, thiserror::Error)]
#[error("its last words were:\n{0}")]
struct LastSaid(String);

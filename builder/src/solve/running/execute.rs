//! Runs a command: has its file system made, mounts what it asks for, and
//! makes a layer of what it left.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use layer::{Clamp, Diff, EntryPath, Tree};
use sandbox::{Ended, Ids, Limits};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Stream};
use crate::image::LayerOf;
use crate::pack::contents::{Brought, Shelf};
use crate::pack::layers::locked;
use crate::pack::reading;
use crate::pack::recipe::{Content, Item, Recipe};
use crate::snapshot::{Chain, Prepared};
use crate::solve::files::LAYERS_AT_ONCE;
use crate::solve::here;
use crate::solve::run::Run;
use crate::solve::running::Command;
use crate::solve::running::output::{self, LastLines};
use crate::solve::running::pool::{Lease, Sandbox};
use crate::solve::stage::{Placed, StageState};
use crate::step::run::mask::Mask;

impl Run<'_> {
    /// Gives a sandbox for a command, best one that has the file system of the
    /// stage.
    async fn sandbox(&self, chain: &Chain) -> Result<Lease<'_>, Error> {
        let (lease, is_first) = self.build.works.sandboxes.take(chain).await?;
        if is_first {
            let tier = locked(&lease.sandbox).tier().name();
            self.note(&Event::Sandboxed { tier });
        }
        Ok(lease)
    }

    /// Has all layers of a stage unpacked.
    async fn unpacked(
        &self,
        stage: &StageState,
        (sandbox, chain): (&Sandbox, &Chain),
    ) -> Result<(), Error> {
        let missing = missing(sandbox, chain).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let wanted = stage.layers.iter().enumerate();
        let wanted = wanted.filter(|(at, _)| missing.contains(at));
        // Fetched, checked and decompressed some at a time, while others may put
        // theirs into directories.
        let (layers, step) = (self.layers(), self.step);
        let fetched: Vec<_> = futures_util::stream::iter(wanted)
            .map(|(_, placed)| layers.unpack(step, &placed.place, &placed.layer))
            .buffered(LAYERS_AT_ONCE)
            .try_collect()
            .await?;
        drop(fetched);
        // That is done one after the other, each by several threads; another
        // stage may have done some of it meanwhile.
        let _alone = self.build.works.sandboxes.unpacking.lock().await;
        let missing = self::missing(sandbox, chain).await?;
        let (mut tree, mut seen) = (Tree::new(), 0);
        for at in missing {
            let (Some(below), Some(placed)) = (stage.layers.get(..at), stage.layers.get(at)) else {
                continue;
            };
            let content = layers.unpack(step, &placed.place, &placed.layer).await?;
            if seen == 0 {
                tree = self
                    .tree_of(below, &[stage.of_base], self.of_stage())
                    .await?;
            } else {
                let new = below.get(seen..).unwrap_or_default();
                self.apply(&mut tree, new, self.of_stage()).await?;
            }
            seen = at;
            let digest = placed.layer.descriptor.digest;
            self.note(&Event::Unpacking {
                step,
                digest: &digest,
            });
            let (sandbox, chain) = (Arc::clone(sandbox), chain.below(at + 1));
            let below = tree.clone();
            blocking::run(move || {
                let operations = layer::operations(&below, &content.index).map_err(|error| {
                    Error::layer(format!("the layer `{digest}` does not fit"), error)
                })?;
                let content = content.file.file().as_fd();
                locked(&sandbox).unpack(&chain, operations, content)
            })
            .await?;
        }
        Ok(())
    }

    /// Runs a command, and gives the layer that it made, if it changed
    /// anything.
    pub(super) async fn execute(
        &self,
        stage: &mut StageState,
        command: Command,
    ) -> Result<Option<LayerOf>, Error> {
        let chain = Chain::of(stage.layers.iter().map(|placed| &placed.layer.diff_id));
        let lease = self.sandbox(&chain).await?;
        let sandbox = Arc::clone(&lease.sandbox);
        self.unpacked(stage, (&sandbox, &chain)).await?;
        let is_recorded = matches!(locked(&sandbox).tier().ids, Ids::One);
        let told = &self.build.works.told_of_users;
        if is_recorded && command.user.uid != 0 && !told.swap(true, Ordering::Relaxed) {
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
            let progress = Arc::clone(&self.request().progress);
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
        let (prepared, ended) = ran.map_err(|error| self.foreign(stage, error))?;
        if let Some(error) = failed(ended, &self.request().running.limits, &last) {
            let error = self.foreign(stage, error);
            blocking::run(move || locked(&sandbox).discard(&prepared)).await?;
            return Err(error);
        }
        self.taken(stage, (sandbox, chain, prepared)).await
    }

    /// Says what may be the reason that no program of a stage can be run.
    fn foreign(&self, stage: &StageState, error: Error) -> Error {
        let (here, there) = (
            &self.request().build_platform,
            &stage.configured.config.platform,
        );
        let is_odd = error.kind() == ErrorKind::Command && error.hint().is_none();
        if !is_odd || here.architecture == there.architecture {
            return error;
        }
        error.with_hint(format!(
            "the stage is for `{there}`, and this machine is `{here}`: its programs run only where the kernel knows an emulator for them (binfmt_misc)"
        ))
    }

    /// Makes a layer of what a command left.
    async fn taken(
        &self,
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
            let layer = self.packed_layer(&mut recipe, &shelf).await?;
            self.put_on(stage, layer.clone()).await?;
            Some((layer, bytes))
        };
        let mut chain = chain;
        if let Some((layer, _)) = &layer {
            chain.push(&layer.diff_id);
            let link = chain.links().last().copied();
            let mut made = locked(&self.build.made);
            made.extend(link.map(|link| (layer.descriptor.digest, link)));
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

    /// Puts a layer onto a stage whose file system is known.
    async fn put_on(&self, stage: &mut StageState, layer: LayerOf) -> Result<(), Error> {
        stage.layers.push(Placed {
            place: here(&layer.descriptor.digest),
            layer,
        });
        self.see(stage).await
    }

    /// Finds or packs the layer of a recipe.
    async fn packed_layer(&self, recipe: &mut Recipe, shelf: &Shelf) -> Result<LayerOf, Error> {
        let layers = self.layers();
        let found = self.find_layer(recipe, shelf).await?;
        if let Some(placed) = found.and_then(|known| self.placed_of(&known)) {
            return Ok(placed.layer);
        }
        self.build.works.packed.fetch_add(1, Ordering::Relaxed);
        layers
            .make(
                self.step,
                (recipe, shelf),
                &self.packed_as(),
                // It is in a directory already.
                reading::Content::Passed,
            )
            .await
    }
}

/// Lists which layers of a chain a sandbox lacks.
async fn missing(sandbox: &Sandbox, chain: &Chain) -> Result<Vec<usize>, Error> {
    let (sandbox, chain) = (Arc::clone(sandbox), chain.clone());
    blocking::run(move || locked(&sandbox).missing(&chain)).await
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

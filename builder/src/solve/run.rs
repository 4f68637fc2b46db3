//! A build under way: what its stages have become, and what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::image::Place;
use dockerfile::Kind;
use layer::Tree;
use oci::{Descriptor, Digest};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit, watch};

use crate::cache::mounts::Ledger;
use crate::cache::remote::ExportedStep;
use crate::cache::{Known, Memory, Traces, Warning};
use crate::context::Filtered;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Outcome, Source};
use crate::fetch;
use crate::image::ImageConfig;
use crate::image::base::BaseImage;
use crate::pack::contents::Shelf;
use crate::pack::layers::{Layers, PackedAs, locked, packed_as};
use crate::pack::reading;
use crate::pack::recipe::Recipe;
use crate::plan::{Base, CopyFrom, ImageName, Plan, Step, excerpt};
use crate::request::Request;
use crate::solve::bases::Bases;
use crate::solve::files::placed;
use crate::solve::lookup::{Packed, Packing};
use crate::solve::running::Sandboxes;
use crate::solve::stage::{Placed, StageState};
use crate::solve::{BuiltLayer, BuiltStep, created};

/// Is what the builds for all platforms share.
pub(crate) struct Works<'a> {
    pub(crate) request: &'a Request,
    pub(crate) layers: Layers,
    /// What steps came to before.
    pub(crate) memory: Memory,
    /// What they were made of.
    pub(crate) traces: Traces,
    /// Where commands are run.
    pub(crate) sandboxes: Sandboxes,
    /// One permit for each step that may be done at a time.
    pub(crate) jobs: Semaphore,
    /// Whether it was said what users can do who are recorded alone.
    pub(crate) told_of_users: AtomicBool,
    /// How many layers were made.
    pub(crate) packed: AtomicUsize,
    /// The layers that caches have promised and do not give.
    pub(crate) lacking: Mutex<BTreeSet<Digest>>,
    /// Which cache mounts commands had.
    pub(crate) cache_mounts: Arc<Ledger>,
    /// Takes layers that are to be sent, where there is somewhere to send them
    /// to; gone when there will be no more.
    pub(crate) outgoing: Mutex<Option<UnboundedSender<(Descriptor, Place)>>>,
}

impl Works<'_> {
    /// Has a layer be sent to where the image will be pushed.
    pub(super) fn send(&self, layer: &Descriptor, place: &Place) {
        if let Some(outgoing) = &*locked(&self.outgoing) {
            // Nobody takes it any more when the build was given up.
            let _ = outgoing.send((layer.clone(), place.clone()));
        }
    }
}

/// Is a build for one platform under way: what its stages have become, and
/// what they share.
pub(crate) struct Build<'a> {
    pub(crate) works: &'a Works<'a>,
    pub(crate) context: &'a Filtered,
    /// The named contexts.
    pub(crate) contexts: &'a BTreeMap<String, Filtered>,
    pub(crate) plan: &'a Plan,
    /// What stands before the names of stages, where there are several
    /// platforms.
    pub(crate) label: String,
    /// The number of its first step, less one.
    pub(crate) before: usize,
    /// The stages whose layers the image has, the last one itself.
    pub(crate) result: BTreeSet<usize>,
    /// What its steps came to, for caches elsewhere.
    pub(crate) exported: Mutex<Vec<ExportedStep>>,
    /// The stages, in the order of the plan, once they are done.
    pub(crate) stages: Vec<watch::Sender<Option<Arc<Done>>>>,
    pub(crate) bases: AsyncMutex<Bases>,
    /// The file systems of bases, and of what is copied from, by the chain of
    /// their layers.
    pub(crate) trees: Mutex<BTreeMap<Digest, Tree>>,
    /// The layers that commands have made in this build, with the chains that
    /// name their directories.
    pub(crate) made: Mutex<BTreeMap<Digest, Digest>>,
    /// The layers that trees have content in; a tree knows one by its place
    /// here, counted from 1.
    pub(crate) origins: Mutex<Vec<Placed>>,
}

/// Is a stage that is done.
pub(crate) struct Done {
    pub(crate) state: StageState,
    /// What was done for it.
    pub(crate) steps: Vec<BuiltStep>,
}

/// Is a stage under way.
pub(crate) struct Run<'a> {
    pub(crate) build: &'a Build<'a>,
    /// The stage, by its place in the plan.
    pub(crate) stage: usize,
    /// The step that is being done, by its number among all, from 1.
    pub(crate) step: usize,
    /// Its stage and its text, without what may be secret.
    pub(super) written: (String, String),
    /// What was done so far.
    done: Vec<BuiltStep>,
    /// What the step warned of that its record has to say again.
    pub(super) warned: Mutex<Vec<Warning>>,
}

impl<'a> Build<'a> {
    /// Starts with nothing done.
    pub(crate) fn new(
        works: &'a Works<'a>,
        (plan, bases): (&'a Plan, Bases),
        (context, contexts): (&'a Filtered, &'a BTreeMap<String, Filtered>),
        (label, before): (String, usize),
    ) -> Self {
        Self {
            works,
            context,
            contexts,
            label,
            before,
            result: of_result(plan),
            exported: Mutex::default(),
            stages: plan
                .stages
                .iter()
                .map(|_| watch::Sender::new(None))
                .collect(),
            plan,
            bases: AsyncMutex::new(bases),
            trees: Mutex::default(),
            made: Mutex::default(),
            origins: Mutex::default(),
        }
    }

    /// Does all stages, those at a time that do not need each other, and gives
    /// the last one.
    pub(crate) async fn stages(&'a self) -> Result<Arc<Done>, Error> {
        let mut first = self.before + 1;
        let stages = self.plan.stages.iter().enumerate().map(|(number, stage)| {
            let run = self.stage(number, first);
            first += 1 + stage.steps.len();
            run
        });
        futures_util::future::try_join_all(stages).await?;
        let Some(last) = self.stages.len().checked_sub(1) else {
            let message = "there is no stage to build";
            return Err(Error::new(ErrorKind::Mistakes, message));
        };
        self.done(last).await
    }

    /// Does a stage, whose first step has this number, and has those know who
    /// wait for it.
    async fn stage(&'a self, number: usize, first: usize) -> Result<(), Error> {
        let mut run = Run {
            build: self,
            stage: number,
            step: first - 1,
            written: (String::new(), String::new()),
            done: Vec::new(),
            warned: Mutex::default(),
        };
        let state = run.stage(number).await?;
        let done = Done {
            state,
            steps: run.done,
        };
        if let Some(slot) = self.stages.get(number) {
            slot.send_replace(Some(Arc::new(done)));
        }
        Ok(())
    }

    /// Gives a stage once it is done.
    pub(crate) async fn done(&self, stage: usize) -> Result<Arc<Done>, Error> {
        let lost = || Error::new(ErrorKind::Step, "a stage is needed that is not planned");
        let mut slot = self.stages.get(stage).ok_or_else(lost)?.subscribe();
        let done = slot.wait_for(Option::is_some).await;
        // The sender lives as long as this build.
        done.ok().and_then(|done| done.clone()).ok_or_else(lost)
    }

    /// Gives what the steps came to, once.
    pub(crate) fn take_exported(&self) -> Vec<ExportedStep> {
        std::mem::take(&mut *locked(&self.exported))
    }

    /// Lists what was done, in the order of the plan.
    pub(crate) fn steps(&self) -> Vec<BuiltStep> {
        let done = self.stages.iter().filter_map(|slot| slot.borrow().clone());
        done.flat_map(|done| done.steps.clone()).collect()
    }
}

impl<'a> Run<'a> {
    pub(super) fn request(&self) -> &'a Request {
        self.build.works.request
    }

    pub(super) fn plan(&self) -> &'a Plan {
        self.build.plan
    }

    pub(super) fn layers(&self) -> &'a Layers {
        &self.build.works.layers
    }

    pub(super) fn memory(&self) -> &'a Memory {
        &self.build.works.memory
    }

    /// Waits until one step more may be done.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'a>, Error> {
        let permit = self.build.works.jobs.acquire().await;
        permit.map_err(|error| Error::caused(ErrorKind::Step, "no step is done any more", error))
    }

    /// Does a stage.
    async fn stage(&mut self, number: usize) -> Result<StageState, Error> {
        let Some(planned) = self.plan().stages.get(number) else {
            return Err(not_planned());
        };
        let mut stage = match &planned.base {
            Base::Stage(base) => {
                let base = self.build.done(*base).await?;
                self.begin(&planned.name, &planned.text);
                StageState::on(&base.state)
            }
            other => {
                self.begin(&planned.name, &planned.text);
                let base = self.base_of(number, other).await;
                base.map_err(|error| error.at(planned.span))?
            }
        };
        self.finish(Outcome::Base);
        for step in &planned.steps {
            // To wait for others is no part of the step.
            for from in std::iter::once(&step.from).chain(&step.mounts) {
                if let CopyFrom::Stage(stage) = from {
                    self.build.done(*stage).await?;
                }
            }
            self.begin(&planned.name, &step.instruction.text);
            let span = step.instruction.span;
            let below = stage.layers.len();
            let done = self.instruction(number, &mut stage, step).await;
            let outcome = done.map_err(|error| match step.is_of_image {
                true => of_image(&step.instruction.text, error).at(span),
                false => error.at(span),
            })?;
            self.finish(outcome);
            let made = stage.layers.get(below);
            self.done.push(BuiltStep {
                stage: planned.name.clone(),
                text: step.instruction.text.clone(),
                span,
                layer: made.map(|placed| BuiltLayer::of(&placed.layer)),
            });
        }
        Ok(stage)
    }

    /// Starts a stage that is on no other one.
    async fn base_of(&mut self, number: usize, base: &Base) -> Result<StageState, Error> {
        let planned = self.plan().stages.get(number).ok_or_else(not_planned)?;
        match base {
            Base::Scratch => {
                let config = ImageConfig::scratch(&planned.platform);
                Ok(StageState::new(config, Vec::new()))
            }
            Base::Image(name) => {
                let base = self.base(name, number).await?;
                let (step, digest) = (self.step, base.digest);
                self.note(&Event::Resolved {
                    step,
                    digest: &digest,
                    source: source_of(&base.place),
                });
                let layers = placed(&base);
                if self.build.result.contains(&number) {
                    for Placed { layer, place } in &layers {
                        self.build.works.send(&layer.descriptor, place);
                    }
                }
                Ok(StageState::new(base.config.clone(), layers))
            }
            Base::Files(name) => self.files(number, name).await,
            Base::Stage(_) => Err(not_planned()),
        }
    }

    /// Makes a stage of the files of a named context.
    async fn files(&mut self, number: usize, name: &str) -> Result<StageState, Error> {
        let Some(planned) = self.build.plan.stages.get(number) else {
            return Err(Error::new(ErrorKind::Step, "a stage is not planned"));
        };
        let mut stage = StageState::new(ImageConfig::scratch(&planned.platform), Vec::new());
        let all = dockerfile::parse_trigger("COPY . /", planned.span);
        let step = Step {
            instruction: all.map_err(|error| Error::new(ErrorKind::Step, error.to_string()))?,
            from: CopyFrom::Files(name.to_owned()),
            mounts: Vec::new(),
            is_of_image: false,
        };
        self.instruction(number, &mut stage, &step).await?;
        Ok(stage)
    }

    fn begin(&mut self, stage: &str, text: &str) {
        self.step += 1;
        let step = self.step;
        let label = &self.build.label;
        let stage = &format!("{label}{stage}");
        self.written = (stage.clone(), fetch::without_secrets(text));
        self.note(&Event::Started { step, stage, text });
    }

    fn finish(&self, outcome: Outcome) {
        self.note(&Event::Finished {
            step: self.step,
            outcome,
        });
    }

    pub(super) fn note(&self, event: &Event<'_>) {
        self.request().progress.note(event);
    }

    pub(super) fn warn(&self, message: &str, hint: &str) {
        self.note(&Event::Warned { message, hint });
    }

    /// Warns, and has whoever finds the result of this step be warned too.
    pub(super) fn warn_again(&self, message: &str, hint: &str) {
        self.warn(message, hint);
        locked(&self.warned).push(Warning {
            message: message.to_owned(),
            hint: hint.to_owned(),
        });
    }

    /// Finds an image, once for each platform.
    pub(super) async fn base(&self, name: &ImageName, stage: usize) -> Result<BaseImage, Error> {
        let Layers {
            images, library, ..
        } = self.layers();
        let mut bases = self.build.bases.lock().await;
        bases
            .find((images, library), self.plan(), name, stage)
            .await
    }

    /// Does an instruction.
    async fn instruction(
        &mut self,
        number: usize,
        stage: &mut StageState,
        step: &Step,
    ) -> Result<Outcome, Error> {
        let time = created(self.request().epoch)?;
        let kind = &step.instruction.kind;
        let text = &match kind {
            // The history is for everybody who has the image.
            Kind::Add(_) => fetch::without_secrets(&step.instruction.text),
            _ => step.instruction.text.clone(),
        };
        let arguments = &self.plan().arguments;
        if stage.configured.apply(&step.instruction, arguments)? {
            stage.note(&time, text, true);
            return Ok(Outcome::NoLayer);
        }
        let below = stage.layers.len();
        let outcome = match kind {
            Kind::Run(run) => self.command(number, stage, (run, step)).await?,
            Kind::Copy(copy) => self.copy(stage, copy, (number, &step.from), false).await?,
            Kind::Add(copy) => self.copy(stage, copy, (number, &step.from), true).await?,
            Kind::Workdir(path) => self.workdir(stage, path).await?,
            _ => {
                let message = format!("`{text}` is not supported");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        stage.note(&time, text, stage.layers.len() == below);
        Ok(outcome)
    }

    /// Makes the layer of a recipe, and puts it onto a stage, if there is
    /// anything to put into one.
    pub(super) async fn pack(
        &self,
        stage: &mut StageState,
        recipe: &mut Recipe,
        shelf: &mut Shelf,
    ) -> Result<Packed, Error> {
        if recipe.is_empty() {
            return Ok(Packed::of(None, Packing::Cached));
        }
        if let Some(tree) = &stage.tree {
            recipe.enclose(tree);
        }
        let (known, packing) = self.found_or_made(recipe, shelf).await?;
        if let Some(placed) = self.placed_of(&known) {
            let origin = self.origin(&placed)?;
            if let Some(tree) = &mut stage.tree {
                recipe.settle(tree, origin);
            }
            stage.layers.push(placed);
        }
        if stage.tree.is_some() {
            stage.seen = stage.layers.len();
        }
        Ok(Packed {
            known: Some(known),
            packing,
            // What is packed for a stage alone is no other image's layer.
            content: self.content_key(recipe).filter(|_| self.is_of_image()),
        })
    }

    /// Finds the layer of a recipe by its content, or makes it.
    async fn found_or_made(
        &self,
        recipe: &mut Recipe,
        shelf: &mut Shelf,
    ) -> Result<(Known, Packing), Error> {
        let layers = self.layers();
        if let Some(known) = self.find_layer(recipe, shelf).await? {
            return Ok((known, Packing::Cached));
        }
        if self.memory().has_imported() {
            let _lease = self.unpack(recipe, shelf).await?;
            let (digested, _) = layers.digest(std::mem::take(recipe), shelf).await?;
            *recipe = digested;
            if let Some(key) = self.content_key(recipe)
                && let Some(known) = self.memory().find(&key).await?
                && let Some(known) = self.proper(known, &[key]).await?
            {
                return Ok((known, Packing::Cached));
            }
        }
        let _turn = self.turn().await?;
        let _lease = self.unpack(recipe, shelf).await?;
        // A command that comes next has to see it.
        let content = match self.plan().runs(self.stage, self.done.len() + 1) {
            true => {
                self.build.works.sandboxes.warm();
                reading::Content::Kept
            }
            false => reading::Content::Passed,
        };
        let layer = layers
            .make(self.step, (recipe, shelf), &self.packed_as(), content)
            .await?;
        self.build.works.packed.fetch_add(1, Ordering::Relaxed);
        Ok((Known::here(Some(&layer)), Packing::Packed))
    }

    /// Gives the key of the layer that a recipe makes, where the content of all
    /// its files is known.
    fn content_key(&self, recipe: &Recipe) -> Option<Digest> {
        let compression = self.request().compression;
        recipe.key().map(|key| packed_as(compression, key))
    }

    /// Finds a layer by its content, however it was packed; where this stage is
    /// of the image it is then as an image has it.
    pub(super) async fn find_layer(
        &self,
        recipe: &mut Recipe,
        shelf: &Shelf,
    ) -> Result<Option<Known>, Error> {
        let request = self.request();
        for kind in [request.of_image(), request.of_stage()] {
            let found = self.layers().find(recipe, shelf, &kind).await?;
            if let Some(layer) = found {
                return self.proper(Known::here(Some(&layer)), &[]).await;
            }
        }
        Ok(None)
    }

    /// Says whether the image has the layers of this stage.
    pub(super) fn is_of_image(&self) -> bool {
        self.build.result.contains(&self.stage)
    }

    /// Says as what a layer of this stage is packed.
    pub(super) fn packed_as(&self) -> PackedAs {
        match self.is_of_image() {
            true => self.request().of_image(),
            false => self.request().of_stage(),
        }
    }
}

/// Says that what failed is an instruction of the image.
fn of_image(text: &str, error: Error) -> Error {
    let message = format!(
        "the image has `ONBUILD {}`, which fails here",
        excerpt(text)
    );
    let hint = error.hint().map(str::to_owned);
    let told = Error::caused(error.kind(), message, error);
    match hint {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}

/// Says where a base was found.
fn source_of(place: &Place) -> Source {
    match place {
        Place::Library(_) => Source::Library,
        Place::Registry(_) => Source::Registry,
        _ => Source::Layout,
    }
}

/// Finds the last stage of a plan and those that it is on.
fn of_result(plan: &Plan) -> BTreeSet<usize> {
    let mut stages = BTreeSet::new();
    let mut next = plan.stages.len().checked_sub(1);
    while let Some(number) = next.filter(|number| stages.insert(*number)) {
        next = match plan.stages.get(number).map(|stage| &stage.base) {
            Some(Base::Stage(base)) => Some(*base),
            _ => None,
        };
    }
    stages
}

fn not_planned() -> Error {
    Error::new(ErrorKind::Step, "a stage is needed that is not planned")
}

//! A build under way: what its stages have become, and what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::image::Place;
use dockerfile::Kind;
use layer::{NodeKind, Time, Tree};
use oci::Digest;

use crate::blocking;
use crate::cache::mounts::Ledger;
use crate::context::Filtered;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Outcome, Source};
use crate::fetch;
use crate::image::base::BaseImage;
use crate::image::{ImageConfig, LayerOf};
use crate::pack::contents::Shelf;
use crate::pack::layers::Layers;
use crate::pack::recipe::{Content, Recipe};
use crate::plan::{Base, CopyFrom, ImageName, Plan, Step, excerpt};
use crate::request::Request;
use crate::solve::bases::Bases;
use crate::solve::running::Sandbox;
use crate::solve::stage::{Placed, StageState};
use crate::solve::{BuiltLayer, BuiltStep, created, here};
use crate::step::owner::{self, Names, Owner};
use crate::step::{self, workdir};

/// Is a build under way.
pub(crate) struct Run<'a> {
    pub(crate) request: &'a Request,
    pub(crate) context: Filtered,
    /// The named contexts.
    pub(crate) contexts: &'a BTreeMap<String, Filtered>,
    pub(crate) plan: &'a Plan,
    pub(crate) layers: Layers,
    /// The stages that are done, in the order of the plan.
    pub(crate) stages: Vec<StageState>,
    pub(crate) bases: Bases,
    /// The file systems of images that are copied from, by manifest.
    pub(crate) trees: BTreeMap<Digest, Tree>,
    /// The layers that trees have content in; a tree knows one by its place
    /// here, counted from 1.
    pub(crate) origins: Vec<Placed>,
    /// Which of all steps is being done, from 1.
    pub(crate) step: usize,
    /// Where commands are run; made for the first one.
    pub(crate) sandbox: Option<Sandbox>,
    /// Which cache mounts its commands had.
    pub(crate) cache_mounts: Arc<Ledger>,
    /// Whether it was said what users can do who are recorded alone.
    pub(crate) told_of_users: bool,
    /// What was done so far.
    pub(crate) done: Vec<BuiltStep>,
}

impl Run<'_> {
    /// Does a stage.
    pub(crate) async fn stage(&mut self, number: usize) -> Result<(), Error> {
        let plan = self.plan;
        let Some(planned) = plan.stages.get(number) else {
            return Ok(());
        };
        self.begin(&planned.name, &planned.text);
        let mut stage = match &planned.base {
            Base::Scratch => StageState::new(ImageConfig::scratch(&planned.platform), Vec::new()),
            Base::Stage(base) => StageState::on(self.done(*base)?),
            Base::Image(name) => {
                let base = self
                    .base(name, number)
                    .await
                    .map_err(|error| error.at(planned.span))?;
                let (step, digest) = (self.step, base.digest);
                self.note(&Event::Resolved {
                    step,
                    digest: &digest,
                    source: source_of(&base.place),
                });
                StageState::new(base.config.clone(), placed(&base))
            }
            Base::Files(name) => self.files(number, name).await?,
        };
        self.finish(Outcome::Base);
        for step in &planned.steps {
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
        self.stages.push(stage);
        Ok(())
    }

    /// Makes a stage of the files of a named context.
    async fn files(&mut self, number: usize, name: &str) -> Result<StageState, Error> {
        let Some(planned) = self.plan.stages.get(number) else {
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
        let done = self.instruction(number, &mut stage, &step).await;
        done.map_err(|error| error.at(planned.span))?;
        Ok(stage)
    }

    fn begin(&mut self, stage: &str, text: &str) {
        self.step += 1;
        let step = self.step;
        self.note(&Event::Started { step, stage, text });
    }

    fn finish(&self, outcome: Outcome) {
        self.note(&Event::Finished {
            step: self.step,
            outcome,
        });
    }

    pub(super) fn note(&self, event: &Event<'_>) {
        self.request.progress.note(event);
    }

    pub(super) fn warn(&self, message: &str, hint: &str) {
        self.note(&Event::Warned { message, hint });
    }

    /// Gives a stage that comes before in the plan, and so is done.
    pub(super) fn done(&self, stage: usize) -> Result<&StageState, Error> {
        self.stages
            .get(stage)
            .ok_or_else(|| Error::new(ErrorKind::Step, "a stage is needed before it is done"))
    }

    /// Finds an image, once for each platform.
    pub(super) async fn base(
        &mut self,
        name: &ImageName,
        stage: usize,
    ) -> Result<BaseImage, Error> {
        let Layers {
            images, library, ..
        } = &self.layers;
        let bases = &mut self.bases;
        bases.find((images, library), self.plan, name, stage).await
    }

    /// Does an instruction.
    async fn instruction(
        &mut self,
        number: usize,
        stage: &mut StageState,
        step: &Step,
    ) -> Result<Outcome, Error> {
        let time = created(self.request.epoch)?;
        let kind = &step.instruction.kind;
        let text = &match kind {
            // The history is for everybody who has the image.
            Kind::Add(_) => fetch::without_secrets(&step.instruction.text),
            _ => step.instruction.text.clone(),
        };
        let arguments = &self.plan.arguments;
        if stage.configured.apply(&step.instruction, arguments)? {
            stage.note(&time, text, true);
            return Ok(Outcome::NoLayer);
        }
        if let Kind::Run(run) = kind {
            let outcome = self.command(number, stage, (run, step)).await?;
            let nothing = matches!(outcome, Outcome::NoLayer | Outcome::CachedNothing);
            stage.note(&time, text, nothing);
            return Ok(outcome);
        }
        let (mut recipe, shelf) = match kind {
            Kind::Copy(copy) | Kind::Add(copy) => {
                let adds = matches!(kind, Kind::Add(_));
                self.copy(stage, copy, (number, &step.from), adds).await?
            }
            Kind::Workdir(path) => {
                let path = stage.configured.expand(path, self.plan.escape)?;
                (self.workdir(stage, &path).await?, Shelf::default())
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("`{text}` is not supported"),
                ));
            }
        };
        if recipe.is_empty() {
            stage.note(&time, text, true);
            return Ok(Outcome::NoLayer);
        }
        stage.note(&time, text, false);
        if let Some(tree) = &stage.tree {
            recipe.enclose(tree);
        }
        self.pack(stage, recipe, shelf).await
    }

    /// Makes the layer of a recipe, and puts it onto a stage.
    async fn pack(
        &mut self,
        stage: &mut StageState,
        mut recipe: Recipe,
        mut shelf: Shelf,
    ) -> Result<Outcome, Error> {
        let media_type = self.request.format.layer();
        let found = self.layers.find(&mut recipe, &shelf, &media_type).await?;
        let (layer, cached) = match found {
            Some(layer) => (layer, true),
            None => {
                self.unpack(&recipe, &mut shelf).await?;
                let step = self.step;
                let layer = self
                    .layers
                    .make(step, &mut recipe, &shelf, &media_type)
                    .await?;
                stage.packed += 1;
                (layer, false)
            }
        };
        let (digest, size) = (layer.descriptor.digest, layer.descriptor.size);
        let placed = Placed {
            layer,
            place: here(&digest),
        };
        let origin = self.origin(&placed)?;
        if let Some(tree) = &mut stage.tree {
            recipe.settle(tree, origin);
        }
        stage.layers.push(placed);
        Ok(match cached {
            true => Outcome::Cached { digest, size },
            false => Outcome::Packed { digest, size },
        })
    }

    /// Has the content at hand that a recipe takes from layers.
    pub(super) async fn unpack(&self, recipe: &Recipe, shelf: &mut Shelf) -> Result<(), Error> {
        let origins: BTreeSet<u32> = recipe
            .items()
            .filter_map(|item| match &item.content {
                Content::Place { place, .. } => Some(place.origin),
                _ => None,
            })
            .filter(|origin| !Shelf::needs_no_layer(*origin))
            .collect();
        for origin in origins {
            let Placed { layer, place } = self.placed(origin)?;
            let unpacked = self.layers.unpack(self.step, place, layer).await?;
            shelf.layers.insert(origin, unpacked);
        }
        Ok(())
    }

    /// Gives the number by which trees know a layer.
    pub(super) fn origin(&mut self, placed: &Placed) -> Result<u32, Error> {
        let digest = placed.layer.descriptor.digest;
        let known = self
            .origins
            .iter()
            .position(|known| known.layer.descriptor.digest == digest);
        let at = known.unwrap_or_else(|| {
            self.origins.push(placed.clone());
            self.origins.len() - 1
        });
        u32::try_from(at + 1)
            .map_err(|_wide| Error::new(ErrorKind::Unsupported, "the build has too many layers"))
    }

    fn placed(&self, origin: u32) -> Result<&Placed, Error> {
        (origin as usize)
            .checked_sub(1)
            .and_then(|at| self.origins.get(at))
            .ok_or_else(|| Error::new(ErrorKind::Storage, "the content of a file is in no layer"))
    }

    /// Makes the file system of some layers.
    pub(super) async fn tree_of(&mut self, layers: &[Placed]) -> Result<Tree, Error> {
        let mut tree = Tree::new();
        for placed in layers {
            let Placed { layer, place } = placed;
            let index = self.layers.index(self.step, place, layer).await?;
            let origin = self.origin(placed)?;
            let digest = layer.descriptor.digest;
            tree.apply(origin, &index).map_err(|error| {
                Error::layer(format!("the layer `{digest}` does not fit"), error)
            })?;
        }
        Ok(tree)
    }

    /// Sees to it that the file system of a stage is known.
    pub(super) async fn see(&mut self, stage: &mut StageState) -> Result<(), Error> {
        if stage.tree.is_none() {
            stage.tree = Some(self.tree_of(&stage.layers).await?);
        }
        Ok(())
    }

    /// Does a `WORKDIR`.
    async fn workdir(&mut self, stage: &mut StageState, path: &str) -> Result<Recipe, Error> {
        step::not_empty("WORKDIR", path)?;
        let path = workdir::absolute(stage.working_directory(), path);
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        stage.configured.config.config.working_dir = path.to_owned();
        if path == "/" {
            return Ok(Recipe::default());
        }
        self.see(stage).await?;
        let user = stage.configured.config.config.user.clone();
        let owner = if user.is_empty() {
            Owner::default()
        } else {
            let owner = self.owner(stage, &user).await;
            owner.map_err(|error| {
                let hint = format!("the directory would be of the `USER`, which is `{}` here: add it to the image first, or write its number", excerpt(&user));
                error.with_hint(hint)
            })?
        };
        let time = self.time()?;
        match &mut stage.tree {
            Some(tree) => workdir::make(tree, path, owner, time),
            None => Ok(Recipe::default()),
        }
    }

    pub(super) fn time(&self) -> Result<Time, Error> {
        i64::try_from(self.request.epoch)
            .map(Time::from_seconds)
            .map_err(|_late| Error::new(ErrorKind::Unsupported, "the time is too late for files"))
    }

    /// Finds an owner in the files of a stage.
    pub(super) async fn owner(&mut self, stage: &StageState, text: &str) -> Result<Owner, Error> {
        let names = if owner::needs_names(text) {
            Names {
                passwd: self.small_file(stage, "/etc/passwd").await?,
                group: self.small_file(stage, "/etc/group").await?,
            }
        } else {
            Names::default()
        };
        owner::find(text, &names)
    }

    /// Reads a small file of a stage; one that is not there is empty.
    pub(super) async fn small_file(
        &self,
        stage: &StageState,
        path: &str,
    ) -> Result<Vec<u8>, Error> {
        let Some(tree) = &stage.tree else {
            return Ok(Vec::new());
        };
        let resolved = tree.resolve(path.as_bytes(), layer::Follow::All);
        let Ok(Some(NodeKind::File(file))) =
            resolved.map(|resolved| resolved.node.map(|node| &node.kind))
        else {
            return Ok(Vec::new());
        };
        let Placed { layer, place } = self.placed(file.place.origin)?;
        let index = self.layers.index(self.step, place, layer).await?;
        let record = usize::try_from(file.place.position)
            .ok()
            .and_then(|at| index.records().get(at));
        if let Some(kept) = record.and_then(|record| index.kept(&record.entry.path)) {
            return Ok(kept.to_vec());
        }
        if file.size > layer::LayerIndex::KEPT_LIMIT {
            let message = format!("`{path}` of the image is too large to look up names in it");
            return Err(Error::new(ErrorKind::Step, message));
        }
        let unpacked = self.layers.unpack(self.step, place, layer).await?;
        let (position, size, path) = (file.place.position, file.size, path.to_owned());
        blocking::run(move || {
            let mut bytes = Vec::new();
            let failed = |error| Error::layer(format!("can not read `{path}`"), error);
            let mut content = unpacked.open(position, size).map_err(failed)?;
            std::io::Read::read_to_end(&mut content, &mut bytes).map_err(|error| {
                Error::caused(ErrorKind::Storage, format!("can not read `{path}`"), error)
            })?;
            Ok(bytes)
        })
        .await
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

/// Gives the layers of a base with where they can be read.
pub(super) fn placed(base: &BaseImage) -> Vec<Placed> {
    let placed = |layer: &LayerOf| Placed {
        layer: layer.clone(),
        place: match &base.place {
            // What a layout has was taken over.
            Place::Layout { .. } => here(&base.digest),
            place => place.clone(),
        },
    };
    base.layers.iter().map(placed).collect()
}

//! Steps that may have been done before: what each is made of, looking for
//! what it came to, and keeping that.

use ::image::Place;
use oci::{Algorithm, Descriptor, Digest, Hasher};
use tokio::sync::OwnedMutexGuard;

use crate::cache::mounts;
use crate::cache::remote::ExportedStep;
use crate::cache::{Change, ChangeKind, Definition, InputKind, Known, TracedStep, Warning};
use crate::context::Context;
use crate::error::Error;
use crate::events::{Event, Outcome};
use crate::image::LayerOf;
use crate::image::base::take_in;
use crate::pack::contents::Shelf;
use crate::pack::layers::locked;
use crate::pack::recipe::Recipe;
use crate::request::{Cache, Modes, Xattrs};
use crate::solve::run::Run;
use crate::solve::stage::{Placed, StageState};
use crate::step::copy;

/// Says what became of looking for a step.
pub(super) struct Lookup {
    /// What it came to before.
    pub(super) found: Option<Known>,
    /// What it is made of, but for files whose content is not known yet.
    definition: Definition,
    /// Its key, where all is known that it is made of.
    key: Option<Digest>,
    /// What of a context it takes.
    files: Option<Recipe>,
    /// The key of it without the content of files.
    shape: Option<Digest>,
    /// Whether it was said why it was not found.
    is_explained: bool,
    /// Nobody else does the same meanwhile.
    flight: Option<OwnedMutexGuard<()>>,
}

impl Lookup {
    /// Gives the key of the step with whatever content of its files.
    fn shape_key(&self) -> Option<Digest> {
        let files = self.files.as_ref()?;
        Some(self.definition.shape(files.shape()))
    }

    /// Says that a step can not be looked for, nor kept.
    pub(super) fn nowhere(definition: Definition) -> Self {
        Self {
            found: None,
            definition,
            key: None,
            files: None,
            shape: None,
            is_explained: false,
            flight: None,
        }
    }
}

/// Says whether a layer was made, or found by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// It was there.
    Cached,
    /// It was made.
    Packed,
}

/// Is what a step came to.
pub(super) struct Packed {
    /// The layer, where there was anything to put into one.
    pub(super) known: Option<Known>,
    pub(super) packing: Packing,
    /// The key of what is in the layer, for caches elsewhere: the library has
    /// it under another name.
    pub(super) content: Option<Digest>,
}

impl Packed {
    /// Is what a command came to.
    pub(super) fn of(known: Option<Known>, packing: Packing) -> Self {
        Self {
            known,
            packing,
            content: None,
        }
    }
}

/// Digests some layers, for the name of what they make.
pub(super) fn chain(layers: &[Placed]) -> Digest {
    let mut hasher = Hasher::unbroken(Algorithm::Sha256);
    for placed in layers {
        hasher.update(placed.layer.diff_id.to_string().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finish()
}

impl Run<'_> {
    /// Starts the definition of a step: with what is below it, where that
    /// counts.
    pub(super) fn definition(&self, word: &str, below: Option<&StageState>) -> Definition {
        let request = self.request();
        let mut definition = Definition::default();
        definition.add(InputKind::Instruction, "", word);
        if let Some(stage) = below {
            let (base, steps) = stage.layers.split_at(stage.of_base.min(stage.layers.len()));
            definition.add_digest(InputKind::Base, "image", chain(base));
            definition.add_digest(InputKind::Base, "steps", chain(steps));
        }
        definition.add(
            InputKind::Option,
            "--source-date-epoch",
            request.epoch.to_string(),
        );
        let fidelity = request.fidelity;
        let modes = match fidelity.modes {
            Modes::Normalized => "normalized",
            Modes::Preserved => "preserved",
        };
        definition.add(InputKind::Option, "--preserve-modes", modes);
        let xattrs = match fidelity.xattrs {
            Xattrs::Dropped => "dropped",
            Xattrs::Preserved => "preserved",
        };
        definition.add(InputKind::Option, "--preserve-xattrs", xattrs);
        if let Some(compression) = request.compression_key() {
            definition.add(InputKind::Option, "--compression", compression);
        }
        definition
    }

    /// Looks for a step of which all is known.
    pub(super) async fn look_up(&self, definition: &Definition) -> Result<Lookup, Error> {
        let key = definition.key();
        let memory = self.memory();
        let flight = memory.flight(&key).await;
        Ok(Lookup {
            found: memory.find(&key).await?,
            definition: definition.clone(),
            key: Some(key),
            files: None,
            shape: None,
            is_explained: false,
            flight: Some(flight),
        })
    }

    /// Looks for a step that takes these files. Their content is read only if
    /// such files were there before: else it is read while it is packed.
    pub(super) async fn look_up_files(
        &self,
        definition: Definition,
        files: Recipe,
        shelf: &Shelf,
    ) -> Result<Lookup, Error> {
        let memory = self.memory();
        let is_known = files.is_digested();
        let mut lookup = Lookup {
            files: Some(files),
            ..Lookup::nowhere(definition)
        };
        if is_known {
            self.complete(&mut lookup, shelf).await?;
        } else if let Some(shape) = lookup.shape_key() {
            lookup.shape = Some(shape);
            lookup.flight = Some(memory.flight(&shape).await);
            if memory.has_shape(&shape).await? {
                self.complete(&mut lookup, shelf).await?;
            }
        }
        if let Some(key) = lookup.key {
            if lookup.flight.is_none() {
                lookup.flight = Some(memory.flight(&key).await);
            }
            lookup.found = memory.find(&key).await?;
        }
        Ok(lookup)
    }

    /// Looks for a step that takes one directory of which nothing changed, as far
    /// as that can be told without a list of what is in it; `None` where it can
    /// not, where there is something to say of files, or where no build has left
    /// a list for the next one to be compared with.
    pub(super) async fn look_up_known(
        &self,
        definition: &Definition,
        (found, how): (&[copy::Found<'_>], &copy::Copying),
        context: &Context,
    ) -> Result<Option<Lookup>, Error> {
        if !context.is_plain() {
            return Ok(None);
        }
        let Some(files) = copy::alone_key(found, how) else {
            return Ok(None);
        };
        let mut lookup = Lookup::nowhere(definition.clone());
        lookup.definition.add_digest(InputKind::File, "", files);
        let key = lookup.definition.key();
        if !self.build.works.traces.has(&key) {
            return Ok(None);
        }
        lookup.key = Some(key);
        lookup.found = self.memory().find(&key).await?;
        Ok(lookup.found.is_some().then_some(lookup))
    }

    /// Works out the key of a step by the content of its files.
    async fn complete(&self, lookup: &mut Lookup, shelf: &Shelf) -> Result<(), Error> {
        let Some(files) = lookup.files.take() else {
            return Ok(());
        };
        let (files, digest) = self.layers().digest(files, shelf).await?;
        lookup.files = Some(files);
        lookup.definition.add_digest(InputKind::File, "", digest);
        lookup.key = Some(lookup.definition.key());
        Ok(())
    }

    /// Puts what was found onto a stage.
    pub(super) async fn take_found(
        &self,
        stage: &mut StageState,
        lookup: &mut Lookup,
    ) -> Result<Option<Outcome>, Error> {
        let Some(found) = lookup.found.take() else {
            return Ok(None);
        };
        self.trace(lookup);
        let keys = lookup.key.iter().chain(&lookup.shape);
        let keys: Vec<Digest> = keys.copied().collect();
        let Some(found) = self.proper(found, &keys).await? else {
            return Ok(None);
        };
        self.hand_on(keys, &found);
        Ok(Some(self.take(stage, &found)))
    }

    /// Has the layer of a step be one of an image, and where whoever has the
    /// image finds it, if this stage is one of the image. `None` where another
    /// cache promised what it does not have.
    pub(super) async fn proper(
        &self,
        found: Known,
        keys: &[Digest],
    ) -> Result<Option<Known>, Error> {
        let Some(placed) = self.placed_of(&found) else {
            return Ok(Some(found));
        };
        if !self.is_at_hand(&placed).await {
            return Ok(None);
        }
        if !self.is_of_image() {
            return Ok(Some(found));
        }
        match self.made_proper(&found, &placed).await {
            Ok(None) => Ok(Some(found)),
            Ok(Some(layer)) => {
                let mut proper = Known {
                    is_foreign: found.is_foreign,
                    ..Known::here(Some(&layer))
                };
                proper.record.warnings = found.record.warnings;
                self.memory().note(keys, &proper).await?;
                Ok(Some(proper))
            }
            Err(error) => {
                let digest = placed.layer.descriptor.digest;
                let why = mounts::chain(&error);
                let message = format!("the layer `{digest}` of a cache can not be used: {why}");
                self.lacks(digest, &message);
                Ok(None)
            }
        }
    }

    /// Says whether the layer of a step can be read; what the library has, it
    /// was asked before.
    async fn is_at_hand(&self, placed: &Placed) -> bool {
        let Placed { layer, place } = placed;
        let digest = layer.descriptor.digest;
        if matches!(place, Place::Library(_)) {
            return true;
        }
        if locked(&self.build.works.lacking).contains(&digest) {
            return false;
        }
        let why = match self.layers().images.has(place, &layer.descriptor).await {
            Ok(true) => return true,
            Ok(false) => "it is not there".to_owned(),
            Err(error) => mounts::chain(&Error::image("it can not be read", error)),
        };
        let message = format!("the layer `{digest}` of the cache `{place}` can not be used: {why}");
        self.lacks(digest, &message);
        false
    }

    /// Says once of a layer that no cache gives it.
    fn lacks(&self, layer: Digest, message: &str) {
        if locked(&self.build.works.lacking).insert(layer) {
            self.warn(message, "the step is done instead");
        }
    }

    /// Packs a layer anew that a stage packed in its own way when it was none of
    /// an image, and takes over one of a directory, which nobody asks later.
    async fn made_proper(&self, found: &Known, placed: &Placed) -> Result<Option<LayerOf>, Error> {
        let Placed { layer, place } = placed;
        let kind = self.request().of_image();
        let layers = self.layers();
        if layer.descriptor.media_type != kind.media_type {
            // Without a turn: whoever asks may have one.
            let layer = layers.repack(self.step, (layer, place), &kind).await?;
            return Ok(Some(layer));
        }
        if !matches!(found.place, Place::Layout { .. }) {
            return Ok(None);
        }
        let (images, library) = (&layers.images, &layers.library);
        take_in(images, library, place, &layer.descriptor).await?;
        Ok(Some(layer.clone()))
    }

    /// Says why a step was not found, before it is done.
    pub(super) async fn explain_miss(&self, lookup: &mut Lookup) {
        let traces = &self.build.works.traces;
        let changes = match traces.mode() {
            _ if lookup.is_explained => return,
            Cache::Apart => return,
            Cache::Refresh => vec![Change::new("`--no-cache`", ChangeKind::Refused)],
            Cache::Use => {
                let made_of = (&lookup.definition, lookup.files.as_ref());
                let key = lookup.definition.key();
                let step = TracedStep::new(self.written.clone(), key, made_of);
                traces.explain(&step).await
            }
        };
        lookup.is_explained = true;
        self.note(&Event::Missed {
            step: self.step,
            changes: &changes,
        });
    }

    /// Notes what a step is made of.
    fn trace(&self, lookup: &Lookup) {
        if let Some(key) = lookup.key {
            let made_of = (&lookup.definition, lookup.files.as_ref());
            let traces = &self.build.works.traces;
            traces.note(self.step, self.written.clone(), key, made_of);
        }
    }

    /// Has a layer be sent and be in caches elsewhere, where that is asked for.
    fn hand_on(&self, keys: Vec<Digest>, known: &Known) {
        let of_result = self.build.result.contains(&self.stage);
        if !self.request().caches.to.is_empty() {
            locked(&self.build.exported).push(ExportedStep {
                keys,
                record: known.record.clone(),
                place: known.place.clone(),
                of_result,
            });
        }
        if let (true, Some(layer)) = (of_result, &known.record.layer) {
            self.build.works.send(&layer.descriptor, &known.place);
        }
    }

    /// Puts a result onto a stage.
    pub(super) fn take(&self, stage: &mut StageState, found: &Known) -> Outcome {
        for Warning { message, hint } in &found.record.warnings {
            self.note(&Event::Warned { message, hint });
        }
        let Some(placed) = self.placed_of(found) else {
            return Outcome::CachedNothing;
        };
        let Descriptor { digest, size, .. } = placed.layer.descriptor;
        stage.layers.push(placed);
        Outcome::Cached { digest, size }
    }

    /// Gives the layer of a result, with where it is.
    pub(super) fn placed_of(&self, known: &Known) -> Option<Placed> {
        let mut layer = known.record.layer.as_ref()?.layer();
        let request = self.request();
        if request.is_of_image(&layer.descriptor.media_type) {
            // The bytes are the same in both formats.
            layer.descriptor.media_type = request.layer_type();
        }
        Some(Placed {
            layer,
            place: known.place.clone(),
        })
    }

    /// Keeps what a step came to under its keys: its own, and further ones.
    pub(super) async fn keep(
        &self,
        mut lookup: Lookup,
        mut keys: Vec<Digest>,
        packed: Packed,
    ) -> Result<Outcome, Error> {
        let Packed {
            known,
            packing,
            content,
        } = packed;
        if packing == Packing::Packed {
            self.explain_miss(&mut lookup).await;
        }
        self.trace(&lookup);
        let warnings = std::mem::take(&mut *locked(&self.warned));
        let mut known = known.unwrap_or_else(|| Known::here(None));
        known.record.warnings = warnings;
        keys.extend(lookup.key);
        keys.extend(lookup.shape.or_else(|| lookup.shape_key()));
        self.memory().note(&keys, &known).await?;
        keys.extend(content);
        self.hand_on(keys, &known);
        let Some(layer) = &known.record.layer else {
            return Ok(Outcome::NoLayer);
        };
        let (digest, size) = (layer.descriptor.digest, layer.descriptor.size);
        Ok(match packing {
            Packing::Cached => Outcome::Cached { digest, size },
            Packing::Packed => Outcome::Packed { digest, size },
        })
    }

    /// Learns the content of the files of a step from what was packed of them.
    pub(super) async fn learn(
        &self,
        lookup: &mut Lookup,
        packed: &Recipe,
        shelf: &Shelf,
    ) -> Result<(), Error> {
        if lookup.key.is_some() {
            return Ok(());
        }
        if let Some(files) = &mut lookup.files {
            files.learn_from(packed);
        }
        self.complete(lookup, shelf).await
    }
}

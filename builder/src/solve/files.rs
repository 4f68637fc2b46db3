//! The file systems of stages and images: as trees, and what is in their files.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::image::Place;
use futures_util::{StreamExt as _, TryStreamExt as _};
use layer::{LayerIndex, NodeKind, Time, Tree};
use oci::Digest;

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::image::LayerOf;
use crate::image::base::BaseImage;
use crate::pack::contents::{FilesOf, Shelf};
use crate::pack::layers::locked;
use crate::pack::reading;
use crate::pack::recipe::{Content, Recipe};
use crate::snapshot::{Chain, Kept};
use crate::solve::here;
use crate::solve::run::Run;
use crate::solve::running::{Lease, Sandbox};
use crate::solve::stage::{Placed, StageState};
use crate::step::owner::{self, Names, Owner};

/// How many layers are read at a time.
pub(super) const LAYERS_AT_ONCE: usize = 4;

impl Run<'_> {
    /// Has the content at hand that a recipe takes from layers. Of what a command
    /// has made in this build it is in a directory, which is read through the
    /// sandbox that this holds.
    pub(super) async fn unpack(
        &self,
        recipe: &Recipe,
        shelf: &mut Shelf,
    ) -> Result<Option<Lease<'_>>, Error> {
        let origins: BTreeSet<u32> = recipe
            .items()
            .filter_map(|item| match &item.content {
                Content::Place { place, .. } => Some(place.origin),
                _ => None,
            })
            .filter(|origin| !Shelf::needs_no_layer(*origin))
            .collect();
        let mut lease = None;
        for origin in origins {
            let Placed { layer, place } = self.placed(origin)?;
            let made = locked(&self.build.made)
                .get(&layer.descriptor.digest)
                .copied();
            if let Some(link) = made {
                lease = lease.or_else(|| self.build.works.sandboxes.idle());
                if let Some(lease) = &lease
                    && let Some(kept) = kept(&lease.sandbox, link).await?
                {
                    let placed = Placed { layer, place };
                    let index = self.index(&placed, reading::Content::Passed).await?;
                    let files = FilesOf::Directory { kept, index };
                    shelf.layers.insert(origin, files);
                    continue;
                }
            }
            let unpacked = self.layers().unpack(self.step, &place, &layer).await?;
            shelf.layers.insert(origin, FilesOf::Archive(unpacked));
        }
        Ok(lease)
    }

    /// Gives what a layer says. Its content is at hand if it had to be read for
    /// that, and is to be.
    async fn index(
        &self,
        Placed { layer, place }: &Placed,
        content: reading::Content,
    ) -> Result<Arc<LayerIndex>, Error> {
        self.layers()
            .index(self.step, (layer, place), content)
            .await
    }

    /// Says what becomes of the layers of this stage while they are read:
    /// commands may be going to see them.
    pub(super) fn of_stage(&self) -> reading::Content {
        match self.plan().runs(self.stage, 0) {
            true => reading::Content::Kept,
            false => reading::Content::Passed,
        }
    }

    /// Gives the number by which trees know a layer.
    pub(super) fn origin(&self, placed: &Placed) -> Result<u32, Error> {
        let mut origins = locked(&self.build.origins);
        let digest = placed.layer.descriptor.digest;
        let known = origins
            .iter()
            .position(|known| known.layer.descriptor.digest == digest);
        let at = known.unwrap_or_else(|| {
            origins.push(placed.clone());
            origins.len() - 1
        });
        u32::try_from(at + 1)
            .map_err(|_wide| Error::new(ErrorKind::Unsupported, "the build has too many layers"))
    }

    fn placed(&self, origin: u32) -> Result<Placed, Error> {
        let origins = locked(&self.build.origins);
        let placed = (origin as usize)
            .checked_sub(1)
            .and_then(|at| origins.get(at));
        let lost = || Error::new(ErrorKind::Storage, "the content of a file is in no layer");
        placed.cloned().ok_or_else(lost)
    }

    /// Makes the file system of some layers, from the one of the most of them
    /// that is known. Those of so many layers as is said are for others too.
    pub(super) async fn tree_of(
        &self,
        layers: &[Placed],
        kept: &[usize],
        content: reading::Content,
    ) -> Result<Tree, Error> {
        let chain = Chain::of(layers.iter().map(|placed| &placed.layer.descriptor.digest));
        let links = chain.links();
        let (mut tree, mut seen) = {
            let trees = locked(&self.build.trees);
            let mut known = links.iter().enumerate().rev();
            let known = known.find_map(|(at, link)| Some((trees.get(link)?.clone(), at + 1)));
            known.unwrap_or_default()
        };
        let ends = kept.iter().filter(|end| **end < layers.len());
        let ends: BTreeSet<usize> = ends.copied().chain([layers.len()]).collect();
        for end in ends {
            if seen < end {
                let new = layers.get(seen..end).unwrap_or_default();
                self.apply(&mut tree, new, content).await?;
                seen = end;
                if let Some(link) = links.get(end - 1).filter(|_| kept.contains(&end)) {
                    locked(&self.build.trees).insert(*link, tree.clone());
                }
            }
        }
        Ok(tree)
    }

    /// Puts layers onto a file system, while some of the next ones are read.
    pub(super) async fn apply(
        &self,
        tree: &mut Tree,
        layers: &[Placed],
        content: reading::Content,
    ) -> Result<(), Error> {
        let reads: Vec<_> = layers
            .iter()
            .map(|placed| self.index(placed, content))
            .collect();
        let mut indexes = futures_util::stream::iter(reads).buffered(LAYERS_AT_ONCE);
        let mut next = indexes.try_next().await?;
        for placed in layers {
            let Some(index) = next.take() else {
                break;
            };
            let origin = self.origin(placed)?;
            let digest = placed.layer.descriptor.digest;
            // Other stages go on meanwhile.
            let mut below = std::mem::take(tree);
            let applied = blocking::run(move || {
                below.apply(origin, &index).map_err(|error| {
                    Error::layer(format!("the layer `{digest}` does not fit"), error)
                })?;
                Ok(below)
            });
            let (applied, following) = tokio::join!(applied, indexes.try_next());
            *tree = applied?;
            next = following?;
        }
        Ok(())
    }

    /// Sees to it that the file system of a stage is known, all of it.
    pub(super) async fn see(&self, stage: &mut StageState) -> Result<(), Error> {
        stage.tree = Some(match stage.tree.take() {
            Some(mut tree) => {
                let new = stage.layers.get(stage.seen..).unwrap_or_default();
                self.apply(&mut tree, new, self.of_stage()).await?;
                tree
            }
            None => {
                let content = self.of_stage();
                self.tree_of(&stage.layers, &[stage.of_base], content)
                    .await?
            }
        });
        stage.seen = stage.layers.len();
        Ok(())
    }

    pub(super) fn time(&self) -> Result<Time, Error> {
        i64::try_from(self.request().epoch)
            .map(Time::from_seconds)
            .map_err(|_late| Error::new(ErrorKind::Unsupported, "the time is too late for files"))
    }

    /// Finds an owner in the files of a stage.
    pub(super) async fn owner(&self, stage: &StageState, text: &str) -> Result<Owner, Error> {
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
        let placed = self.placed(file.place.origin)?;
        let index = self.index(&placed, reading::Content::Passed).await?;
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
        let Placed { layer, place } = placed;
        let unpacked = self.layers().unpack(self.step, &place, &layer).await?;
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

/// Holds the directory of a layer, where a sandbox has one of it alone.
async fn kept(sandbox: &Sandbox, link: Digest) -> Result<Option<Kept>, Error> {
    let sandbox = Arc::clone(sandbox);
    blocking::run(move || locked(&sandbox).kept(&link)).await
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

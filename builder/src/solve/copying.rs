//! `COPY` and `ADD` in a build under way: from the text of the instruction to
//! a recipe, and to what there is to say of the files that were taken.

mod sources;
mod telling;

use std::sync::Arc;

use dockerfile::{Copy, Text};
use layer::{EntryPath, Tree};
use oci::Digest;

use crate::blocking;
use crate::context::archive::Archive;
use crate::context::{Context, Filtered, Look, Wanted};
use crate::error::{Error, ErrorKind};
use crate::pack::contents::{CONTEXT, Shelf};
use crate::pack::recipe::Recipe;
use crate::plan::CopyFrom;
use crate::request::Modes;
use crate::solve::run::{Run, placed};
use crate::solve::stage::StageState;
use crate::step::copy::{self, Copying, Excluded, Existing, Source};
use crate::step::{mode, owner, workdir};

impl Run<'_> {
    /// Does a `COPY` or `ADD`.
    pub(super) async fn copy(
        &mut self,
        stage: &mut StageState,
        copy: &Copy,
        (number, from): (usize, &CopyFrom),
        adds: bool,
    ) -> Result<(Recipe, Shelf), Error> {
        // What is below a linked layer is left alone: it may be far away.
        if !copy.is_link() {
            self.see(stage).await?;
        }
        let how = self.copying(stage, copy, from).await?;
        let mut shelf = Shelf::default();
        let sources = self.sources(stage, copy, adds, &mut shelf).await?;
        let own;
        let tree = match from {
            CopyFrom::Context | CopyFrom::Files(_) => {
                let context = self.look(from, wanted(&sources, &how)).await?;
                shelf.context = Some(Arc::clone(&context));
                own = context;
                &own.tree
            }
            _ => {
                let there = self.there(number, from).await?;
                self.tree_there(&there)?
            }
        };
        let explain = |failure| self.explain(failure, copy, &sources, from);
        let mut found = copy::find(tree, &sources, &how).map_err(explain)?;
        let archives = match adds {
            true => {
                self.archives(copy, &found, &sources, (&how, &mut shelf))
                    .await?
            }
            false => Vec::new(),
        };
        let directories: Vec<_> = archives
            .iter()
            .map(|archive| archive.as_ref().map(Archive::directories))
            .collect();
        for (found, unpacked) in found.iter_mut().zip(archives.iter().zip(&directories)) {
            if let (Some(archive), Some(directories)) = unpacked {
                found.unpacked(archive.tree(), directories);
            }
        }
        let copied = match &mut stage.tree {
            to if how.is_linked => {
                let mut alone = Tree::new();
                let copied = copy::place(&found, &sources, &mut alone, &how).map_err(explain)?;
                if let Some(to) = to {
                    self.warn_of_changed(&copied.recipe.lay(&alone, to)?, &copied.recipe);
                }
                copied
            }
            Some(to) => copy::place(&found, &sources, to, &how).map_err(explain)?,
            None => return Err(Error::new(ErrorKind::Step, "the stage has no files")),
        };
        if let Some(context) = &shelf.context {
            self.warn_of(context, &copied, &how);
        }
        Ok((copied.recipe, shelf))
    }

    /// Sees to it that the file system of a stage that is done is known.
    pub(super) async fn see_done(&mut self, stage: usize) -> Result<(), Error> {
        let done = self.done(stage)?;
        if done.tree.is_some() {
            return Ok(());
        }
        let layers = done.layers.clone();
        let tree = self.tree_of(&layers).await?;
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.tree = Some(tree);
        }
        Ok(())
    }

    /// Expands where to copy, and how.
    async fn copying(
        &mut self,
        stage: &StageState,
        copy: &Copy,
        from: &CopyFrom,
    ) -> Result<Copying, Error> {
        let escape = self.plan.escape;
        let destination = stage.configured.expand(&copy.destination, escape)?;
        filled("the destination", &destination, &copy.destination)?;
        let is_linked = copy.is_link();
        let owner = match &copy.chown {
            None => None,
            Some(text) => {
                let expanded = stage.configured.expand(text, escape)?;
                let found = match is_linked {
                    true => owner::find_number(&expanded),
                    false => self.owner(stage, &expanded).await,
                };
                Some(found.map_err(|error| error.at(text.span()))?)
            }
        };
        let mode = match &copy.chmod {
            None => None,
            Some(text) => {
                let expanded = stage.configured.expand(text, escape)?;
                Some(mode::parse(&expanded).map_err(|error| error.at(text.span()))?)
            }
        };
        let normalized = self.request.fidelity.modes == Modes::Normalized;
        let existing = match from {
            CopyFrom::Context | CopyFrom::Files(_) if normalized => Existing::Kept,
            _ => Existing::Replaced,
        };
        Ok(Copying {
            excluded: self.excluded(stage, copy)?,
            keeps_parents: copy.keeps_parents(),
            is_linked,
            destination: workdir::absolute(stage.working_directory(), &destination),
            owner,
            mode,
            existing,
            time: self.time()?,
        })
    }

    /// Expands what is left out.
    fn excluded(&self, stage: &StageState, copy: &Copy) -> Result<Excluded, Error> {
        let mut patterns = Vec::new();
        for text in copy.excludes() {
            let pattern = stage.configured.expand(text, self.plan.escape)?;
            filled("`--exclude`", &pattern, text)?;
            let checked = Excluded::parse([pattern.as_str()]);
            checked.map_err(|error| error.at(text.span()))?;
            patterns.push(pattern);
        }
        Excluded::parse(patterns.iter().map(String::as_str))
    }

    /// Finds the context that files are taken from.
    fn files_of(&self, from: &CopyFrom) -> Result<&Filtered, Error> {
        match from {
            CopyFrom::Files(name) => self.contexts.get(name).ok_or_else(|| {
                let message = format!("there is no build context `{name}`");
                Error::new(ErrorKind::Step, message)
            }),
            _ => Ok(&self.context),
        }
    }

    /// Looks at what may be taken of a context.
    pub(super) async fn look(
        &self,
        from: &CopyFrom,
        wanted: Wanted,
    ) -> Result<Arc<Context>, Error> {
        let files = self.files_of(from)?;
        let look = Look {
            ignore: files.ignore.clone(),
            wanted,
            fidelity: self.request.fidelity,
            time: self.time()?,
            origin: CONTEXT,
            cache: self.request.cache,
        };
        let opened = files.opened.clone();
        let context = blocking::run(move || opened.look(&look)).await?;
        Ok(Arc::new(context))
    }

    /// Has the file system of a stage or image at hand; of a context there is
    /// none.
    pub(super) async fn there(&mut self, number: usize, from: &CopyFrom) -> Result<There, Error> {
        match from {
            CopyFrom::Stage(stage) => {
                self.see_done(*stage).await?;
                Ok(There::Stage(*stage))
            }
            CopyFrom::Image(name) => {
                let base = self.base(name, number).await?;
                if !self.trees.contains_key(&base.digest) {
                    let tree = self.tree_of(&placed(&base)).await?;
                    self.trees.insert(base.digest, tree);
                }
                Ok(There::Image(base.digest))
            }
            CopyFrom::Context | CopyFrom::Files(_) => {
                Err(Error::new(ErrorKind::Step, "a context has no file system"))
            }
        }
    }

    /// Gives a file system that is at hand.
    pub(super) fn tree_there(&self, there: &There) -> Result<&Tree, Error> {
        let tree = match there {
            There::Stage(stage) => self.done(*stage)?.tree.as_ref(),
            There::Image(digest) => self.trees.get(digest),
        };
        tree.ok_or_else(|| Error::new(ErrorKind::Step, "the stage or image has no files"))
    }
}

/// Names a file system that is at hand.
pub(super) enum There {
    /// That of a stage.
    Stage(usize),
    /// That of an image, by its manifest.
    Image(Digest),
}

/// Says what of a context a copy may take: where a pattern may find a link,
/// that is everything.
fn wanted(sources: &[Source], how: &Copying) -> Wanted {
    let mut paths = Vec::new();
    for source in sources {
        let Source::Path(path) = source else { continue };
        let is_pattern = path.contains(['*', '?', '[', '\\']);
        let path = match how.keeps_parents {
            // What stands behind the pivot does not lead above it.
            true if copy::pivot(path).1.contains("..") => return Wanted::All,
            _ => EntryPath::parse(path.as_bytes()),
        };
        match path {
            Ok(path) if !is_pattern => paths.push(path),
            _ => return Wanted::All,
        }
    }
    Wanted::Paths(paths)
}

/// Sees to it that something is left of a text.
fn filled(what: &str, value: &str, text: &Text) -> Result<(), Error> {
    if !value.is_empty() {
        return Ok(());
    }
    let message = format!("{what} is empty once it is expanded");
    Err(Error::new(ErrorKind::Step, message).at(text.span()))
}

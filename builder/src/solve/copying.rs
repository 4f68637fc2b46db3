//! `COPY` and `ADD` in a build under way: from the text of the instruction to
//! a recipe, and to what there is to say of the files that were taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dockerfile::{Copy, Source as Written};
use layer::EntryPath;

use crate::blocking;
use crate::contents::Shelf;
use crate::context::{Context, Look, Opened, Wanted, Why};
use crate::error::{Error, ErrorKind};
use crate::plan::CopyFrom;
use crate::recipe::Recipe;
use crate::request::Modes;
use crate::solve::run::{Run, placed};
use crate::solve::stage::StageState;
use crate::step::copy::{self, Copied, Copying, Existing, Failure, Source};
use crate::step::{archive, mode, workdir};

/// How many files of one instruction are warned of by name.
const WARNINGS_SHOWN: usize = 10;

impl Run<'_> {
    /// Does a `COPY` or `ADD`.
    pub(super) async fn copy(
        &mut self,
        stage: &mut StageState,
        copy: &Copy,
        (number, from): (usize, &CopyFrom),
        adds: bool,
    ) -> Result<(Recipe, Shelf), Error> {
        self.see(stage).await?;
        let sources = self.sources(stage, copy)?;
        let how = self.copying(stage, copy, from).await?;
        let mut shelf = Shelf::default();
        let own;
        let tree = match from {
            CopyFrom::Context => {
                let context = self.look(&sources).await?;
                shelf.context = Some(Arc::clone(&context));
                own = context;
                &own.tree
            }
            CopyFrom::Stage(stage) => {
                self.see_done(*stage).await?;
                let tree = self.done(*stage)?.tree.as_ref();
                tree.ok_or_else(|| Error::new(ErrorKind::Step, "the stage has no files"))?
            }
            CopyFrom::Image(name) => {
                let base = self.base(name, number).await?;
                if !self.trees.contains_key(&base.digest) {
                    let tree = self.tree_of(&placed(&base)).await?;
                    self.trees.insert(base.digest, tree);
                }
                let tree = self.trees.get(&base.digest);
                tree.ok_or_else(|| Error::new(ErrorKind::Step, "the image has no files"))?
            }
        };
        let Some(to) = &mut stage.tree else {
            return Err(Error::new(ErrorKind::Step, "the stage has no files"));
        };
        let copied = copy::copy(tree, to, &sources, &how)
            .map_err(|failure| self.explain(failure, copy, &sources, from))?;
        if let Some(context) = &shelf.context {
            self.warn_of(context, &copied, &how);
        }
        if adds {
            refuse_archives(&copied, &shelf).await?;
        }
        Ok((copied.recipe, shelf))
    }

    /// Sees to it that the file system of a stage that is done is known.
    async fn see_done(&mut self, stage: usize) -> Result<(), Error> {
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

    /// Expands what is to be copied.
    fn sources(&self, stage: &StageState, copy: &Copy) -> Result<Vec<Source>, Error> {
        let escape = self.plan.escape;
        let mut sources = Vec::with_capacity(copy.sources.len());
        for source in &copy.sources {
            sources.push(match source {
                Written::Path(text) => {
                    let path = stage.configured.expand(text, escape)?;
                    if path.is_empty() {
                        let message = "a source is empty once it is expanded";
                        return Err(Error::new(ErrorKind::Step, message).at(text.span()));
                    }
                    Source::Path(path)
                }
                Written::Heredoc(heredoc) => {
                    let content = stage.configured.expand_heredoc(heredoc, escape)?;
                    Source::Inline {
                        name: heredoc.name.clone(),
                        content: Bytes::from(content),
                    }
                }
            });
        }
        Ok(sources)
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
        if destination.is_empty() {
            let message = "the destination is empty once it is expanded";
            return Err(Error::new(ErrorKind::Step, message).at(copy.destination.span()));
        }
        let owner = match &copy.chown {
            None => None,
            Some(text) => {
                let expanded = stage.configured.expand(text, escape)?;
                let found = self.owner(stage, &expanded).await;
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
            CopyFrom::Context if normalized => Existing::Kept,
            _ => Existing::Replaced,
        };
        Ok(Copying {
            destination: workdir::absolute(stage.working_directory(), &destination),
            owner,
            mode,
            existing,
            time: self.time()?,
        })
    }

    /// Looks at what a copy may take of the context.
    async fn look(&self, sources: &[Source]) -> Result<Arc<Context>, Error> {
        let look = Look {
            ignore: self.ignore.clone(),
            wanted: wanted(sources),
            fidelity: self.request.fidelity,
            time: self.time()?,
        };
        let opened = self.context.clone();
        let context = blocking::run(move || opened.look(&look)).await?;
        Ok(Arc::new(context))
    }

    /// Tells of files that are not in the image as they are in the context.
    fn warn_of(&self, context: &Context, copied: &Copied, how: &Copying) {
        let mut said = Vec::new();
        if how.mode.is_none() {
            let hint = "set its mode with `--chmod`, or build with `--preserve-modes`";
            said.extend(context.unusual.among(&copied.taken).map(|(path, why)| {
                let message = match why {
                    Why::Special(mode) => format!(
                        "`{path}` has the mode {mode:04o}, of which set-id and sticky bits were dropped"
                    ),
                    Why::Private(mode) => format!(
                        "`{path}` has the mode {mode:04o}, and can be read by everybody in the image"
                    ),
                };
                (message, hint)
            }));
        }
        let taken: BTreeSet<&EntryPath> = copied.taken.iter().collect();
        let skipped = context.skipped.iter().filter(|(path, _)| {
            let parent = path.parent();
            parent.is_some_and(|parent| taken.contains(&parent))
        });
        said.extend(skipped.map(|(path, what)| {
            let message = format!("`{path}` is {what}, and was left out");
            (message, "exclude it in `.dockerignore`")
        }));
        for (message, hint) in said.iter().take(WARNINGS_SHOWN) {
            self.warn(message, hint);
        }
        if let Some(more) = said
            .len()
            .checked_sub(WARNINGS_SHOWN)
            .filter(|more| *more > 0)
        {
            self.warn(
                &format!("the same is true of {more} more files"),
                "see above",
            );
        }
    }

    /// Says where the source stands that a copy failed at, and what would help.
    fn explain(&self, failure: Failure, copy: &Copy, sources: &[Source], from: &CopyFrom) -> Error {
        let Failure { error, source } = failure;
        let found = source.and_then(|number| sources.get(number).zip(copy.sources.get(number)));
        let Some((Source::Path(path), Written::Path(text))) = found else {
            return error;
        };
        let error = error.at(text.span());
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.missing(path, from) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Says why a source may be missing.
    fn missing(&self, path: &str, from: &CopyFrom) -> Option<String> {
        let is_ignored = || {
            EntryPath::parse(path.as_bytes())
                .is_ok_and(|path| !path.is_root() && self.ignore.matches(path.as_bytes()))
        };
        let hint = match from {
            CopyFrom::Context if is_ignored() => {
                return Some(format!("`{}` excludes it", self.ignore_name));
            }
            _ if path.starts_with('#') => copy::COMMENT_HINT,
            CopyFrom::Context if matches!(self.context, Opened::Empty) => {
                "the build has a Dockerfile alone: name a directory to copy from, `wharf build -f - DIR`"
            }
            CopyFrom::Context if path.contains("..") => {
                "`..` does not lead out of the context: nothing above it can be copied"
            }
            CopyFrom::Context => "sources count from the root of the context",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Says what of a context a copy may take: where a pattern may find a link,
/// that is everything.
fn wanted(sources: &[Source]) -> Wanted {
    let mut paths = Vec::new();
    for source in sources {
        let Source::Path(path) = source else { continue };
        let is_pattern = path.contains(['*', '?', '[', '\\']);
        match EntryPath::parse(path.as_bytes()) {
            Ok(path) if !is_pattern => paths.push(path),
            _ => return Wanted::All,
        }
    }
    Wanted::Paths(paths)
}

/// Refuses archives, which `ADD` would unpack.
async fn refuse_archives(copied: &Copied, shelf: &Shelf) -> Result<(), Error> {
    let (files, shelf) = (copied.files.clone(), shelf.clone());
    blocking::run(move || {
        for (path, file) in &files {
            if archive::is_archive(&shelf, file)? {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("`{path}` is an archive, and `ADD` does not unpack archives yet"),
                )
                .with_hint(
                    "`COPY` keeps it as it is; unpack it beforehand to copy what is in it",
                ));
            }
        }
        Ok(())
    })
    .await
}

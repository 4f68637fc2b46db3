//! `COPY` and `ADD` in a build under way: from the text of the instruction to
//! a recipe, and to what there is to say of the files that were taken.

mod sources;
mod telling;

use std::sync::Arc;

use dockerfile::{Copy, Text};
use layer::{EntryPath, Tree};
use oci::Digest;

use crate::blocking;
use crate::cache::{Definition, InputKind};
use crate::context::archive::Archive;
use crate::context::{Context, Filtered, Look, Wanted};
use crate::error::{Error, ErrorKind};
use crate::events::Outcome;
use crate::pack::contents::{CONTEXT, Shelf};
use crate::pack::reading::Content;
use crate::pack::recipe::Recipe;
use crate::plan::CopyFrom;
use crate::request::Modes;
use crate::solve::files::placed;
use crate::solve::lookup::{Lookup, chain};
use crate::solve::run::Run;
use crate::solve::stage::StageState;
use crate::step::copy::{self, Copied, Copying, Excluded, Existing, Source};
use crate::step::{mode, owner, workdir};

impl Run<'_> {
    /// Does a `COPY` or `ADD`.
    pub(super) async fn copy(
        &self,
        stage: &mut StageState,
        copy: &Copy,
        (number, from): (usize, &CopyFrom),
        adds: bool,
    ) -> Result<Outcome, Error> {
        let texts = self.texts(stage, copy, from)?;
        let mut shelf = Shelf::default();
        let sources = self.sources(stage, copy, adds, &mut shelf).await?;
        let below = (!texts.how.is_linked).then_some(&*stage);
        let word = if adds { "ADD" } else { "COPY" };
        let mut definition = self.definition(word, below);
        texts.define(copy, &sources, &mut definition);
        let (mut lookup, taken) = match from {
            CopyFrom::Context | CopyFrom::Files(_) => {
                let context = self.look(from, wanted(&sources, &texts.how)).await?;
                shelf.context = Some(Arc::clone(&context));
                let found = copy::find(&context.tree, &sources, &texts.how)
                    .map_err(|failure| self.explain(failure, copy, &sources, from))?;
                let files = (found.as_slice(), &texts.how);
                let quick = self.look_up_known(&definition, files, &context).await?;
                if let Some(mut lookup) = quick
                    && let Some(outcome) = self.take_found(stage, &mut lookup).await?
                {
                    return Ok(outcome);
                }
                match copy::alone(&found, &texts.how) {
                    Some(Copied { recipe, taken }) => {
                        let lookup = self.look_up_files(definition, recipe, &shelf).await?;
                        (lookup, taken)
                    }
                    // It can hardly be done, and has no list of files to be
                    // known by.
                    None => (Lookup::nowhere(definition), Vec::new()),
                }
            }
            _ => {
                let source = self.chain_of(number, from).await?;
                definition.add_digest(InputKind::Source, "", source);
                (self.look_up(&definition).await?, Vec::new())
            }
        };
        if let Some(context) = &shelf.context {
            self.warn_of(context, &taken, &texts.how);
        }
        if let Some(outcome) = self.take_found(stage, &mut lookup).await? {
            return Ok(outcome);
        }
        let instruction = (copy, adds, number, from);
        let mut recipe = self
            .placed_files(stage, instruction, (&texts, &sources), &mut shelf)
            .await?;
        let packed = self.pack(stage, &mut recipe, &mut shelf).await?;
        self.learn(&mut lookup, &recipe, &shelf).await?;
        self.keep(lookup, Vec::new(), packed).await
    }

    /// Puts what is copied where it belongs, and says what the layer has to
    /// hold.
    async fn placed_files(
        &self,
        stage: &mut StageState,
        (copy, adds, number, from): (&Copy, bool, usize, &CopyFrom),
        (texts, sources): (&Texts, &[Source]),
        shelf: &mut Shelf,
    ) -> Result<Recipe, Error> {
        let how = &self.copying(stage, copy, texts).await?;
        let context = shelf.context.clone();
        let there;
        let tree = match &context {
            Some(context) => &context.tree,
            None => {
                there = self.there(number, from).await?;
                &there
            }
        };
        let explain = |failure| self.explain(failure, copy, sources, from);
        let mut found = copy::find(tree, sources, how).map_err(explain)?;
        let archives = match adds {
            true => self.archives(copy, &found, sources, (how, shelf)).await?,
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
                let copied = copy::place(&found, sources, &mut alone, how).map_err(explain)?;
                if let Some(to) = to {
                    self.warn_of_changed(&copied.recipe.lay(&alone, to)?, &copied.recipe);
                }
                copied
            }
            Some(to) => copy::place(&found, sources, to, how).map_err(explain)?,
            None => return Err(Error::new(ErrorKind::Step, "the stage has no files")),
        };
        Ok(copied.recipe)
    }

    /// Expands where to copy, and how, as far as no file has to be known.
    fn texts(&self, stage: &StageState, copy: &Copy, from: &CopyFrom) -> Result<Texts, Error> {
        let escape = self.plan().escape;
        let expand = |text| stage.configured.expand(text, escape);
        let destination = expand(&copy.destination)?;
        filled("the destination", &destination, &copy.destination)?;
        let owner = copy.chown.as_ref().map(expand).transpose()?;
        let mode_text = copy.chmod.as_ref().map(expand).transpose()?;
        let mode = match (&copy.chmod, &mode_text) {
            (Some(text), Some(expanded)) => {
                Some(mode::parse(expanded).map_err(|error| error.at(text.span()))?)
            }
            _ => None,
        };
        let normalized = self.request().fidelity.modes == Modes::Normalized;
        let existing = match from {
            CopyFrom::Context | CopyFrom::Files(_) if normalized => Existing::Kept,
            _ => Existing::Replaced,
        };
        let patterns = self.patterns(stage, copy)?;
        Ok(Texts {
            how: Copying {
                excluded: Excluded::parse(patterns.iter().map(String::as_str))?,
                keeps_parents: copy.keeps_parents(),
                is_linked: copy.is_link(),
                destination: workdir::absolute(stage.working_directory(), &destination),
                owner: None,
                mode,
                existing,
                time: self.time()?,
            },
            owner,
            mode: mode_text,
            patterns,
        })
    }

    /// Says how to copy, the owner included. Of what is below it knows all
    /// then, unless that does not count.
    async fn copying(
        &self,
        stage: &mut StageState,
        copy: &Copy,
        texts: &Texts,
    ) -> Result<Copying, Error> {
        if !texts.how.is_linked {
            self.see(stage).await?;
        } else if stage.seen < stage.layers.len() {
            // What is below a linked layer is left alone: it may be far away.
            stage.tree = None;
        }
        let mut how = texts.how.clone();
        if let (Some(text), Some(owner)) = (&copy.chown, &texts.owner) {
            let found = match how.is_linked {
                true => owner::find_number(owner),
                false => self.owner(stage, owner).await,
            };
            how.owner = Some(found.map_err(|error| error.at(text.span()))?);
        }
        Ok(how)
    }

    /// Expands what is left out.
    fn patterns(&self, stage: &StageState, copy: &Copy) -> Result<Vec<String>, Error> {
        let mut patterns = Vec::new();
        for text in copy.excludes() {
            let pattern = stage.configured.expand(text, self.plan().escape)?;
            filled("`--exclude`", &pattern, text)?;
            let checked = Excluded::parse([pattern.as_str()]);
            checked.map_err(|error| error.at(text.span()))?;
            patterns.push(pattern);
        }
        Ok(patterns)
    }

    /// Finds the context that files are taken from.
    fn files_of(&self, from: &CopyFrom) -> Result<&Filtered, Error> {
        match from {
            CopyFrom::Files(name) => self.build.contexts.get(name).ok_or_else(|| {
                let message = format!("there is no build context `{name}`");
                Error::new(ErrorKind::Step, message)
            }),
            _ => Ok(self.build.context),
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
            fidelity: self.request().fidelity,
            time: self.time()?,
            origin: CONTEXT,
            cache: self.request().cache,
        };
        let opened = files.opened.clone();
        let context = blocking::run(move || opened.look(&look)).await?;
        Ok(Arc::new(context))
    }

    /// Names the files of a stage, once it is done, or of an image.
    pub(super) async fn chain_of(&self, number: usize, from: &CopyFrom) -> Result<Digest, Error> {
        match from {
            CopyFrom::Stage(stage) => Ok(chain(&self.build.done(*stage).await?.state.layers)),
            CopyFrom::Image(name) => Ok(chain(&placed(&self.base(name, number).await?))),
            CopyFrom::Context | CopyFrom::Files(_) => Err(no_file_system()),
        }
    }

    /// Gives the file system of a stage, once it is done, or of an image; of a
    /// context there is none.
    pub(super) async fn there(&self, number: usize, from: &CopyFrom) -> Result<Tree, Error> {
        match from {
            CopyFrom::Stage(stage) => {
                let state = &self.build.done(*stage).await?.state;
                let kept = [state.of_base, state.layers.len()];
                self.tree_of(&state.layers, &kept, Content::Passed).await
            }
            CopyFrom::Image(name) => {
                let layers = placed(&self.base(name, number).await?);
                self.tree_of(&layers, &[layers.len()], Content::Passed)
                    .await
            }
            CopyFrom::Context | CopyFrom::Files(_) => Err(no_file_system()),
        }
    }
}

fn no_file_system() -> Error {
    Error::new(ErrorKind::Step, "a context has no file system")
}

/// Is what an instruction says once it is expanded, without anything that only
/// the files below can tell.
struct Texts {
    /// How to copy, but for the owner.
    how: Copying,
    /// What `--chown` says.
    owner: Option<String>,
    /// What `--chmod` says.
    mode: Option<String>,
    /// What `--exclude` says.
    patterns: Vec<String>,
}

impl Texts {
    /// Says what a copy is made of, but for files of a context.
    fn define(&self, copy: &Copy, sources: &[Source], definition: &mut Definition) {
        let mut add = |name: &str, value: &[u8]| {
            definition.add(InputKind::Instruction, name, value);
        };
        for (number, source) in sources.iter().enumerate() {
            let name = format!("source {}", number + 1);
            match source {
                Source::Path(path) => add(&name, path.as_bytes()),
                Source::Inline {
                    name: file,
                    content,
                } => {
                    add(&format!("{name}, the heredoc {file}"), content);
                }
                Source::Fetched {
                    name: file,
                    file: fetched,
                    metadata,
                } => {
                    let digest = fetched.digest.map(|digest| digest.to_string());
                    let time = metadata.mtime;
                    let (seconds, parts) = (time.seconds(), time.nanoseconds());
                    let value = format!("{} {seconds} {parts} ", digest.unwrap_or_default());
                    add(&name, &[value.as_bytes(), file].concat());
                }
                // Its files are with those of the context.
                Source::Tree(_) => add(&name, b"repository"),
            }
        }
        add("destination", self.how.destination.as_bytes());
        for (flag, value) in [("--chown", &self.owner), ("--chmod", &self.mode)] {
            if let Some(value) = value {
                add(flag, value.as_bytes());
            }
        }
        for pattern in &self.patterns {
            add("--exclude", pattern.as_bytes());
        }
        let flags = [
            ("--parents", self.how.keeps_parents),
            ("--link", self.how.is_linked),
            ("--keep-git-dir", copy.keep_git_dir() == Some(true)),
        ];
        for (flag, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
            add(flag, b"");
        }
        if let Some(unpack) = copy.unpack() {
            add("--unpack", unpack.to_string().as_bytes());
        }
    }
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

//! What a `COPY` or `ADD` copies, once its texts are expanded: what is
//! elsewhere is fetched, and archives are unpacked.

use std::sync::Arc;

use bytes::Bytes;
use dockerfile::{Copy, Ignore, Source as Written, Text};
use layer::{ContentPlace, EntryPath, File, Metadata};

use crate::blocking;
use crate::context::archive::{Archive, Subject};
use crate::context::{ContextSource, Look, Opened, Wanted};
use crate::error::{Error, ErrorKind};
use crate::fetch::{self, Checksum, GitSource, Remote, Way};
use crate::pack::contents::{Brought, Shelf};
use crate::request::{Fidelity, Modes, Reach, Xattrs};
use crate::solve::copying::filled;
use crate::solve::run::Run;
use crate::solve::stage::StageState;
use crate::step::archive::{self, Held};
use crate::step::copy::{Copying, Found, Source};
use crate::step::remote;

/// How names begin that mean removed files (image-spec, "Whiteouts").
const REMOVES: &[u8] = b".wh.";
/// The permissions of a file that is fetched (Dockerfile reference, "ADD").
const FETCHED_MODE: u16 = 0o600;

impl Run<'_> {
    /// Expands what is to be copied, and fetches for `ADD` what is elsewhere.
    pub(super) async fn sources(
        &self,
        stage: &StageState,
        copy: &Copy,
        adds: bool,
        shelf: &mut Shelf,
    ) -> Result<Vec<Source>, Error> {
        let escape = self.plan().escape;
        let mut sources = Vec::with_capacity(copy.sources.len());
        for source in &copy.sources {
            sources.push(match source {
                Written::Path(text) => {
                    let path = stage.configured.expand(text, escape)?;
                    filled("a source", &path, text)?;
                    let remote = fetch::remote(&path).filter(|_| adds).transpose();
                    let source = match remote {
                        Ok(None) => Ok(Source::Path(path)),
                        Ok(Some(remote)) => self.fetched(stage, copy, remote, shelf).await,
                        Err(error) => Err(error),
                    };
                    source.map_err(|error| error.at(text.span()))?
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
        let is_fetched =
            |source: &Source| matches!(source, Source::Fetched { .. } | Source::Tree(_));
        if let Some(text) = copy.checksum()
            && !matches!(sources.as_slice(), [source] if is_fetched(source))
        {
            return Err(remote::no_use_of_checksum().at(text.span()));
        }
        let is_git = |source: &Source| matches!(source, Source::Tree(_));
        if copy.keep_git_dir() == Some(true) && !sources.iter().any(is_git) {
            return Err(remote::no_use_of_git_dir());
        }
        Ok(sources)
    }

    /// Fetches a file or a repository.
    async fn fetched(
        &self,
        stage: &StageState,
        copy: &Copy,
        remote: Remote,
        shelf: &mut Shelf,
    ) -> Result<Source, Error> {
        let checksum = match copy.checksum() {
            // A checksum is of one thing.
            Some(text) if copy.sources.len() > 1 => {
                return Err(remote::no_use_of_checksum().at(text.span()));
            }
            Some(text) => Some((text, stage.configured.expand(text, self.plan().escape)?)),
            None => None,
        };
        match remote {
            Remote::Url(address) => {
                let checksum = checksum.map(|(text, checksum)| {
                    let checksum = checksum.parse::<Checksum>();
                    checksum.map_err(|error| error.at(text.span()))
                });
                let way = self.way();
                let fetched = match checksum.transpose()? {
                    Some(checksum) => fetch::url_checked(&way, &address, &checksum).await?,
                    None if self.request().running.reach == Reach::Hermetic => {
                        return Err(unchecked("`--checksum=sha256:...` says what it has to be"));
                    }
                    None => fetch::url(&way, &address).await?,
                };
                self.file(fetched, shelf)
            }
            Remote::Git(source) => {
                let source = demand(source, copy, checksum)?;
                if self.request().running.reach == Reach::Hermetic && !source.is_pinned() {
                    return Err(unchecked(
                        "name the whole commit, as in `#0123...` with 40 digits",
                    ));
                }
                self.checkout(&source, shelf).await
            }
        }
    }

    fn way(&self) -> Way<'_> {
        Way {
            network: &self.request().network,
            scratch: &self.request().scratch,
            progress: self.request().progress.as_ref(),
        }
    }

    /// Makes a source of a file that was fetched: its time is when it was
    /// changed, as far as the server says so.
    fn file(&self, fetched: fetch::Fetched, shelf: &mut Shelf) -> Result<Source, Error> {
        let time = self.time()?;
        // Whether it needs a name the destination decides.
        let name = fetched.name().unwrap_or_default().as_bytes().to_vec();
        EntryPath::parse(&name).map_err(|error| {
            Error::caused(
                ErrorKind::Step,
                "what was fetched has a name that is none",
                error,
            )
        })?;
        if name.starts_with(REMOVES) {
            let name = name.escape_ascii();
            let message = format!("`{name}` would remove a file: in a layer such names do");
            return Err(Error::new(ErrorKind::Step, message)
                .with_hint("name the file in the destination, as in `/directory/file`"));
        }
        let origin = shelf.next_origin().ok_or_else(too_many)?;
        let source = Source::Fetched {
            name,
            file: File {
                size: fetched.size,
                place: ContentPlace {
                    origin,
                    position: 0,
                },
                digest: Some(fetched.digest),
            },
            metadata: Metadata {
                mode: FETCHED_MODE,
                mtime: fetched.modified.unwrap_or(time),
                ..Metadata::default()
            },
        };
        shelf.bring(Brought::File(Arc::new(fetched.file)));
        Ok(source)
    }

    /// Makes a source of the files of a repository. Git knows of each whether
    /// it is to be executed, and no more.
    async fn checkout(&self, source: &GitSource, shelf: &mut Shelf) -> Result<Source, Error> {
        let checkout = Arc::new(fetch::git(&self.way(), source).await?);
        let origin = shelf.next_origin().ok_or_else(too_many)?;
        let look = Look {
            ignore: Ignore::default(),
            wanted: Wanted::All,
            fidelity: Fidelity {
                modes: Modes::Normalized,
                xattrs: Xattrs::Dropped,
            },
            time: self.time()?,
            origin,
            cache: crate::request::Cache::Apart,
        };
        let directory = ContextSource::Directory(checkout.directory().to_owned());
        let scratch = self.request().scratch.clone();
        let mut context = blocking::run(move || {
            let (opened, _) = Opened::open(&directory, &scratch)?;
            opened.look(&look)
        })
        .await?;
        let tree = std::mem::take(&mut context.tree);
        shelf.bring(Brought::Checkout {
            files: Arc::new(context),
            _kept: checkout,
        });
        Ok(Source::Tree(Arc::new(tree)))
    }

    /// Unpacks the archives among what was found, each at its place; others
    /// have none.
    pub(super) async fn archives(
        &self,
        copy: &Copy,
        found: &[Found<'_>],
        sources: &[Source],
        (how, shelf): (&Copying, &mut Shelf),
    ) -> Result<Vec<Option<Archive>>, Error> {
        let wanted = copy.unpack();
        let mut archives = Vec::with_capacity(found.len());
        for found in found {
            // What is fetched is unpacked only if somebody says so.
            let is_fetched = match sources.get(found.source) {
                Some(Source::Path(_)) => false,
                Some(Source::Fetched { .. }) => true,
                _ => {
                    archives.push(None);
                    continue;
                }
            };
            let file = found.file().filter(|_| wanted.unwrap_or(!is_fetched));
            let Some(file) = file.filter(|_| !found.is_left_out(how)) else {
                archives.push(None);
                continue;
            };
            let origin = shelf.next_origin().ok_or_else(too_many)?;
            let (name, file) = (found.name(), file.clone());
            let (holding, scratch) = (shelf.clone(), self.request().scratch.clone());
            let opened = blocking::run(move || open(&holding, &file, &name, (&scratch, origin)));
            let opened = opened
                .await
                .map_err(|error| match copy.sources.get(found.source) {
                    Some(Written::Path(text)) => error.at(text.span()),
                    _ => error,
                })?;
            let (held, opened) = opened;
            if held == Held::Broken {
                let message = format!(
                    "`{}` begins as if it were compressed, and can not be read: it is copied as it is",
                    found.name()
                );
                self.warn_again(&message, "`--unpack=false` says that it is no archive");
            }
            if let Some(archive) = &opened {
                shelf.bring(Brought::Archive(archive.unpacked().clone()));
            }
            archives.push(opened);
        }
        Ok(archives)
    }
}

/// Says what a file holds, and opens it if that is an archive.
fn open(
    shelf: &Shelf,
    file: &File,
    name: &str,
    (scratch, origin): (&std::path::Path, u32),
) -> Result<(Held, Option<Archive>), Error> {
    use layer::Contents as _;
    let held = archive::look(shelf, file)?;
    if held != Held::Archive {
        return Ok((held, None));
    }
    let name = format!("`{name}`");
    let content = shelf.open(file.place, file.size);
    let content = content.map_err(|error| Error::layer(format!("can not read {name}"), error))?;
    let subject = Subject {
        name: &name,
        kind: ErrorKind::Step,
        origin,
    };
    let opened = Archive::read_all(content, scratch, subject).map_err(|error| match error.hint() {
        None if error.kind() == ErrorKind::Step => {
            error.with_hint("`COPY`, or `ADD --unpack=false`, keeps it as it is")
        }
        _ => error,
    });
    opened.map(|archive| (held, Some(archive)))
}

/// Has the flags of an `ADD` count for a repository.
fn demand(
    mut source: GitSource,
    copy: &Copy,
    checksum: Option<(&Text, String)>,
) -> Result<GitSource, Error> {
    if let Some((text, checksum)) = checksum {
        let demanded = source.demanding(&checksum);
        source = demanded.map_err(|error| error.at(text.span()))?;
    }
    match copy.keep_git_dir() {
        Some(keep) => source.keeping_git_dir(keep),
        None => Ok(source),
    }
}

/// Says that a hermetic build takes nothing that nobody can check.
fn unchecked(hint: &str) -> Error {
    let message = "what is fetched has no checksum, and the build is hermetic";
    Error::new(ErrorKind::Step, message).with_hint(hint)
}

fn too_many() -> Error {
    let message = "the instruction has too many sources that are fetched or unpacked";
    Error::new(ErrorKind::Unsupported, message)
}

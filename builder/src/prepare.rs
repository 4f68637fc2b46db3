//! What is read before a build is planned: the Dockerfile, the ignore file,
//! and where the context is.

mod remote;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::image::Images;
use dockerfile::{Ignore, Severity};
use layer::EntryPath;

use crate::blocking;
use crate::context::{ContextSource, Filtered, Opened};
use crate::error::{Error, ErrorKind};
use crate::fetch::Checkout;
use crate::plan::excerpt;
use crate::request::{DockerfileSource, NamedContext, Request};
use crate::solve::{self, Built, Checked, Exports};
use crate::verify::Report;

/// Is a build that can start. It has the text that diagnostics point into.
pub struct Prepared {
    pub(crate) request: Request,
    pub(crate) context: Opened,
    pub(crate) dockerfile: SourceText,
    pub(crate) ignore: Option<SourceText>,
    /// The named contexts that are files.
    pub(crate) contexts: BTreeMap<String, Filtered>,
    /// What was fetched, for as long as it may be read.
    _fetched: Vec<Checkout>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("request", &self.request)
            .field("dockerfile", &self.dockerfile.name)
            .finish_non_exhaustive()
    }
}

/// Is the text of a file, and the name that messages know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The name: a path, or `-` for standard input.
    pub name: String,
    /// The text.
    pub bytes: Vec<u8>,
}

/// The largest Dockerfile that is read, in bytes. The largest that people
/// generate have some hundred kilobytes.
const DOCKERFILE_LIMIT: u64 = 16 * 1024 * 1024;
/// The name of the ignore file of a context.
const IGNORE_FILE: &str = ".dockerignore";
/// The largest ignore file that is read, in bytes.
const IGNORE_LIMIT: u64 = 4 * 1024 * 1024;

impl Prepared {
    /// Opens the context, and reads Dockerfile and ignore file: the one that
    /// is named like the Dockerfile with `.dockerignore` behind it, or else
    /// `.dockerignore` in the context.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Context`] when the context or the Dockerfile
    /// can not be read.
    pub async fn new(mut request: Request) -> Result<Self, Error> {
        // Another spelling of one platform must not be another image.
        for platform in &mut request.platforms {
            *platform = platform.clone().normalized();
        }
        request.build_platform = request.build_platform.normalized();
        platforms(&request.platforms)?;
        request.format.check_layers(request.compression.method())?;
        if request
            .platforms
            .iter()
            .any(|platform| platform.os == "windows")
        {
            let message = "images for Windows are not supported";
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(
                "layers for Windows are of another form; `--platform linux/amd64` is one that is",
            ));
        }
        let mut fetched = Vec::new();
        let context = remote::context(&request.context, &request, &mut fetched).await?;
        let text = remote::dockerfile(&request.dockerfile, &request).await?;
        let mut named = BTreeMap::new();
        for (name, source) in &request.contexts {
            if let NamedContext::Files(source) = source {
                let source = remote::context(source, &request, &mut fetched).await;
                named.insert(name.clone(), source.map_err(|error| of(name, error))?);
            }
        }
        blocking::run(move || {
            let (context, piped) = Opened::open(&context, &request.scratch)?;
            let context = context.remembering(&request.context, &request.running.store);
            let piped = piped.map(|bytes| (remote::name(&request.context), bytes));
            let dockerfile = match text.or(piped) {
                Some((name, bytes)) => SourceText { name, bytes },
                None => dockerfile(&context, &request.dockerfile)?,
            };
            let ignore = ignore_file(&context, &request.dockerfile)?;
            let contexts = named
                .into_iter()
                .map(|(name, source)| {
                    let filtered = filtered(&name, &source, &request);
                    Ok((name.clone(), filtered.map_err(|error| of(&name, error))?))
                })
                .collect::<Result<_, Error>>()?;
            Ok(Self {
                request,
                context,
                dockerfile,
                ignore,
                contexts,
                _fetched: fetched,
            })
        })
        .await
    }

    /// Gives the Dockerfile.
    #[must_use]
    pub fn dockerfile(&self) -> &SourceText {
        &self.dockerfile
    }

    /// Gives the ignore file, where there is one.
    #[must_use]
    pub fn ignore_file(&self) -> Option<&SourceText> {
        self.ignore.as_ref()
    }

    /// Says all there is to say of the files, mistakes and advice, and builds
    /// nothing. Of images it knows what this machine has; nothing is fetched.
    ///
    /// # Errors
    ///
    /// Fails when an argument asks for a language that is not known. Mistakes in
    /// the files are no errors here.
    pub async fn check(&self, images: &Images) -> Result<Checked, Error> {
        solve::check(self, images).await
    }

    /// Builds the image, and keeps it in the library. What there is for caches
    /// on other machines is given back, and is for [`Prepared::export`].
    ///
    /// # Errors
    ///
    /// Fails with all mistakes of the Dockerfile or the ignore file at once,
    /// or with the first step that can not be done. Layers that were made are
    /// kept and serve the next build; the library's names are as they were.
    pub async fn build(&self, images: &Images) -> Result<(Built, Exports), Error> {
        let built = solve::run(self, images).await;
        self.keep_learned().await;
        built
    }

    /// Writes the caches that the request asks for, of what was built, and
    /// notes there what was written. It is a call of its own because there are
    /// builds of which nothing may leave the machine: those that
    /// [`Prepared::verify`] finds a difference in.
    ///
    /// # Errors
    ///
    /// Fails where a cache can not be written whose failure is not ignored. The
    /// image stays in the library.
    pub async fn export(
        &self,
        images: &Images,
        built: &mut Built,
        exports: &Exports,
    ) -> Result<(), Error> {
        solve::export(&self.request, images, (built, exports)).await
    }

    /// Writes down what was learned of the files, for the next build.
    async fn keep_learned(&self) {
        let named = self.contexts.values().map(|context| &context.opened);
        let all: Vec<Opened> = std::iter::once(&self.context)
            .chain(named)
            .cloned()
            .collect();
        // What can not be kept is no failure of the build.
        let _ = blocking::run(move || {
            all.iter().for_each(Opened::keep_learned);
            Ok(())
        })
        .await;
    }

    /// Builds once more what was built, as otherwise as can be, and says what
    /// came to something else: without what was packed or run before, by
    /// another number of threads, in another sandbox where there is one. The
    /// image and its names stay as they are.
    ///
    /// # Errors
    ///
    /// Fails as [`Prepared::build`] does. Differences are no errors here.
    pub async fn verify(&self, images: &Images, built: &Built) -> Result<Report, Error> {
        solve::verify(self, images, built).await
    }
}

/// Sees to it that there is a platform, and none twice.
fn platforms(platforms: &[oci::Platform]) -> Result<(), Error> {
    if platforms.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "no platform is given"));
    }
    let twice = platforms.iter().enumerate().find(|(at, platform)| {
        platforms
            .iter()
            .take(*at)
            .any(|earlier| earlier == *platform)
    });
    match twice {
        None => Ok(()),
        Some((_, platform)) => {
            let message = format!("the platform `{platform}` is given twice");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

/// Opens a named context with its ignore file.
fn filtered(name: &str, source: &ContextSource, request: &Request) -> Result<Filtered, Error> {
    let (mut opened, piped) = Opened::open(source, &request.scratch)?;
    if let Some(NamedContext::Files(named)) = request.contexts.get(name) {
        opened = opened.remembering(named, &request.running.store);
    }
    if piped.is_some() {
        let message = "it is neither a directory nor a tar archive";
        return Err(Error::new(ErrorKind::Context, message));
    }
    let found = opened.read(&inside(Path::new(IGNORE_FILE))?, IGNORE_LIMIT)?;
    let (ignore, said) = Ignore::parse(&found.unwrap_or_default());
    let mistake = said
        .into_iter()
        .find(|said| said.severity == Severity::Error);
    if let Some(mistake) = mistake {
        let message = format!("its `{IGNORE_FILE}` can not be read");
        return Err(Error::caused(ErrorKind::Context, message, mistake));
    }
    Ok(Filtered {
        opened,
        ignore,
        ignore_name: IGNORE_FILE.to_owned(),
    })
}

/// Says which named context an error is of.
fn of(name: &str, error: Error) -> Error {
    let message = format!("can not use the build context `{}`", excerpt(name));
    Error::caused(error.kind(), message, error)
}

fn dockerfile(context: &Opened, source: &DockerfileSource) -> Result<SourceText, Error> {
    let (name, bytes) = match source {
        DockerfileSource::Bytes(bytes) => ("-".to_owned(), Some(bytes.clone())),
        DockerfileSource::Remote(url) => (url.clone(), None),
        DockerfileSource::Context(path) => (
            path.display().to_string(),
            context.read(&inside(path)?, DOCKERFILE_LIMIT)?,
        ),
        DockerfileSource::Path(path) => (
            path.display().to_string(),
            read_file(path, DOCKERFILE_LIMIT)?,
        ),
    };
    match bytes {
        Some(bytes) => Ok(SourceText { name, bytes }),
        None => Err(Error::new(
            ErrorKind::NotFound,
            format!("there is no Dockerfile `{name}`"),
        )
        .with_hint(match context {
            Opened::Archive(_) => "`-f FILE` names another file, by its path in the archive",
            _ => "name it with `-f FILE`, or `-f -` for standard input",
        })),
    }
}

fn ignore_file(
    context: &Opened,
    dockerfile: &DockerfileSource,
) -> Result<Option<SourceText>, Error> {
    let own = match dockerfile {
        DockerfileSource::Bytes(_) | DockerfileSource::Remote(_) => None,
        DockerfileSource::Context(path) => {
            let path = beside(path);
            let bytes = context.read(&inside(&path)?, IGNORE_LIMIT)?;
            bytes.map(|bytes| (path, bytes))
        }
        DockerfileSource::Path(path) => {
            let path = beside(path);
            read_file(&path, IGNORE_LIMIT)?.map(|bytes| (path, bytes))
        }
    };
    let found = match own {
        Some(own) => Some(own),
        None => {
            let path = PathBuf::from(IGNORE_FILE);
            let bytes = context.read(&inside(&path)?, IGNORE_LIMIT)?;
            bytes.map(|bytes| (path, bytes))
        }
    };
    Ok(found.map(|(path, bytes)| SourceText {
        name: path.display().to_string(),
        bytes,
    }))
}

/// Names the ignore file of a Dockerfile.
fn beside(dockerfile: &Path) -> PathBuf {
    let mut name = OsString::from(dockerfile);
    name.push(".dockerignore");
    PathBuf::from(name)
}

fn inside(path: &Path) -> Result<EntryPath, Error> {
    use std::os::unix::ffi::OsStrExt as _;
    EntryPath::parse(path.as_os_str().as_bytes()).map_err(|error| {
        Error::caused(
            ErrorKind::Context,
            "the context can have no such file",
            error,
        )
    })
}

/// Reads a file of this machine; `None` where there is none.
fn read_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    use std::io::Read as _;
    let failed = |error| {
        Error::caused(
            ErrorKind::Context,
            format!("can not read `{}`", path.display()),
            error,
        )
    };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        let message = format!(
            "`{}` has more than the {limit} bytes that are read",
            path.display()
        );
        return Err(Error::new(ErrorKind::Context, message));
    }
    Ok(Some(bytes))
}

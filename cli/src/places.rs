//! What every command about images starts with: places from words, and the
//! means to reach them.

use std::path::Path;

use anyhow::Context as _;
use client::{Client, Proxies};
use image::{Bare, Images, Library, Place};
use oci::{ImageName, RegistryHost};

use crate::arguments::Global;
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::registries::{self, Reach};
use crate::report::{WithHint as _, advise, hinted, usage};

/// The words before the names of places, for hints.
const PLACES: &str = "a place is `docker://REF`, `local:NAME`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`";

/// Reads the name of a place.
pub(crate) fn parse(text: &str, bare: Bare) -> anyhow::Result<Place> {
    let place = parse_source(text, bare)?;
    match archive_of(&place) {
        Some(file) if is_standard(file) => {
            let error = usage(format!(
                "`{text}` is standard input or output, which is not supported here"
            ));
            Err(hinted(
                error,
                "name a file; `wharf copy` takes an archive from standard input",
            ))
        }
        _ => Ok(place),
    }
}

/// Gives the archive that a place is.
pub(crate) fn archive_of(place: &Place) -> Option<&Path> {
    match place {
        Place::OciArchive { file, .. } | Place::DockerArchive { file, .. } => Some(file),
        Place::Registry(_) | Place::Library(_) | Place::Layout { .. } => None,
    }
}

/// Says whether a path means standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads the name of a place to read from, which may be standard input.
pub(crate) fn parse_source(text: &str, bare: Bare) -> anyhow::Result<Place> {
    Place::parse(text, bare)
        .or_usage(|| format!("`{text}` names no image"))
        .hint(PLACES)
}

/// Reads a name that an image gets, without the word of a place before it.
pub(crate) fn parse_name(text: &str) -> anyhow::Result<ImageName> {
    const FORM: &str = "a name is as `shop:1` or `localhost:5000/shop:1`, in lower case";
    match Place::parse(text, Bare::Library) {
        Ok(Place::Library(name)) if !text.starts_with("local:") => Ok(name),
        Ok(place) => {
            let error = usage(format!("`{text}` is a place, where a name is needed"));
            Err(match place {
                Place::Registry(name) | Place::Library(name) => {
                    hinted(error, format!("leave out the word before it: `{name}`"))
                }
                _ => hinted(error, FORM),
            })
        }
        Err(error) => {
            // Words of other programs would be names.
            let cause = match text.parse::<ImageName>() {
                Err(cause) => anyhow::Error::new(cause),
                Ok(_) => anyhow::Error::new(error),
            };
            Err(cause)
                .or_usage(|| format!("`{text}` is no name for an image"))
                .hint(FORM)
        }
    }
}

/// Reads the name of an image in a registry.
pub(crate) fn parse_registry(text: &str) -> anyhow::Result<ImageName> {
    match parse(text, Bare::Registry)? {
        Place::Registry(name) => Ok(name),
        other => Err(usage(format!("`{other}` is not in a registry")))
            .hint("`wharf copy` copies between all places"),
    }
}

/// Reads the name of an image in the library.
pub(crate) fn parse_library(text: &str) -> anyhow::Result<ImageName> {
    match parse(text, Bare::Library)? {
        Place::Library(name) => Ok(name),
        other => Err(usage(format!("`{other}` is not in the library")))
            .hint("`wharf copy` copies between all places"),
    }
}

/// Holds the means to reach places.
pub(crate) struct Reached {
    /// For what is about registries and not about images.
    pub(crate) client: Client,
    /// For what is about images.
    pub(crate) images: Images,
    /// What was configured.
    pub(crate) config: Config,
    proxies: Proxies,
    registries: Vec<RegistryHost>,
}

/// Says whether the library of images is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It is opened, and made where there is none.
    Library,
    /// It is opened where there is one.
    LibraryIfThere,
    /// It is not.
    Nothing,
}

impl Need {
    /// Decides by the places that are to be reached.
    pub(crate) fn of(places: &[&Place]) -> Self {
        if places
            .iter()
            .any(|place| matches!(place, Place::Library(_)))
        {
            Self::Library
        } else {
            Self::Nothing
        }
    }
}

impl Reached {
    /// Makes what is needed to reach places.
    pub(crate) fn new(
        environment: &Environment,
        global: &Global,
        reach: &Reach,
        need: Need,
    ) -> anyhow::Result<Self> {
        let (config, _) = config::load(environment, global.config.as_deref(), Vec::new())?;
        let client = registries::client(environment, &config, reach)?;
        let library = open_library(environment, need)?;
        let scratch = environment.temporary_directory();
        Ok(Self {
            images: Images::new(client.clone(), library, scratch),
            client,
            config,
            proxies: registries::proxies(environment),
            registries: Vec::new(),
        })
    }

    /// Names a registry that may be to blame for what fails.
    pub(crate) fn blaming(mut self, place: &Place) -> Self {
        if let Place::Registry(name) = place {
            self.registries.push(name.registry().clone());
        }
        self
    }

    /// Adds to a failure what would help.
    pub(crate) fn advise(&self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        let error = error.into();
        let kind = error.downcast_ref().map(image::Error::kind);
        let registry = error.downcast_ref().and_then(image::Error::registry);
        let in_library = self.images.library().is_some() && registry.is_none();
        if kind == Some(image::ErrorKind::NotFound) && in_library {
            return hinted(error, "`wharf list` lists the names in the library");
        }
        self.advise_on(error, &self.registries)
    }

    /// Adds to a failure of one place what would help.
    pub(crate) fn advise_at(&self, error: anyhow::Error, place: &Place) -> anyhow::Error {
        let kind = error.downcast_ref().map(image::Error::kind);
        let hint = error.downcast_ref().and_then(image::Error::hint);
        match place {
            Place::Registry(name) => self.advise_on(error, std::slice::from_ref(name.registry())),
            Place::Library(_) if kind == Some(image::ErrorKind::NotFound) => {
                let registry = error.downcast_ref().and_then(image::Error::registry);
                // The library asks registries for what it lacks of an image.
                match registry.is_some() {
                    true => error,
                    false => hinted(error, "`wharf list` lists the names in the library"),
                }
            }
            _ => match hint {
                Some(hint) => hinted(error, hint),
                None => error,
            },
        }
    }

    /// Adds to a failure of one of these registries what would help.
    pub(crate) fn advise_on(
        &self,
        error: anyhow::Error,
        registries: &[RegistryHost],
    ) -> anyhow::Error {
        let mirrors = registries::mirrors(&self.config);
        let asked = registries
            .iter()
            .cloned()
            .chain(mirrors)
            .collect::<Vec<_>>();
        advise(error, &asked, &self.proxies)
    }
}

fn open_library(environment: &Environment, need: Need) -> anyhow::Result<Option<Library>> {
    let directory = match need {
        Need::Nothing => return Ok(None),
        // Without a home there is nothing to look in.
        Need::LibraryIfThere => match environment.library_directory() {
            Ok(directory) if directory.is_dir() => directory,
            _ => return Ok(None),
        },
        Need::Library => environment.library_directory()?,
    };
    Library::open(&directory)
        .map(Some)
        .with_context(|| {
            format!(
                "can not open the library of images in `{}`",
                directory.display()
            )
        })
        .hint("set `WHARF_HOME` to a directory that is empty or a library, and can be written")
}

//! Caches in other places: what steps came to on other machines, as a manifest
//! in a registry or in a layout (`docs/reference/cache.md`).
//!
//! A cache is read without its layers: one manifest and one config say what
//! every step came to, and a layer is fetched by whoever needs its files. What
//! a cache says is believed, as a base image is; what its layers hold is
//! checked against their digests like that of any layer
//! (`docs/adr/0012-remote-caches.md`).

mod export;
mod format;
mod import;
mod inline;
mod kind;

use std::fmt;
use std::path::PathBuf;

use ::image::Place;
use oci::{ImageName, Tag};

pub use self::export::CacheSent;
pub(crate) use self::export::{ExportedStep, export_all};
pub(crate) use self::import::import_all;
pub use self::inline::InlineCache;

/// Names a cache that steps are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheSource {
    /// In a registry: a cache, or an image that refers one (`type=inline`).
    Registry(ImageName),
    /// In an OCI layout on this machine.
    Layout {
        /// The layout's directory.
        directory: PathBuf,
        /// Which of its manifests.
        tag: Tag,
    },
}

/// Says where the steps of a build are put for other builds, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    /// Where they go.
    pub destination: CacheDestination,
    /// Which of them.
    pub extent: CacheExtent,
    /// What a failure means.
    pub failure: CacheFailure,
}

/// Names a place that a cache is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheDestination {
    /// A registry, under a tag.
    Registry(ImageName),
    /// An OCI layout on this machine, which is made if it is not there.
    Layout {
        /// The layout's directory.
        directory: PathBuf,
        /// Which of its manifests is replaced.
        tag: Tag,
    },
    /// The repository that the image is pushed to, as what refers to it.
    Inline,
}

/// Says which steps a cache has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheExtent {
    /// Those whose layers the image has (`mode=min`).
    #[default]
    Result,
    /// Those of all stages (`mode=max`).
    All,
}

/// Says what it means that a cache can not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheFailure {
    /// The build failed.
    #[default]
    Fails,
    /// Nothing but a warning (`ignore-error=true`).
    Warns,
}

/// The tag of a cache in a layout where none is given.
#[must_use]
pub fn cache_tag() -> Tag {
    Tag::latest()
}

impl CacheSource {
    /// Gives the place.
    fn place(&self) -> Place {
        match self {
            Self::Registry(name) => Place::Registry(name.clone()),
            Self::Layout { directory, tag } => Place::layout(directory, tag.clone()),
        }
    }
}

impl fmt::Display for CacheSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "{name}"),
            Self::Layout { directory, tag } => write!(f, "{}:{tag}", directory.display()),
        }
    }
}

impl fmt::Display for CacheDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "{name}"),
            Self::Layout { directory, tag } => write!(f, "{}:{tag}", directory.display()),
            Self::Inline => f.write_str("the image"),
        }
    }
}

#[cfg(test)]
mod tests;

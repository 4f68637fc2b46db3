//! Places: where an image is, as a person writes it.

use std::fmt;
use std::path::PathBuf;

use oci::{ImageName, ParseError, Tag};

/// Says where an image is, or shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a registry: `docker://REF`.
    Registry(ImageName),
    /// In the local library of names: `local:REF`.
    Library(ImageName),
    /// In a directory with the shape of an OCI layout (image-spec, "OCI Image
    /// Layout"): `oci:DIR[:TAG]`.
    Layout {
        /// The directory that has the `index.json`.
        directory: PathBuf,
        /// Which of its images.
        tag: Option<Tag>,
    },
    /// In a tar archive of an OCI layout: `oci-archive:FILE[:TAG]`.
    OciArchive {
        /// The archive.
        file: PathBuf,
        /// Which of its images.
        tag: Option<Tag>,
    },
    /// In an archive as `docker save` writes it: `docker-archive:FILE[:REF]`.
    /// The path can have no colon, since the name behind it can.
    DockerArchive {
        /// The archive.
        file: PathBuf,
        /// Which of its images.
        name: Option<ImageName>,
    },
}

/// Says what a text without a prefix means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// A name in a registry.
    Registry,
    /// A name in the local library.
    Library,
}

impl Place {
    /// The prefixes, as a message lists them.
    const PREFIXES: &'static str =
        "`docker://`, `local:`, `oci:`, `oci-archive:` or `docker-archive:`";

    /// Prefixes that other programs know. Each of them would be a valid image
    /// name with a tag, which is not what anybody means by it.
    const FOREIGN: [&'static str; 5] = [
        "containers-storage",
        "docker-daemon",
        "ostree",
        "sif",
        "tarball",
    ];

    /// Reads a place.
    ///
    /// # Errors
    ///
    /// Fails when the prefix is unknown, when a path is missing, and when a
    /// name or tag is none.
    pub fn parse(text: &str, bare: Bare) -> Result<Self, PlaceError> {
        if let Some(name) = text.strip_prefix("docker://") {
            return named(text, name).map(Self::Registry);
        }
        match text.split_once(':') {
            Some(("local", name)) => named(text, name).map(Self::Library),
            Some(("oci", rest)) => {
                let (directory, tag) = tagged(text, rest)?;
                Ok(Self::Layout { directory, tag })
            }
            Some(("oci-archive", rest)) => {
                let (file, tag) = tagged(text, rest)?;
                Ok(Self::OciArchive { file, tag })
            }
            Some(("docker-archive", rest)) => {
                let (path, name) = match rest.split_once(':') {
                    Some((path, name)) => (path, Some(named(text, name)?)),
                    None => (rest, None),
                };
                let file = path_of(text, path)?;
                Ok(Self::DockerArchive { file, name })
            }
            Some((prefix, _)) if Self::FOREIGN.contains(&prefix) => Err(unknown(prefix)),
            _ => match (named(text, text), bare) {
                (Ok(name), Bare::Registry) => Ok(Self::Registry(name)),
                (Ok(name), Bare::Library) => Ok(Self::Library(name)),
                (Err(error), _) => Err(looks_prefixed(text).map_or(error, unknown)),
            },
        }
    }
}

/// Finds what was meant as a prefix: a lone word, then a path or a second
/// part.
fn looks_prefixed(text: &str) -> Option<&str> {
    let (prefix, rest) = text.split_once(':')?;
    let is_word = !prefix.is_empty()
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_port = rest.starts_with(|first: char| first.is_ascii_digit());
    (is_word && !is_port).then_some(prefix)
}

fn unknown(prefix: &str) -> PlaceError {
    PlaceError {
        context: format!(
            "unknown prefix `{}:`: expected {}",
            excerpt(prefix),
            Place::PREFIXES
        ),
        source: None,
    }
}

fn named(text: &str, name: &str) -> Result<ImageName, PlaceError> {
    name.parse().map_err(|error| invalid(text, error))
}

fn invalid(text: &str, error: ParseError) -> PlaceError {
    PlaceError {
        context: format!("`{}` names no image", excerpt(text)),
        source: Some(error),
    }
}

/// Splits a tag off a path. What stands behind the last colon is a tag unless
/// it has a slash.
fn tagged(text: &str, rest: &str) -> Result<(PathBuf, Option<Tag>), PlaceError> {
    match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => {
            let tag = tag.parse().map_err(|error| invalid(text, error))?;
            Ok((path_of(text, path)?, Some(tag)))
        }
        _ => Ok((path_of(text, rest)?, None)),
    }
}

fn path_of(text: &str, path: &str) -> Result<PathBuf, PlaceError> {
    if path.is_empty() || path.contains('\0') {
        return Err(PlaceError {
            context: format!("`{}` lacks a path", excerpt(text)),
            source: None,
        });
    }
    Ok(PathBuf::from(path))
}

/// Cuts a text for a message, and keeps it from forging lines.
fn excerpt(text: &str) -> String {
    let cut: String = text.chars().take(ParseError::EXCERPT).collect();
    cut.escape_debug().to_string()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "docker://{name}"),
            Self::Library(name) => write!(f, "local:{name}"),
            Self::Layout { directory, tag } => {
                write!(f, "oci:{}", directory.display())?;
                tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
            }
            Self::OciArchive { file, tag } => {
                write!(f, "oci-archive:{}", file.display())?;
                tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
            }
            Self::DockerArchive { file, name } => {
                write!(f, "docker-archive:{}", file.display())?;
                name.iter().try_for_each(|name| write!(f, ":{name}"))
            }
        }
    }
}

/// Reports a text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{context}")]
pub struct PlaceError {
    context: String,
    source: Option<ParseError>,
}

#[cfg(test)]
mod tests;

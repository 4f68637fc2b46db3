//! The nouns of container images: digests, names, media types, descriptors,
//! manifests, configs and platforms.
//!
//! Everything here is a pure function from bytes to values. The crate opens no
//! file, no socket and no clock, and knows no async: [`Verifier`] is fed by
//! whoever does the reading. It is the only crate that names `oci-spec`.
//!
//! ```
//! use oci::{Digest, ImageName};
//!
//! let name: ImageName = "busybox".parse()?;
//! assert_eq!(name.to_string(), "docker.io/library/busybox:latest");
//! assert_eq!(Digest::sha256(b"").to_string(),
//!     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
//! # Ok::<(), oci::ParseError>(())
//! ```

mod config;
mod descriptor;
mod digest;
mod hasher;
mod image_name;
mod manifest;
mod media_type;
mod parse;
mod reference;
mod repository;

pub use config::{Config, ConfigError};
pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest};
pub use hasher::{HashState, Hasher, Mismatch, Verifier};
pub use image_name::{DEFAULT_REGISTRY, ImageName, RegistryHost};
pub use manifest::{
    Index, LAYOUT_MANIFEST_LIMIT, MANIFEST_LIMIT, Manifest, ManifestError, ManifestKind,
};
pub use media_type::MediaType;
pub use parse::ParseError;
pub use reference::{Reference, Tag};
pub use repository::RepositoryName;

//! The image that a build ends in: its config and manifest, written anew and
//! always alike, over layers that are kept as they are.

mod annotations;
pub(crate) mod base;
mod config;
pub(crate) mod export;
mod manifest;

pub use annotations::{Annotations, PlatformAnnotations};
pub(crate) use config::{Health, History, ImageConfig, Runtime};
pub use manifest::Format;
pub(crate) use manifest::{LayerOf, compose, compose_index};

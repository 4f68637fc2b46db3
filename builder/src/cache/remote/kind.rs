//! What a manifest is that somebody named as a cache.

use oci::{Manifest, ManifestKind, MediaType};

use super::format::{CONFIG_TYPE, CONFIG_TYPES};

/// The type of the config of BuildKit's caches, whichever way they are kept.
const BUILDKIT: &str = "application/vnd.buildkit.cacheconfig.v0";
/// The field of a config that BuildKit's inline caches are in.
const BUILDKIT_INLINE: &[u8] = b"\"moby.buildkit.cache.v0\"";

/// Says what a manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A cache of ours.
    Cache,
    /// A cache of ours in a form that is not known yet.
    Newer,
    /// A cache of BuildKit's.
    BuildKit,
    /// An image that has a cache of BuildKit's in its config.
    BuildKitInline,
    /// An image, or an index of some.
    Image,
    /// Something else.
    Other,
}

/// Finds out what a manifest is, from its config where that was read.
pub(super) fn kind(manifest: &Manifest, config: &[u8]) -> Kind {
    let config_type = manifest.config().map(|config| &config.media_type);
    match config_type.map(MediaType::as_str) {
        Some(CONFIG_TYPE) => return Kind::Cache,
        Some(own) if own.starts_with(CONFIG_TYPES) => return Kind::Newer,
        Some(BUILDKIT) => return Kind::BuildKit,
        _ => {}
    }
    let is_image =
        |own: &MediaType| *own == MediaType::OCI_CONFIG || *own == MediaType::DOCKER_CONFIG;
    let mut children = manifest.children().iter();
    if children.any(|child| child.media_type.as_str() == BUILDKIT) {
        Kind::BuildKit
    } else if manifest.kind() == ManifestKind::Index {
        Kind::Image
    } else if !config_type.is_some_and(is_image) {
        Kind::Other
    } else if contains(config, BUILDKIT_INLINE) {
        Kind::BuildKitInline
    } else {
        Kind::Image
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

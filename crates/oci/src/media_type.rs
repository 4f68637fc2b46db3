//! Media types: what a blob or manifest says it is (image-spec,
//! "Media Types", and Docker's older set).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::parse::{ParseError, serde_as_text};

/// Names the format of a blob or manifest, as RFC 6838 spells it.
///
/// Any well-formed type is kept as it was written; the known ones are
/// constants.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    /// The longest media type, in bytes: two names of 127 and a slash
    /// (RFC 6838, section 4.2).
    pub const LIMIT: usize = 255;

    /// An OCI image manifest.
    pub const OCI_MANIFEST: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    /// An OCI image index.
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    /// An OCI image configuration.
    pub const OCI_CONFIG: Self = Self::known("application/vnd.oci.image.config.v1+json");
    /// An uncompressed OCI layer.
    pub const OCI_LAYER: Self = Self::known("application/vnd.oci.image.layer.v1.tar");
    /// A gzip-compressed OCI layer.
    pub const OCI_LAYER_GZIP: Self = Self::known("application/vnd.oci.image.layer.v1.tar+gzip");
    /// A zstd-compressed OCI layer.
    pub const OCI_LAYER_ZSTD: Self = Self::known("application/vnd.oci.image.layer.v1.tar+zstd");
    /// The empty JSON object, which artifacts use as their config.
    pub const OCI_EMPTY: Self = Self::known("application/vnd.oci.empty.v1+json");
    /// A Docker image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: Self =
        Self::known("application/vnd.docker.distribution.manifest.v2+json");
    /// A Docker manifest list.
    pub const DOCKER_LIST: Self =
        Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// A Docker image configuration.
    pub const DOCKER_CONFIG: Self = Self::known("application/vnd.docker.container.image.v1+json");
    /// An uncompressed Docker layer.
    pub const DOCKER_LAYER: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar");
    /// A gzip-compressed Docker layer.
    pub const DOCKER_LAYER_GZIP: Self =
        Self::known("application/vnd.docker.image.rootfs.diff.tar.gzip");

    /// Bytes of whatever kind.
    pub const OCTET_STREAM: Self = Self::known("application/octet-stream");

    /// Layers that may lie elsewhere than in the registry: their bytes were
    /// never meant to be pushed (image-spec, "Non-Distributable Layers").
    const FOREIGN: [&str; 4] = [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ];

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Gives the type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether a layer of this type has its bytes in the registry.
    #[must_use]
    pub fn is_distributable(&self) -> bool {
        !Self::FOREIGN.contains(&self.as_str())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MediaType {
    type Err = ParseError;

    /// Reads a bare type or a `Content-Type` value, whose parameters such as
    /// `; charset=utf-8` are no part of the type.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.split(';').next().unwrap_or(text).trim();
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        let valid = bare.len() <= Self::LIMIT
            && bare
                .split_once('/')
                .is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype));
        if !valid {
            return Err(ParseError::new(
                "media type",
                text,
                "expected `type/subtype` of at most 255 bytes",
            ));
        }
        Ok(Self(Cow::Owned(bare.to_owned())))
    }
}

serde_as_text!(MediaType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_dropped() {
        let parsed: Result<MediaType, _> =
            "application/vnd.oci.image.index.v1+json; charset=utf-8".parse();
        assert_eq!(parsed, Ok(MediaType::OCI_INDEX));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "/",
            "a/",
            "/b",
            "a",
            "a b/c",
            "a/b/c",
            "a/\r\nX: y",
            "é/x",
        ] {
            assert!(text.parse::<MediaType>().is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn foreign_layers_are_not_distributable() {
        let foreign: MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            .parse()
            .expect("a media type");
        assert!(!foreign.is_distributable());
        assert!(MediaType::OCI_LAYER_GZIP.is_distributable());
    }
}

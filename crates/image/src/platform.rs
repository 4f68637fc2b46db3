//! Platforms: which image of an index is meant.

use std::str::FromStr;

use oci::{Descriptor, Platform};

use crate::error::{Error, ErrorKind};

/// Says which images of an index are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlatformChoice {
    /// The index itself, with everything in it.
    #[default]
    All,
    /// The one image for this machine.
    One(Platform),
}

impl FromStr for PlatformChoice {
    type Err = PlatformError;

    /// Reads `all`, or `OS/ARCHITECTURE[/VARIANT]` as Go names them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::All);
        }
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(PlatformError::new(text)),
        };
        if !parts.iter().all(is_word) {
            return Err(PlatformError::new(text));
        }
        Ok(Self::One(Platform {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant,
        }))
    }
}

/// Reports a text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform `{text}`: expected `all` or `OS/ARCHITECTURE[/VARIANT]`")]
pub struct PlatformError {
    text: String,
}

impl PlatformError {
    fn new(text: &str) -> Self {
        let cut: String = text.chars().take(oci::ParseError::EXCERPT).collect();
        Self {
            text: cut.escape_debug().to_string(),
        }
    }
}

/// Finds the one image of an index that is for a machine.
pub(crate) fn select<'a>(
    children: &'a [Descriptor],
    wanted: &Platform,
) -> Result<&'a Descriptor, Error> {
    let find = |fit: fn(&Platform, &Platform) -> bool| {
        children.iter().find(|child| {
            let offered = child.platform.as_ref();
            offered.is_some_and(|offered| fit(offered, wanted))
        })
    };
    let found = find(is_for).or_else(|| find(may_do));
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "the index has no image for `{wanted}`, only for {}",
                listed(children)
            ),
        )
    })
}

/// Says whether an image that is no index is for a machine.
///
/// # Errors
///
/// Fails with [`ErrorKind::NotFound`] when it is for another one.
pub(crate) fn check(offered: &Platform, wanted: &Platform) -> Result<(), Error> {
    if is_for(offered, wanted) || may_do(offered, wanted) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("the image is for `{offered}`, not for `{wanted}`"),
    ))
}

fn is_for(offered: &Platform, wanted: &Platform) -> bool {
    offered.os == wanted.os
        && offered.architecture == wanted.architecture
        && variant(offered) == variant(wanted)
}

/// Who names no variant takes any, but rather the one that has none.
fn may_do(offered: &Platform, wanted: &Platform) -> bool {
    offered.os == wanted.os
        && offered.architecture == wanted.architecture
        && wanted.variant.is_none()
}

/// Gives the variant, where it is not the one that the architecture implies.
fn variant(platform: &Platform) -> Option<&str> {
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("arm64", Some("v8")) | ("amd64", Some("v1")) => None,
        (_, variant) => variant,
    }
}

/// Lists the platforms of an index for a message.
pub(crate) fn listed(children: &[Descriptor]) -> String {
    let mut platforms: Vec<String> = children
        .iter()
        .filter_map(|child| child.platform.as_ref())
        .map(|platform| format!("`{platform}`"))
        .collect();
    platforms.dedup();
    if platforms.is_empty() {
        return "images that name no platform".to_owned();
    }
    platforms.join(", ")
}

#[cfg(test)]
mod tests {
    use oci::{Digest, MediaType};

    use super::*;

    fn child(platform: &str) -> Descriptor {
        let mut child = Descriptor::new(
            MediaType::OCI_MANIFEST,
            Digest::sha256(platform.as_bytes()),
            1,
        );
        if let Ok(PlatformChoice::One(platform)) = platform.parse() {
            child.platform = Some(platform);
        }
        child
    }

    #[test]
    fn the_best_fit_is_taken() {
        let children = [
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/amd64",
        ]
        .map(child);
        for (wanted, expected) in [
            ("linux/arm", Some(0)),
            ("linux/arm/v7", Some(1)),
            ("linux/arm64", Some(2)),
            ("linux/arm64/v8", Some(2)),
            ("linux/amd64", Some(3)),
            ("linux/arm/v5", None),
            ("windows/amd64", None),
        ] {
            let Ok(PlatformChoice::One(platform)) = wanted.parse() else {
                panic!("no platform: `{wanted}`");
            };
            let found = select(&children, &platform).ok();
            assert_eq!(
                found,
                expected.map(|index: usize| &children[index]),
                "{wanted}"
            );
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "linux/a b",
            "a/b/",
        ] {
            assert!(text.parse::<PlatformChoice>().is_err(), "accepted `{text}`");
        }
        assert_eq!("all".parse(), Ok(PlatformChoice::All));
    }
}

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
    let fits = |child: &&Descriptor| child.platform.as_ref().and_then(|it| fit(it, wanted));
    // The first of those that fit best.
    let found = children.iter().rev().filter(|child| fits(child).is_some());
    let found = found.max_by_key(fits);
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
    if fit(offered, wanted).is_some() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("the image is for `{offered}`, not for `{wanted}`"),
    ))
}

/// Says how well an image is for a machine, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// No variant was asked for, and it is for one.
    Any,
    /// It is for an earlier variant, by its number: machines still run what
    /// was made for those.
    Earlier(u32),
    /// It is for exactly this machine.
    Exact,
}

fn fit(offered: &Platform, wanted: &Platform) -> Option<Fit> {
    let names_none = wanted.variant.is_none();
    let (offered, wanted) = (offered.clone().normalized(), wanted.clone().normalized());
    if offered.os != wanted.os || offered.architecture != wanted.architecture {
        return None;
    }
    if offered.variant == wanted.variant {
        return Some(Fit::Exact);
    }
    match (number(&offered), number(&wanted)) {
        (Some(offered), Some(wanted)) if offered < wanted => Some(Fit::Earlier(offered)),
        _ => names_none.then_some(Fit::Any),
    }
}

/// Gives the number of a variant, the implied one included.
fn number(platform: &Platform) -> Option<u32> {
    match (platform.architecture.as_str(), &platform.variant) {
        ("amd64", None) => Some(1),
        ("arm64", None) => Some(8),
        ("amd64" | "arm64" | "arm", Some(variant)) => variant.strip_prefix('v')?.parse().ok(),
        _ => None,
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
            ("linux/arm", Some(1)),
            ("linux/arm/v7", Some(1)),
            ("linux/arm/7", Some(1)),
            ("linux/arm/v8", Some(1)),
            ("linux/arm/v6", Some(0)),
            ("linux/arm64/v9", Some(2)),
            ("linux/aarch64", Some(2)),
            ("linux/amd64/v3", Some(3)),
            ("linux/x86_64", Some(3)),
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

//! Names of repositories (distribution-spec, "Pulling manifests": `<name>`).

use std::fmt;
use std::str::FromStr;

use crate::parse::{ParseError, serde_as_text};

/// Names a repository of a registry: `library/busybox`.
///
/// One or more components of lower-case letters and digits, joined inside by
/// `.`, `_`, `__` or any number of `-`, and separated by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The longest name, in bytes. Clients commonly allow 255 for host and
    /// name together (distribution-spec, "Pulling manifests").
    pub const LIMIT: usize = 255;

    /// Gives the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Iterates over the components between slashes.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RepositoryName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NOUN: &str = "repository name";
        if text.len() > Self::LIMIT {
            return Err(ParseError::new(NOUN, text, "expected at most 255 bytes"));
        }
        if !text.split('/').all(is_component) {
            return Err(ParseError::new(
                NOUN,
                text,
                "expected components of `a-z` and `0-9`, joined by `.`, `_`, `__` or `-`, separated by `/`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

serde_as_text!(RepositoryName);

/// Matches `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| is_word(byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let joint = rest.iter().take_while(|byte| !is_word(byte)).count();
        let joins = match &rest[..joint] {
            b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|byte| *byte == b'-'),
        };
        if !joins {
            return false;
        }
        rest = &rest[joint..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepted_and_refused() {
        for name in [
            "a",
            "0",
            "a/b",
            "a.b",
            "a_b",
            "a__b",
            "a---b",
            "library/busybox",
            "a1/b2/c3",
        ] {
            assert_eq!(
                name.parse::<RepositoryName>()
                    .map(|n| n.to_string())
                    .as_deref(),
                Ok(name)
            );
        }
        let long = "a".repeat(256);
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a.-b",
            "-a",
            "a-",
            "a.",
            "_a",
            "a b",
            "a:b",
            "a@b",
            "é",
            "..",
            "a/../b",
            "a\0",
            "a\n",
            long.as_str(),
        ] {
            assert!(name.parse::<RepositoryName>().is_err(), "accepted `{name}`");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_kept(text in "[a-z0-9._/-]{0,20}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }
}

//! References: how a manifest is named inside its repository
//! (distribution-spec, "Definitions").

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::parse::{ParseError, serde_as_text};

/// Names a manifest by a word that may be moved to another one: `latest`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The longest tag, in bytes (distribution-spec, "Pulling manifests").
    pub const LIMIT: usize = 128;

    /// Makes the tag that Docker assumes where none is written.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// Gives the tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Tag {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let valid = text.len() <= Self::LIMIT
            && text.bytes().next().is_some_and(is_word)
            && text
                .bytes()
                .all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
        if !valid {
            return Err(ParseError::new(
                "tag",
                text,
                "expected 1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `.` and `-`, not starting with `.` or `-`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

serde_as_text!(Tag);

/// Names a manifest inside a repository: by tag or by digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// By a word that may move.
    Tag(Tag),
    /// By its bytes.
    Digest(Digest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    /// Reads a digest where the text has a colon, which no tag can have.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            text.parse().map(Self::Digest)
        } else {
            text.parse().map(Self::Tag)
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

serde_as_text!(Reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let longest = "a".repeat(128);
        for tag in ["a", "latest", "V1.0", "_x", "1-2_3.4", longest.as_str()] {
            assert_eq!(
                tag.parse::<Tag>().map(|t| t.to_string()).as_deref(),
                Ok(tag)
            );
        }
        let long = "a".repeat(129);
        for tag in [
            "",
            ".a",
            "-a",
            "a b",
            "a/b",
            "a:b",
            "a@b",
            "é",
            "a\n",
            "..",
            long.as_str(),
        ] {
            assert!(tag.parse::<Tag>().is_err(), "accepted `{tag}`");
        }
    }

    #[test]
    fn a_colon_means_a_digest() {
        let digest = Digest::sha256(b"x");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert_eq!(
            "sha256:baddigeststring"
                .parse::<Reference>()
                .map_err(|e| e.noun()),
            Err("digest")
        );
        assert_eq!(
            "sha256".parse(),
            Ok(Reference::Tag("sha256".parse().expect("a tag")))
        );
    }
}

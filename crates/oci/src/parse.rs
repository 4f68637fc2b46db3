//! The one error of every noun that is read from text.

/// Reports a text that is not the noun it should be.
///
/// It names what was being read, the text itself (cut to
/// [`ParseError::EXCERPT`] characters) and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {noun} `{text}`: {expected}")]
pub struct ParseError {
    noun: &'static str,
    text: String,
    expected: &'static str,
}

impl ParseError {
    /// The longest excerpt of the offending text that a message carries, in
    /// characters.
    pub const EXCERPT: usize = 120;

    pub(crate) fn new(noun: &'static str, text: &str, expected: &'static str) -> Self {
        let mut shown: String = text.chars().take(Self::EXCERPT).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self {
            noun,
            // Control characters would let input forge lines of a log.
            text: shown.escape_debug().to_string(),
            expected,
        }
    }

    /// Names what was being read: `digest`, `tag`, `repository name`, …
    #[must_use]
    pub fn noun(&self) -> &'static str {
        self.noun
    }

    /// Says what would have been right.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

/// Implements `Serialize` and `Deserialize` through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($noun:ty) => {
        impl serde::Serialize for $noun {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $noun {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Implements `Deserialize` (and `Serialize`) of a struct that derives them
/// with `#[serde(remote = "Self")]`, so that only a JSON object is read as it:
/// by default a list of its fields in order would be as well.
macro_rules! serde_as_object {
    ($noun:ty, $expected:literal) => {
        impl<'de> serde::Deserialize<'de> for $noun {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object;

                impl<'de> serde::de::Visitor<'de> for Object {
                    type Value = $noun;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        map: A,
                    ) -> Result<$noun, A::Error> {
                        <$noun>::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(Object)
            }
        }
    };
}
pub(crate) use serde_as_object;

//! Keys: where a record or blob lies, as a path of segments.

use std::fmt;

/// Names a place in a backend: segments joined by `/`.
///
/// A key is a name for an object and a directory for the keys below it, never
/// both at once. Segments are escaped as they are added, so that no text can
/// lead out of the key it was added to: every byte but `A-Z a-z 0-9 . _ ~ -`
/// becomes `%XX`, and so does a leading dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// Starts a key at the top of the backend.
    #[must_use]
    pub fn top(segment: &str) -> Self {
        let mut text = String::new();
        escape(segment, &mut text);
        Self(text)
    }

    /// Names something below this key.
    #[must_use]
    pub fn child(&self, segment: &str) -> Self {
        let mut text = String::with_capacity(self.0.len() + 1 + segment.len());
        text.push_str(&self.0);
        text.push('/');
        escape(segment, &mut text);
        Self(text)
    }

    /// Gives the whole key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the last segment, escaped as it is stored.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Gives the key that this one was added to; none at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.to_owned()))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// Reads a key back that was written as text.
impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-' | b'%')
        };
        let is_segment = |segment: &str| {
            !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_plain)
        };
        if text.split('/').all(is_segment) {
            Ok(Self(text))
        } else {
            Err("a key is of escaped segments that are joined by `/`")
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn escape(segment: &str, text: &mut String) {
    use fmt::Write as _;
    if segment.is_empty() {
        // An empty segment would fold into its parent; no escaped text is
        // a lone `%`.
        text.push('%');
    }
    for (index, byte) in segment.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'~' | b'-')
            || (byte == b'.' && index > 0);
        if plain {
            text.push(char::from(byte));
        } else {
            // Writing to a string can not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_text_leads_out_when_it_is_read_back() {
        for text in ["", "/", "a/", "/a", "..", "a/../b", "a/.b", "a b", "a\0"] {
            assert!(Key::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        let key = Key::top("ü").child("").child("../x");
        assert_eq!(Key::try_from(String::from(key.clone())), Ok(key));
    }

    #[test]
    fn segments_are_escaped() {
        let key = Key::top("a")
            .child("b/c")
            .child("..")
            .child("")
            .child("x.y~z_1-2");
        assert_eq!(key.as_str(), "a/b%2Fc/%2E./%/x.y~z_1-2");
        assert_eq!(key.name(), "x.y~z_1-2");
        assert_eq!(
            key.parent().map(|p| p.to_string()).as_deref(),
            Some("a/b%2Fc/%2E./%")
        );
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_segment(text: String, other: String) {
            let key = Key::top("a").child(&text);
            prop_assert_eq!(key.as_str().split('/').count(), 2);
            prop_assert!(key.name() != "." && key.name() != ".." && !key.name().is_empty());
            prop_assert_eq!(key.parent(), Some(Key::top("a")));
            prop_assert_eq!(key == Key::top("a").child(&other), text == other);
        }
    }
}

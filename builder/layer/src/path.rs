//! Paths inside an image.

use std::cmp::Ordering;
use std::fmt;

/// Is a path from the root of a file system, without a slash at either end,
/// and without empty parts, `.` or `..`; the root itself is empty.
///
/// A name is any bytes but `/` and NUL, as the kernel has it. Paths are
/// ordered part by part, each part by its bytes: a directory stands directly
/// before what is in it, whatever other names start like its own.
#[derive(Clone, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub struct EntryPath(Box<[u8]>);

impl EntryPath {
    /// The longest path, in bytes, as the kernel has it (`PATH_MAX`, without
    /// the NUL).
    pub const LIMIT: usize = 4095;
    /// The longest name, in bytes, as the kernel has it (`NAME_MAX`).
    pub const NAME_LIMIT: usize = 255;

    /// Gives the root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path as a person or an archive writes it: slashes at its ends
    /// and in rows, and parts that are `.`, mean nothing.
    ///
    /// # Errors
    ///
    /// Fails when a part is `..` or has a NUL, and when it is too long.
    pub fn parse(text: &[u8]) -> Result<Self, PathError> {
        let mut path = Vec::with_capacity(text.len());
        for part in text.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathError::new(text, "it has a part `..`")),
                _ if part.contains(&0) => return Err(PathError::new(text, "it has a NUL")),
                _ if part.len() > Self::NAME_LIMIT => {
                    return Err(PathError::new(text, "a name in it has more than 255 bytes"));
                }
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        if path.len() > Self::LIMIT {
            return Err(PathError::new(text, "it has more than 4,095 bytes"));
        }
        Ok(Self(path.into()))
    }

    /// Gives the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the names on the way from the root, in order.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// Gives the last name; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.names().next_back()
    }

    /// Gives the directory that it is in; the root is in none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// Gives what has this name in this directory. The name is one part, as
    /// [`EntryPath::names`] gives it.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/'), "one name");
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path.into())
    }

    /// Gives what this path means below a directory.
    #[must_use]
    pub fn below(&self, directory: &Self) -> Self {
        self.names()
            .fold(directory.clone(), |path, name| path.child(name))
    }

    /// Says whether it is `directory` or in it, however deep.
    #[must_use]
    pub fn is_in(&self, directory: &Self) -> bool {
        directory.is_root()
            || (self.0.starts_with(&directory.0)
                && matches!(self.0.get(directory.0.len()), None | Some(b'/')))
    }
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let same = common(&self.0, &other.0);
        // What ends here comes first, and then what is in a directory.
        let next = |path: &Self| match path.0.get(same) {
            None => 0,
            Some(b'/') => 1,
            Some(byte) => 2 + u16::from(*byte),
        };
        next(self).cmp(&next(other))
    }
}

/// Counts the bytes that two paths have in common from the start, eight at a
/// time: recipes and trees are sorted by paths, most of which begin alike.
fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks::<8>();
    let alike = ones
        .iter()
        .zip(others)
        .take_while(|(one, other)| one == other)
        .count()
        * 8;
    let ones = one.get(alike..).unwrap_or_default();
    let others = other.get(alike..).unwrap_or_default();
    let more = ones.iter().zip(others);
    alike + more.take_while(|(one, other)| one == other).count()
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Prints the path from the root, with what is no text escaped.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.escape_ascii_controls())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl<'de> serde::Deserialize<'de> for EntryPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <Vec<u8>>::deserialize(deserializer)?;
        let path = Self::parse(&bytes).map_err(serde::de::Error::custom)?;
        if path.as_bytes() != bytes {
            return Err(serde::de::Error::custom("the path is not in its one form"));
        }
        Ok(path)
    }
}

/// Prints bytes that are mostly text, so that no name can forge a line.
trait Printable {
    fn escape_ascii_controls(&self) -> String;
}

impl Printable for [u8] {
    fn escape_ascii_controls(&self) -> String {
        let mut printed = String::with_capacity(self.len());
        for chunk in self.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    printed.extend(character.escape_default());
                } else {
                    printed.push(character);
                }
            }
            for byte in chunk.invalid() {
                printed.push_str(&format!("\\x{byte:02x}"));
            }
        }
        printed
    }
}

/// Reports a path that can not be in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path in an image: {reason}")]
pub struct PathError {
    path: String,
    reason: &'static str,
}

impl PathError {
    /// The characters of a path that a message shows.
    const EXCERPT: usize = 100;

    fn new(path: &[u8], reason: &'static str) -> Self {
        let path = path
            .escape_ascii_controls()
            .chars()
            .take(Self::EXCERPT)
            .collect();
        Self { path, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).expect("valid")
    }

    #[test]
    fn slashes_and_dots_mean_nothing() {
        for text in ["a/b", "/a/b", "a/b/", "./a//b/.", "//a/./b"] {
            assert_eq!(path(text).as_bytes(), b"a/b", "{text}");
        }
        assert!(path("/").is_root());
        assert_eq!(path("/a/b").to_string(), "/a/b");
        assert_eq!(path("/a\nb").to_string(), "/a\\nb");
        assert_eq!(
            EntryPath::parse(b"a\xffb").expect("valid").to_string(),
            "/a\\xffb"
        );
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for text in [&b"a/../b"[..], b"..", b"a\0b", &[b'x'; 256]] {
            assert!(EntryPath::parse(text).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_directory_stands_directly_before_what_is_in_it() {
        let mut paths = ["a.b", "a/c", "a", "a-b", "b", "", "a/c/d", "a/B"].map(path);
        paths.sort();
        assert_eq!(
            paths,
            ["", "a", "a/B", "a/c", "a/c/d", "a-b", "a.b", "b"].map(path)
        );
    }

    proptest::proptest! {
        #[test]
        fn paths_are_ordered_name_by_name(
            one in "([a-c]{1,9}[/.!]){0,4}[a-c]{1,20}|",
            other in "([a-c]{1,9}[/.!]){0,4}[a-c]{1,20}|",
            with in "([a-b][/.!]){0,3}",
        ) {
            let (one, other) = (path(&format!("{with}{one}")), path(&format!("{with}{other}")));
            proptest::prop_assert_eq!(one.cmp(&other), one.names().cmp(other.names()));
            proptest::prop_assert_eq!(one.cmp(&other) == Ordering::Equal, one == other);
        }
    }

    #[test]
    fn parents_and_children() {
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), Some(EntryPath::root()));
        assert_eq!(EntryPath::root().parent(), None);
        assert_eq!(path("a").child(b"b"), path("a/b"));
        assert_eq!(path("b/c").below(&path("a")), path("a/b/c"));
        assert!(path("a/b").is_in(&path("a")));
        assert!(path("a").is_in(&path("a")));
        assert!(!path("ab").is_in(&path("a")));
        assert_eq!(path("a/b").name(), Some(&b"b"[..]));
    }
}

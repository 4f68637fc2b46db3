//! The names of storages: a directory, or a bucket and a prefix in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Says where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoragePlace {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket of an object store.
    Bucket(Bucket),
}

/// Names a bucket and what all keys in it start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Who keeps it.
    pub(crate) provider: Provider,
    /// Its name; that of a container, with Azure.
    pub(crate) name: String,
    /// Segments with `/` between them; may be empty.
    pub(crate) prefix: String,
}

/// Says who keeps a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// S3, or what speaks as S3 does.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    /// Gives the word before `://`.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// The longest name of a bucket, in bytes, with any provider.
const NAME_LIMIT: usize = 222;

/// The longest prefix, in bytes: keys may have 1024, and the longest of a
/// registry has about 600.
const PREFIX_LIMIT: usize = 256;

impl FromStr for StoragePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("names nothing".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Directory(PathBuf::from(text)));
        };
        let provider = [Provider::S3, Provider::Google, Provider::Azure]
            .into_iter()
            .find(|provider| provider.scheme() == scheme)
            .ok_or_else(|| {
                format!(
                    "has the scheme `{scheme}`, which is none of `s3`, `gs` and `az`; a directory has none"
                )
            })?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !is_bucket(name) {
            return Err(format!("has `{name}` where the name of a bucket should be"));
        }
        if !prefix.is_empty() && !is_prefix(prefix) {
            return Err(format!(
                "has the prefix `{prefix}`: its segments are of letters, digits and `.`, `_`, `-`, do not start with a dot, and have {PREFIX_LIMIT} bytes together at most"
            ));
        }
        Ok(Self::Bucket(Bucket {
            provider,
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        }))
    }
}

fn is_bucket(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(plain)
    };
    prefix.len() <= PREFIX_LIMIT && prefix.split('/').all(is_segment)
}

impl fmt::Display for StoragePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.provider.scheme(), self.name)?;
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, written) in [
            ("./wharf-data", "./wharf-data"),
            ("/srv/a:b", "/srv/a:b"),
            ("s3://images", "s3://images"),
            ("s3://images/", "s3://images"),
            ("s3://my.images/a/b-c/", "s3://my.images/a/b-c"),
            ("gs://images/x", "gs://images/x"),
            ("az://images/x", "az://images/x"),
        ] {
            let place: StoragePlace = text.parse().expect("a place");
            assert_eq!(place.to_string(), written);
            let is_bucket = matches!(place, StoragePlace::Bucket(_));
            assert_eq!(is_bucket, text.contains("://"), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let long = format!("s3://images/{}", "x".repeat(PREFIX_LIMIT + 1));
        for text in [
            "",
            "S3://images",
            "file:///srv",
            "s3://",
            "s3:///x",
            "s3://me:secret@images",
            "s3://images//x",
            "s3://images/../x",
            "s3://images/.wharf",
            "s3://images/a?b",
            "s3://images/a b",
            &long,
        ] {
            assert!(text.parse::<StoragePlace>().is_err(), "{text}");
        }
    }
}

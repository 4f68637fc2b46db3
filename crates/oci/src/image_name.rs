//! Names of images as people write them, normalised as Docker does.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::parse::{ParseError, serde_as_text};
use crate::reference::{Reference, Tag};
use crate::repository::RepositoryName;

/// The registry that a name without a host means.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// Names a registry by host and, where it is not the scheme's own, port:
/// `localhost:5000`, `docker.io`, `[::1]:5000`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// Gives host and port as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the host without the port and without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        if let Some(rest) = self.0.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.0.split(':').next().unwrap_or(&self.0)
    }

    /// Says whether the host is this machine itself, by name or address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Gives the key under which Docker's configuration keeps credentials.
    #[must_use]
    pub fn auth_key(&self) -> &str {
        if self.0 == DEFAULT_REGISTRY {
            "https://index.docker.io/v1/"
        } else {
            &self.0
        }
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RegistryHost {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_host_and_port(text) {
            return Err(ParseError::new(
                "registry",
                text,
                "expected a host name or address, and perhaps `:` and a port, without scheme or path",
            ));
        }
        // `index.docker.io` is the older name of the same registry.
        let text = if text == "index.docker.io" {
            DEFAULT_REGISTRY
        } else {
            text
        };
        Ok(Self(text.to_owned()))
    }
}

serde_as_text!(RegistryHost);

/// Names an image: registry, repository, and tag or digest or both.
///
/// `busybox` is read as `docker.io/library/busybox:latest`, exactly as Docker
/// reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: RegistryHost,
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl ImageName {
    /// Names a manifest of a repository in a registry.
    #[must_use]
    pub fn new(registry: RegistryHost, repository: RepositoryName, reference: Reference) -> Self {
        let (tag, digest) = match reference {
            Reference::Tag(tag) => (Some(tag), None),
            Reference::Digest(digest) => (None, Some(digest)),
        };
        Self {
            registry,
            repository,
            tag,
            digest,
        }
    }

    /// Gives the registry.
    #[must_use]
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// Gives the repository, with `library/` where Docker implies it.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Gives the tag that was written or implied; none beside a lone digest.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// Gives the digest, where one was written.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Gives what to ask the registry for: the digest if there is one, since
    /// it says more than the tag beside it.
    #[must_use]
    pub fn reference(&self) -> Reference {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Reference::Digest(*digest),
            (None, Some(tag)) => Reference::Tag(tag.clone()),
            (None, None) => Reference::Tag(Tag::latest()),
        }
    }

    /// Names another manifest of the same repository.
    #[must_use]
    pub fn with_reference(&self, reference: Reference) -> Self {
        Self::new(self.registry.clone(), self.repository.clone(), reference)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it, a port.
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag.parse()?)),
            _ => (rest, None),
        };
        let (registry, path) = split_registry(rest);
        let registry: RegistryHost = registry.parse()?;
        let repository = if registry.as_str() == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
                .parse()
                .map_err(|_implied: ParseError| {
                    ParseError::new(
                        "image name",
                        text,
                        "expected `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`",
                    )
                })?
        } else {
            path.parse()?
        };
        let tag = match (tag, &digest) {
            (None, None) => Some(Tag::latest()),
            (tag, _) => tag,
        };
        Ok(Self {
            registry,
            repository,
            tag,
            digest,
        })
    }
}

serde_as_text!(ImageName);

/// Splits off the first component where it can only be a registry: it has a
/// dot or a colon, is `localhost`, or has a capital, which no repository has.
fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_REGISTRY, text),
    }
}

fn is_host_and_port(text: &str) -> bool {
    let is_port = |port: &str| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else {
            return false;
        };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(is_label) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normalises_as_docker_does() {
        let digest = Digest::sha256(b"x");
        let pinned = format!("busybox@{digest}");
        let both = format!("quay.io/a/b:1@{digest}");
        for (text, expected) in [
            ("busybox", "docker.io/library/busybox:latest".to_owned()),
            ("busybox:1", "docker.io/library/busybox:1".to_owned()),
            ("a/b", "docker.io/a/b:latest".to_owned()),
            (
                "docker.io/busybox",
                "docker.io/library/busybox:latest".to_owned(),
            ),
            (
                "index.docker.io/busybox",
                "docker.io/library/busybox:latest".to_owned(),
            ),
            ("localhost/x", "localhost/x:latest".to_owned()),
            ("localhost:5000/x/y:1", "localhost:5000/x/y:1".to_owned()),
            ("[::1]:5000/x", "[::1]:5000/x:latest".to_owned()),
            ("Host/x", "Host/x:latest".to_owned()),
            (
                pinned.as_str(),
                format!("docker.io/library/busybox@{digest}"),
            ),
            (both.as_str(), both.clone()),
        ] {
            assert_eq!(
                text.parse::<ImageName>().map(|n| n.to_string()),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            ":",
            "/",
            "a:",
            "a@",
            "a@sha256:x",
            "A",
            "a b",
            "localhost:/x",
            "localhost:99999/x",
            "http://x/y",
            "-a.com/x",
            "a..b/c",
            "[::1/x",
            "x/:1",
            "a:b:c",
            "localhost:5000",
        ] {
            // `localhost:5000` is a name: Docker reads repository and tag.
            assert_eq!(
                text.parse::<ImageName>().is_ok(),
                text == "localhost:5000",
                "`{text}`"
            );
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("x.localhost", true),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
        ] {
            let host: RegistryHost = host.parse().expect("a host");
            assert_eq!(host.is_loopback(), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(text in "[a-zA-Z0-9.:/@_-]{0,40}") {
            if let Ok(name) = text.parse::<ImageName>() {
                prop_assert_eq!(name.to_string().parse::<ImageName>(), Ok(name));
            }
        }
    }
}

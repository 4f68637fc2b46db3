//! What an artefact of a cache is called.

use image::Place;
use oci::{Algorithm, Digest, Hasher, ImageName, Platform, Reference, Tag};

use crate::cache::mounts::{MountKey, MountPlace};

/// Names a cache: the same id is another one on another machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MountId {
    id: String,
    /// As it is written, so that it can be ordered.
    platform: String,
}

/// The version of names. It is raised with the form of artefacts, so that none
/// of another form is found.
const FORMAT: &str = "wharf cache mount 1";
/// How many digits of a digest are in a tag: 128 bits.
const DIGITS: usize = 32;

impl MountId {
    /// Names the cache of an id for a machine.
    pub(crate) fn new(id: &str, platform: &Platform) -> Self {
        Self {
            id: id.to_owned(),
            platform: platform.clone().normalized().to_string(),
        }
    }

    /// Gives the id, as the Dockerfile has it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Gives the machine, as `os/architecture/variant`.
    pub(crate) fn platform(&self) -> &str {
        &self.platform
    }

    /// Digests what names it, each part behind its length.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        for part in [FORMAT, &self.id, &self.platform] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finish()
    }

    /// Lists the tags under which an artefact is looked for, in that order,
    /// and is kept: that of the key, and that of the newest one.
    pub(crate) fn tags(&self, key: &MountKey) -> Vec<Tag> {
        let newest = format!("mount-{}", short(&self.digest()));
        let keyed = match key {
            MountKey::Newest => None,
            MountKey::File(digest) => Some(format!("{newest}-{}", short(digest))),
        };
        let tags = keyed.into_iter().chain([newest]);
        tags.map(|tag| tag.parse().expect("letters, digits and dashes, and short"))
            .collect()
    }
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(DIGITS).collect()
}

impl MountPlace {
    /// Gives the place of a tag.
    pub(crate) fn at(&self, tag: &Tag) -> Place {
        match self {
            Self::Registry(registry, repository) => Place::Registry(ImageName::new(
                registry.clone(),
                repository.clone(),
                Reference::Tag(tag.clone()),
            )),
            Self::Layout(directory) => Place::Layout {
                directory: directory.clone(),
                tag: Some(tag.clone()),
            },
        }
    }
}

impl std::fmt::Display for MountPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(registry, repository) => write!(f, "{registry}/{repository}"),
            Self::Layout(directory) => write!(f, "{}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str) -> Platform {
        Platform {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        }
    }

    fn tags(id: &str, architecture: &str, key: MountKey) -> Vec<String> {
        let tags = MountId::new(id, &platform(architecture)).tags(&key);
        tags.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_tag_of_the_key_comes_before_that_of_the_newest() {
        // printf of the three parts, each behind eight bytes of length, in
        // sha256sum.
        let newest = "mount-6212ae4a4776c436707d2ff454c7f955";
        let key = MountKey::File(Digest::sha256(b"lock"));
        let keyed = format!("{newest}-{}", &Digest::sha256(b"lock").hex()[..32]);
        assert_eq!(tags("/root/.cache", "amd64", key), [&keyed, newest]);
        assert_eq!(tags("/root/.cache", "amd64", MountKey::Newest), [newest]);
    }

    #[test]
    fn each_id_and_each_machine_has_its_own() {
        let all = [
            ("a", "amd64"),
            ("b", "amd64"),
            ("a", "arm64"),
            ("", "aamd64"),
        ];
        let tags: std::collections::BTreeSet<_> = all
            .into_iter()
            .flat_map(|(id, architecture)| tags(id, architecture, MountKey::Newest))
            .collect();
        assert_eq!(tags.len(), all.len());
        // One machine has several spellings.
        let spelled = MountId::new("a", &platform("aarch64"));
        assert_eq!(spelled, MountId::new("a", &platform("arm64")));
    }
}

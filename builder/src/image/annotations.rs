//! Annotations (image-spec, "Annotations"): what manifests and what points at
//! them say beside what they need to. Labels, which are in configs, are no
//! part of this.

use std::collections::BTreeMap;

use oci::Platform;

/// Says what is noted where. Of one image, what is said of its platform
/// counts before what is said of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations {
    /// In the index, of which a build for one platform has none.
    pub index: BTreeMap<String, String>,
    /// Where a layout lists the index.
    pub index_descriptor: BTreeMap<String, String>,
    /// In the manifest of every image.
    pub manifest: BTreeMap<String, String>,
    /// Where an index, or else a layout, lists every image.
    pub manifest_descriptor: BTreeMap<String, String>,
    /// The same for the images of single platforms.
    pub platforms: Vec<PlatformAnnotations>,
}

/// Says what is noted of the image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformAnnotations {
    /// The platform.
    pub platform: Platform,
    /// In the manifest.
    pub manifest: BTreeMap<String, String>,
    /// Where an index or a layout lists it.
    pub manifest_descriptor: BTreeMap<String, String>,
}

impl Annotations {
    /// Says whether there is nothing to note.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Gives what the manifest of a platform's image says.
    pub(crate) fn of_manifest(&self, platform: &Platform) -> BTreeMap<String, String> {
        self.gather(platform, &self.manifest, |of| &of.manifest)
    }

    /// Gives what is said where that image is listed.
    pub(crate) fn of_descriptor(&self, platform: &Platform) -> BTreeMap<String, String> {
        self.gather(platform, &self.manifest_descriptor, |of| {
            &of.manifest_descriptor
        })
    }

    fn gather(
        &self,
        platform: &Platform,
        of_all: &BTreeMap<String, String>,
        of_one: impl Fn(&PlatformAnnotations) -> &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut gathered = of_all.clone();
        for one in &self.platforms {
            if is_for(platform, &one.platform) {
                gathered.extend(of_one(one).clone());
            }
        }
        gathered
    }
}

/// Says whether an image is for a platform that was named; one without a
/// variant means any.
fn is_for(image: &Platform, named: &Platform) -> bool {
    let any = named.variant.is_none();
    let (image, named) = (image.clone().normalized(), named.clone().normalized());
    image.os == named.os
        && image.architecture == named.architecture
        && (any || image.variant == named.variant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str, variant: &str) -> Platform {
        Platform {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: Some(variant.to_owned()).filter(|variant| !variant.is_empty()),
        }
    }

    fn note(value: &str) -> BTreeMap<String, String> {
        [("a".to_owned(), value.to_owned())].into()
    }

    #[test]
    fn what_is_said_of_one_platform_counts_first() {
        let annotations = Annotations {
            manifest: note("all"),
            manifest_descriptor: note("listed"),
            platforms: vec![PlatformAnnotations {
                platform: platform("arm64", ""),
                manifest: note("arm"),
                manifest_descriptor: BTreeMap::new(),
            }],
            ..Annotations::default()
        };
        let of = |it: &Platform| annotations.of_manifest(it);
        assert_eq!(of(&platform("arm64", "v8")), note("arm"));
        assert_eq!(of(&platform("amd64", "")), note("all"));
        let listed = annotations.of_descriptor(&platform("arm64", ""));
        assert_eq!(listed, note("listed"));
        assert!(!annotations.is_empty());
        assert!(Annotations::default().is_empty());
    }

    #[test]
    fn variants_are_told_apart_where_they_are_named() {
        for (image, named, expected) in [
            (("arm", "v7"), ("arm", ""), true),
            (("arm", "v7"), ("arm", "v7"), true),
            (("arm", "v7"), ("arm", "v6"), false),
            (("arm64", ""), ("arm64", "v8"), true),
            (("amd64", ""), ("arm64", ""), false),
        ] {
            let (image, named) = (platform(image.0, image.1), platform(named.0, named.1));
            assert_eq!(is_for(&image, &named), expected, "{image} {named}");
        }
    }
}

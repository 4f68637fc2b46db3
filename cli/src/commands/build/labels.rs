//! `--label` and `--annotation`: what is noted of an image.

use std::collections::BTreeMap;

use anyhow::Context as _;
use builder::{Annotations, PlatformAnnotations};
use image::PlatformChoice;
use oci::Platform;

use crate::commands::copy;
use crate::report::{WithHint as _, hinted, usage};

/// How an annotation looks, for hints.
const FORM: &str = "an annotation is as in `KEY=VALUE` or `index,manifest[linux/amd64]:KEY=VALUE`; levels are `manifest`, `index`, `manifest-descriptor` and `index-descriptor`";

/// Says what is noted of the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub(super) struct Labels {
    /// A label of the image, which counts before that of the Dockerfile; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,

    /// An annotation of the manifest, or of other levels: manifest, index, manifest-descriptor and index-descriptor, with commas between several and a platform in brackets behind each that is for one alone; may be given several times
    #[arg(long = "annotation", value_name = "[LEVEL[PLATFORM],...:]KEY=VALUE")]
    annotations: Vec<String>,
}

impl Labels {
    /// Gives the labels; one without `=` is empty, as with docker.
    pub(super) fn labels(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for text in &self.labels {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            if key.is_empty() {
                return Err(usage(format!("`--label {text}` has no key")));
            }
            labels.insert(key.to_owned(), value.to_owned());
        }
        Ok(labels)
    }

    /// Gives the annotations of a build for these platforms.
    pub(super) fn annotations(&self, platforms: &[Platform]) -> anyhow::Result<Annotations> {
        let mut annotations = Annotations::default();
        for text in &self.annotations {
            add(&mut annotations, text, platforms)
                .hint(FORM)
                .with_context(|| format!("`--annotation {text}` can not be noted"))?;
        }
        let of_index = !annotations.index.is_empty() || !annotations.index_descriptor.is_empty();
        if of_index && platforms.len() < 2 {
            let error = usage("a build for one platform has no index to annotate");
            return Err(hinted(
                error,
                "annotate the manifest, or build for several platforms",
            ));
        }
        Ok(annotations)
    }
}

/// Is what an annotation is noted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Manifest,
    Index,
    ManifestDescriptor,
    IndexDescriptor,
}

impl Level {
    fn parse(text: &str) -> anyhow::Result<Self> {
        match text {
            "manifest" => Ok(Self::Manifest),
            "index" => Ok(Self::Index),
            "manifest-descriptor" => Ok(Self::ManifestDescriptor),
            "index-descriptor" => Ok(Self::IndexDescriptor),
            _ => Err(usage(format!("`{text}` is no level of annotations"))),
        }
    }
}

fn add(annotations: &mut Annotations, text: &str, platforms: &[Platform]) -> anyhow::Result<()> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(usage("there is no `=`"));
    };
    let (levels, key) = key.split_once(':').unwrap_or(("manifest", key));
    if key.is_empty() {
        return Err(usage("there is no key"));
    }
    for level in levels.split(',') {
        let (level, platform) = match level.split_once('[') {
            None => (level, None),
            Some((level, rest)) => {
                let Some(platform) = rest.strip_suffix(']') else {
                    return Err(usage(format!("`[{rest}` has no `]` at its end")));
                };
                (level, Some(one_of(platform, platforms)?))
            }
        };
        let noted = match (Level::parse(level)?, platform) {
            (Level::Manifest, None) => &mut annotations.manifest,
            (Level::ManifestDescriptor, None) => &mut annotations.manifest_descriptor,
            (Level::Index, None) => &mut annotations.index,
            (Level::IndexDescriptor, None) => &mut annotations.index_descriptor,
            (Level::Manifest, Some(platform)) => &mut of(annotations, platform).manifest,
            (Level::ManifestDescriptor, Some(platform)) => {
                &mut of(annotations, platform).manifest_descriptor
            }
            (Level::Index | Level::IndexDescriptor, Some(_)) => {
                return Err(usage("an index is for all platforms, and not for one"));
            }
        };
        noted.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

/// Reads a platform, which has to be one of those that are built for.
fn one_of(text: &str, platforms: &[Platform]) -> anyhow::Result<Platform> {
    let PlatformChoice::One(named) = copy::platform(Some(text))? else {
        return Err(usage("`all` is not one platform"));
    };
    let wanted = named.clone().normalized();
    let fits = |platform: &&Platform| {
        let platform = (*platform).clone().normalized();
        platform == wanted
            || (named.variant.is_none()
                && platform.os == wanted.os
                && platform.architecture == wanted.architecture)
    };
    match platforms.iter().any(|platform| fits(&platform)) {
        true => Ok(named),
        false => Err(usage(format!("the build is not for `{text}`"))),
    }
}

/// Finds what is noted of one platform.
fn of(annotations: &mut Annotations, platform: Platform) -> &mut PlatformAnnotations {
    let all = &mut annotations.platforms;
    let place = all.iter().position(|one| one.platform == platform);
    let place = place.unwrap_or_else(|| {
        all.push(PlatformAnnotations {
            platform,
            manifest: BTreeMap::new(),
            manifest_descriptor: BTreeMap::new(),
        });
        all.len() - 1
    });
    &mut all[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platforms(texts: &[&str]) -> Vec<Platform> {
        let platform = |text: &&str| match text.parse() {
            Ok(PlatformChoice::One(platform)) => platform,
            other => panic!("{text}: {other:?}"),
        };
        texts.iter().map(platform).collect()
    }

    fn annotations(texts: &[&str], on: &[&str]) -> anyhow::Result<Annotations> {
        let labels = Labels {
            annotations: texts.iter().map(|text| (*text).to_owned()).collect(),
            ..Labels::default()
        };
        labels.annotations(&platforms(on))
    }

    fn noted(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        owned.collect()
    }

    #[test]
    fn annotations_are_of_levels_and_platforms() {
        let given = [
            "a=1",
            "manifest:b=x=y",
            "index,manifest-descriptor:c=",
            "index-descriptor:d:e=4",
            "manifest[linux/arm64],manifest-descriptor[linux/arm64]:a=2",
            "manifest[linux/arm64]:f=6",
        ];
        let on = ["linux/amd64", "linux/arm64"];
        let expected = Annotations {
            index: noted(&[("c", "")]),
            index_descriptor: noted(&[("d:e", "4")]),
            manifest: noted(&[("a", "1"), ("b", "x=y")]),
            manifest_descriptor: noted(&[("c", "")]),
            platforms: vec![PlatformAnnotations {
                platform: platforms(&["linux/arm64"]).remove(0),
                manifest: noted(&[("a", "2"), ("f", "6")]),
                manifest_descriptor: noted(&[("a", "2")]),
            }],
        };
        assert_eq!(annotations(&given, &on).expect("valid"), expected);
    }

    #[test]
    fn what_can_not_be_noted_is_refused() {
        let one: &[&str] = &["linux/amd64"];
        let two: &[&str] = &["linux/amd64", "linux/arm64"];
        for (text, on, expected) in [
            ("a", two, "there is no `=`"),
            ("=a", two, "there is no key"),
            ("manifest:=a", two, "there is no key"),
            ("a:b=c", two, "`a` is no level of annotations"),
            ("Index:b=c", two, "`Index` is no level of annotations"),
            (
                "manifest[linux/amd64:b=c",
                two,
                "`[linux/amd64` has no `]` at its end",
            ),
            (
                "manifest[linux/s390x]:b=c",
                two,
                "the build is not for `linux/s390x`",
            ),
            (
                "index[linux/amd64]:b=c",
                two,
                "an index is for all platforms, and not for one",
            ),
            (
                "index:b=c",
                one,
                "a build for one platform has no index to annotate",
            ),
            (
                "manifest,index-descriptor:b=c",
                one,
                "a build for one platform has no index to annotate",
            ),
        ] {
            let refused = annotations(&[text], on).expect_err(text);
            assert_eq!(refused.root_cause().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn labels_have_keys() {
        let labels = |text: &str| {
            let labels = Labels {
                labels: vec![text.to_owned()],
                ..Labels::default()
            };
            labels.labels()
        };
        assert_eq!(labels("a=b=c").expect("valid"), noted(&[("a", "b=c")]));
        assert_eq!(labels("a").expect("valid"), noted(&[("a", "")]));
        assert!(labels("=b").is_err());
    }
}

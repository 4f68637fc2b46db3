//! `--cache-from` and `--cache-to`: caches on other machines, as docker's
//! buildx has them named.

mod destinations;
pub(super) mod mounts;

use std::path::PathBuf;

use builder::{
    Built, Cache, CacheDestination, CacheExtent, CacheFailure, CacheSent, CacheSource, CacheTarget,
    Caches, Event, MountPlace, Request, cache_tag,
};
use oci::{ImageName, Tag};

pub(super) use self::destinations::check as check_destinations;
use super::output::Writing;
use crate::commands::wait;
use crate::places;
use crate::progress::{self, Building, Way};
use crate::report::{WithHint as _, count, hinted, say, usage};

/// The flags of caches.
#[derive(Debug, clap::Args)]
#[group(id = "caching")]
pub(crate) struct Flags {
    /// Where steps are looked for that this machine does not know, as in type=registry,ref=NAME or type=local,src=DIR; NAME alone is in a registry, and may be an image that was pushed with --cache-to type=inline; may be given several times
    #[arg(long, value_name = "SOURCE")]
    cache_from: Vec<String>,

    /// Where the steps of this build are put for other machines, as in type=registry,ref=NAME, type=local,dest=DIR or type=inline; with mode=max those of all stages, and with ignore-error=true the build goes on where that fails; may be given several times
    #[arg(long, value_name = "TARGET")]
    cache_to: Vec<String>,
}

/// How a source looks, for hints.
const SOURCE: &str = "a cache is read as in `--cache-from type=registry,ref=localhost:5000/shop:cache` or `--cache-from type=local,src=DIR`";
/// How a target looks, for hints.
const TARGET: &str = "a cache is written as in `--cache-to type=registry,ref=localhost:5000/shop:cache,mode=max`, `--cache-to type=local,dest=DIR` or `--cache-to type=inline`";

impl Flags {
    /// Reads the flags.
    pub(super) fn caches(&self) -> anyhow::Result<Caches> {
        let from = self.cache_from.iter();
        let from = from.map(|text| source(text).hint(SOURCE));
        let to = self.cache_to.iter();
        let to = to.map(|text| target(text).hint(TARGET));
        let caches = Caches {
            from: from.collect::<anyhow::Result<_>>()?,
            to: to.collect::<anyhow::Result<_>>()?,
            ..Caches::default()
        };
        for (number, target) in caches.to.iter().enumerate() {
            let mut others = caches.to.iter().take(number);
            if others.any(|other| destinations::is_same(&other.destination, &target.destination)) {
                let destination = &target.destination;
                let message = format!("two caches would be written to {destination}");
                return Err(usage(message));
            }
        }
        Ok(caches)
    }

    /// Says whether a cache would be written.
    pub(super) fn writes(&self) -> bool {
        !self.cache_to.is_empty()
    }
}

/// Tells of caches that a build was given and does not read.
pub(super) fn warn_of_unread(request: &Request) {
    if request.cache == Cache::Refresh && !request.caches.from.is_empty() {
        request.progress.note(&Event::Warned {
            message: "with `--no-cache`, nothing is taken from `--cache-from`",
            hint: "leave out one of the two; `--cache-to` is written in any case",
        });
    }
}

/// Pushes the cache that goes with the image, if one does, to where the image
/// was pushed.
pub(super) fn push(writing: &Writing<'_>, name: &ImageName, quiet: bool) -> anyhow::Result<()> {
    let Some(inline) = &writing.built.inline else {
        return Ok(());
    };
    let images = &writing.reached.images;
    let pushed = wait(async { Ok(inline.push(images, name).await?) });
    if let Ok(sent) = &pushed {
        writing.building.moved(Way::Sent, sent.bytes_sent);
    }
    match (pushed, inline.failure()) {
        (Ok(_), _) if quiet => {}
        (Ok(sent), _) => tell_one(&format!("the cache of `{name}`"), &sent),
        (Err(error), CacheFailure::Fails) => return Err(writing.reached.advise(error)),
        (Err(error), CacheFailure::Warns) => say(&format!("warning: {error:#}")),
    }
    Ok(())
}

/// Tells of a cache that goes with an image which goes nowhere.
pub(super) fn warn_of_unpushed(built: &Built, quiet: bool) {
    if built.inline.is_some() && !quiet {
        say("warning: `--cache-to type=inline` wrote no cache, since the image is not pushed");
        say("   hint: add `--push`, or write `--cache-to type=local,dest=DIR`");
    }
}

/// Counts what was written, and tells of it.
pub(super) fn tell(built: &Built, building: &Building, quiet: bool) {
    for (destination, sent) in &built.caches {
        let way = match destination {
            CacheDestination::Layout { .. } => Way::Written,
            CacheDestination::Registry(_) | CacheDestination::Inline => Way::Sent,
        };
        building.moved(way, sent.bytes_sent);
        if !quiet {
            tell_one(&format!("cache `{destination}`"), sent);
        }
    }
    for exported in &built.cache_mounts {
        let way = match exported.place {
            MountPlace::Layout(_) => Way::Written,
            MountPlace::Registry(..) => Way::Sent,
        };
        building.moved(way, exported.sent);
        if !quiet {
            mounts::tell(exported);
        }
    }
}

fn tell_one(what: &str, sent: &CacheSent) {
    let moved = match (sent.blobs_sent, sent.blobs_mounted) {
        (0, 0) => "all there already".to_owned(),
        (_, 0) => format!("{} sent", progress::bytes(sent.bytes_sent)),
        (_, mounted) => format!(
            "{} sent, {} taken over from another repository",
            progress::bytes(sent.bytes_sent),
            count(mounted, "layer")
        ),
    };
    let left_out = match sent.left_out {
        0 => String::new(),
        number => format!(
            "; {} left out, for want of room or of a layer",
            count(number, "step")
        ),
    };
    say(&format!(
        "{what}: {}, {moved}{left_out}",
        count(sent.steps, "step")
    ));
}

fn source(text: &str) -> anyhow::Result<CacheSource> {
    let mut fields = Fields::parse("--cache-from", text)?;
    let kind = fields.take("type");
    let source = match kind.as_deref() {
        Some("registry") => CacheSource::Registry(name(&mut fields)?),
        Some("local") => CacheSource::Layout {
            directory: fields.directory("src")?,
            tag: fields.tag()?,
        },
        Some("inline") => {
            let error = usage("a cache of the type `inline` is read by the name of its image");
            return Err(hinted(
                error,
                "write `--cache-from type=registry,ref=IMAGE`",
            ));
        }
        other => return Err(fields.unknown_type(other)),
    };
    fields.end()?;
    Ok(source)
}

fn target(text: &str) -> anyhow::Result<CacheTarget> {
    let mut fields = Fields::parse("--cache-to", text)?;
    let kind = fields.take("type");
    let destination = match kind.as_deref() {
        Some("registry") => {
            let name = name(&mut fields)?;
            if name.digest().is_some() {
                return Err(usage(format!(
                    "`--cache-to` would write to `{name}`, which has a digest already"
                )));
            }
            CacheDestination::Registry(name)
        }
        Some("local") => CacheDestination::Layout {
            directory: fields.directory("dest")?,
            tag: fields.tag()?,
        },
        Some("inline") => CacheDestination::Inline,
        other => return Err(fields.unknown_type(other)),
    };
    let extent = match fields.take("mode").as_deref() {
        None | Some("min") => CacheExtent::Result,
        Some("max") if destination == CacheDestination::Inline => {
            let error = usage("an inline cache has the steps of the image alone, `mode=min`");
            return Err(hinted(
                error,
                "`mode=max` needs `type=registry` or `type=local`",
            ));
        }
        Some("max") => CacheExtent::All,
        Some(other) => {
            return Err(usage(format!("`mode={other}` is neither `min` nor `max`")));
        }
    };
    let failure = match fields.truth("ignore-error")? {
        Some(true) => CacheFailure::Warns,
        Some(false) | None => CacheFailure::Fails,
    };
    // What is so in any case may be said.
    for key in ["image-manifest", "oci-mediatypes"] {
        if fields.truth(key)? == Some(false) {
            return Err(usage(format!(
                "`{key}=false` is not supported: a cache is an OCI image manifest, which every registry takes"
            )));
        }
    }
    fields.end()?;
    Ok(CacheTarget {
        destination,
        extent,
        failure,
    })
}

fn name(fields: &mut Fields) -> anyhow::Result<ImageName> {
    places::parse_name(&fields.needed("ref")?)
}

/// Is the text of a flag, as keys and values.
pub(super) struct Fields {
    flag: &'static str,
    fields: Vec<(String, String)>,
}

impl Fields {
    /// Reads `KEY=VALUE,…`; a lone name is in a registry.
    pub(super) fn parse(flag: &'static str, text: &str) -> anyhow::Result<Self> {
        let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        if !text.contains([',', '=']) && !text.is_empty() {
            return Ok(Self {
                flag,
                fields: vec![field("ref", text), field("type", "registry")],
            });
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            let Some((key, value)) = part.split_once('=') else {
                let message = format!("`{flag} {text}` has `{part}` without a `=`");
                return Err(usage(message));
            };
            let key = key.to_ascii_lowercase();
            if value.is_empty() {
                return Err(usage(format!("`{flag} {text}` has an empty `{key}`")));
            }
            if fields.iter().any(|(known, _)| *known == key) {
                return Err(usage(format!("`{flag} {text}` has `{key}` twice")));
            }
            fields.push((key, value.to_owned()));
        }
        Ok(Self { flag, fields })
    }

    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let place = self.fields.iter().position(|(known, _)| known == key)?;
        Some(self.fields.remove(place).1)
    }

    pub(super) fn needed(&mut self, key: &str) -> anyhow::Result<String> {
        let flag = self.flag;
        self.take(key)
            .ok_or_else(|| usage(format!("a `{flag}` of this type needs `{key}`")))
    }

    pub(super) fn directory(&mut self, key: &str) -> anyhow::Result<PathBuf> {
        self.needed(key).map(PathBuf::from)
    }

    fn tag(&mut self) -> anyhow::Result<Tag> {
        match self.take("tag") {
            None => Ok(cache_tag()),
            Some(text) => {
                let tag = text.parse();
                tag.map_err(|error| usage(format!("`{text}` is no tag: {error}")))
            }
        }
    }

    pub(super) fn truth(&mut self, key: &str) -> anyhow::Result<Option<bool>> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(usage(format!(
                "`{key}={other}` is neither `true` nor `false`"
            ))),
        }
    }

    pub(super) fn unknown_type(&self, kind: Option<&str>) -> anyhow::Error {
        let flag = self.flag;
        match kind {
            None => usage(format!("a `{flag}` has no `type`")),
            Some(kind @ ("gha" | "s3" | "azblob")) => usage(format!(
                "caches of the type `{kind}` are not supported: a registry or a directory can have them"
            )),
            Some(kind) => usage(format!("`{kind}` is no type of cache")),
        }
    }

    /// Refuses what nobody has asked for.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        let flag = self.flag;
        match self.fields.first() {
            None => Ok(()),
            Some((key, _))
                if ["compression", "compression-level", "force-compression"]
                    .contains(&key.as_str()) =>
            {
                Err(usage(format!(
                    "a `{flag}` can not have `{key}`: layers go into a cache as they are in the image"
                )))
            }
            Some((key, _)) => Err(usage(format!(
                "a `{flag}` of this type can not have `{key}`"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(from: &[&str], to: &[&str]) -> anyhow::Result<Caches> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let flags = Flags {
            cache_from: owned(from),
            cache_to: owned(to),
        };
        flags.caches()
    }

    fn registry(name: &str) -> ImageName {
        name.parse().expect("a name")
    }

    #[test]
    fn sources_are_read() {
        let read = flags(
            &[
                "localhost:5000/shop:cache",
                "type=registry,ref=shop",
                "src=a=b,type=local",
                "type=local,src=/tmp/c,tag=main",
            ],
            &[],
        )
        .expect("valid");
        let local = |directory: &str, tag: &str| CacheSource::Layout {
            directory: PathBuf::from(directory),
            tag: tag.parse().expect("a tag"),
        };
        assert_eq!(
            read.from,
            [
                CacheSource::Registry(registry("localhost:5000/shop:cache")),
                CacheSource::Registry(registry("docker.io/library/shop:latest")),
                local("a=b", "latest"),
                local("/tmp/c", "main"),
            ]
        );
    }

    #[test]
    fn targets_are_read() {
        let read = flags(
            &[],
            &[
                "localhost:5000/shop:cache",
                "type=registry,ref=shop:c,mode=max,image-manifest=true,oci-mediatypes=true",
                "type=local,dest=out,ignore-error=true",
                "type=inline,mode=min",
            ],
        )
        .expect("valid");
        let of = |destination, extent, failure| CacheTarget {
            destination,
            extent,
            failure,
        };
        assert_eq!(
            read.to,
            [
                of(
                    CacheDestination::Registry(registry("localhost:5000/shop:cache")),
                    CacheExtent::Result,
                    CacheFailure::Fails
                ),
                of(
                    CacheDestination::Registry(registry("shop:c")),
                    CacheExtent::All,
                    CacheFailure::Fails
                ),
                of(
                    CacheDestination::Layout {
                        directory: PathBuf::from("out"),
                        tag: cache_tag()
                    },
                    CacheExtent::Result,
                    CacheFailure::Warns
                ),
                of(
                    CacheDestination::Inline,
                    CacheExtent::Result,
                    CacheFailure::Fails
                ),
            ]
        );
    }

    #[test]
    fn what_is_no_cache_is_refused() {
        for (text, expected) in [
            ("", "`--cache-to ` has `` without a `=`"),
            ("ref=shop", "a `--cache-to` has no `type`"),
            ("type=registry", "a `--cache-to` of this type needs `ref`"),
            (
                "type=local,src=a",
                "a `--cache-to` of this type needs `dest`",
            ),
            (
                "type=local,dest=",
                "`--cache-to type=local,dest=` has an empty `dest`",
            ),
            (
                "type=inline,ref=a",
                "a `--cache-to` of this type can not have `ref`",
            ),
            (
                "type=inline,mode=max",
                "an inline cache has the steps of the image alone, `mode=min`",
            ),
            ("type=zip,ref=a", "`zip` is no type of cache"),
            (
                "type=gha",
                "caches of the type `gha` are not supported: a registry or a directory can have them",
            ),
            (
                "type=registry,ref=a,mode=most",
                "`mode=most` is neither `min` nor `max`",
            ),
            (
                "type=registry,ref=a,ref=b",
                "`--cache-to type=registry,ref=a,ref=b` has `ref` twice",
            ),
            (
                "type=registry,ref=a,ignore-error=perhaps",
                "`ignore-error=perhaps` is neither `true` nor `false`",
            ),
            (
                "type=registry,ref=a,image-manifest=false",
                "`image-manifest=false` is not supported: a cache is an OCI image manifest, which every registry takes",
            ),
            (
                "type=registry,ref=a,compression=zstd",
                "a `--cache-to` can not have `compression`: layers go into a cache as they are in the image",
            ),
            (
                "type=registry,ref=a,scope=x",
                "a `--cache-to` of this type can not have `scope`",
            ),
        ] {
            let refused = flags(&[], &[text]).expect_err(text);
            assert_eq!(refused.root_cause().to_string(), expected);
        }
        let digest = format!("type=registry,ref=a@sha256:{}", "0".repeat(64));
        assert!(flags(&[], &[&digest]).is_err());
        assert!(flags(&[&digest], &[]).is_ok());
        assert!(flags(&["type=inline,ref=a"], &[]).is_err());
        assert!(flags(&["type=registry,ref=a,mode=max"], &[]).is_err());
    }

    #[test]
    fn no_two_caches_go_to_one_place() {
        assert!(flags(&[], &["a:1", "type=registry,ref=a:1,mode=max"]).is_err());
        assert!(flags(&[], &["type=local,dest=a", "type=local,dest=./a"]).is_err());
        assert!(flags(&[], &["type=local,dest=a", "type=local,dest=a,tag=b"]).is_ok());
        assert!(flags(&[], &["type=inline", "type=inline"]).is_err());
        assert!(flags(&[], &["a:1", "a:2"]).is_ok());
    }
}

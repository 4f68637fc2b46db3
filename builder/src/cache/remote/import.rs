//! Reads caches: of each one manifest and one config, and never a layer.

use std::collections::{BTreeMap, BTreeSet};

use ::image::{ErrorKind as ImageErrorKind, Images, Inspected, Place, PlatformChoice};
use oci::{Digest, MANIFEST_LIMIT, MediaType};

use super::CacheSource;
use super::format::{self, ARTIFACT_TYPE, CONFIG_LIMIT, Unreadable};
use super::kind::{Kind, kind};
use crate::cache::memory::Imported;
use crate::cache::record::Record;
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress};

/// Of how many images of an index the referrers are asked for.
const IMAGES_LIMIT: usize = 32;
/// How many caches that refer to one image are read.
const REFERRERS_LIMIT: usize = 8;

/// Reads all caches that there are, in their order, and warns of those that
/// can not be read. One that is not there yet is none: it is a first build's.
pub(crate) async fn import_all(
    images: &Images,
    sources: &[CacheSource],
    progress: &dyn Progress,
) -> Vec<Imported> {
    let reading = sources.iter().map(|source| import(images, source));
    let mut all = Vec::new();
    let read = futures_util::future::join_all(reading).await;
    for (source, read) in sources.iter().zip(read) {
        match read {
            Ok(imported) => {
                let name = source.to_string();
                let steps = imported.as_ref().map_or(0, steps);
                progress.note(&Event::Imported { name: &name, steps });
                all.extend(imported);
            }
            Err(error) => warn(&error, progress),
        }
    }
    all
}

/// Counts the steps of a cache, each of which has several keys.
fn steps(imported: &Imported) -> usize {
    let records = imported.records.values();
    let steps: BTreeSet<&Vec<Digest>> = records.map(|record| &record.keys).collect();
    steps.len()
}

/// Warns of what could not be done, with all its causes in one line.
pub(super) fn warn(error: &Error, progress: &dyn Progress) {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    progress.note(&Event::Warned {
        message: &message,
        hint: error.hint().unwrap_or("the build goes on without it"),
    });
}

/// Reads a cache; `None` where there is none yet.
///
/// # Errors
///
/// Fails with [`ErrorKind::Unsupported`] when there is something else, with
/// [`ErrorKind::Mismatch`] when it is damaged, and with [`ErrorKind::Image`]
/// when it can not be reached.
pub(crate) async fn import(
    images: &Images,
    source: &CacheSource,
) -> Result<Option<Imported>, Error> {
    let place = source.place();
    let Some(found) = look(images, &place, source).await? else {
        return Ok(None);
    };
    let records = match kind_of(&found) {
        Kind::Cache => read(&found, source)?,
        Kind::Image => referring(images, &place, &found, source).await?,
        other => return Err(refused(other, source)),
    };
    Ok(Some(Imported { place, records }))
}

async fn look(
    images: &Images,
    place: &Place,
    source: &CacheSource,
) -> Result<Option<Inspected>, Error> {
    match images.inspect(place, &PlatformChoice::All).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ImageErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(source, error)),
    }
}

fn kind_of(found: &Inspected) -> Kind {
    kind(&found.manifest, found.config.as_deref().unwrap_or_default())
}

fn read(found: &Inspected, source: &CacheSource) -> Result<BTreeMap<Digest, Record>, Error> {
    let size = found.manifest.config().map_or(0, |config| config.size);
    let read = match found.config.as_deref() {
        Some(config) => format::read(&found.manifest, config),
        None if size > CONFIG_LIMIT as u64 => Err(Unreadable::Size(size)),
        None => Err(Unreadable::Absent),
    };
    read.map_err(|cause| {
        let context = format!("the cache `{source}` can not be used");
        Error::caused(ErrorKind::Mismatch, context, cause)
            .with_hint("it is written anew with `--cache-to`")
    })
}

/// Reads the caches that refer to an image: to the whole of it, or else to the
/// images of an index that somebody made of several.
async fn referring(
    images: &Images,
    place: &Place,
    found: &Inspected,
    source: &CacheSource,
) -> Result<BTreeMap<Digest, Record>, Error> {
    let children = found.manifest.children().iter();
    let subjects = children.take(IMAGES_LIMIT).map(|child| child.digest);
    let (mut records, mut is_found) = (BTreeMap::new(), false);
    for (number, subject) in std::iter::once(found.digest).chain(subjects).enumerate() {
        for digest in referrers(images, place, &subject, source).await? {
            let place = place.beside(&digest);
            let Some(cache) = look(images, &place, source).await? else {
                continue;
            };
            if kind_of(&cache) != Kind::Cache {
                continue;
            }
            is_found = true;
            for (key, record) in read(&cache, source)? {
                records.entry(key).or_insert(record);
            }
        }
        if is_found && number == 0 {
            break;
        }
    }
    if is_found {
        return Ok(records);
    }
    let message = format!("`{source}` is an image that no cache refers to");
    Err(Error::new(ErrorKind::Unsupported, message).with_hint(
        "push it with `--cache-to type=inline`, or name what `--cache-to type=registry` wrote",
    ))
}

/// Lists the caches that refer to a manifest, in an order of their own.
async fn referrers(
    images: &Images,
    place: &Place,
    subject: &Digest,
    source: &CacheSource,
) -> Result<BTreeSet<Digest>, Error> {
    let found = images.referrers(place, subject, ARTIFACT_TYPE).await;
    let found = found.map_err(|error| failed(source, error))?;
    let caches = found.iter().filter(|referrer| {
        referrer.media_type == MediaType::OCI_MANIFEST && referrer.size <= MANIFEST_LIMIT
    });
    let digests: BTreeSet<Digest> = caches.map(|cache| cache.digest).collect();
    Ok(digests.into_iter().take(REFERRERS_LIMIT).collect())
}

fn failed(source: &CacheSource, error: ::image::Error) -> Error {
    Error::image(format!("can not read the cache `{source}`"), error)
}

/// Says what there is in the place of a cache.
fn refused(kind: Kind, source: &CacheSource) -> Error {
    const OWN: &str = "give wharf's cache a reference of its own, the same one for `--cache-to` and `--cache-from`";
    let (what, hint) = match kind {
        Kind::BuildKit => ("is a cache of BuildKit's, which only BuildKit reads", OWN),
        Kind::BuildKitInline => (
            "is an image with an inline cache of BuildKit's, which only BuildKit reads",
            OWN,
        ),
        Kind::Newer => (
            "is a cache of a newer wharf",
            "use the same version of wharf on all machines that share it",
        ),
        Kind::Cache | Kind::Image | Kind::Other => ("is no cache and no image", OWN),
    };
    Error::new(ErrorKind::Unsupported, format!("`{source}` {what}")).with_hint(hint)
}

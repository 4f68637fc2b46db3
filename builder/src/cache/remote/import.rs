//! Reads caches: of each one manifest and one config, and never a layer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

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

/// The bytes of lists of steps that are read of all caches of one source
/// together: each of these bytes becomes several in memory.
const BYTES_LIMIT: usize = 16 * 1024 * 1024;
/// How long it is waited for all of one source: a build without its cache is
/// only slower.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Says what reading a source may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// The bytes of all its lists of steps.
    pub(super) bytes: usize,
    /// How long it takes until all of it is there.
    pub(super) time: Duration,
}

impl Cost {
    /// Is what any source may cost.
    pub(super) const USUAL: Self = Self {
        bytes: BYTES_LIMIT,
        time: TIME_LIMIT,
    };
}

/// Is what was read of a source.
pub(super) struct Found {
    pub(super) imported: Imported,
    /// Whether there were caches that there was no room for.
    pub(super) is_cut: bool,
}

/// Reads all caches that there are, at a time, gives them in their order, and
/// warns of those that can not be read. One that is not there yet is none: it
/// is a first build's.
pub(crate) async fn import_all(
    images: &Images,
    sources: &[CacheSource],
    progress: &dyn Progress,
) -> Vec<Imported> {
    import_within(images, sources, progress, Cost::USUAL).await
}

/// Does so, with limits.
pub(super) async fn import_within(
    images: &Images,
    sources: &[CacheSource],
    progress: &dyn Progress,
    cost: Cost,
) -> Vec<Imported> {
    let reading = sources.iter().map(|source| import(images, source, cost));
    let mut all = Vec::new();
    let read = futures_util::future::join_all(reading).await;
    for (source, read) in sources.iter().zip(read) {
        match read {
            Ok(found) => {
                if found.as_ref().is_some_and(|found| found.is_cut) {
                    warn(&cut(source, cost.bytes), progress);
                }
                let imported = found.map(|found| found.imported);
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
/// when it can not be reached, or not in time.
pub(super) async fn import(
    images: &Images,
    source: &CacheSource,
    cost: Cost,
) -> Result<Option<Found>, Error> {
    let reading = tokio::time::timeout(cost.time, found(images, source, cost.bytes));
    match reading.await {
        Ok(read) => read,
        Err(_elapsed) => {
            let message = format!("the cache `{source}` was not there after {:?}", cost.time);
            Err(Error::new(ErrorKind::Image, message))
        }
    }
}

async fn found(images: &Images, source: &CacheSource, room: usize) -> Result<Option<Found>, Error> {
    let place = source.place();
    let Some(found) = look(images, &place, source).await? else {
        return Ok(None);
    };
    let mut gathered = Gathered::new(room);
    match kind_of(&found) {
        Kind::Cache => gathered.add(&found, source)?,
        Kind::Image => referring(images, (&place, &found), source, &mut gathered).await?,
        other => return Err(refused(other, source)),
    }
    Ok(Some(Found {
        imported: Imported {
            place,
            records: gathered.records,
        },
        is_cut: gathered.is_cut,
    }))
}

/// Gathers what the caches of a source say, as long as there is room for it.
struct Gathered {
    records: BTreeMap<Digest, Arc<Record>>,
    room: usize,
    is_cut: bool,
}

impl Gathered {
    fn new(room: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            room,
            is_cut: false,
        }
    }

    /// Adds what a cache says of steps that none before it has.
    fn add(&mut self, cache: &Inspected, source: &CacheSource) -> Result<(), Error> {
        let bytes = cache.config.as_ref().map_or(0, |config| config.len());
        let Some(room) = self.room.checked_sub(bytes) else {
            self.is_cut = true;
            return Ok(());
        };
        self.room = room;
        for (key, record) in read(cache, source)? {
            self.records.entry(key).or_insert(record);
        }
        Ok(())
    }
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

fn read(found: &Inspected, source: &CacheSource) -> Result<BTreeMap<Digest, Arc<Record>>, Error> {
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
    (place, found): (&Place, &Inspected),
    source: &CacheSource,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let children = found.manifest.children().iter();
    let subjects = children.take(IMAGES_LIMIT).map(|child| child.digest);
    let mut is_found = false;
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
            gathered.add(&cache, source)?;
            if gathered.is_cut {
                // Whether another would fit, only fetching it could tell.
                return Ok(());
            }
        }
        if is_found && number == 0 {
            break;
        }
    }
    if is_found {
        return Ok(());
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

/// Says that there was more than is read.
fn cut(source: &CacheSource, bytes: usize) -> Error {
    let message = format!(
        "the caches of `{source}` list steps in more than {bytes} bytes, and not all of them are read"
    );
    Error::new(ErrorKind::Unsupported, message).with_hint(
        "the build goes on with those; `--cache-to` with a reference of its own replaces what it wrote before",
    )
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

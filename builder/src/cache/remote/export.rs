//! Writes caches: first the layers, then the config, then the manifest and its
//! name, so that no cache is seen that lacks something.

use std::collections::{BTreeMap, BTreeSet};

use ::image::{AT_ONCE, Delivery, End, ErrorKind as ImageErrorKind, Images, Place, Sent};
use futures_util::StreamExt as _;
use oci::{Descriptor, Digest};

use super::format::{self, EMPTY, Entry, Written};
use super::import::warn;
use super::inline::InlineCache;
use super::kind::{Kind, kind};
use super::{CacheDestination, CacheExtent, CacheFailure, CacheTarget};
use crate::cache::record::Record;
use crate::error::{Error, ErrorKind};
use crate::events::Progress;

/// Is a step that a cache may have.
#[derive(Debug, Clone)]
pub(crate) struct ExportedStep {
    /// The keys that find it.
    pub(crate) keys: Vec<Digest>,
    /// What it came to.
    pub(crate) record: Record,
    /// Where the layer's blob can be read, if the library lacks it.
    pub(crate) place: Place,
    /// Whether the image has its layer, or would have if it had made one.
    pub(crate) of_result: bool,
}

/// Says what was written of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSent {
    /// The digest of its manifest.
    pub digest: Digest,
    /// How many steps it has.
    pub steps: usize,
    /// How many steps it does not have, for want of room or of their layers.
    pub left_out: usize,
    /// How many blobs were moved.
    pub blobs_sent: usize,
    /// The bytes of those.
    pub bytes_sent: u64,
    /// How many blobs the registry took over from another repository.
    pub blobs_mounted: usize,
    /// How many blobs were there already.
    pub blobs_present: usize,
}

/// Is what was written of all caches.
#[derive(Debug, Default)]
pub(crate) struct ExportedAll {
    /// What was written of each, and where.
    pub(crate) sent: Vec<(CacheDestination, CacheSent)>,
    /// The one that goes with the image, when it is pushed.
    pub(crate) inline: Option<InlineCache>,
}

/// Writes all caches, of the steps of an image.
///
/// # Errors
///
/// Fails with [`ErrorKind::Image`] where one can not be written whose failure
/// is not ignored. The others are written all the same.
pub(crate) async fn export_all(
    images: &Images,
    targets: &[CacheTarget],
    steps: &[ExportedStep],
    image: &Descriptor,
    progress: &dyn Progress,
) -> Result<ExportedAll, Error> {
    let mut all = ExportedAll::default();
    let mut failure = None;
    for target in targets {
        let place = match &target.destination {
            CacheDestination::Registry(name) => Place::Registry(name.clone()),
            CacheDestination::Layout { directory, tag } => Place::layout(directory, tag.clone()),
            CacheDestination::Inline => {
                all.inline = Some(InlineCache::new(steps, image, target.failure));
                continue;
            }
        };
        let chosen = choose(steps, target.extent);
        match export(images, &place, &chosen).await {
            Ok(sent) => all.sent.push((target.destination.clone(), sent)),
            Err(error) => match target.failure {
                CacheFailure::Fails => failure = failure.or(Some(error)),
                CacheFailure::Warns => warn(&error, progress),
            },
        }
    }
    failure.map_or(Ok(all), Err)
}

/// Chooses the steps that a cache has: first those of the image, then in an
/// order that is the same for the same steps.
pub(super) fn choose(steps: &[ExportedStep], extent: CacheExtent) -> Vec<&ExportedStep> {
    let mut chosen: Vec<&ExportedStep> = steps
        .iter()
        .filter(|step| step.of_result || extent == CacheExtent::All)
        .collect();
    chosen.sort_by(|one, other| {
        let order = |step: &ExportedStep| (!step.of_result, all_keys(step).first().copied());
        order(one).cmp(&order(other))
    });
    chosen
}

/// Writes one cache, and gives it the name of the place.
pub(super) async fn export(
    images: &Images,
    place: &Place,
    steps: &[&ExportedStep],
) -> Result<CacheSent, Error> {
    let failed = |error| Error::image(format!("can not write the cache to `{place}`"), error);
    refuse_image(images, place).await?;
    let delivery = images.delivery(place).await.map_err(failed)?;
    let (written, mut sent) = deliver(&delivery, steps, None).await?;
    sent.digest = delivery.name(&written.manifest).await.map_err(failed)?;
    delivery.finish().await.map_err(failed)?;
    Ok(sent)
}

/// Refuses to give a cache the name that an image has: nothing else may lead
/// to that.
async fn refuse_image(images: &Images, place: &Place) -> Result<(), Error> {
    // What is no layout yet, or none at all, writing makes one or tells of.
    if let Place::Layout { directory, .. } = place
        && !directory.join("index.json").exists()
    {
        return Ok(());
    }
    let manifest = match images.named(place).await {
        Ok(None) => return Ok(()),
        Ok(Some(manifest)) => manifest,
        // Whoever may only write has never seen what is there.
        Err(error) if is_denied(&error) => return Ok(()),
        Err(error) => {
            let context = format!("can not look at what `{place}` is, before a cache is put there");
            return Err(Error::image(context, error));
        }
    };
    match kind(&manifest, b"") {
        Kind::Image | Kind::BuildKitInline => Err(Error::new(
            ErrorKind::Image,
            format!("`{place}` is an image, whose name the cache would take"),
        )
        .with_hint("give the cache a tag of its own, or remove the image")),
        Kind::Cache | Kind::Newer | Kind::BuildKit | Kind::Other => Ok(()),
    }
}

fn is_denied(error: &::image::Error) -> bool {
    let registry = error.registry();
    registry.is_some_and(|error| error.kind() == client::ErrorKind::Denied)
}

/// Sends everything of a cache but its manifest.
pub(super) async fn deliver(
    delivery: &Delivery,
    steps: &[&ExportedStep],
    subject: Option<&Descriptor>,
) -> Result<(Written, CacheSent), Error> {
    let mut tally = Tally::default();
    let there = layers(delivery, steps, &mut tally).await?;
    let entries: Vec<Entry> = steps
        .iter()
        .filter(|step| {
            let layer = step.record.layer.as_ref();
            layer.is_none_or(|layer| there.contains(&layer.descriptor.digest))
        })
        .map(|step| Entry {
            keys: all_keys(step),
            record: step.record.clone(),
        })
        .collect();
    let written = format::write(&entries, subject).map_err(|error| {
        let context = "the manifest of the cache can not be written";
        Error::caused(ErrorKind::Image, context, error)
    })?;
    let failed = |error| Error::image("can not write the list of the cache's steps", error);
    if let Some(config) = written.manifest.config() {
        let sent = delivery.bytes(config, written.config.clone()).await;
        tally.count(sent.map_err(failed)?);
    }
    if let [layer] = written.manifest.layers()
        && layer.digest == Digest::sha256(EMPTY)
    {
        let sent = delivery.bytes(layer, EMPTY.into()).await;
        tally.count(sent.map_err(failed)?);
    }
    let sent = CacheSent {
        digest: written.manifest.descriptor().digest,
        steps: written.steps,
        left_out: steps.len().saturating_sub(entries.len()) + written.left_out,
        blobs_sent: tally.sent,
        bytes_sent: tally.bytes,
        blobs_mounted: tally.mounted,
        blobs_present: tally.present,
    };
    Ok((written, sent))
}

/// Gives the keys of a step that are known, and those of the record that it was
/// found by: else a cache would have fewer with every build that finds it.
fn all_keys(step: &ExportedStep) -> BTreeSet<Digest> {
    let known = step.keys.iter().chain(&step.record.keys);
    known.copied().collect()
}

/// Counts what became of blobs.
#[derive(Default)]
struct Tally {
    sent: usize,
    bytes: u64,
    mounted: usize,
    present: usize,
}

impl Tally {
    fn count(&mut self, sent: Sent) {
        match sent {
            Sent::Present => self.present += 1,
            Sent::Mounted => self.mounted += 1,
            Sent::Uploaded { bytes } => {
                self.sent += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
        }
    }
}

/// Has the place get the layers of steps, and gives those that it has then. A
/// layer that can not be read where it should be is left out.
async fn layers(
    delivery: &Delivery,
    steps: &[&ExportedStep],
    tally: &mut Tally,
) -> Result<BTreeSet<Digest>, Error> {
    let mut wanted = BTreeMap::new();
    for step in steps {
        if let Some(layer) = &step.record.layer {
            let descriptor = &layer.descriptor;
            wanted.insert(descriptor.digest, (descriptor, &step.place));
        }
    }
    let turns: Vec<_> = wanted
        .into_values()
        .filter(|(descriptor, _)| descriptor.media_type.is_distributable())
        .map(|(descriptor, place)| async move {
            (descriptor.digest, delivery.blob(descriptor, place).await)
        })
        .collect();
    let mut turns = futures_util::stream::iter(turns).buffer_unordered(AT_ONCE);
    let mut there = BTreeSet::new();
    while let Some((digest, sent)) = turns.next().await {
        match sent {
            Ok(sent) => {
                tally.count(sent);
                there.insert(digest);
            }
            Err(error) if is_out_of_reach(&error) => {}
            Err(error) => {
                let context = format!("can not put the layer `{digest}` into the cache");
                return Err(Error::image(context, error));
            }
        }
    }
    Ok(there)
}

/// Says whether a layer is not where it should be, or that can not be reached:
/// it came with another cache, whose registry need not be there any more.
fn is_out_of_reach(error: &::image::Error) -> bool {
    let absent = [ImageErrorKind::NotFound, ImageErrorKind::Registry].contains(&error.kind());
    error.end() == Some(End::Source) && absent
}

//! The bytes of a cache: an image manifest whose config lists steps, and whose
//! layers are those that the steps made (`docs/reference/cache.md`).
//!
//! The same steps make the same bytes. There is no argument, no instruction, no
//! path of this machine and no time among them: keys are digests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, ManifestError, MediaType};
use serde::{Deserialize, Serialize};

use crate::cache::record::{LayerRecord, Record, Warning};

/// The type of the config.
pub(super) const CONFIG_TYPE: &str = "application/vnd.wharf.cache.config.v1+json";
/// What the types of all versions of the config begin with.
pub(super) const CONFIG_TYPES: &str = "application/vnd.wharf.cache.config.";
/// The type of the whole, by which it is found among what refers to an image.
pub(super) const ARTIFACT_TYPE: &str = "application/vnd.wharf.cache.v1";
/// The version of the config's form.
const VERSION: u32 = 1;
/// The largest config, in bytes: what clients read of a manifest, which
/// registries hold some configs to.
pub(super) const CONFIG_LIMIT: usize = 4 * 1024 * 1024;
/// The most layers: below a megabyte of manifest.
pub(super) const LAYERS_LIMIT: usize = 4096;
/// The most keys of a step.
pub(super) const KEYS_LIMIT: usize = 16;
/// The most warnings of a step.
const WARNINGS_LIMIT: usize = 32;
/// The longest text of a warning, in bytes.
const TEXT_LIMIT: usize = 1024;
/// The largest layer, in bytes: what is not unpacked is no use.
const LAYER_LIMIT: u64 = ::image::UNPACKED_LIMIT;
/// What stands for the layers of a cache without any: registries know no
/// manifest without layers (image-spec, "Guidance for an Empty Descriptor").
pub(super) const EMPTY: &[u8] = b"{}";

/// Is a step of a cache: what it came to, and by which keys it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) keys: BTreeSet<Digest>,
    pub(super) record: Record,
}

/// Is a cache in bytes.
pub(super) struct Written {
    /// The manifest.
    pub(super) manifest: Manifest,
    /// The config.
    pub(super) config: Bytes,
    /// How many steps it has.
    pub(super) steps: usize,
    /// How many there is no room for.
    pub(super) left_out: usize,
}

/// What a manifest is written from, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestForm {
    schema_version: u8,
    media_type: MediaType,
    artifact_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
}

/// What a config is written from, and read into.
#[derive(Serialize, Deserialize)]
struct ConfigForm {
    version: u32,
    steps: Vec<StepForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StepForm {
    keys: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    diff_id: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Says of bytes that they are no cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its config has {0} bytes, more than the {CONFIG_LIMIT} that are read")]
    Size(u64),
    #[error("its config is not there")]
    Absent,
    #[error("its manifest has {0} layers, more than the {LAYERS_LIMIT} that there may be")]
    Layers(usize),
    #[error("its config is of version {0}, and this wharf reads {VERSION}")]
    Version(u32),
    #[error("its config is not of its form")]
    Json(#[source] serde_json::Error),
    #[error("its config names layers that its manifest does not have")]
    Dangling,
}

/// Writes a cache, of the first entries as many as there is room for. Its
/// bytes do not depend on the order of those that there is room for.
pub(super) fn write(
    entries: &[Entry],
    subject: Option<&Descriptor>,
) -> Result<Written, ManifestError> {
    let Selected {
        steps,
        layers,
        left_out,
    } = select(entries);
    let places: BTreeMap<Digest, usize> = layers.keys().copied().zip(0..).collect();
    let mut forms: Vec<StepForm> = steps
        .into_iter()
        .map(|(keys, record)| form(keys, record, |digest| places.get(digest).copied()))
        .collect();
    forms.sort_by(|one, other| one.keys.cmp(&other.keys));
    let steps = forms.len();
    let config: Bytes = json(&ConfigForm {
        version: VERSION,
        steps: forms,
    });
    let mut layers: Vec<Descriptor> = layers.into_values().collect();
    if layers.is_empty() {
        layers.push(descriptor(MediaType::OCI_EMPTY, EMPTY));
    }
    let media_type = MediaType::OCI_MANIFEST;
    let manifest = json(&ManifestForm {
        schema_version: 2,
        media_type: media_type.clone(),
        artifact_type: ARTIFACT_TYPE,
        config: descriptor(config_type(), &config),
        layers,
        subject: subject.map(|subject| {
            // What a list says of an image beside these is about the list.
            Descriptor::new(subject.media_type.clone(), subject.digest, subject.size)
        }),
    });
    Ok(Written {
        manifest: Manifest::parse(manifest, &media_type)?,
        config,
        steps,
        left_out,
    })
}

/// Is what there is room for.
#[derive(Default)]
struct Selected<'a> {
    steps: Vec<(Vec<Digest>, &'a Record)>,
    layers: BTreeMap<Digest, Descriptor>,
    left_out: usize,
}

/// Chooses the entries that there is room for, each key once, and their
/// layers.
fn select(entries: &[Entry]) -> Selected<'_> {
    let mut selected = Selected::default();
    let (mut seen, mut room) = (BTreeSet::new(), CONFIG_LIMIT.saturating_sub(1024));
    for entry in entries {
        let unseen = entry.keys.iter().filter(|key| !seen.contains(*key));
        let keys: Vec<Digest> = unseen.take(KEYS_LIMIT).copied().collect();
        // Another has come to the same, such as for another platform.
        if keys.is_empty() {
            continue;
        }
        let layer = entry.record.layer.as_ref().map(portable);
        let layers = &selected.layers;
        let is_new = layer
            .as_ref()
            .is_some_and(|layer| !layers.contains_key(&layer.digest));
        let is_full = is_new && layers.len() >= LAYERS_LIMIT;
        // With the number of a layer that takes the most digits, and a comma.
        let bytes: Bytes = json(&form(keys.clone(), &entry.record, |_| Some(LAYERS_LIMIT)));
        let left = room.checked_sub(bytes.len() + 1);
        let (Some(left), true, false) = (left, layer.as_ref().is_none_or(is_usable), is_full)
        else {
            selected.left_out += 1;
            continue;
        };
        room = left;
        seen.extend(keys.iter().copied());
        if let Some(layer) = layer {
            selected.layers.insert(layer.digest, layer);
        }
        selected.steps.push((keys, &entry.record));
    }
    selected
}

fn form(keys: Vec<Digest>, record: &Record, place: impl Fn(&Digest) -> Option<usize>) -> StepForm {
    let layer = record.layer.as_ref();
    StepForm {
        keys,
        layer: layer.and_then(|layer| place(&layer.descriptor.digest)),
        diff_id: layer.map(|layer| layer.diff_id),
        warnings: shown(&record.warnings),
    }
}

/// Reads what a cache says of steps, by their keys. What is said of layers of
/// a kind that no step makes is left out.
pub(super) fn read(
    manifest: &Manifest,
    config: &[u8],
) -> Result<BTreeMap<Digest, Arc<Record>>, Unreadable> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    if config.len() > CONFIG_LIMIT {
        return Err(Unreadable::Size(config.len() as u64));
    }
    let layers = manifest.layers();
    if layers.len() > LAYERS_LIMIT {
        return Err(Unreadable::Layers(layers.len()));
    }
    let Versioned { version } = serde_json::from_slice(config).map_err(Unreadable::Json)?;
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let config: ConfigForm = serde_json::from_slice(config).map_err(Unreadable::Json)?;
    let mut records = BTreeMap::new();
    for step in config.steps {
        let layer = match (step.layer, step.diff_id) {
            (None, None) => None,
            (Some(place), Some(diff_id)) => Some(LayerRecord {
                descriptor: plain(layers.get(place).ok_or(Unreadable::Dangling)?),
                diff_id,
            }),
            _ => return Err(Unreadable::Dangling),
        };
        if layer
            .as_ref()
            .is_some_and(|layer| !is_usable(&layer.descriptor))
        {
            continue;
        }
        let keys = step.keys.get(..KEYS_LIMIT).unwrap_or(&step.keys).to_vec();
        let record = Arc::new(Record {
            layer,
            warnings: shown(&step.warnings),
            keys,
        });
        for key in &record.keys {
            records.entry(*key).or_insert_with(|| Arc::clone(&record));
        }
    }
    Ok(records)
}

/// Describes a layer in OCI's words, whose manifest this is.
fn portable(layer: &LayerRecord) -> Descriptor {
    let mut descriptor = plain(&layer.descriptor);
    if descriptor.media_type == MediaType::DOCKER_LAYER_GZIP {
        descriptor.media_type = MediaType::OCI_LAYER_GZIP;
    } else if descriptor.media_type == MediaType::DOCKER_LAYER {
        descriptor.media_type = MediaType::OCI_LAYER;
    }
    descriptor
}

/// Leaves out what is not about the content: a cache says nowhere to fetch a
/// layer from.
fn plain(layer: &Descriptor) -> Descriptor {
    Descriptor::new(layer.media_type.clone(), layer.digest, layer.size)
}

/// Says whether a step can have made this layer.
fn is_usable(layer: &Descriptor) -> bool {
    let known = [
        MediaType::OCI_LAYER,
        MediaType::OCI_LAYER_GZIP,
        MediaType::OCI_LAYER_ZSTD,
    ];
    known.contains(&layer.media_type) && layer.size <= LAYER_LIMIT
}

/// Keeps the warnings that can be shown as they are.
fn shown(warnings: &[Warning]) -> Vec<Warning> {
    let fits = |text: &str| text.len() <= TEXT_LIMIT && !text.chars().any(char::is_control);
    let fitting = warnings
        .iter()
        .filter(|warning| fits(&warning.message) && fits(&warning.hint));
    fitting.take(WARNINGS_LIMIT).cloned().collect()
}

fn config_type() -> MediaType {
    CONFIG_TYPE.parse().expect("a type by its form")
}

/// Describes bytes that are to be sent.
fn descriptor(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
}

fn json(value: &impl Serialize) -> Bytes {
    // Strings and numbers always serialise.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;

//! The entries of an `index.json`, changed without touching those of others.
//!
//! The list is handled as JSON rather than as descriptors, so that what
//! other programs wrote into it stays.

use std::collections::BTreeMap;

use oci::{Descriptor, Digest, ImageName, Manifest, Tag};
use serde_json::{Map, Value};

use super::{IMAGE_NAME, REF_NAME};
use crate::copy::CopyOptions;

/// Is what a list says of an image.
pub(crate) struct Label {
    /// What it is called; at least one.
    called: Vec<Called>,
    annotations: BTreeMap<String, String>,
}

/// Is what an image is called in a list.
#[derive(PartialEq, Eq)]
struct Called {
    tag: Option<Tag>,
    /// The name with the tag, where the tag is of a name.
    full: Option<String>,
}

impl Label {
    /// Calls an image by a tag, and by the name that it goes by elsewhere
    /// where that has the same tag.
    pub(crate) fn new(tag: Option<Tag>, name: Option<&ImageName>) -> Self {
        let same = name.filter(|name| tag.is_some() && name.tag() == tag.as_ref());
        let full = same
            .zip(tag.clone())
            .map(|(name, tag)| name.with_reference(tag.into()).to_string());
        Self {
            called: vec![Called { tag, full }],
            annotations: BTreeMap::new(),
        }
    }

    /// Calls the image by the tags of these names as well, and says this of
    /// it. A list that had one tag twice would say nothing by it.
    pub(crate) fn with(mut self, options: &CopyOptions) -> Self {
        for name in &options.names {
            let tag = name.tag().cloned();
            let is_there = |called: &Called| called.tag == tag;
            if tag.is_some() && !self.called.iter().any(is_there) {
                let more = Self::new(tag, Some(name));
                self.called.extend(more.called);
            }
        }
        self.annotations.clone_from(&options.annotations);
        self
    }
}

/// Describes an image as the list has it, once for each of its names.
pub(super) fn entries(digest: &Digest, manifest: &Manifest, label: &Label) -> Vec<Descriptor> {
    let size = manifest.bytes().len() as u64;
    let mut entry = Descriptor::new(manifest.media_type().clone(), *digest, size);
    entry.annotations.clone_from(&label.annotations);
    let called = |called: &Called| {
        let mut entry = entry.clone();
        let tag = called.tag.as_ref().map(Tag::to_string);
        for (key, value) in [(REF_NAME, tag), (IMAGE_NAME, called.full.clone())] {
            if let Some(value) = value {
                entry.annotations.insert(key.to_owned(), value);
            }
        }
        entry
    };
    label.called.iter().map(called).collect()
}

/// Adds an image to a list, in the place of one with the same tag, or of the
/// same untagged one.
pub(super) fn add(list: &mut Map<String, Value>, entry: &Descriptor) -> Result<(), Wrong> {
    let value = serde_json::to_value(entry).map_err(|_error| Wrong)?;
    let tag = entry.annotations.get(REF_NAME);
    let digest = entry.digest.to_string();
    let images = images(list)?;
    let replaced = |image: &Value| match (tag, tag_of(image)) {
        (Some(new), Some(old)) => new == old,
        (None, None) => image.get("digest").and_then(Value::as_str) == Some(&digest),
        _ => false,
    };
    let place = images.iter().position(replaced).unwrap_or(images.len());
    images.retain(|image| !replaced(image));
    images.insert(place.min(images.len()), value);
    Ok(())
}

/// Removes the images with a tag, or without one the only image; says how
/// many were removed.
pub(super) fn remove(list: &mut Map<String, Value>, tag: Option<&Tag>) -> Result<usize, Wrong> {
    let images = images(list)?;
    let before = images.len();
    images.retain(|image| tag.is_some_and(|tag| tag_of(image) != Some(tag.as_str())));
    Ok(before - images.len())
}

/// Says that a list has another shape than it should.
#[derive(Debug)]
pub(super) struct Wrong;

fn images(list: &mut Map<String, Value>) -> Result<&mut Vec<Value>, Wrong> {
    let images = list.entry("manifests").or_insert(Value::Null);
    if images.is_null() {
        *images = Value::Array(Vec::new());
    }
    images.as_array_mut().ok_or(Wrong)
}

fn tag_of(image: &Value) -> Option<&str> {
    image.get("annotations")?.get(REF_NAME)?.as_str()
}

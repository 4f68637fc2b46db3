//! What a step came to, as it is kept for other builds.

use oci::{Descriptor, Digest};
use serde::{Deserialize, Serialize};

use crate::image::LayerOf;

/// Is what a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The layer, if there was anything to put into one.
    pub(crate) layer: Option<LayerRecord>,
    /// What was warned of, to be said again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<Warning>,
    /// All keys that it is kept under, for caches elsewhere: whoever finds it by
    /// one of them has not computed the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<Digest>,
}

/// Is a layer that a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The blob: type, digest and size.
    pub(crate) descriptor: Descriptor,
    /// The digest of what it holds, uncompressed.
    pub(crate) diff_id: Digest,
}

/// Is something that a step warned of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warning {
    /// What, in one line.
    pub(crate) message: String,
    /// What would be right.
    pub(crate) hint: String,
}

impl Record {
    /// Makes the record of a step that made this layer, or none.
    pub(crate) fn of(layer: Option<&LayerOf>, warnings: Vec<Warning>) -> Self {
        Self {
            layer: layer.map(|layer| LayerRecord {
                descriptor: layer.descriptor.clone(),
                diff_id: layer.diff_id,
            }),
            warnings,
            keys: Vec::new(),
        }
    }

    /// Reads what was kept; `None` for what is no record.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Gives the bytes to keep.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl LayerRecord {
    /// Gives the layer.
    pub(crate) fn layer(&self) -> LayerOf {
        LayerOf {
            descriptor: self.descriptor.clone(),
            diff_id: self.diff_id,
        }
    }
}

//! Image configs: exact bytes, and a view of what they say (image-spec,
//! "Image Configuration").

use bytes::Bytes;
use oci_spec::image::ImageConfiguration;

use crate::descriptor::Platform;
use crate::digest::Digest;
use crate::parse::ParseError;

/// Holds a config's exact bytes and what they say of the image.
#[derive(Debug, Clone)]
pub struct Config {
    bytes: Bytes,
    view: ImageConfiguration,
    diff_ids: Vec<Digest>,
}

impl Config {
    /// The largest config that is read, in bytes. Real ones are some
    /// kilobytes; histories and labels of generated images reach megabytes.
    pub const LIMIT: u64 = 8 * 1024 * 1024;

    /// Reads a config.
    ///
    /// # Errors
    ///
    /// Fails when the bytes are no image config, or a diff ID is no digest.
    pub fn parse(bytes: Bytes) -> Result<Self, ConfigError> {
        let view: ImageConfiguration = serde_json::from_slice(&bytes).map_err(ConfigError::Json)?;
        let diff_ids = view
            .rootfs()
            .diff_ids()
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(ConfigError::DiffId)?;
        Ok(Self {
            bytes,
            view,
            diff_ids,
        })
    }

    /// Gives the exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Gives the digests of the uncompressed layers, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// Says which machine the image is for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.view.architecture().to_string(),
            os: self.view.os().to_string(),
            os_version: self.view.os_version().clone(),
            os_features: self.view.os_features().clone().unwrap_or_default(),
            variant: self.view.variant().clone(),
        }
    }
}

/// Reports bytes that are no image config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The bytes are no JSON, or a field has a wrong shape.
    #[error("image config is not valid JSON of its kind: {0}")]
    Json(serde_json::Error),
    /// A layer is named by something that is no digest.
    #[error("image config names a layer by an invalid diff ID")]
    DiffId(#[source] ParseError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_config_is_read() {
        let text = format!(
            r#"{{"architecture":"arm","variant":"v7","os":"linux","config":{{"Cmd":["sh"]}},
            "docker_version":"20.10","rootfs":{{"type":"layers","diff_ids":["{}"]}},
            "history":[{{"created":"2020-01-01T00:00:00Z","created_by":"x"}}]}}"#,
            Digest::sha256(b"a")
        );
        let config = Config::parse(Bytes::from(text)).expect("valid");
        assert_eq!(config.diff_ids(), [Digest::sha256(b"a")]);
        assert_eq!(config.platform().to_string(), "linux/arm/v7");
    }

    #[test]
    fn other_bytes_are_refused() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"architecture":"a","os":"b","rootfs":{"type":"layers","diff_ids":["x"]}}"#,
        ] {
            assert!(
                Config::parse(Bytes::from(text)).is_err(),
                "accepted `{text}`"
            );
        }
    }
}

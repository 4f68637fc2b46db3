//! Image configs as a build reads and writes them (image-spec, "Image
//! Configuration"; what Docker adds to it).
//!
//! Bytes are a pure function of the values: fields in one order, maps sorted.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci::{Digest, Platform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Is a config that a build changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(flatten)]
    pub(crate) platform: Platform,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) config: Runtime,
    pub(crate) rootfs: RootFs,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) history: Vec<History>,
}

/// Says how containers of the image are started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Runtime {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) exposed_ports: BTreeMap<String, Empty>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) volumes: BTreeMap<String, Empty>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop_signal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_build: Option<Vec<String>>,
    /// What Docker's `SHELL` sets; OCI has no word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shell: Option<Vec<String>>,
    /// How a container is checked. OCI has no word for it either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) healthcheck: Option<Health>,
    /// What else the base says: kept as it is.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// Says how a container is checked (Docker's image specification 1.2,
/// `Healthcheck`). Times are in nanoseconds; 0 is what the runtime has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Health {
    /// What is run, behind a word that says how.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) test: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) timeout: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) start_period: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) start_interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: i64,
    /// What else a base says of it: kept as it is.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

impl Health {
    /// Takes away the check of the base.
    pub(crate) fn none() -> Self {
        Self {
            test: vec!["NONE".to_owned()],
            ..Self::default()
        }
    }
}

/// Is the `{}` that configs have for the members of sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Empty {}

/// Lists the layers by the digests of what they hold, lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) diff_ids: Vec<Digest>,
}

/// Says what one instruction did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) empty_layer: bool,
}

/// The search path of a container whose image names none, as Docker and
/// BuildKit have it.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl ImageConfig {
    /// Gives the config of an image without layers.
    pub(crate) fn scratch(platform: &Platform) -> Self {
        Self {
            created: None,
            author: None,
            platform: platform.clone(),
            config: Runtime {
                env: vec![DEFAULT_PATH.to_owned()],
                working_dir: "/".to_owned(),
                ..Runtime::default()
            },
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: Vec::new(),
            },
            history: Vec::new(),
        }
    }

    /// Reads the config of a base.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        serde_json::from_slice(bytes).map_err(ConfigError)
    }

    /// Writes the config: the same bytes for the same values.
    pub(crate) fn to_bytes(&self) -> Bytes {
        // Strings, numbers and maps with keys of text always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl Runtime {
    /// Gives the value of an environment variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .rev()
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Sets an environment variable, in its old place where it has one.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        let pair = format!("{name}={value}");
        let named = |old: &&mut String| old.split('=').next() == Some(name);
        match self.env.iter_mut().find(named) {
            Some(old) => *old = pair,
            None => self.env.push(pair),
        }
    }
}

/// Reads `null` as the empty value, which Go programs write for it.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Reports a base whose config can not be built on.
#[derive(Debug, thiserror::Error)]
#[error("its config is not of the form that it should be: {0}")]
pub(crate) struct ConfigError(serde_json::Error);

#[cfg(test)]
mod tests {
    use super::*;

    fn amd64() -> Platform {
        Platform {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        }
    }

    #[test]
    fn the_bytes_of_a_config_are_these() {
        let mut config = ImageConfig::scratch(&amd64());
        config.created = Some("1970-01-01T00:00:00Z".to_owned());
        config.config.volumes.insert("/b".to_owned(), Empty {});
        config.config.volumes.insert("/a".to_owned(), Empty {});
        config.history.push(History {
            created_by: Some("VOLUME /b /a".to_owned()),
            empty_layer: true,
            ..History::default()
        });
        assert_eq!(
            String::from_utf8_lossy(&config.to_bytes()),
            concat!(
                r#"{"created":"1970-01-01T00:00:00Z","architecture":"amd64","os":"linux","#,
                r#""config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"#,
                r#""Volumes":{"/a":{},"/b":{}},"WorkingDir":"/"},"#,
                r#""rootfs":{"type":"layers","diff_ids":[]},"#,
                r#""history":[{"created_by":"VOLUME /b /a","empty_layer":true}]}"#,
            )
        );
    }

    #[test]
    fn what_a_base_says_is_kept() {
        let base = br#"{"os":"linux","architecture":"arm","variant":"v7","docker_version":"1",
            "config":{"Healthcheck":{"Test":["NONE"]},"Env":null,"Labels":null,"Cmd":["sh"]},
            "rootfs":{"type":"layers","diff_ids":null},"history":null}"#;
        let config = ImageConfig::parse(base).expect("valid");
        assert_eq!(
            String::from_utf8_lossy(&config.to_bytes()),
            concat!(
                r#"{"architecture":"arm","os":"linux","variant":"v7","#,
                r#""config":{"Cmd":["sh"],"Healthcheck":{"Test":["NONE"]}},"#,
                r#""rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#,
            )
        );
        assert!(ImageConfig::parse(b"[]").is_err());
    }

    #[test]
    fn a_variable_keeps_its_place() {
        let mut runtime = Runtime::default();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3"), ("AB", "")] {
            runtime.set_variable(name, value);
        }
        assert_eq!(runtime.env, ["A=3", "B=2", "AB="]);
        assert_eq!(runtime.variable("A"), Some("3"));
        assert_eq!(runtime.variable("AB"), Some(""));
        assert_eq!(runtime.variable("C"), None);
    }
}

//! What came out: the uppermost layer of an image in the registry, weighed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::registry::Registry;
use super::stopwatch::run;
use crate::error::Error;

/// A layer in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Bytes as they are in the registry.
    pub(super) packed: u64,
    /// Bytes of the tar in it.
    pub(super) tar: u64,
    /// Bytes that `gzip -6` makes of that tar.
    pub(super) gzip: u64,
    /// Entries of that tar that are not directories.
    pub(super) names: u64,
    /// Entries that are.
    pub(super) directories: u64,
}

/// Weighs the last layer of an image.
///
/// # Errors
/// Fails when it is not there.
pub(super) fn weigh(registry: &Registry, repository: &str) -> Result<Weight, Error> {
    let manifest = read(&registry.blob(&registry.digest(repository, "1")?)?)?;
    let path = registry.blob(last(&manifest)?)?;
    let packed = fs_err::metadata(&path)?.len();
    let path = path.display().to_string();
    let number = |script: &str| -> Result<u64, Error> {
        let script = format!("set -o pipefail; gzip -dc \"$1\" | {script}");
        let text = run(Command::new("bash").args(["-c", &script, "bash", &path]))?;
        let number = text.trim().parse();
        number.map_err(|error| Error::new(format!("`{}`: {error}", text.trim())))
    };
    let entries = number("tar -t | wc -l")?;
    let directories = number("tar -t | grep -c '/$'")?;
    Ok(Weight {
        packed,
        tar: number("wc -c")?,
        gzip: number("gzip -6 -n | wc -c")?,
        names: entries.saturating_sub(directories),
        directories,
    })
}

/// Returns the bytes of an image's manifest, config and last layer: what a registry
/// lacks that has the layers below.
///
/// # Errors
/// Fails when it is not there.
pub(super) fn lacking(registry: &Registry, repository: &str) -> Result<u64, Error> {
    let path = registry.blob(&registry.digest(repository, "1")?)?;
    let manifest = read(&path)?;
    let config = manifest["config"]["size"].as_u64().unwrap_or_default();
    let layer = fs_err::metadata(registry.blob(last(&manifest)?)?)?;
    Ok(fs_err::metadata(path)?.len() + config + layer.len())
}

/// Returns the digest of the last layer.
fn last(manifest: &Value) -> Result<&str, Error> {
    let layers = manifest["layers"].as_array();
    let layer = layers.and_then(|layers| layers.last());
    let digest = layer.and_then(|layer| layer["digest"].as_str());
    digest.ok_or_else(|| Error::new("a manifest without layers"))
}

fn read(path: &Path) -> Result<Value, Error> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::new(format!("`{}`: {error}", path.display())))
}

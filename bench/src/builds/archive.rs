//! What came out: the uppermost layer of an OCI archive, weighed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::stopwatch::run;
use crate::error::Error;

/// A layer in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Bytes as they are in the archive.
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

/// Unpacks an archive below a directory and weighs its last layer.
///
/// # Errors
/// Fails when the archive is not one.
pub(super) fn weigh(archive: &Path, directory: &Path) -> Result<Weight, Error> {
    fs_err::create_dir_all(directory)?;
    let mut command = Command::new("tar");
    run(command.arg("-xf").arg(archive).arg("-C").arg(directory))?;
    let index = read(&directory.join("index.json"))?;
    let manifest = blob(directory, &index["manifests"][0])?;
    let manifest = read(Path::new(&manifest))?;
    let layers = manifest["layers"].as_array();
    let layer = layers.and_then(|layers| layers.last());
    let path = blob(directory, layer.unwrap_or(&Value::Null))?;
    let number = |script: &str| -> Result<u64, Error> {
        let script = format!("set -o pipefail; gzip -dc \"$1\" | {script}");
        let text = run(Command::new("bash").args(["-c", &script, "bash", &path]))?;
        let number = text.trim().parse();
        number.map_err(|error| Error::new(format!("`{}`: {error}", text.trim())))
    };
    let entries = number("tar -t | wc -l")?;
    let directories = number("tar -t | grep -c '/$'")?;
    let weight = Weight {
        packed: fs_err::metadata(&path)?.len(),
        tar: number("wc -c")?,
        gzip: number("gzip -6 -n | wc -c")?,
        names: entries.saturating_sub(directories),
        directories,
    };
    fs_err::remove_dir_all(directory)?;
    Ok(weight)
}

fn read(path: &Path) -> Result<Value, Error> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::new(format!("`{}`: {error}", path.display())))
}

fn blob(directory: &Path, descriptor: &Value) -> Result<String, Error> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let hex = digest.strip_prefix("sha256:");
    let hex = hex.ok_or_else(|| Error::new("a descriptor without a digest"))?;
    let path = directory.join("blobs/sha256").join(hex);
    Ok(path.display().to_string())
}

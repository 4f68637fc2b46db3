//! What is built upon: Debian as mmdebstrap makes it, in an OCI layout.
//!
//! It is made once and kept below `target/`, so that runs have the same base.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stopwatch::run;
use crate::error::Error;
use crate::sample::{IMAGE, digest_of};

/// The tag of the base in its layout.
pub(super) const TAG: &str = "base";

/// The base that is kept.
#[derive(Debug)]
pub(super) struct Base {
    /// The layout's directory.
    pub(super) layout: PathBuf,
    /// What it is, as one reads it above the table.
    pub(super) name: &'static str,
}

impl Base {
    /// Makes the base unless an earlier run has: Debian, or busybox where no mirror of
    /// Debian is in reach.
    ///
    /// # Errors
    /// Fails when neither can be made.
    pub(super) fn make(target: &Path) -> Result<Self, Error> {
        let kept = target.join("bench-base");
        fs_err::create_dir_all(&kept)?;
        let debian = Self {
            layout: kept.join("debian"),
            name: "Debian 12 (`mmdebstrap --variant=minbase`)",
        };
        if debian.layout.is_dir() {
            return Ok(debian);
        }
        let tar = kept.join("root.tar");
        let mut command = Command::new("mmdebstrap");
        command
            .args(["--quiet", "--variant=minbase", "bookworm"])
            .arg(&tar);
        if run(&mut command).is_ok() {
            write_layout(&tar, &debian.layout)?;
            return Ok(debian);
        }
        let busybox = Self {
            layout: kept.join("busybox"),
            name: "busybox, as mmdebstrap or its mirror is not there",
        };
        if !busybox.layout.is_dir() {
            let mut command = Command::new("tar");
            command.arg("-cf").arg(&tar);
            run(command.args(["-C", "/", "bin/busybox"]))?;
            write_layout(&tar, &busybox.layout)?;
        }
        Ok(busybox)
    }
}

/// Makes a layout of one layer; the tar becomes part of it.
///
/// # Errors
/// Fails when `gzip` does, or the disk is full.
pub(super) fn write_layout(tar: &Path, layout: &Path) -> Result<(), Error> {
    let unfinished = layout.with_extension("part");
    let blobs = unfinished.join("blobs/sha256");
    fs_err::create_dir_all(&blobs)?;
    let put = |bytes: &[u8]| -> Result<(String, usize), Error> {
        let digest = digest_of(bytes);
        let hex = digest.trim_start_matches("sha256:");
        fs_err::write(blobs.join(hex), bytes)?;
        Ok((digest, bytes.len()))
    };
    let diff = digest_of(&fs_err::read(tar)?);
    run(Command::new("gzip").args(["-6", "-n", "-f"]).arg(tar))?;
    let (layer, layer_size) = put(&fs_err::read(tar.with_extension("tar.gz"))?)?;
    let config = format!(
        "{{\"architecture\":\"{}\",\"os\":\"linux\",\"config\":{{}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{diff}\"]}},\
         \"history\":[{{\"created_by\":\"mmdebstrap\"}}]}}",
        architecture()
    );
    let (config, config_size) = put(config.as_bytes())?;
    let kind = "application/vnd.oci.image";
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",\"config\":{{\
         \"mediaType\":\"{kind}.config.v1+json\",\"digest\":\"{config}\",\"size\":{config_size}}},\
         \"layers\":[{{\"mediaType\":\"{kind}.layer.v1.tar+gzip\",\
         \"digest\":\"{layer}\",\"size\":{layer_size}}}]}}"
    );
    let (manifest, manifest_size) = put(manifest.as_bytes())?;
    let index = format!(
        "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{IMAGE}\",\
         \"digest\":\"{manifest}\",\"size\":{manifest_size},\"annotations\":\
         {{\"org.opencontainers.image.ref.name\":\"{TAG}\"}}}}]}}"
    );
    fs_err::write(unfinished.join("index.json"), index)?;
    let version = "{\"imageLayoutVersion\":\"1.0.0\"}";
    fs_err::write(unfinished.join("oci-layout"), version)?;
    fs_err::remove_file(tar.with_extension("tar.gz"))?;
    Ok(fs_err::rename(unfinished, layout)?)
}

/// Returns this machine's name in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_what_its_index_names() {
        let directory = tempfile::tempdir().unwrap();
        let (tar, layout) = (directory.path().join("x.tar"), directory.path().join("x"));
        fs_err::write(&tar, [0; 1024]).unwrap();
        write_layout(&tar, &layout).unwrap();
        let index = fs_err::read(layout.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let (_, hex) = digest.split_once(':').unwrap();
        let manifest = fs_err::read(layout.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(digest_of(&manifest), digest);
        assert!(!tar.with_extension("tar.gz").exists());
    }
}

//! A base to build on: Debian's root file system, or busybox alone, in a layout.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cage::Cage;
use crate::fixtures;
use crate::layout::architecture;
use crate::tool::Tool;
use spec_tests::{digest, media};

/// Makes a layout of one image with one layer, and returns what `FROM` calls it.
pub(crate) fn layout(cage: &Cage, name: &str, tar: &Path) -> String {
    let directory = cage.make(name);
    let packed = cage.path(&format!("{name}.tar.gz"));
    let line = format!("gzip --no-name --fast --stdout {}", tar.display());
    fs_err::write(&packed, Tool::from_line(&line).run("").bytes).expect("a writable directory");
    let layer = fs_err::read(&packed).expect("written above");
    let diff_id = digest(&fs_err::read(tar).expect("made by this test"));
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = digest(bytes);
        let path = directory.join("blobs").join(digest.replace(':', "/"));
        fs_err::create_dir_all(path.parent().expect("a digest has two parts"))
            .expect("a writable directory");
        fs_err::write(path, bytes).expect("a writable directory");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": put(media::CONFIG, config.to_string().as_bytes()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
    });
    let mut named = put(media::MANIFEST, manifest.to_string().as_bytes());
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [named]});
    let version = json!({"imageLayoutVersion": "1.0.0"});
    for (file, content) in [("index.json", index), ("oci-layout", version)] {
        fs_err::write(directory.join(file), content.to_string()).expect("a writable directory");
    }
    format!("oci-layout://{}:1", directory.display())
}

/// Makes a layout of Debian.
pub(crate) fn debian(cage: &Cage) -> String {
    layout(cage, "debian-base", &fixtures::debian())
}

/// Makes a layout of busybox.
pub(crate) fn busybox(cage: &Cage) -> String {
    layout(cage, "busybox-base", &fixtures::busybox(cage))
}

/// Opens a directory of the test to every user of this machine.
pub(crate) fn open_to_all(path: &PathBuf) {
    Tool::from_line("chmod 0755").run(&path.display().to_string());
}

//! An OCI layout written by hand: what the clients are given does not come from
//! any of the programs under test.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cage::Cage;
use crate::fixtures;
use crate::tool::Tool;
use spec_tests::digest;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout on disk that is being filled.
pub(crate) struct Layout {
    directory: PathBuf,
    named: Vec<Value>,
}

impl Layout {
    /// Makes a layout with the image `one`, the image `other` for another processor,
    /// and the index `both` over them.
    pub(crate) fn make(cage: &Cage) -> Self {
        let directory = cage.make("layout");
        let mut layout = Self {
            directory,
            named: Vec::new(),
        };
        let base = layout.layer(&fixtures::busybox(cage));
        let mine = layout.image(cage, &base, architecture());
        let strange = layout.image(cage, &base, "riscv64");
        let children = [(&mine, architecture()), (&strange, "riscv64")].map(|(child, name)| {
            let mut child = child.clone();
            child["platform"] = json!({"architecture": name, "os": "linux"});
            child
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
        let index = layout.blob(INDEX, &bytes(&index));
        layout.name("one", mine);
        layout.name("other", strange);
        layout.name("both", index);
        layout.finish();
        layout
    }

    /// Returns the digest under a name.
    pub(crate) fn digest(&self, name: &str) -> String {
        let wanted = |entry: &&Value| entry["annotations"][NAME] == name;
        let entry = self.named.iter().find(wanted).expect("a name given above");
        entry["digest"].as_str().expect("written above").to_owned()
    }

    /// Returns the exact bytes of a blob.
    pub(crate) fn bytes(&self, digest: &str) -> Vec<u8> {
        let path = self.directory.join("blobs").join(digest.replace(':', "/"));
        fs_err::read(path).expect("written above")
    }

    /// Returns the path, for the programs that read layouts.
    pub(crate) fn path(&self) -> String {
        self.directory.display().to_string()
    }

    fn image(&mut self, cage: &Cage, base: &Added, architecture: &str) -> Value {
        let root = cage.make(&format!("small-{architecture}"));
        fs_err::write(root.join("architecture"), architecture).expect("made above");
        let tar = cage.path(&format!("small-{architecture}.tar"));
        fixtures::pack(&root, &tar);
        let small = self.layer(&tar);
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/echo", "made by hand"]},
            "rootfs": {"type": "layers", "diff_ids": [base.diff_id, small.diff_id]},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": self.blob(CONFIG, &bytes(&config)),
            "layers": [base.descriptor, small.descriptor],
            "annotations": {"org.example.spelling": "kept as it is: é ✓"},
        });
        self.blob(IMAGE, &bytes(&manifest))
    }

    fn layer(&self, tar: &Path) -> Added {
        let plain = fs_err::read(tar).expect("made by this test");
        let packed = Tool::from_line("gzip --no-name --stdout").run(&tar.display().to_string());
        Added {
            diff_id: digest(&plain),
            descriptor: self.blob(LAYER, &packed.bytes),
        }
    }

    fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = digest(content);
        let path = self.directory.join("blobs").join(digest.replace(':', "/"));
        fs_err::create_dir_all(path.parent().expect("a digest has two parts"))
            .expect("the test's directory is writable");
        fs_err::write(path, content).expect("the test's directory is writable");
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }

    fn name(&mut self, name: &str, mut descriptor: Value) {
        descriptor["annotations"] = json!({NAME: name});
        self.named.push(descriptor);
    }

    fn finish(&self) {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.named});
        let version = json!({"imageLayoutVersion": "1.0.0"});
        for (file, content) in [("index.json", index), ("oci-layout", version)] {
            fs_err::write(self.directory.join(file), bytes(&content))
                .expect("the test's directory is writable");
        }
    }
}

/// A layer in the layout, and the digest of its tar.
struct Added {
    diff_id: String,
    descriptor: Value,
}

const NAME: &str = "org.opencontainers.image.ref.name";

/// Returns this machine's processor in the spelling of images.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Writes JSON in a form that no program here writes, so that a copy which was
/// read and written again cannot have the same digest.
fn bytes(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push_str("\n\n");
    text.into_bytes()
}

//! A registry, a caller of `wharf`, and layouts to write and look into.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spec_tests::{Content, Registry, Wharf, digest, media};

/// The annotation that names an image in a layout.
pub(crate) const NAME: &str = "org.opencontainers.image.ref.name";

/// What a test works with.
pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) repository: String,
    pub(crate) wharf: Wharf,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let registry = Registry::start();
        let repository = registry.repository();
        Self {
            registry,
            repository,
            wharf: Wharf::new(),
        }
    }

    /// Names an image in the registry.
    pub(crate) fn image(&self, reference: &str) -> String {
        let separator = if reference.contains(':') { '@' } else { ':' };
        format!(
            "docker://{}/{}{separator}{reference}",
            self.registry.host(),
            self.repository
        )
    }

    /// Returns the path of a layout with a name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.wharf.home().join(name)
    }

    /// Copies `tag` from the registry into the layout `out`, under the same tag.
    #[track_caller]
    pub(crate) fn copy_out(&self, tag: &str) -> Layout {
        let target = format!("oci:{}:{tag}", self.path("out").display());
        let _ = self.wharf.does(&["copy", &self.image(tag), &target]);
        Layout::at(&self.path("out"))
    }

    /// Copies an image of the layout `name` into the registry, under the tag `in`.
    #[track_caller]
    pub(crate) fn copy_in(&self, name: &str) {
        let source = format!("oci:{}", self.path(name).display());
        let _ = self.wharf.does(&["copy", &source, &self.image("in")]);
    }

    /// Expects the same copy to be refused, with words that name the layout, and the
    /// registry to have no such tag afterwards.
    #[track_caller]
    pub(crate) fn refuses_in(&self, name: &str) -> String {
        let source = format!("oci:{}", self.path(name).display());
        let ran = self.wharf.refuses(&["copy", &source, &self.image("in")]);
        assert!(ran.words.contains(name), "{}", ran.words);
        let path = format!("/v2/{}/manifests/in", self.repository);
        let _ = self.registry.get(&path).send().expect(404);
        ran.words
    }

    /// Gets a manifest out of the registry.
    #[track_caller]
    pub(crate) fn stored(&self, reference: &str, media_type: &str) -> Vec<u8> {
        let path = format!("/v2/{}/manifests/{reference}", self.repository);
        let request = self.registry.get(&path).header("accept", media_type);
        request.send().expect(200).body
    }
}

/// A layout on disk.
pub(crate) struct Layout {
    pub(crate) directory: PathBuf,
}

impl Layout {
    pub(crate) fn at(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory }
    }

    /// Reads `index.json`.
    #[track_caller]
    pub(crate) fn index(&self) -> Value {
        let bytes = fs_err::read(self.directory.join("index.json")).expect("index.json");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Returns the path of a blob.
    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        self.directory
            .join("blobs")
            .join(digest.replacen(':', "/", 1))
    }

    /// Reads a blob.
    #[track_caller]
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        fs_err::read(self.path(digest)).expect("the blob is there")
    }

    /// Lists every blob by its digest, in order.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let mut found = Vec::new();
        for algorithm in fs_err::read_dir(self.directory.join("blobs")).expect("blobs") {
            let algorithm = algorithm.expect("an entry");
            let word = algorithm.file_name().into_string().expect("text");
            for entry in fs_err::read_dir(algorithm.path()).expect("a directory") {
                let hex = entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text");
                found.push(format!("{word}:{hex}"));
            }
        }
        found.sort();
        found
    }

    /// Writes a layout with blobs and one named manifest.
    pub(crate) fn write(directory: &Path, blobs: &[&[u8]], manifest: &Content) -> Self {
        let layout = Self::at(directory);
        fs_err::create_dir_all(directory.join("blobs/sha256")).expect("a directory");
        fs_err::write(
            directory.join("oci-layout"),
            "{\"imageLayoutVersion\":\"1.0.0\"}",
        )
        .expect("a file");
        for bytes in blobs.iter().copied().chain([manifest.bytes.as_slice()]) {
            fs_err::write(layout.path(&digest(bytes)), bytes).expect("a file");
        }
        let mut entry = manifest.descriptor();
        entry["annotations"] = json!({ NAME: "one" });
        layout.write_index(&[entry]);
        layout
    }

    /// Writes `index.json` over descriptors.
    pub(crate) fn write_index(&self, entries: &[Value]) {
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
        fs_err::write(self.directory.join("index.json"), index.to_string()).expect("a file");
    }
}

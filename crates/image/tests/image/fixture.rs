//! Images made for tests, and looking at what a copy left behind.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use image::{Bare, Copied, CopyOptions, Error, Images, Library, Place};
use oci::Digest;
use serde_json::{Value, json};

/// A directory of its own, and what reaches it.
pub(crate) struct Room {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) images: Images,
}

impl Room {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let client = client::Client::new(client::Options::new("test/1")).expect("a client");
        let library = Library::open(&directory.path().join("home")).expect("a library");
        let images = Images::new(client, Some(library), directory.path().join("scratch"));
        Self { directory, images }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Reads a place, `@/` standing for the directory.
    pub(crate) fn place(&self, text: &str) -> Place {
        let root = self.directory.path().to_str().expect("text");
        Place::parse(&text.replace("@/", &format!("{root}/")), Bare::Library).expect(text)
    }

    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<Copied, Error> {
        let options = CopyOptions::default();
        let (from, to) = (self.place(from), self.place(to));
        self.images.copy(&from, &to, &options).await
    }

    /// Copies what has to fail, and gives the whole chain of the error.
    pub(crate) async fn refused(&self, from: &str, to: &str) -> String {
        let error = self.copy(from, to).await.expect_err(from);
        chain(&error).replace(self.directory.path().to_str().expect("text"), "@")
    }
}

impl Room {
    /// As [`Room::refused`], and waits until the threads that were still
    /// writing have seen that nobody wants it, as a program that ends does.
    pub(crate) fn settled(&self, from: &str, to: &str) -> String {
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(self.refused(from, to))
            });
            refused.join().expect("no panic")
        })
    }
}

pub(crate) fn chain(error: &Error) -> String {
    let mut text = format!("{:?}: {error}", error.kind());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Content by the name that a layout gives it.
#[derive(Default, Clone)]
pub(crate) struct Content(pub(crate) BTreeMap<String, Vec<u8>>);

impl Content {
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.0
            .insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
        digest
    }

    pub(crate) fn describe(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.add(bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Adds an image of two layers, and describes it.
    pub(crate) fn image(&mut self, word: &str, architecture: &str) -> Value {
        let layers = [
            layer("etc/base", b"the same below every image"),
            layer("etc/word", word.as_bytes()),
        ];
        let config = config(architecture, &layers);
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.describe("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(layer)))
            .collect();
        let config = self.describe("application/vnd.oci.image.config.v1+json", &config);
        // Spaces, so that writing it anew would be noticed.
        let manifest = format!(
            "{{ \"schemaVersion\": 2,\n \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",\n \"config\": {config}, \"layers\": {} }}",
            Value::from(layers)
        );
        let mut described = self.describe(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.as_bytes(),
        );
        described["platform"] = json!({"os": "linux", "architecture": architecture});
        described
    }

    /// Adds an index over these, and describes it.
    pub(crate) fn index(&mut self, manifests: &[Value]) -> Value {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        let bytes = serde_json::to_vec_pretty(&index).expect("JSON");
        self.describe("application/vnd.oci.image.index.v1+json", &bytes)
    }

    /// Gives the files of a layout with these images.
    pub(crate) fn layout(&self, images: &[(&str, &Value)]) -> Vec<(String, Vec<u8>)> {
        let manifests: Vec<Value> = images
            .iter()
            .map(|(tag, image)| {
                let mut image = (*image).clone();
                if !tag.is_empty() {
                    image["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
                }
                image
            })
            .collect();
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        let mut files: Vec<(String, Vec<u8>)> = self.0.clone().into_iter().collect();
        files.push(("index.json".into(), index.to_string().into_bytes()));
        files.push((
            "oci-layout".into(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ));
        files
    }
}

pub(crate) fn digest_of(described: &Value) -> Digest {
    described["digest"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a digest")
}

pub(crate) fn config(architecture: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": layers.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes()
}

/// A layer with one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    tape(&[(name.to_owned(), content.to_vec())])
}

/// A tar archive of these files, in this order.
pub(crate) fn tape(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_slice())
            .expect("memory");
    }
    builder.into_inner().expect("memory")
}

/// A tar archive, each entry of which is written as it is asked for.
pub(crate) fn odd_tape(entries: &[(&str, tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, link, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn write_files(directory: &Path, files: &[(String, Vec<u8>)]) {
    for (name, content) in files {
        let path = directory.join(name);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs_err::write(path, content).expect("a file");
    }
}

/// Lists the files below a directory, by their paths in it.
pub(crate) fn listing(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs_err::read_dir(at).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below").to_str();
                found.push(name.expect("text").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Reads an archive with somebody else's code: names and content, in order.
pub(crate) fn entries(file: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs_err::read(file).expect("a file");
    let mut archive = tar::Archive::new(bytes.as_slice());
    archive
        .entries()
        .expect("an archive")
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let header = entry.header();
            assert_eq!(header.mtime().expect("a time"), 0);
            assert_eq!(header.mode().expect("a mode"), 0o644);
            assert_eq!(
                (
                    header.uid().expect("an owner"),
                    header.gid().expect("a group")
                ),
                (0, 0)
            );
            let name = entry
                .path()
                .expect("a name")
                .to_str()
                .expect("text")
                .to_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).expect("content");
            (name, content)
        })
        .collect()
}

//! Archives that are not what they say: `wharf copy` refuses each with its name and a
//! reason, writes nothing outside, and leaves nothing that looks like an image.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use spec_tests::{Image, Wharf, digest, media};
use tar::{Builder, EntryType, Header};

/// Bytes that a small archive unpacks to, in the tests of bombs.
const BOMB: usize = 300 * 1024 * 1024;

/// An archive that is being put together, entry by entry.
struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Adds a file.
    fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        self.put(header, path, bytes);
        self
    }

    /// Adds a JSON file.
    fn json(self, path: &str, value: &Value) -> Self {
        self.file(path, value.to_string().as_bytes())
    }

    /// Adds a link or another entry without bytes.
    fn link(mut self, kind: EntryType, path: &str, target: &str) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o777);
        let name = &mut header.as_gnu_mut().expect("a GNU header").linkname;
        name[..target.len()].copy_from_slice(target.as_bytes());
        self.put(header, path, b"");
        self
    }

    /// Writes a header with a path that the library would refuse.
    fn put(&mut self, mut header: Header, path: &str, bytes: &[u8]) {
        let name = &mut header.as_gnu_mut().expect("a GNU header").name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).expect("memory");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory")
    }
}

/// A tar of one file, as a layer is one.
fn layer() -> Vec<u8> {
    Archive::new().file("hello", b"hello").bytes()
}

/// The config of an image over layers.
fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|bytes| digest(bytes)).collect();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    config.to_string().into_bytes()
}

/// What `manifest.json` of a docker archive says.
fn listed(config: &str, layers: &[&str]) -> Value {
    json!([{ "Config": config, "RepoTags": ["app:1"], "Layers": layers }])
}

/// A whole docker archive.
fn whole() -> Vec<u8> {
    Archive::new()
        .json("manifest.json", &listed("config.json", &["layer.tar"]))
        .file("config.json", &config(&[&layer()]))
        .file("layer.tar", &layer())
        .bytes()
}

/// A whole OCI layout in a tar, of which a test changes a part.
struct Layout {
    version: Vec<u8>,
    index: Value,
    blobs: Vec<(String, Vec<u8>)>,
}

impl Layout {
    fn new() -> Self {
        let image = Image::new(301);
        let parts = image
            .layers
            .iter()
            .chain([&image.config, &image.manifest.bytes]);
        let blobs = parts.map(|bytes| {
            let path = format!("blobs/{}", digest(bytes).replace(':', "/"));
            (path, bytes.clone())
        });
        Self {
            version: b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec(),
            index: json!({
                "schemaVersion": 2,
                "mediaType": media::INDEX,
                "manifests": [image.manifest.descriptor()],
            }),
            blobs: blobs.collect(),
        }
    }

    fn archive(&self) -> Archive {
        let archive = Archive::new().file("oci-layout", &self.version);
        let archive = archive.json("index.json", &self.index);
        let blobs = self.blobs.iter();
        blobs.fold(archive, |archive, (path, bytes)| archive.file(path, bytes))
    }

    fn bytes(&self) -> Vec<u8> {
        self.archive().bytes()
    }
}

/// Every path below a directory, in order.
fn listing(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(here) = open.pop() {
        for entry in fs_err::read_dir(&here).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Writes an archive beside a secret, and expects copying it into a layout to be refused.
#[track_caller]
fn refused(kind: &str, bytes: &[u8]) -> String {
    let arena = tempfile::tempdir().expect("a directory");
    let inner = arena.path().join("a/b/c");
    fs_err::create_dir_all(&inner).expect("a directory");
    fs_err::write(arena.path().join("secret.tar"), layer()).expect("a file");
    let file = inner.join("unsound-archive.tar");
    fs_err::write(&file, bytes).expect("a file");
    let before = listing(arena.path());
    let wharf = Wharf::new();
    let source = format!("{kind}:{}", file.display());
    let target = format!("oci:{}:x", wharf.home().join("out").display());
    let ran = wharf.refuses(&["copy", &source, &target]);
    assert!(
        ran.words.contains("unsound-archive.tar"),
        "it does not name the file: {}",
        ran.words
    );
    assert!(
        ran.words.len() < 4000,
        "a flood of words: {} bytes",
        ran.words.len()
    );
    assert_eq!(
        listing(arena.path()),
        before,
        "something was written outside"
    );
    let index = fs_err::read(wharf.home().join("out/index.json")).unwrap_or_default();
    let index: Value = serde_json::from_slice(&index).unwrap_or_default();
    let entries = index["manifests"].as_array().map_or(0, Vec::len);
    assert_eq!(entries, 0, "an image was made of it");
    ran.words
}

#[track_caller]
fn docker(bytes: &[u8]) -> String {
    refused("docker-archive", bytes)
}

#[track_caller]
fn oci(bytes: &[u8]) -> String {
    refused("oci-archive", bytes)
}

#[test]
fn the_sound_ones_are_taken() {
    // Otherwise every test below could pass for another reason than it says.
    for (kind, bytes) in [
        ("docker-archive", whole()),
        ("oci-archive", Layout::new().bytes()),
    ] {
        let wharf = Wharf::new();
        let file = wharf.home().join("sound.tar");
        fs_err::write(&file, bytes).expect("a file");
        let source = format!("{kind}:{}", file.display());
        let target = format!("oci:{}:x", wharf.home().join("out").display());
        let _ = wharf.does(&["copy", &source, &target]);
    }
}

#[test]
fn nothing() {
    docker(b"");
    oci(b"");
}

#[test]
fn no_file() {
    for kind in ["docker-archive", "oci-archive"] {
        let wharf = Wharf::new();
        let ran = wharf.refuses(&["copy", &format!("{kind}:nowhere.tar"), "oci:out:x"]);
        assert!(ran.words.contains("nowhere.tar"), "{}", ran.words);
    }
}

#[test]
fn no_tar() {
    docker(&spec_tests::blob(302, 5000));
    oci(&spec_tests::blob(302, 5000));
    docker("this is text\n".repeat(200).as_bytes());
}

#[test]
fn a_tar_of_zeros() {
    docker(&[0; 10_240]);
    oci(&[0; 10_240]);
}

#[test]
fn cut_in_a_header() {
    let bytes = whole();
    docker(&bytes[..700]);
    oci(&Layout::new().bytes()[..700]);
}

#[test]
fn cut_in_a_layer() {
    let bytes = whole();
    let layer = layer();
    let at = bytes
        .windows(layer.len())
        .position(|window| window == layer);
    docker(&bytes[..at.expect("the layer") + 100]);
    let bytes = Layout::new().bytes();
    oci(&bytes[..bytes.len() / 2]);
}

#[test]
fn a_header_with_a_wrong_checksum() {
    let mut bytes = whole();
    bytes[0] ^= 1;
    docker(&bytes);
}

#[test]
fn a_header_with_an_impossible_size() {
    let mut bytes = whole();
    // The size field, in base 256: 2^62 bytes. The checksum is made to fit.
    bytes[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    docker(&bytes);
}

#[test]
fn no_manifest_json() {
    let archive = Archive::new()
        .file("config.json", b"{}")
        .file("layer.tar", &layer());
    let words = docker(&archive.bytes());
    assert!(words.contains("manifest.json"), "{words}");
}

#[test]
fn a_manifest_json_that_is_none() {
    for text in [
        "",
        "not json",
        "{}",
        "[]",
        "[1]",
        "[{}]",
        "null",
        "[{\"Config\": 5}]",
    ] {
        let archive = Archive::new().file("manifest.json", text.as_bytes());
        docker(&archive.bytes());
    }
}

#[test]
fn a_manifest_json_of_endless_lists() {
    docker(
        &Archive::new()
            .file("manifest.json", &[b'['; 200_000])
            .bytes(),
    );
}

#[test]
fn a_config_that_is_not_there() {
    let archive = Archive::new()
        .json("manifest.json", &listed("missing.json", &["layer.tar"]))
        .file("layer.tar", &layer());
    let words = docker(&archive.bytes());
    assert!(words.contains("missing.json"), "{words}");
}

#[test]
fn a_config_that_is_none() {
    for text in ["", "not json", "[]", "{\"rootfs\": 5}"] {
        let archive = Archive::new()
            .json("manifest.json", &listed("config.json", &["layer.tar"]))
            .file("config.json", text.as_bytes())
            .file("layer.tar", &layer());
        docker(&archive.bytes());
    }
}

#[test]
fn a_layer_that_is_not_there() {
    let archive = Archive::new()
        .json("manifest.json", &listed("config.json", &["missing.tar"]))
        .file("config.json", &config(&[&layer()]));
    let words = docker(&archive.bytes());
    assert!(words.contains("missing.tar"), "{words}");
}

#[test]
fn a_layer_that_is_another_than_the_config_says() {
    let archive = Archive::new()
        .json("manifest.json", &listed("config.json", &["layer.tar"]))
        .file("config.json", &config(&[b"another layer"]))
        .file("layer.tar", &layer());
    docker(&archive.bytes());
}

#[test]
fn more_layers_than_the_config_says() {
    let archive = Archive::new()
        .json(
            "manifest.json",
            &listed("config.json", &["layer.tar", "layer.tar"]),
        )
        .file("config.json", &config(&[&layer()]))
        .file("layer.tar", &layer());
    docker(&archive.bytes());
}

/// A docker archive whose layer is at a path that leads out to `secret.tar`.
fn escaping(path: &str) -> Vec<u8> {
    Archive::new()
        .json("manifest.json", &listed("config.json", &[path]))
        .file("config.json", &config(&[&layer()]))
        .bytes()
}

#[test]
fn a_layer_outside() {
    // The file is there, beside the archive, and is not the archive's to name.
    docker(&escaping("../../../secret.tar"));
    docker(&escaping("/etc/passwd"));
    docker(&escaping("./../../../secret.tar"));
}

#[test]
fn a_config_outside() {
    let archive = Archive::new()
        .json(
            "manifest.json",
            &listed("../../../secret.tar", &["layer.tar"]),
        )
        .file("layer.tar", &layer());
    docker(&archive.bytes());
}

#[test]
fn links_that_lead_outside() {
    for kind in [EntryType::Symlink, EntryType::Link] {
        for target in [
            "../../../secret.tar",
            "/etc/passwd",
            "layer.tar",
            "missing.tar",
        ] {
            let archive = Archive::new()
                .json("manifest.json", &listed("config.json", &["layer.tar"]))
                .file("config.json", &config(&[&layer()]))
                .link(kind, "layer.tar", target);
            docker(&archive.bytes());
        }
    }
}

#[test]
fn links_in_a_circle() {
    let archive = Archive::new()
        .json("manifest.json", &listed("config.json", &["a/layer.tar"]))
        .file("config.json", &config(&[&layer()]))
        .link(EntryType::Symlink, "a/layer.tar", "../b/layer.tar")
        .link(EntryType::Symlink, "b/layer.tar", "../a/layer.tar");
    docker(&archive.bytes());
}

#[test]
fn devices_instead_of_files() {
    for kind in [
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
    ] {
        let archive = Archive::new()
            .json("manifest.json", &listed("config.json", &["layer.tar"]))
            .file("config.json", &config(&[&layer()]))
            .link(kind, "layer.tar", "");
        docker(&archive.bytes());
    }
}

/// Compresses bytes well.
fn squeezed(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    for piece in pieces {
        encoder.write_all(&piece).expect("memory");
    }
    encoder.finish().expect("memory")
}

#[test]
fn a_bomb_for_a_manifest() {
    // Small on disk, too large to be read into memory: an archive in gzip whose
    // `manifest.json` unpacks to hundreds of megabytes of spaces.
    let mut header = Header::new_gnu();
    header.set_path("manifest.json").expect("short");
    header.set_size(BOMB as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let piece = 1024 * 1024;
    let spaces = (0..BOMB / piece).map(|_| vec![b' '; piece]);
    let bytes = squeezed(std::iter::once(header.as_bytes().to_vec()).chain(spaces));
    assert!(bytes.len() < 1024 * 1024);
    docker(&bytes);
}

#[test]
fn an_index_too_large_to_be_one() {
    let text = vec![b' '; 80 * 1024 * 1024];
    oci(&Archive::new()
        .file("oci-layout", &Layout::new().version)
        .file("index.json", &text)
        .bytes());
    docker(&Archive::new().file("manifest.json", &text).bytes());
}

#[test]
fn gzip_that_is_cut() {
    let bytes = squeezed(std::iter::once(whole()));
    docker(&bytes[..bytes.len() / 2]);
    let bytes = squeezed(std::iter::once(Layout::new().bytes()));
    oci(&bytes[..bytes.len() / 2]);
}

#[test]
fn an_empty_layout() {
    oci(&Archive::new().file("README", b"nothing").bytes());
    let only = Archive::new().file("oci-layout", &Layout::new().version);
    let words = oci(&only.bytes());
    assert!(words.contains("index.json"), "{words}");
}

#[test]
fn a_layout_of_another_version() {
    let mut layout = Layout::new();
    layout.version = b"{\"imageLayoutVersion\":\"9.0.0\"}".to_vec();
    oci(&layout.bytes());
    layout.version = b"1.0.0".to_vec();
    oci(&layout.bytes());
}

#[test]
fn an_index_that_is_none() {
    for index in [json!([]), json!(null), json!({}), json!({ "manifests": 5 })] {
        let mut layout = Layout::new();
        layout.index = index;
        oci(&layout.bytes());
    }
}

#[test]
fn an_index_without_images() {
    let mut layout = Layout::new();
    layout.index["manifests"] = json!([]);
    oci(&layout.bytes());
}

/// A layout whose index entry has another value in one field.
fn entry_with(field: &str, value: Value) -> Vec<u8> {
    let mut layout = Layout::new();
    layout.index["manifests"][0][field] = value;
    layout.bytes()
}

#[test]
fn digests_that_lead_outside() {
    oci(&entry_with(
        "digest",
        json!("sha256:../../../../../../etc/passwd"),
    ));
    oci(&entry_with("digest", json!("../../../secret.tar:x")));
    oci(&entry_with("digest", json!("sha256:/etc/passwd")));
}

#[test]
fn digests_that_are_none() {
    for value in [
        json!("sha256:abc"),
        json!("md5:abc"),
        json!(""),
        json!(5),
        json!(null),
    ] {
        oci(&entry_with("digest", value));
    }
}

#[test]
fn sizes_that_are_none() {
    for value in [
        json!(-1),
        json!(1.5),
        json!("12"),
        json!(12),
        json!(u64::MAX),
        json!(null),
    ] {
        oci(&entry_with("size", value));
    }
}

#[test]
fn a_blob_with_other_bytes() {
    for place in 0..4 {
        let mut layout = Layout::new();
        layout.blobs[place].1[3] ^= 1;
        oci(&layout.bytes());
    }
}

#[test]
fn a_blob_that_is_not_there() {
    for place in 0..4 {
        let mut layout = Layout::new();
        layout.blobs.remove(place);
        oci(&layout.bytes());
    }
}

#[test]
fn a_blob_that_is_a_link_outside() {
    let mut layout = Layout::new();
    let (path, _) = layout.blobs.remove(0);
    oci(&layout
        .archive()
        .link(EntryType::Symlink, &path, "/etc/passwd")
        .bytes());
}

#[test]
fn a_manifest_that_is_none() {
    let text = b"{\"schemaVersion\": 2, \"layers\": 5}";
    let mut layout = Layout::new();
    let path = format!("blobs/{}", digest(text).replace(':', "/"));
    layout.blobs.push((path, text.to_vec()));
    let entry = spec_tests::descriptor(media::MANIFEST, text);
    layout.index["manifests"] = json!([entry]);
    oci(&layout.bytes());
}

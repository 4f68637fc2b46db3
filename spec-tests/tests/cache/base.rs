//! What the builds stand on: busybox with a few users, in a layout with several images.
//!
//! The tag `1` is the image as most tests have it; the others differ from it by what
//! their name says.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use spec_tests::{digest, media};
use tar::{EntryType, Header};

/// The commands that tests use.
const COMMANDS: &[&str] = &[
    "cat",
    "chmod",
    "chown",
    "cp",
    "date",
    "dd",
    "echo",
    "env",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "pwd",
    "rm",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "stat",
    "sync",
    "test",
    "touch",
    "true",
    "wc",
];

/// Returns busybox, where it is installed.
pub(crate) fn busybox() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file())
}

/// Makes the layout, with the tags `1`, `relabelled`, `repacked`, `variable`, `user`,
/// `more` and `linked`.
pub(crate) fn make(layout: &Path) {
    let root = root();
    let plain = json!({"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]});
    let mut labelled = plain.clone();
    labelled["Labels"] = json!({"made": "later"});
    let mut variable = plain.clone();
    variable["Env"] = json!(["PATH=/bin", "WORD=base"]);
    let mut user = plain.clone();
    user["User"] = json!("app");
    let (packed, small) = (Compression::fast(), Compression::best());
    let image = |tag, config: &Value, day, layers: &[(&[u8], Compression)]| {
        image(layout, (tag, day), config, layers)
    };
    let more = tar_of(&[("etc/more", "more\n")]);
    let linked = link(
        "place",
        "elsewhere",
        tar_of(&[("elsewhere/kept", "kept\n")]),
    );
    let manifests = [
        image("1", &plain, 1, &[(&root, packed)]),
        image("relabelled", &labelled, 2, &[(&root, packed)]),
        image("repacked", &plain, 1, &[(&root, small)]),
        image("variable", &variable, 1, &[(&root, packed)]),
        image("user", &user, 1, &[(&root, packed)]),
        image("more", &plain, 1, &[(&root, packed), (&more, packed)]),
        image("linked", &plain, 1, &[(&root, packed), (&linked, packed)]),
    ];
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    let version = json!({"imageLayoutVersion": "1.0.0"});
    for (file, content) in [("index.json", index), ("oci-layout", version)] {
        fs_err::write(layout.join(file), content.to_string()).expect("a writable directory");
    }
}

/// Writes one image, and returns the entry of the index.
fn image(
    layout: &Path,
    (tag, day): (&str, u32),
    config: &Value,
    layers: &[(&[u8], Compression)],
) -> Value {
    let created = format!("2020-01-0{day}T00:00:00Z");
    let step = json!({"created": created, "created_by": "the base"});
    let config = json!({
        "created": created,
        "architecture": architecture(),
        "os": "linux",
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|(tar, _)| digest(tar)).collect::<Vec<_>>(),
        },
        "history": vec![step; layers.len()],
    });
    let layers = layers.iter().map(|(tar, level)| {
        let packed = pack(tar, *level);
        put(
            layout,
            "application/vnd.oci.image.layer.v1.tar+gzip",
            &packed,
        )
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": put(layout, media::CONFIG, config.to_string().as_bytes()),
        "layers": layers.collect::<Vec<_>>(),
    });
    let mut named = put(layout, media::MANIFEST, manifest.to_string().as_bytes());
    named["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    named
}

fn put(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    fs_err::create_dir_all(path.parent().expect("a digest has two parts"))
        .expect("a writable directory");
    fs_err::write(path, bytes).expect("a writable directory");
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

fn pack(tar: &[u8], level: Compression) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), level);
    packer.write_all(tar).expect("a vector takes all");
    packer.finish().expect("a vector takes all")
}

/// Returns the tar of busybox and of the files that name users.
fn root() -> Vec<u8> {
    let program = busybox().expect("looked for before");
    let program = fs_err::read(program).expect("busybox can be read");
    let mut builder = tar::Builder::new(Vec::new());
    for folder in ["bin", "etc", "srv", "tmp"] {
        add(&mut builder, EntryType::Directory, folder, &[]);
    }
    add(&mut builder, EntryType::Regular, "bin/busybox", &program);
    for command in COMMANDS {
        let mut header = header(EntryType::Symlink, 0);
        let name = format!("bin/{command}");
        builder
            .append_link(&mut header, name, "busybox")
            .expect("a vector takes all");
    }
    let users = "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n";
    add(
        &mut builder,
        EntryType::Regular,
        "etc/passwd",
        users.as_bytes(),
    );
    let groups = "root:x:0:\napp:x:1000:\n";
    add(
        &mut builder,
        EntryType::Regular,
        "etc/group",
        groups.as_bytes(),
    );
    builder.into_inner().expect("a vector takes all")
}

/// Returns a tar of a few files; their directories are in it as well.
pub(crate) fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        if let Some((folder, _)) = name.rsplit_once('/') {
            add(&mut builder, EntryType::Directory, folder, &[]);
        }
        add(&mut builder, EntryType::Regular, name, content.as_bytes());
    }
    builder.into_inner().expect("a vector takes all")
}

/// Returns a tar with a link before what is in another one.
fn link(name: &str, target: &str, rest: Vec<u8>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = header(EntryType::Symlink, 0);
    builder
        .append_link(&mut header, name, target)
        .expect("a vector takes all");
    let mut archive = tar::Archive::new(rest.as_slice());
    for entry in archive.entries().expect("made above") {
        let entry = entry.expect("made above");
        let mut header = entry.header().clone();
        let path = entry.path().expect("made above").into_owned();
        builder
            .append_data(&mut header, path, entry)
            .expect("a vector takes all");
    }
    builder.into_inner().expect("a vector takes all")
}

fn add(builder: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &str, content: &[u8]) {
    let mut header = header(kind, content.len());
    builder
        .append_data(&mut header, name, content)
        .expect("a vector takes all");
}

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(u64::try_from(size).expect("a small file"));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

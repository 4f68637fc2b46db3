//! What other programs read in an archive.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::entry::{DeviceKind, Entry, Kind};
use crate::index::LayerIndex;
use crate::path::EntryPath;
use crate::sample::{Item, any_layer, archive, entry, every_kind, fill};
use crate::write::Writer;

/// Finds the file that a hard link is of.
fn of<'a>(target: &EntryPath, items: &'a [Item]) -> &'a Entry {
    let found = items.iter().find(|(entry, _)| entry.path == *target);
    &found.expect("it is there").0
}

/// Says an entry in a line, as `READER` says it.
fn line((entry, content): &Item, items: &[Item]) -> String {
    let mut name = entry.path.as_bytes().to_vec();
    if entry.path.is_root() {
        name = b".".to_vec();
    }
    let marked =
        |mark: &[u8]| [entry.path.parent().unwrap_or_default().as_bytes(), mark].join(&b'/');
    let (mut kind, mut link, mut numbers) = (b'0', Vec::new(), (0, 0));
    match &entry.kind {
        Kind::File { .. } => {}
        Kind::Whiteout => {
            name = marked(&[b".wh.", entry.path.name().expect("not the root")].concat());
        }
        Kind::Opaque => name = [entry.path.as_bytes(), b".wh..wh..opq"].join(&b'/'),
        Kind::HardLink { target } => (kind, link) = (b'1', target.as_bytes().to_vec()),
        Kind::Symlink { target } => (kind, link) = (b'2', target.to_vec()),
        Kind::Device {
            kind: device,
            major,
            minor,
        } => {
            kind = match device {
                DeviceKind::Character => b'3',
                DeviceKind::Block => b'4',
            };
            numbers = (*major, *minor);
        }
        Kind::Directory => kind = b'5',
        Kind::Fifo => kind = b'6',
    }
    let name = name.strip_prefix(b"/").unwrap_or(&name).to_vec();
    let said = match &entry.kind {
        Kind::HardLink { target } => &of(target, items).metadata,
        _ => &entry.metadata,
    };
    let mut line = format!(
        "{} {} {:o} {} {} {} {} {} {},{} {}",
        hex::encode(name),
        kind as char,
        said.mode,
        said.uid,
        said.gid,
        said.mtime,
        content.len(),
        hex::encode(link),
        numbers.0,
        numbers.1,
        hex::encode(content),
    );
    for (name, value) in &said.xattrs {
        write!(line, " {}={}", hex::encode(name), hex::encode(value)).expect("memory");
    }
    line
}

/// Says what an archive on stdin says, a line for each entry.
const READER: &str = r#"
import os, sys, tarfile
raw = lambda text: os.fsencode(text).hex()
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
    for it in archive:
        content = archive.extractfile(it).read().hex() if it.isreg() else ""
        words = [raw(it.name), it.type.decode(), f"{it.mode:o}", str(it.uid), str(it.gid),
                 it.pax_headers.get("mtime", str(int(it.mtime))), str(it.size), raw(it.linkname),
                 f"{it.devmajor},{it.devminor}", content]
        mark = "SCHILY.xattr."
        for key, value in sorted(it.pax_headers.items()):
            if key.startswith(mark):
                words.append(raw(key[len(mark):]) + "=" + raw(value))
        print(" ".join(words))
"#;

/// Runs a program on some input, and gives what it prints.
fn run(command: &mut Command, input: Vec<u8>) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program is installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    feeding.join().expect("no panic").expect("it reads all");
    output.stdout
}

fn python_agrees(items: &[Item]) {
    let printed = run(Command::new("python3").args(["-c", READER]), archive(items));
    let printed = String::from_utf8(printed).expect("ASCII");
    let expected: Vec<String> = items.iter().map(|item| line(item, items)).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

/// Has GNU tar list an archive; names come with `\ooo` for what is no ASCII.
fn gnu_tar_agrees(items: &[Item]) {
    let mut command = Command::new("tar");
    command
        .args([
            "--list",
            "--verbose",
            "--numeric-owner",
            "--full-time",
            "--utc",
        ])
        .args([
            "--quoting-style=escape",
            "--warning=no-timestamp",
            "-f",
            "-",
        ])
        .env("LC_ALL", "C");
    let printed = String::from_utf8(run(&mut command, archive(items))).expect("ASCII");
    let printed: Vec<&str> = printed.lines().collect();
    assert_eq!(printed.len(), items.len());
    for (printed, item) in printed.iter().zip(items) {
        let (entry, _) = item;
        let said = match &entry.kind {
            Kind::HardLink { target } => &of(target, items).metadata,
            _ => &entry.metadata,
        };
        let owner = format!(" {}/{} ", said.uid, said.gid);
        assert!(printed.contains(&owner), "{printed}: {owner}");
        let letter = match entry.kind {
            Kind::Directory => 'd',
            Kind::HardLink { .. } => 'h',
            Kind::Symlink { .. } => 'l',
            Kind::Fifo => 'p',
            Kind::Device {
                kind: DeviceKind::Block,
                ..
            } => 'b',
            Kind::Device { .. } => 'c',
            _ => '-',
        };
        assert!(printed.starts_with(letter), "{printed}: {letter}");
        let ending = match &entry.kind {
            Kind::HardLink { target } => format!(
                " {} link to {}",
                escaped(entry.path.as_bytes()),
                escaped(target.as_bytes())
            ),
            Kind::Symlink { target } => {
                format!(" {} -> {}", escaped(entry.path.as_bytes()), escaped(target))
            }
            Kind::Directory if entry.path.is_root() => " ./".to_owned(),
            Kind::Directory => format!(" {}/", escaped(entry.path.as_bytes())),
            Kind::Opaque => "/.wh..wh..opq".to_owned(),
            Kind::Whiteout => format!(".wh.{}", escaped(entry.path.name().expect("no root"))),
            _ => format!(" {}", escaped(entry.path.as_bytes())),
        };
        assert!(
            printed.ends_with(&ending)
                || (entry.path.is_root() && printed.ends_with(" .wh..wh..opq")),
            "{printed}: {ending}",
        );
    }
}

/// Writes bytes as GNU tar does with `--quoting-style=escape`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            0x0b => text.push_str("\\v"),
            0x0c => text.push_str("\\f"),
            b' '..=b'~' => text.push(*byte as char),
            _ => write!(text, "\\{byte:03o}").expect("memory"),
        }
    }
    text
}

#[test]
fn others_read_every_kind() {
    python_agrees(&every_kind());
    gnu_tar_agrees(&every_kind());
}

#[test]
#[ignore = "writes 9 GiB through a pipe"]
fn gnu_tar_reads_a_file_of_nine_gibibytes() {
    let size = 9 << 30;
    let mut child = Command::new("tar")
        .args(["--list", "--verbose", "--full-time", "--utc", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is installed");
    let mut writer = Writer::new(child.stdin.take().expect("a pipe"));
    let large = entry("large", Kind::File { size });
    writer
        .file(&large, &mut std::io::repeat(0).take(size))
        .expect("well formed");
    writer
        .entry(&entry("small", Kind::Fifo))
        .expect("well formed");
    drop(writer.finish().expect("it reads all"));
    let output = child.wait_with_output().expect("it ends");
    let printed = String::from_utf8(output.stdout).expect("ASCII");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(
        lines[0].contains(" 9663676416 1970-01-01 00:00:00 large"),
        "{printed}"
    );
    assert!(lines[1].starts_with('p'), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn others_read_any_layer(items in any_layer()) {
        python_agrees(&items);
        gnu_tar_agrees(&items);
    }
}

proptest! {
    #[test]
    fn the_index_of_what_was_written_is_the_index_of_what_is_read(items in any_layer()) {
        // What removes such a name is longer than any name may be.
        prop_assume!(!items.iter().any(|(entry, _)| {
            entry.kind == Kind::Whiteout && entry.path.name().is_some_and(|name| name.len() > 251)
        }));
        let mut writer = Writer::new(Vec::new());
        fill(&mut writer, &items).expect("well formed");
        let (archive, written) = writer.finish().expect("memory");
        prop_assert_eq!(LayerIndex::read(&mut archive.as_slice()).expect("valid"), written);
    }
}

/// Is the name, the kind, the target and the content of an entry.
type Listed = (Vec<u8>, u8, Vec<u8>, Vec<u8>);

/// Reads an archive by the `tar` crate, as far as that goes.
fn listed(archive: &[u8]) -> Vec<Listed> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("an archive");
    entries
        .map(|entry| {
            let mut entry = entry.expect("well formed");
            let name = entry.path_bytes().into_owned();
            let kind = entry.header().entry_type().as_byte();
            let link = entry.link_name_bytes().unwrap_or_default().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("whole");
            (name, kind, link, content)
        })
        .collect()
}

/// Says whether anything that is said of an entry may stand in an extended
/// header and has a newline.
fn said_with_newline((entry, _): &Item, items: &[Item]) -> bool {
    let (link, metadata) = match &entry.kind {
        Kind::Symlink { target } => (target.as_ref(), &entry.metadata),
        Kind::HardLink { target } => (target.as_bytes(), &of(target, items).metadata),
        _ => (&[][..], &entry.metadata),
    };
    let values = metadata.xattrs.values().map(AsRef::as_ref);
    values
        .chain([entry.path.as_bytes(), link])
        .any(|value: &[u8]| value.contains(&b'\n'))
}

proptest! {
    #[test]
    fn the_tar_crate_reads_any_layer(items in any_layer()) {
        let listed = listed(&archive(&items));
        prop_assert_eq!(listed.len(), items.len());
        for ((name, kind, link, content), item) in listed.iter().zip(&items) {
            // To this crate a record ends at the first newline.
            if said_with_newline(item, &items) {
                continue;
            }
            let line = line(item, &items);
            let words: Vec<&str> = line.split(' ').collect();
            let name = name.strip_suffix(b"/").unwrap_or(name);
            let found = [hex::encode(name), char::from(*kind).to_string(), hex::encode(link)];
            prop_assert_eq!(found, [words[0], words[1], words[7]]);
            prop_assert_eq!(&item.1, content);
        }
    }
}

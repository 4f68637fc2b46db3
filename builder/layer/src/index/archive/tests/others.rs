//! Archives that other programs wrote, and archives that are damaged.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use super::*;
use crate::directory::{Directory, FoundKind};
use crate::sample::{any_layer, archive, every_kind};
use crate::tree::{NodeKind, Tree};

/// Makes a directory that has something of all that archives can have, as far
/// as any user can make it.
fn full(root: &Path) {
    let long = root.join("l".repeat(120)).join("m".repeat(130));
    fs_err::create_dir_all(long.join("n".repeat(100))).expect("space");
    let put = |name: &Path, content: &[u8]| fs_err::write(name, content).expect("space");
    put(&long.join("o".repeat(200)), b"far");
    put(&root.join("empty"), b"");
    put(&root.join("first"), &b"block".repeat(5000));
    fs_err::hard_link(root.join("first"), root.join("second")).expect("the same disk");
    put(&root.join("\u{e4}\u{1f980}"), b"text");
    put(&root.join(OsStr::from_bytes(b"a\xff\n=b")), b"no text");
    put(&root.join("short"), b"s");
    fs_err::hard_link(root.join("short"), long.join("p")).expect("the same disk");
    for (name, target) in [("link", "../x/"), ("long link", &*"t/".repeat(150))] {
        std::os::unix::fs::symlink(target, root.join(name)).expect("space");
    }
    rustix::fs::mknodat(
        CWD,
        root.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .expect("space");
    let sparse = fs_err::File::create(root.join("sparse")).expect("space");
    for (number, part) in (1..40_u64).zip(b"0123456789".iter().cycle()) {
        let piece = [*part; 4096];
        std::os::unix::fs::FileExt::write_all_at(sparse.file(), &piece, number * 65536)
            .expect("space");
    }
    sparse.set_len(40 * 65536 + 7).expect("space");
    let times = [
        ("empty", -7),
        ("first", 0),
        ("short", 1 << 33),
        ("sparse", 1_700_000_000),
    ];
    for (name, tv_sec) in times {
        let time = Timespec { tv_sec, tv_nsec: 0 };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, root.join(name), &times, AtFlags::empty()).expect("space");
    }
    rustix::fs::chmod(root.join("first"), Mode::from_raw_mode(0o4751)).expect("it is ours");
}

/// Says what a directory has, a line for each path.
fn on_disk(root: &Path) -> Vec<String> {
    let directory = Directory::open(root).expect("it is there");
    let mut lines = Vec::new();
    let mut open = vec![EntryPath::root()];
    while let Some(at) = open.pop() {
        let found = directory.stat(&at).expect("readable").expect("it is there");
        let what = match found.kind {
            FoundKind::Directory => {
                let names = directory.names(&at).expect("readable");
                open.extend(names.iter().rev().map(|name| at.child(name)));
                String::from("/")
            }
            FoundKind::Symlink => format!(
                " -> {}",
                directory.link(&at).expect("a link").escape_ascii()
            ),
            FoundKind::File => {
                let mut content = Vec::new();
                let mut held = directory.read(&at, &found).expect("readable");
                held.read_to_end(&mut content).expect("readable");
                format!(" {}", digest(&content))
            }
            _ => String::from(" |"),
        };
        lines.push(format!(
            "{at}{what} {:o} {} {}",
            found.mode, found.uid, found.mtime.0
        ));
    }
    lines
}

/// Says what an archive has, a line for each path.
fn in_archive(archive: &[u8]) -> Vec<String> {
    let index = LayerIndex::read(&mut &*archive).expect("an archive");
    let mut tree = Tree::new();
    tree.apply(0, &index).expect("well formed");
    let place = |name| match &tree.node(&path(name)).expect("it is there").kind {
        NodeKind::File(file) => file.place,
        other => panic!("{other:?}"),
    };
    assert_eq!(place("first"), place("second"), "hard links");
    let lines = tree.walk(&EntryPath::root()).map(|(at, node)| {
        let what = match &node.kind {
            NodeKind::Directory(_) => String::from("/"),
            NodeKind::File(file) => {
                assert_eq!(file.place.origin, 0);
                format!(" {}", file.digest.expect("read"))
            }
            NodeKind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
            _ => String::from(" |"),
        };
        let metadata = &node.metadata;
        format!(
            "{at}{what} {:o} {} {}",
            metadata.mode,
            metadata.uid,
            // Some forms have no room for more, and Python rounds it.
            metadata.mtime.seconds()
        )
    });
    lines.collect()
}

fn written(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the program is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}

/// Makes [`full`], and says what it has.
fn made() -> (tempfile::TempDir, Vec<String>) {
    let root = tempfile::tempdir().expect("space");
    full(root.path());
    let lines = on_disk(root.path());
    assert_eq!(lines.len(), 16);
    (root, lines)
}

#[test]
fn what_gnu_tar_writes() {
    let (root, lines) = made();
    for options in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=posix"],
        &["--format=gnu", "--sparse"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0"],
        &["--format=posix", "--label=a name"],
    ] {
        let mut command = Command::new("tar");
        command
            .args(["--create", "--directory"])
            .arg(root.path())
            .args(options)
            .arg(".");
        assert_eq!(in_archive(&written(&mut command)), lines, "{options:?}");
    }
}

#[test]
fn sparse_files_are_known_in_each_form() {
    let (root, _) = made();
    for options in [
        &["--format=gnu"][..],
        &["--format=posix"],
        &["--format=posix", "--sparse-version=0.1"],
    ] {
        let mut command = Command::new("tar");
        command
            .args(["--create", "--sparse", "--directory"])
            .arg(root.path())
            .args(options)
            .arg("sparse");
        let archive = written(&mut command);
        assert!(archive.len() < 512 * 1024, "it has holes");
        let index = LayerIndex::read(&mut archive.as_slice()).expect("an archive");
        let [record] = index.records() else {
            panic!("one file: {index:?}");
        };
        assert_eq!(
            record.entry.kind,
            Kind::File {
                size: 40 * 65536 + 7
            }
        );
        assert_eq!(record.content.as_ref().expect("a file").offset, None);
    }
}

#[test]
fn what_python_writes() {
    const WRITER: &str = "
import sys, tarfile
form = {'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT}[sys.argv[2]]
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=form, encoding='utf-8',
                  errors='surrogateescape') as archive:
    archive.add(sys.argv[1], arcname='.')
";
    let (root, lines) = made();
    for form in ["gnu", "pax"] {
        let mut command = Command::new("python3");
        command.args(["-c", WRITER]).arg(root.path()).arg(form);
        assert_eq!(in_archive(&written(&mut command)), lines, "{form}");
    }
}

#[test]
fn the_oldest_forms() {
    let root = tempfile::tempdir().expect("space");
    let long = root.path().join("l".repeat(90));
    fs_err::create_dir(&long).expect("space");
    fs_err::write(root.path().join("first"), "x").expect("space");
    fs_err::hard_link(root.path().join("first"), root.path().join("second"))
        .expect("the same disk");
    fs_err::write(long.join("short"), "x").expect("space");
    for form in ["v7", "ustar"] {
        if form == "ustar" {
            fs_err::write(long.join("n".repeat(90)), "far").expect("space");
        }
        let mut command = Command::new("tar");
        command
            .args(["--create", "--directory"])
            .arg(root.path())
            .args(["--format", form, "."]);
        assert_eq!(
            in_archive(&written(&mut command)),
            on_disk(root.path()),
            "{form}"
        );
    }
}

/// Reads whatever comes; all that counts is that there is an answer.
fn read_any(archive: &[u8]) {
    if let Ok(index) = LayerIndex::read(&mut &*archive) {
        assert_eq!(LayerIndex::decode(&index.encode()).expect("encoded"), index);
        let _ = Tree::new().apply(0, &index);
    }
}

/// Gives each header of an archive a right checksum, so that damage gets past
/// the first check.
fn sum_up(archive: &mut [u8]) {
    for block in archive
        .chunks_exact_mut(512)
        .filter(|block| block[257..262] == *b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_damage_gets_an_answer(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        thread_local!(static WHOLE: Vec<u8> = {
            let mut whole = archive(&every_kind());
            whole.truncate(whole.len() - 1024);
            whole.extend(sparse::sparse(&[(0, 3), (1024, 2)], 1200, b"abcde"));
            whole.extend(extended(&[("GNU.sparse.map", b"0,3,9,1"), ("GNU.sparse.size", b"12")]));
            whole.extend(member("map", b'0', b"abcd"));
            whole.extend(extended(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"12")]));
            let mut content = b"2\n0\n3\n9\n1\n".to_vec();
            content.resize(512, 0);
            whole.extend(member("map", b'0', &[&content[..], b"abcd"].concat()));
            LayerIndex::read(&mut whole.as_slice()).expect("valid");
            whole
        });
        let mut archive = WHOLE.with(Vec::clone);
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        sum_up(&mut archive);
        if is_cut {
            archive.truncate(cut.index(archive.len()));
        }
        read_any(&archive);
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_any(&bytes);
        let _ = LayerIndex::decode(&bytes);
        let _ = LayerIndex::decode(&[&[1], bytes.as_slice()].concat());
    }

    #[test]
    fn indexes_come_back_and_damaged_ones_do_not_panic(
        items in any_layer(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut writer = crate::write::Writer::new(Vec::new());
        prop_assume!(crate::sample::fill(&mut writer, &items).is_ok());
        let (_, index) = writer.finish().expect("memory");
        let mut encoded = index.encode();
        prop_assert_eq!(LayerIndex::decode(&encoded).expect("encoded"), index);
        let at = at.index(encoded.len());
        prop_assert!(LayerIndex::decode(&encoded[..at]).is_err());
        prop_assert!(LayerIndex::decode(&[&encoded[..], &[0]].concat()).is_err());
        encoded[at] = byte;
        let _ = LayerIndex::decode(&encoded);
    }
}

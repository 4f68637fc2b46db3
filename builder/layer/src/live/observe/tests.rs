//! Tests of looking at directories.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Uid, XattrFlags};

use super::*;
use crate::error::ErrorKind;
use crate::live::{Given, LINK_OWNERS, Marks, RECORDED_NODE, RECORDED_OWNER};
use crate::sample::path;
use crate::time::Time;

const RECORDED: Rights = Rights {
    owners: Given::Recorded,
    devices: Given::Recorded,
    attributes: Given::Recorded,
};
const OVERLAY: Form = Form::Overlay { marks: Marks::User };

fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn seen(directory: &Path, form: Form) -> Result<Observation, Error> {
    let directory = Directory::open(directory).unwrap();
    observe(&directory, (form, RECORDED))
}

fn find<'a>(observation: &'a Observation, text: &str) -> &'a Seen {
    let mut seen = observation.seen.iter();
    seen.find(|seen| seen.path == path(text)).unwrap()
}

#[test]
fn what_is_recorded_is_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["owned", "plain", "node"] {
        fs_err::write(at(name), b"").unwrap();
    }
    set(&at("owned"), RECORDED_OWNER, b"1000:1001");
    set(&at("owned"), "user.kept", b"1");
    set(&at("node"), RECORDED_NODE, b"b 7:200");
    set(&at("node"), RECORDED_OWNER, b"0:6");
    symlink("target", at("one")).unwrap();
    symlink("target", at("two")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    for name in ["pipe", "unlisted"] {
        rustix::fs::mknodat(rustix::fs::CWD, at(name), pipe, 0o644.into(), 0).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let record = b"7:8 \x005:6 one\x004:4 pipe\x003:3 socket\x000:0 two\0";
    set(directory.path(), LINK_OWNERS, record);
    let observation = seen(directory.path(), Form::Plain).unwrap();
    let owner = |name| {
        let metadata = &find(&observation, name).metadata;
        (metadata.uid, metadata.gid)
    };
    assert_eq!(owner("owned"), (1000, 1001));
    assert_eq!(owner("plain"), (0, 0));
    assert_eq!(owner("node"), (0, 6));
    assert_eq!(owner("one"), (5, 6));
    assert_eq!(owner("two"), (0, 0));
    assert_eq!(owner("pipe"), (4, 4));
    assert_eq!(owner("socket"), (3, 3));
    assert_eq!(owner("unlisted"), (7, 8));
    set(directory.path(), LINK_OWNERS, b"5:6 one\0");
    let observation = seen(directory.path(), Form::Plain).unwrap();
    let unlisted = &find(&observation, "unlisted").metadata;
    assert_eq!((unlisted.uid, unlisted.gid), (0, 0));
    let xattrs: Vec<_> = find(&observation, "owned").metadata.xattrs.keys().collect();
    assert_eq!(xattrs, [&Box::from(*b"user.kept")]);
    assert!(find(&observation, "").metadata.xattrs.is_empty());
    let kind = DeviceKind::Block;
    let (major, minor) = (7, 200);
    let device = SeenKind::Device { kind, major, minor };
    assert_eq!(find(&observation, "node").kind, device);
    for record in ["5", "5:x", "-1:0"] {
        set(&at("owned"), RECORDED_OWNER, record.as_bytes());
        let error = seen(directory.path(), Form::Plain).expect_err("no owner");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{record}");
    }
}

#[test]
fn marks_of_overlays_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["opaque", "other"] {
        fs_err::create_dir(at(name)).unwrap();
    }
    set(&at("opaque"), "user.overlay.opaque", b"y");
    set(&at("other"), "user.overlay.opaque", b"x");
    fs_err::write(at("other/gone"), b"").unwrap();
    set(&at("other/gone"), "user.overlay.whiteout", b"");
    let observation = seen(directory.path(), OVERLAY).unwrap();
    let opaque = |name| find(&observation, name).kind == SeenKind::Directory { opaque: true };
    assert!(opaque("opaque"));
    assert!(!opaque("other"));
    assert_eq!(observation.gone, [path("other/gone")]);
    // It says nothing where nothing lies below.
    let observation = seen(directory.path(), Form::Plain).unwrap();
    assert_eq!(observation.gone, []);
    assert_eq!(observation.seen.len(), 4);
    set(&at("opaque"), "user.overlay.redirect", b"/elsewhere");
    let error = seen(directory.path(), OVERLAY).expect_err("a redirect");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_its_owner_may_not_read_is_read_and_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs_err::create_dir(at("closed")).unwrap();
    fs_err::write(at("closed/file"), b"content").unwrap();
    let change = |name: &str, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(at(name), permissions).unwrap();
    };
    change("closed/file", 0);
    change("closed", 0);
    let memory = Memory::of(&Directory::open(directory.path()).unwrap()).unwrap();
    let observation = seen(directory.path(), Form::Plain).unwrap();
    let file = find(&observation, "closed/file");
    let digest = Digest::sha256(b"content");
    assert_eq!(file.kind, SeenKind::File { size: 7, digest });
    assert_eq!(file.metadata.mode, 0);
    assert_eq!(find(&observation, "closed").metadata.mode, 0);
    let is_open = |name: &str| fs_err::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(is_open("closed"), 0);
    change("closed", 0o700);
    assert_eq!(is_open("closed/file"), 0);
    let directory = Directory::open(directory.path()).unwrap();
    let observation = memory.observe(&directory, RECORDED).unwrap();
    assert_eq!(find(&observation, "closed").metadata.mode, 0o700);
}

#[test]
fn what_is_as_it_was_is_not_looked_at() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let directory = Directory::open(scratch.path()).unwrap();
    for name in ["d", "d/e", "gone", "gone/deep"] {
        fs_err::create_dir(at(name)).unwrap();
    }
    for name in ["d/kept", "d/written", "d/e/linked", "replaced", "gone/x"] {
        fs_err::write(at(name), b"before").unwrap();
    }
    fs_err::hard_link(at("d/e/linked"), at("other")).unwrap();
    // The clock of the file system has to go on, or all may have changed.
    let tick = |name: &str| {
        let start = fs_err::metadata(at(name)).unwrap().modified().unwrap();
        while fs_err::metadata(at(name)).unwrap().modified().unwrap() == start {
            fs_err::write(at(name), b"").unwrap();
        }
    };
    fs_err::write(at("clock"), b"").unwrap();
    tick("clock");
    let memory = Memory::of(&directory).unwrap();
    tick("clock");
    fs_err::write(at("d/written"), b"after").unwrap();
    fs_err::remove_dir_all(at("gone")).unwrap();
    fs_err::remove_file(at("replaced")).unwrap();
    fs_err::create_dir(at("replaced")).unwrap();
    fs_err::rename(at("d/e"), at("d/f")).unwrap();
    let observation = memory.observe(&directory, RECORDED).unwrap();
    let paths: Vec<String> = observation
        .seen
        .iter()
        .map(|seen| seen.path.to_string())
        .collect();
    // The other name of a file that is elsewhere now is here too.
    let expected = [
        "/",
        "/clock",
        "/d",
        "/d/f",
        "/d/f/linked",
        "/d/written",
        "/other",
        "/replaced",
    ];
    assert_eq!(paths, expected);
    assert_eq!(observation.gone, ["d/e", "gone"].map(path));
}

#[test]
fn times_keep_their_nanoseconds() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs_err::write(&file, b"").unwrap();
    let time = rustix::fs::Timespec {
        tv_sec: -5,
        tv_nsec: 250,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let nowhere = rustix::fs::CWD;
    rustix::fs::utimensat(nowhere, &file, &times, AtFlags::empty()).unwrap();
    let observation = seen(directory.path(), Form::Plain).unwrap();
    let found = find(&observation, "file").metadata.mtime;
    assert_eq!(Some(found), Time::new(-5, 250));
}

#[test]
fn a_capability_is_of_no_root() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs_err::write(&file, b"").unwrap();
    let owner = (Some(Uid::from_raw(7)), Some(Gid::from_raw(8)));
    if rustix::fs::chown(&file, owner.0, owner.1).is_err() {
        println!("left out: owners are given by root");
        return;
    }
    let value = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    set(&file, "security.capability", value);
    let rights = Rights {
        owners: Given::Really,
        ..RECORDED
    };
    let opened = Directory::open(directory.path()).unwrap();
    let observation = observe(&opened, (Form::Plain, rights)).unwrap();
    let metadata = &find(&observation, "file").metadata;
    assert_eq!((metadata.uid, metadata.gid), (7, 8));
    let found = metadata.xattrs.get(&b"security.capability"[..]);
    assert_eq!(found.map(AsRef::as_ref), Some(&value[..]));
}

#[test]
fn a_million_paths_are_remembered_in_little() {
    let mut list = List::default();
    for number in 0..1_000_000_u64 {
        let text = format!(
            "usr/lib/python3/dist-packages/package{:04}/module_{:03}.py",
            number / 500,
            number % 500
        );
        let number_of_clock = 123_456_789 + number * 977 % 800_000_000;
        list.push(Record::test(
            &path(&text),
            400_000 + number,
            (1_700_000_000, number_of_clock),
        ));
    }
    list.shrink();
    let each = list.size() / 1_000_000;
    println!("{each} bytes for each path");
    assert!(each < 40, "{each} bytes for each path");
    assert_eq!(list.iter().count(), 1_000_000);
}

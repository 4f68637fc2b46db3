use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Timespec, Timestamps, XattrFlags};

use super::*;
use crate::error::ErrorKind;
use crate::sample::path;

/// Is what happens to a file, and its name.
type Change<T> = (&'static str, fn(&T));

/// Makes a directory with one of each kind, and what leads out of it.
fn made() -> (tempfile::TempDir, Directory) {
    let root = tempfile::tempdir().expect("space");
    let at = |name: &str| root.path().join(name);
    fs_err::create_dir_all(at("d/e")).expect("space");
    fs_err::write(at("d/f"), "content").expect("space");
    past(&at("d/f"));
    fs_err::write(at("d/empty"), "").expect("space");
    symlink("d", at("to d")).expect("space");
    symlink("/etc", at("out")).expect("space");
    symlink("..", at("d/up")).expect("space");
    rustix::fs::mknodat(
        CWD,
        at("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o640),
        0,
    )
    .expect("space");
    UnixListener::bind(at("socket")).expect("space");
    let directory = Directory::open(root.path()).expect("it is there");
    (root, directory)
}

/// Gives a file a time long ago, so that whatever changes it is seen, however
/// coarse the clock of the file system is.
fn past(at: &Path) {
    let time = Timespec {
        tv_sec: 1000,
        tv_nsec: 5,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, at, &times, AtFlags::empty()).expect("it is ours");
}

fn found(directory: &Directory, at: &str) -> Found {
    directory
        .stat(&path(at))
        .expect("readable")
        .expect("it is there")
}

#[test]
fn what_is_there_is_found() {
    let (_root, directory) = made();
    for (at, kind) in [
        ("", FoundKind::Directory),
        ("d", FoundKind::Directory),
        ("d/f", FoundKind::File),
        ("to d", FoundKind::Symlink),
        ("pipe", FoundKind::Fifo),
        ("socket", FoundKind::Socket),
    ] {
        assert_eq!(found(&directory, at).kind, kind, "{at}");
    }
    let file = found(&directory, "d/f");
    assert_eq!((file.size, file.mtime, file.links), (7, (1000, 5), 1));
    assert_eq!(file.device, found(&directory, "").device);
    for at in ["none", "none/x", "d/e/x"] {
        assert_eq!(directory.stat(&path(at)).expect("readable"), None, "{at}");
    }
    let names = directory.names(&EntryPath::root()).expect("readable");
    let expected = [&b"d"[..], b"out", b"pipe", b"socket", b"to d"];
    assert!(names.iter().map(AsRef::as_ref).eq(expected), "{names:?}");
    assert_eq!(
        directory.link(&path("out")).expect("a link"),
        b"/etc"[..].into()
    );
    assert_eq!(
        directory.link(&path("d/up")).expect("a link"),
        b".."[..].into()
    );
    assert!(directory.link(&path("d/f")).is_err());
    let null = Directory::open(Path::new("/dev")).expect("it is there");
    assert_eq!(found(&null, "null").kind, FoundKind::Device);
}

#[test]
fn no_link_is_followed() {
    let (_root, directory) = made();
    let file = found(&directory, "d/f");
    for at in ["out/passwd", "to d/f", "d/up/d/f", "d/f/x"] {
        assert!(directory.stat(&path(at)).is_err(), "{at}");
        assert!(directory.link(&path(at)).is_err(), "{at}");
        assert!(directory.xattrs(&path(at)).is_err(), "{at}");
        assert!(directory.read(&path(at), &file).is_err(), "{at}");
        // The same where the kernel resolves names one by one.
        let steps = directory.step_by_step(&path(at), OFlags::RDONLY | OFlags::CLOEXEC);
        assert!(
            matches!(steps, Err(Errno::LOOP | Errno::NOTDIR)),
            "{at}: {steps:?}"
        );
    }
    for at in ["out", "to d", "d/up"] {
        assert!(directory.names(&path(at)).is_err(), "{at}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let steps = directory.step_by_step(&path(at), flags);
        assert!(
            matches!(steps, Err(Errno::LOOP | Errno::NOTDIR)),
            "{at}: {steps:?}"
        );
    }
    // What both find is the same.
    for at in ["", "d", "d/f", "pipe"] {
        let one = directory
            .step_by_step(&path(at), OFlags::PATH)
            .expect("it is there");
        let stat = rustix::fs::fstat(&one).expect("it is open");
        assert_eq!(Found::of(&stat), found(&directory, at), "{at}");
    }
}

#[test]
fn a_file_is_read_as_it_was_found() {
    let (_root, directory) = made();
    for (at, content) in [("d/f", &b"content"[..]), ("d/empty", b"")] {
        let mut held = directory
            .read(&path(at), &found(&directory, at))
            .expect("as it was");
        let mut read = Vec::new();
        held.read_to_end(&mut read).expect("as it was");
        assert_eq!(read, content, "{at}");
        assert_eq!(held.read(&mut [0]).expect("the end stays the end"), 0);
    }
}

#[test]
fn what_takes_its_place_is_not_read() {
    let changes: [Change<Path>; 6] = [
        ("longer", |at| {
            fs_err::write(at, "content and more").expect("space")
        }),
        ("other content", |at| {
            fs_err::write(at, "CONTENT").expect("space")
        }),
        ("another file", |at| {
            fs_err::write(at.with_extension("new"), "content").expect("space");
            past(&at.with_extension("new"));
            fs_err::rename(at.with_extension("new"), at).expect("the same disk");
        }),
        ("a pipe", |at| {
            fs_err::remove_file(at).expect("it is there");
            rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                .expect("space");
        }),
        ("a link", |at| {
            fs_err::rename(at, at.with_extension("old")).expect("the same disk");
            symlink(at.with_extension("old"), at).expect("space");
        }),
        ("nothing", |at| {
            fs_err::remove_file(at).expect("it is there")
        }),
    ];
    for (name, change) in changes {
        let (root, directory) = made();
        let before = found(&directory, "d/f");
        change(&root.path().join("d/f"));
        let error = directory.read(&path("d/f"), &before).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Changed, "{name}");
        assert!(
            error
                .to_string()
                .ends_with("/d/f` changed while it was read"),
            "{error}"
        );
    }
}

#[test]
fn what_changes_while_it_is_read_is_no_content() {
    let changes: [Change<fs_err::File>; 4] = [
        ("shorter", |file| file.set_len(5).expect("it is ours")),
        ("longer", |mut file| {
            file.write_all(&[b'x'; 600]).expect("space")
        }),
        ("other content", |file| {
            file.file().write_all_at(b"x", 2).expect("space")
        }),
        ("other permissions", |file| {
            // This changes no time but the one that nobody can set.
            let file = file.file();
            while {
                let stat = rustix::fs::fstat(file).expect("it is open");
                rustix::fs::fchmod(file, Mode::from_raw_mode(stat.st_mode ^ 0o1))
                    .expect("it is ours");
                let now = rustix::fs::fstat(file).expect("it is open");
                (now.st_ctime, now.st_ctime_nsec) == (stat.st_ctime, stat.st_ctime_nsec)
            } {}
        }),
    ];
    for (name, change) in changes {
        for buffer in [1, 3, 7, 100] {
            let (root, directory) = made();
            let at = root.path().join("d/f");
            let mut held = directory
                .read(&path("d/f"), &found(&directory, "d/f"))
                .expect("as it was");
            let file = fs_err::OpenOptions::new()
                .append(name == "longer")
                .write(true)
                .open(at)
                .expect("ours");
            let mut buffer = vec![0; buffer];
            if buffer.len() < 7 {
                held.read_exact(&mut buffer).expect("as it was");
            }
            change(&file);
            let error = std::io::copy(&mut held, &mut std::io::sink()).expect_err(name);
            assert_eq!(Error::io("", error).kind(), ErrorKind::Changed, "{name}");
        }
    }
}

#[test]
fn attributes_are_read() {
    let (root, directory) = made();
    assert_eq!(
        directory.xattrs(&path("d/f")).expect("readable"),
        BTreeMap::new()
    );
    let set = |name: &str, value: &[u8]| {
        rustix::fs::setxattr(root.path().join("d/f"), name, value, XattrFlags::empty())
    };
    match set("user.one", b"1\n\0") {
        // Some file systems have none.
        Err(Errno::NOTSUP) => return,
        done => done.expect("it is ours"),
    }
    set("user.two", b"").expect("it is ours");
    let expected = [
        (b"user.one"[..].into(), b"1\n\0"[..].into()),
        (b"user.two"[..].into(), b""[..].into()),
    ];
    assert_eq!(
        directory.xattrs(&path("d/f")).expect("readable"),
        expected.into()
    );
    assert!(directory.xattrs(&path("to d")).is_err());
    assert_eq!(
        directory
            .xattrs(&path("pipe"))
            .expect("no one waits for it"),
        BTreeMap::new()
    );
}

#[test]
fn only_a_directory_is_opened() {
    let (root, _directory) = made();
    assert!(Directory::open(&root.path().join("to d")).is_ok());
    for name in ["none", "d/f", "pipe"] {
        let error = Directory::open(&root.path().join(name)).expect_err("no directory");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(name), "{error}");
    }
}

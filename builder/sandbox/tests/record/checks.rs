//! What commands do and expect. Real root sees the same: where the tests run
//! as root, each check is made without any filter too.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, StatxFlags, Uid, XattrFlags,
};
use rustix::io::Errno;

#[path = "people.rs"]
mod people;
#[path = "races.rs"]
mod races;

use people::{
    capabilities_are_kept, children_inherit, others_may_not, programs_of_others, users_are_given_up,
};
use races::{links_to_nowhere, marks_elsewhere, memory_of_others};

/// A check, which gets an empty directory.
type Check = fn(&Path);

/// All of them.
pub const ALL: &[(&str, Check)] = &[
    ("owners-are-seen", owners_are_seen),
    ("a-change-takes-bits-away", a_change_takes_bits_away),
    ("files-without-rights", files_without_rights),
    ("devices", devices),
    ("links-keep-their-owner", links_keep_their_owner),
    ("users-are-given-up", users_are_given_up),
    ("capabilities-are-kept", capabilities_are_kept),
    ("new-files", new_files),
    ("groups-of-directories", groups_of_directories),
    ("children-inherit", children_inherit),
    ("programs-of-others", programs_of_others),
    ("paths", paths),
    ("others-may-not", others_may_not),
    ("threads", threads),
    ("links-to-nowhere", links_to_nowhere),
];

/// Checks that real root does not pass.
pub const OWN: &[(&str, Check)] = &[
    ("records-are-hidden", records_are_hidden),
    ("many-links", many_links),
    ("memory-of-others", memory_of_others),
    ("marks-elsewhere", marks_elsewhere),
];

fn chown(path: &Path, user: u32, group: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(group)).unwrap();
}

/// Gives owner and group of a name.
fn of(path: &Path) -> (u32, u32) {
    let status = path.symlink_metadata().unwrap();
    (status.uid(), status.gid())
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Does a system call; the standard library would do it in all threads.
fn call(number: libc::c_long, arguments: [u32; 3]) -> Result<i64, Errno> {
    let [a, b, c] = arguments;
    // SAFETY: it is called with calls alone that take numbers.
    let result = unsafe { libc::syscall(number, a, b, c) };
    if result >= 0 {
        return Ok(result);
    }
    let code = std::io::Error::last_os_error().raw_os_error().unwrap();
    Err(Errno::from_raw_os_error(code))
}

const KEPT: u32 = u32::MAX;

fn owners_are_seen(here: &Path) {
    let (file, dir, link, fifo) = (
        here.join("f"),
        here.join("d"),
        here.join("l"),
        here.join("p"),
    );
    fs_err::write(&file, "x").unwrap();
    fs_err::create_dir(&dir).unwrap();
    symlink("f", &link).unwrap();
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    for (number, path) in [&file, &dir, &link, &fifo].into_iter().enumerate() {
        let user = 10 + u32::try_from(number).unwrap();
        assert_eq!(of(path), (0, 0), "{path:?}");
        chown(path, user, 99);
        assert_eq!(of(path), (user, 99), "{path:?}");
        chown(path, KEPT, 98);
        chown(path, 20 + user, KEPT);
        assert_eq!(of(path), (20 + user, 98), "{path:?}");
        let status =
            rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::UID).unwrap();
        assert_eq!(
            (status.stx_uid, status.stx_gid),
            (20 + user, 98),
            "{path:?}"
        );
    }
    assert_eq!(fs_err::metadata(&link).unwrap().uid(), 30, "it is followed");
    let open = fs_err::File::open(&file).unwrap();
    assert_eq!(open.metadata().unwrap().uid(), 30);
    rustix::fs::fchown(&open, Some(Uid::from_raw(7)), None).unwrap();
    assert_eq!(of(&file), (7, 98));
    fs_err::hard_link(&file, here.join("h")).unwrap();
    assert_eq!(of(&here.join("h")), (7, 98));
    chown(&file, 0, 0);
    assert_eq!(of(&here.join("h")), (0, 0));
}

fn a_change_takes_bits_away(here: &Path) {
    let file = here.join("f");
    for (before, after) in [
        (0o6755, 0o755),
        (0o2644, 0o2644),
        (0o4644, 0o644),
        (0o2755, 0o755),
    ] {
        fs_err::write(&file, "").unwrap();
        set_mode(&file, before);
        chown(&file, 5, 5);
        assert_eq!(mode(&file), after, "{before:o}");
    }
    let dir = here.join("d");
    fs_err::create_dir(&dir).unwrap();
    set_mode(&dir, 0o6755);
    chown(&dir, 5, 5);
    assert_eq!(mode(&dir), 0o6755);
    // cap_net_raw=ep, version 2.
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let name = "security.capability";
    rustix::fs::setxattr(&file, name, &capability, XattrFlags::empty()).unwrap();
    assert_eq!(rustix::fs::getxattr_query(&file, name), Ok(20));
    chown(&file, 5, 5);
    assert_eq!(rustix::fs::getxattr_query(&file, name), Err(Errno::NODATA));
}

fn files_without_rights(here: &Path) {
    for bits in [0o000, 0o444, 0o111] {
        let file = here.join(format!("{bits:o}"));
        fs_err::write(&file, "x").unwrap();
        set_mode(&file, bits);
        chown(&file, 3, 4);
        assert_eq!((of(&file), mode(&file)), ((3, 4), bits));
        let dir = here.join(format!("d{bits:o}"));
        fs_err::create_dir(&dir).unwrap();
        symlink("x", dir.join("l")).unwrap();
        set_mode(&dir, bits);
        chown(&dir, 3, 4);
        chown(&dir.join("l"), 5, 6);
        assert_eq!(
            (of(&dir), mode(&dir), of(&dir.join("l"))),
            ((3, 4), bits, (5, 6))
        );
    }
}

fn devices(here: &Path) {
    let make = |name: &str, kind, device| {
        rustix::fs::mknodat(
            CWD,
            here.join(name),
            kind,
            Mode::from_raw_mode(0o666),
            device,
        )
    };
    make("c", FileType::CharacterDevice, libc::makedev(1, 3)).unwrap();
    make("b", FileType::BlockDevice, libc::makedev(7, 300)).unwrap();
    make("r", FileType::RegularFile, 0).unwrap();
    assert_eq!(
        make("c", FileType::CharacterDevice, libc::makedev(1, 3)),
        Err(Errno::EXIST)
    );
    for (name, kind, device) in [("c", libc::S_IFCHR, (1, 3)), ("b", libc::S_IFBLK, (7, 300))] {
        let path = here.join(name);
        let status = path.metadata().unwrap();
        assert_eq!(status.mode(), kind | 0o644, "{name}");
        assert_eq!(status.rdev(), libc::makedev(device.0, device.1), "{name}");
        let more = rustix::fs::statx(CWD, &path, AtFlags::empty(), StatxFlags::ALL).unwrap();
        assert_eq!((more.stx_rdev_major, more.stx_rdev_minor), device, "{name}");
        assert_eq!(u32::from(more.stx_mode), kind | 0o644, "{name}");
        chown(&path, 8, 9);
        assert_eq!(
            (of(&path), path.metadata().unwrap().mode()),
            ((8, 9), kind | 0o644)
        );
    }
    assert_eq!(
        here.join("r").metadata().unwrap().mode(),
        libc::S_IFREG | 0o644
    );
    set_mode(here, 0o777);
    call(libc::SYS_setuid, [1000, 0, 0]).unwrap();
    assert_eq!(
        make("x", FileType::CharacterDevice, libc::makedev(1, 3)),
        Err(Errno::PERM)
    );
}

fn links_keep_their_owner(here: &Path) {
    let at = |name: &str| here.join(name);
    fs_err::create_dir(at("d")).unwrap();
    symlink("x", at("l")).unwrap();
    chown(&at("l"), 7, 8);
    fs_err::rename(at("l"), at("d/m")).unwrap();
    assert_eq!(of(&at("d/m")), (7, 8));
    symlink("x", at("l")).unwrap();
    assert_eq!(of(&at("l")), (0, 0), "the record moved");
    fs_err::rename(at("l"), at("d/m")).unwrap();
    assert_eq!(of(&at("d/m")), (0, 0), "it was replaced");
    symlink("x", at("l")).unwrap();
    chown(&at("l"), 9, 9);
    let flags = RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(CWD, at("l"), CWD, at("d/m"), flags).unwrap();
    assert_eq!((of(&at("l")), of(&at("d/m"))), ((0, 0), (9, 9)));
    fs_err::remove_file(at("d/m")).unwrap();
    symlink("x", at("d/m")).unwrap();
    assert_eq!(of(&at("d/m")), (0, 0), "it is another one");
    chown(&at("d/m"), 5, 5);
    fs_err::remove_file(at("d/m")).unwrap();
    fs_err::write(at("d/m"), "").unwrap();
    assert_eq!(of(&at("d/m")), (0, 0), "it is a file");
}

fn new_files(here: &Path) {
    set_mode(here, 0o777);
    call(libc::SYS_setresgid, [KEPT, 60, KEPT]).unwrap();
    call(libc::SYS_setresuid, [KEPT, 50, KEPT]).unwrap();
    rustix::process::umask(Mode::from_raw_mode(0o027));
    let at = |name: &str| here.join(name);
    let mode_of = |name: &str| mode(&at(name));
    fs_err::write(at("f"), "content").unwrap();
    assert_eq!(fs_err::read(at("f")).unwrap(), b"content");
    fs_err::OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(at("x"))
        .unwrap();
    let again = fs_err::OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(at("x"));
    assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    let read_only = OFlags::CREATE | OFlags::WRONLY;
    let open = rustix::fs::openat(CWD, at("r"), read_only, Mode::from_raw_mode(0o444)).unwrap();
    rustix::io::write(&open, b"once").unwrap();
    let flags = rustix::io::fcntl_getfd(&open).unwrap();
    assert!(flags.is_empty(), "nobody asked for `O_CLOEXEC`");
    let unnamed = rustix::fs::openat(
        CWD,
        here,
        OFlags::TMPFILE | OFlags::RDWR,
        Mode::from_raw_mode(0o640),
    );
    link_from(&unnamed.unwrap(), &at("u"));
    fs_err::create_dir(at("d")).unwrap();
    symlink("nowhere", at("l")).unwrap();
    fs_err::write(at("l"), "through").unwrap();
    rustix::fs::mknodat(CWD, at("p"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    for name in ["f", "x", "r", "u", "d", "l", "nowhere", "p"] {
        assert_eq!(of(&at(name)), (50, 60), "{name}");
    }
    let modes = ["f", "r", "u", "d", "p"].map(mode_of);
    assert_eq!(modes, [0o640, 0o440, 0o640, 0o750, 0o640]);
    assert_eq!(
        fs_err::create_dir(at("d")).unwrap_err().kind(),
        std::io::ErrorKind::AlreadyExists
    );
    assert_eq!(
        fs_err::write(at("no/f"), "").unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}

/// Gives an unnamed file a name, by the way that needs no rights.
fn link_from(file: &OwnedFd, to: &Path) {
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, from, CWD, to, AtFlags::SYMLINK_FOLLOW).unwrap();
}

fn groups_of_directories(here: &Path) {
    let dir = here.join("d");
    fs_err::create_dir(&dir).unwrap();
    chown(&dir, 5, 50);
    set_mode(&dir, 0o2775);
    fs_err::create_dir(dir.join("e")).unwrap();
    fs_err::write(dir.join("e/f"), "").unwrap();
    symlink("x", dir.join("e/l")).unwrap();
    for name in ["e", "e/f", "e/l"] {
        assert_eq!(of(&dir.join(name)), (0, 50), "{name}");
    }
    assert_eq!(mode(&dir.join("e")), 0o2755);
    fs_err::write(here.join("f"), "").unwrap();
    assert_eq!(of(&here.join("f")), (0, 0));
}

fn paths(here: &Path) {
    let at = |name: &str| here.join(name);
    fs_err::create_dir_all(at("a/b")).unwrap();
    fs_err::write(at("f"), "").unwrap();
    symlink(at("f"), at("a/absolute")).unwrap();
    symlink("../f", at("a/b/up")).unwrap();
    rustix::process::chdir(at("a/b")).unwrap();
    let dir = rustix::fs::openat(CWD, at("a"), OFlags::PATH, Mode::empty()).unwrap();
    let descriptor = dir.as_raw_fd();
    let own = format!("/proc/self/fd/{descriptor}/../f");
    let names = ["../../f", "../absolute", "./../b/../../f", "../../f/", &own];
    for (number, name) in names.into_iter().enumerate() {
        let user = 100 + u32::try_from(number).unwrap();
        let result = std::os::unix::fs::chown(name, Some(user), None);
        match name {
            "../../f/" => assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOTDIR)),
            _ if name.starts_with("/proc") => {}
            _ => assert_eq!((result.is_ok(), of(&at("f")).0), (true, user), "{name}"),
        }
    }
    let uid = |user| Some(Uid::from_raw(user));
    rustix::fs::chownat(&dir, "../f", uid(200), None, AtFlags::empty()).unwrap();
    assert_eq!(of(&at("f")).0, 200);
    rustix::fs::chownat(
        &dir,
        "",
        uid(201),
        Some(Gid::from_raw(5)),
        AtFlags::EMPTY_PATH,
    )
    .unwrap();
    assert_eq!(of(&at("a")), (201, 5));
    let missing = rustix::fs::chownat(&dir, "nothing", uid(1), None, AtFlags::empty());
    assert_eq!(missing, Err(Errno::NOENT));
    let through = rustix::fs::chownat(&dir, "absolute/x", uid(1), None, AtFlags::empty());
    assert_eq!(through, Err(Errno::NOTDIR));
    // SAFETY: the path is at no address, which is what is tried.
    let nowhere = unsafe { libc::syscall(libc::SYS_fchownat, libc::AT_FDCWD, 1, 1, 1, 0) };
    assert_eq!(
        (nowhere, std::io::Error::last_os_error().raw_os_error()),
        (-1, Some(libc::EFAULT))
    );
    let long = CString::new("x/".repeat(3000)).unwrap();
    assert_eq!(
        rustix::fs::chown(&*long, uid(1), None),
        Err(Errno::NAMETOOLONG)
    );
    // A file that has no name.
    let open = fs_err::File::open(at("f")).unwrap();
    fs_err::remove_file(at("f")).unwrap();
    rustix::fs::fchown(&open, uid(9), None).unwrap();
    assert_eq!(open.metadata().unwrap().uid(), 9);
    assert_eq!(
        rustix::fs::chownat(CWD, "/proc/self/fd/999", uid(1), None, AtFlags::empty()),
        Err(Errno::NOENT)
    );
}

fn threads(here: &Path) {
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            scope.spawn(move || {
                for file in 0..50_u32 {
                    let path = here.join(format!("{thread}-{file}"));
                    symlink("x", &path).unwrap();
                    if file % 10 == 0 {
                        chown(&path, thread, file);
                    }
                    let file = here.join(format!("f{thread}-{file}"));
                    fs_err::write(&file, "").unwrap();
                    chown(&file, thread, 1000 + thread);
                    assert_eq!(of(&file), (thread, 1000 + thread));
                }
            });
        }
    });
    for thread in 0..8 {
        for file in (0..50).step_by(10) {
            assert_eq!(of(&here.join(format!("{thread}-{file}"))), (thread, file));
        }
    }
}

fn records_are_hidden(here: &Path) {
    let file = here.join("f");
    fs_err::write(&file, "").unwrap();
    rustix::fs::setxattr(&file, "user.mine", b"1", XattrFlags::empty()).unwrap();
    chown(&file, 5, 6);
    let mut names = [0; 256];
    let length = rustix::fs::listxattr(&file, &mut names).unwrap();
    assert_eq!(names[..length], *b"user.mine\0");
    assert_eq!(rustix::fs::listxattr_query(&file), Ok(length));
    assert_eq!(rustix::fs::listxattr(&file, &mut [0; 3]), Err(Errno::RANGE));
    let name = "user.wharf.owner";
    let set = rustix::fs::setxattr(&file, name, b"0:0", XattrFlags::empty());
    assert_eq!(set, Err(Errno::PERM));
    assert_eq!(rustix::fs::removexattr(&file, name), Err(Errno::NODATA));
    assert_eq!(of(&file), (5, 6));
    // setxattrat(2), which libraries try first.
    assert_eq!(call(463, [0; 3]), Err(Errno::NOSYS));
    // What the next command, or whoever makes the layer, finds.
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(&file, name, &mut value).unwrap();
    assert_eq!(value[..length], *b"5:6");
}

fn many_links(here: &Path) {
    for number in 0..600 {
        let link = here.join(format!("link-{number}"));
        symlink("x", &link).unwrap();
        chown(&link, 1000, 1000);
    }
    for number in 0..600 {
        assert_eq!(
            of(&here.join(format!("link-{number}"))),
            (1000, 1000),
            "{number}"
        );
    }
    for number in 0..600 {
        let link = here.join(format!("link-{number}"));
        chown(&link, 77, 88);
        assert_eq!(of(&link), (77, 88), "{number}");
    }
    symlink("x", here.join("new")).unwrap();
    assert_eq!(of(&here.join("new")), (0, 0));
    assert_eq!(of(&here.join("link-1")), (77, 88));
    let length = rustix::fs::getxattr_query(here, "user.wharf.links").unwrap();
    assert!(length < 100, "{length} bytes");
}

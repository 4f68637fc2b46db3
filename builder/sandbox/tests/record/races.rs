//! What a command gets by changing names while they are looked at: never more
//! than the kernel gives to it.

use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use super::{call, of, set_mode};

/// How often it is tried, and how long.
const TRIES: usize = 20_000;
const TIME: Duration = Duration::from_secs(2);

/// What `/proc` is to statfs(2).
const PROC: i64 = 0x9fa0;

/// Files behind links are made where they lead to.
pub fn links_to_nowhere(here: &Path) {
    set_mode(here, 0o777);
    let at = |name: &str| here.join(name);
    fs_err::create_dir(at("d")).unwrap();
    set_mode(&at("d"), 0o777);
    symlink("b", at("a")).unwrap();
    symlink(at("d/c"), at("b")).unwrap();
    symlink("../d/./e", at("d/c")).unwrap();
    symlink("d/", at("slash")).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("no/f", at("no")).unwrap();
    symlink(at("none/f"), at("none-there")).unwrap();
    call(libc::SYS_setgid, [60, 0, 0]).unwrap();
    call(libc::SYS_setuid, [50, 0, 0]).unwrap();
    let open = |name: &str, more: OFlags| {
        let flags = OFlags::CREATE | OFlags::WRONLY | more;
        rustix::fs::openat(CWD, at(name), flags, Mode::from_raw_mode(0o600)).map(drop)
    };
    for flags in [OFlags::EXCL, OFlags::NOFOLLOW] {
        assert!(open("a", flags).is_err(), "{flags:?}");
    }
    assert_eq!(of(&at("d")), (0, 0));
    assert!(!at("d/e").exists());
    open("a", OFlags::NONBLOCK).unwrap();
    assert_eq!(of(&at("d/e")), (50, 60));
    open("a", OFlags::TRUNC).unwrap();
    assert_eq!(open("slash", OFlags::empty()), Err(Errno::ISDIR));
    assert_eq!(open("loop", OFlags::empty()), Err(Errno::LOOP));
    assert_eq!(open("no", OFlags::empty()), Err(Errno::LOOP));
    assert_eq!(open("none-there", OFlags::empty()), Err(Errno::NOENT));
    // It would wait for somebody who reads; this one does not.
    rustix::fs::mknodat(CWD, at("p"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    symlink("p", at("to-p")).unwrap();
    assert_eq!(open("to-p", OFlags::NONBLOCK), Err(Errno::NXIO));
    // What is only named is not made.
    let named = OFlags::CREATE | OFlags::PATH;
    let missing = rustix::fs::openat(CWD, at("new"), named, Mode::empty());
    assert_eq!(missing.map(drop), Err(Errno::NOENT));
}

/// A name whose link leads to nothing when it is looked at, and to the memory
/// of the first process when it is opened.
pub fn memory_of_others(here: &Path) {
    if !here.join("s").is_symlink() {
        symlink("/proc/1/mem", here.join("s")).unwrap();
        symlink("y", here.join("x")).unwrap();
        // A command has fewer rights than whoever answers.
        for capability in (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
            let _ = remove_capability_from_bounding_set(capability);
        }
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["inside", "memory-of-others"])
            .arg(here)
            .status();
        assert!(again.unwrap().success());
        return;
    }
    let memory = fs_err::File::open("/proc/1/mem").map(drop);
    assert!(memory.is_err(), "the kernel gives it");
    call(libc::SYS_setuid, [1000, 0, 0]).unwrap();
    race(here, "y", || {
        let flags = OFlags::RDWR | OFlags::CREATE;
        let Ok(file) = rustix::fs::openat(CWD, here.join("x"), flags, Mode::from_raw_mode(0o600))
        else {
            return;
        };
        let system = rustix::fs::fstatfs(&file).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = fs_err::read_link(path).unwrap();
        assert_ne!(system.f_type, PROC, "{path:?}");
    });
}

/// A name that is not there when it is looked at, and leads elsewhere when it
/// is opened with flags that make nothing.
pub fn marks_elsewhere(here: &Path) {
    let elsewhere = here.join("elsewhere");
    fs_err::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, here.join("s")).unwrap();
    call(libc::SYS_setuid, [1000, 0, 0]).unwrap();
    race(here, "x", || {
        let flags = OFlags::PATH | OFlags::CREATE;
        let _ = rustix::fs::openat(CWD, here.join("x"), flags, Mode::empty());
    });
    let marked = rustix::fs::getxattr_query(&elsewhere, "user.wharf.owner");
    assert_eq!(marked, Err(Errno::NODATA));
}

/// Does something often, while a name is now a further one of the link `s`, now
/// gone.
fn race(here: &Path, name: &str, work: impl Fn()) {
    let (link, name) = (here.join("s"), here.join(name));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut pause = 1_u32;
            while !ended.load(Ordering::Relaxed) {
                let _ = fs_err::hard_link(&link, &name);
                pause = idle(pause);
                let _ = fs_err::remove_file(&name);
                pause = idle(pause);
            }
        });
        let began = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..TRIES {
                work();
                if began.elapsed() > TIME {
                    break;
                }
            }
        }));
        ended.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Waits, each time for another moment; gives the next one.
fn idle(pause: u32) -> u32 {
    for turn in 0..pause % 20_000 {
        std::hint::black_box(turn);
    }
    pause.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

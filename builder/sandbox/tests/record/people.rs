//! Who a command is, becomes, and starts.

use std::path::Path;
use std::process::Command;

use rustix::io::Errno;

use super::{KEPT, call, chown, of, set_mode};

pub fn users_are_given_up(_here: &Path) {
    // SAFETY: the list lives as long as the call.
    let set = unsafe { libc::syscall(libc::SYS_setgroups, 3, [30_u32, 10, 20].as_ptr()) };
    assert_eq!(set, 0);
    let mut groups = [0_u32; 8];
    // SAFETY: the list has room for as many.
    let count = unsafe { libc::syscall(libc::SYS_getgroups, 8, groups.as_mut_ptr()) };
    assert_eq!((count, groups[..3].to_vec()), (3, vec![10, 20, 30]));
    call(libc::SYS_setresgid, [50, 50, 50]).unwrap();
    call(libc::SYS_setresuid, [KEPT, 1000, KEPT]).unwrap();
    assert_eq!(call(libc::SYS_getuid, [0; 3]), Ok(0));
    assert_eq!(call(libc::SYS_geteuid, [0; 3]), Ok(1000));
    assert_eq!(call(libc::SYS_setgid, [0; 3]), Err(Errno::PERM));
    call(libc::SYS_setuid, [0; 3]).unwrap();
    assert_eq!(call(libc::SYS_geteuid, [0; 3]), Ok(0));
    assert_eq!(call(libc::SYS_setfsuid, [77, 0, 0]), Ok(0));
    assert_eq!(call(libc::SYS_setfsuid, [KEPT, 0, 0]), Ok(77));
    call(libc::SYS_setreuid, [1000, 1000, 0]).unwrap();
    for number in [libc::SYS_setuid, libc::SYS_setgid] {
        assert_eq!(call(number, [0; 3]), Err(Errno::PERM));
    }
    assert_eq!(call(libc::SYS_setgroups, [0; 3]), Err(Errno::PERM));
    let mut three = [0_u32; 3];
    let [a, b, c] = &mut three;
    // SAFETY: each has room for one number.
    unsafe { libc::syscall(libc::SYS_getresuid, &raw mut *a, &raw mut *b, &raw mut *c) };
    assert_eq!(three, [1000; 3]);
    assert_eq!(call(libc::SYS_getegid, [0; 3]), Ok(50));
}

pub fn capabilities_are_kept(_here: &Path) {
    let mut sets = [0_u32; 6];
    let header = [0x2008_0522_u32, 0];
    // SAFETY: both have the layout of version 3.
    unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    call(libc::SYS_prctl, [8, 1, 0]).unwrap();
    call(libc::SYS_setuid, [33, 0, 0]).unwrap();
    assert_eq!(call(libc::SYS_setgid, [33, 0, 0]), Err(Errno::PERM));
    let [
        _,
        permitted,
        inheritable,
        _,
        permitted_more,
        inheritable_more,
    ] = sets;
    let sets = [
        permitted,
        permitted,
        inheritable,
        permitted_more,
        permitted_more,
        inheritable_more,
    ];
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    assert_eq!(set, 0);
    call(libc::SYS_setgid, [33, 0, 0]).unwrap();
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), [0_u32; 6].as_ptr()) };
    assert_eq!(set, 0);
    assert_eq!(call(libc::SYS_setgid, [0; 3]), Err(Errno::PERM));
}

pub fn children_inherit(here: &Path) {
    set_mode(here, 0o777);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    // Who began before is who it was.
    let (go, gone) = rustix::pipe::pipe().unwrap();
    // SAFETY: there is no other thread.
    let elder = unsafe { libc::fork() };
    if elder == 0 {
        drop(gone);
        rustix::io::read(&go, &mut [0; 1]).unwrap();
        let root = call(libc::SYS_getuid, [0; 3]) == Ok(0);
        // SAFETY: it ends the process.
        unsafe { libc::_exit(i32::from(!root)) }
    }
    let well = child(|| {
        call(libc::SYS_setgid, [66, 0, 0]).unwrap();
        call(libc::SYS_setuid, [55, 0, 0]).unwrap();
        // A daemon: its parents are gone when it first asks.
        // SAFETY: there is no other thread.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: as above.
            if unsafe { libc::fork() } == 0 {
                std::thread::sleep(std::time::Duration::from_millis(100));
                fs_err::write(here.join("daemon"), "").unwrap();
                rustix::io::write(&writer, b"!").unwrap();
            }
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) }
        }
        assert!(child(|| fs_err::write(here.join("child"), "").unwrap()));
        std::thread::scope(|scope| {
            scope.spawn(|| fs_err::write(here.join("thread"), "").unwrap());
        });
    });
    assert!(well);
    call(libc::SYS_setresuid, [1, 1, 1]).unwrap();
    drop((go, gone));
    let mut status = 0;
    // SAFETY: `status` is its.
    assert_eq!(unsafe { libc::waitpid(elder, &raw mut status, 0) }, elder);
    assert_eq!(status, 0, "whoever began before is who it was");
    rustix::io::read(&reader, &mut [0; 1]).unwrap();
    for name in ["child", "thread", "daemon"] {
        assert_eq!(of(&here.join(name)), (55, 66), "{name}");
    }
}

/// Runs something in a child, and says whether it ended well.
fn child(work: impl FnOnce()) -> bool {
    // SAFETY: the checks run where there is no other thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
        // SAFETY: it ends the process.
        unsafe { libc::_exit(i32::from(!well)) }
    }
    let mut status = 0;
    // SAFETY: `status` is its.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status == 0
}

pub fn programs_of_others(here: &Path) {
    let program = here.join("id");
    fs_err::copy("/usr/bin/id", &program).unwrap();
    chown(&program, 33, 44);
    set_mode(&program, 0o6755);
    set_mode(here, 0o755);
    let output = |arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert!(child(|| {
        call(libc::SYS_setgid, [1000, 0, 0]).unwrap();
        call(libc::SYS_setuid, [1000, 0, 0]).unwrap();
        assert_eq!(
            (output(&["-u"]), output(&["-ru"])),
            ("33".to_owned(), "1000".to_owned())
        );
        assert_eq!(
            (output(&["-g"]), output(&["-rg"])),
            ("44".to_owned(), "1000".to_owned())
        );
        assert_eq!(call(libc::SYS_geteuid, [0; 3]), Ok(1000));
    }));
}

pub fn others_may_not(here: &Path) {
    let (own, other) = (here.join("own"), here.join("other"));
    fs_err::write(&own, "").unwrap();
    fs_err::write(&other, "").unwrap();
    chown(&own, 50, 60);
    set_mode(here, 0o777);
    // SAFETY: the list lives as long as the call.
    unsafe { libc::syscall(libc::SYS_setgroups, 1, [70_u32].as_ptr()) };
    call(libc::SYS_setgid, [60, 0, 0]).unwrap();
    call(libc::SYS_setuid, [50, 0, 0]).unwrap();
    let change = |path: &Path, user: u32, group: u32| {
        let code = std::os::unix::fs::lchown(path, Some(user), Some(group))
            .map_err(|error| error.raw_os_error());
        code.map_or_else(|code| code.unwrap(), |()| 0)
    };
    assert_eq!(change(&own, KEPT, 70), 0);
    assert_eq!(of(&own), (50, 70));
    assert_eq!(change(&own, 50, 60), 0);
    assert_eq!(change(&own, KEPT, 0), libc::EPERM);
    assert_eq!(change(&own, 0, KEPT), libc::EPERM);
    assert_eq!(change(&other, 50, KEPT), libc::EPERM);
    assert_eq!(of(&other), (0, 0));
}

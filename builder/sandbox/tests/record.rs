//! Runs commands in a user namespace with one number, with their owners and
//! devices recorded. It needs no rights; as root it becomes somebody who has
//! none.
//!
//! With arguments it is a small sandbox to try things in:
//! `record HOW ROOT PROGRAM…`, where HOW is `recorded`, `first` (nothing was
//! recorded before), `plain` or `bare`.
#![allow(
    unsafe_code,
    reason = "it does what the commands do that are answered, and forks"
)]
#![expect(clippy::print_stderr, reason = "it reports what is lost")]
#![expect(clippy::unwrap_used, reason = "a failure is the result")]
#![expect(unreachable_pub, reason = "the modules are those of the library")]

#[path = "record/checks.rs"]
mod checks;
#[path = "../src/error.rs"]
#[expect(dead_code, reason = "the library uses all of it")]
mod error;
#[path = "../src/record"]
#[allow(
    unused_imports,
    reason = "the tests beside the modules have no main function here"
)]
mod record {
    mod answer;
    mod attribute;
    mod credential;
    mod device;
    mod family;
    mod filter;
    mod identity;
    mod make;
    mod notify;
    mod owner;
    mod ownership;
    mod records;
    mod rename;
    mod sight;
    mod supervisor;
    mod target;

    pub(crate) use supervisor::{
        Before, Faked, Kept, Subject, Supervision, install, install_plain, supervise,
    };
}

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::thread::UnshareFlags;

use record::{Before, Faked, Subject, Supervision};

/// Nobody, who has no rights anywhere.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, name, here] if word == "inside" => inside(name, here),
        [how, root, program @ ..] if !program.is_empty() && root.starts_with('/') => {
            become_nobody();
            ExitCode::from(run(how, root, program))
        }
        _ => checks(),
    }
}

/// Gives up the rights of root, where it has them.
fn become_nobody() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let nobody = NOBODY.to_string();
    let failure = Command::new("setpriv")
        .args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .exec();
    panic!("setpriv: {failure}");
}

/// Runs a program, and gives its code.
fn run(how: &str, root: &str, program: &[String]) -> u8 {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    // SAFETY: there is no other thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }.expect("a user namespace");
    fs_err::write("/proc/self/setgroups", "deny").unwrap();
    fs_err::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw())).unwrap();
    fs_err::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw())).unwrap();
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    // A namespace of processes for all children would allow no thread here.
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::SIGCHLD;
    // SAFETY: there is no other thread; without a stack it is as fork(2).
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let child = libc::pid_t::try_from(child).unwrap();
    assert!(child >= 0, "a namespace of processes");
    if child == 0 {
        drop(ours);
        first(how, root, program, theirs);
    }
    drop(theirs);
    let supervisor = receive(&ours).map(|listener| {
        let before = if how == "first" {
            Before::Nothing
        } else {
            Before::Recorded
        };
        let supervision = Supervision {
            subject: Subject::Everything,
            user: 0,
            group: 0,
            groups: vec![0],
            before,
        };
        std::thread::spawn(|| record::supervise(listener, supervision))
    });
    let code = wait(child);
    if let Some(supervisor) = supervisor {
        let kept = supervisor.join().unwrap().unwrap();
        if kept != record::Kept::All {
            eprintln!("some records are lost");
            return code.max(1);
        }
    }
    code
}

/// Is the first process of the namespace: it makes the root, and waits for
/// everybody.
fn first(how: &str, root: &str, program: &[String], socket: OwnedFd) -> ! {
    enter(root);
    // SAFETY: there is no other thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let faked = match how {
            "bare" => None,
            "plain" => Some(record::install_plain().unwrap()),
            _ => Some(record::install(Subject::Everything).unwrap()),
        };
        match faked {
            Some(Faked::Recorded(listener)) => send(&socket, Some(&listener)),
            _ => send(&socket, None),
        }
        let (name, arguments) = program.split_first().unwrap();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let failure = Command::new(name)
            .args(arguments)
            .env_clear()
            .envs([("PATH", path), ("HOME", "/root"), ("LC_ALL", "C.UTF-8")])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .exec();
        panic!("{name}: {failure}");
    }
    // Otherwise nobody sees that there is no listener.
    drop(socket);
    let code = wait(child);
    // SAFETY: it ends the process.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Waits for a process and, as others end too, for those.
fn wait(child: libc::pid_t) -> u8 {
    loop {
        let mut status = 0;
        // SAFETY: `status` is its.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        assert!(ended > 0, "nobody to wait for");
        if ended == child {
            return match libc::WIFEXITED(status) {
                true => u8::try_from(libc::WEXITSTATUS(status)).unwrap(),
                false => 128 + u8::try_from(libc::WTERMSIG(status)).unwrap(),
            };
        }
    }
}

fn enter(root: &str) {
    use rustix::mount::{mount, mount_bind, mount_bind_recursive, mount_change, unmount};
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    if root == "/" {
        // It stays where it is, with its own processes to be seen.
        return mount("proc", "/proc", "proc", MountFlags::empty(), None).unwrap();
    }
    mount_bind_recursive(root, root).unwrap();
    let inside = |name: &str| format!("{root}/{name}");
    let empty = MountFlags::empty();
    mount("proc", inside("proc"), "proc", empty, None).unwrap();
    mount("tmpfs", inside("dev"), "tmpfs", empty, c"mode=0755").unwrap();
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let there = inside(&format!("dev/{device}"));
        fs_err::write(&there, "").unwrap();
        mount_bind(format!("/dev/{device}"), there).unwrap();
    }
    for (link, to) in [
        ("fd", "fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        std::os::unix::fs::symlink(format!("/proc/self/{to}"), inside(&format!("dev/{link}")))
            .unwrap();
    }
    rustix::process::chdir(root).unwrap();
    rustix::process::pivot_root(".", ".").unwrap();
    unmount(".", UnmountFlags::DETACH).unwrap();
    rustix::process::chdir("/").unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

fn send(socket: &OwnedFd, listener: Option<&OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = listener.iter().map(|listener| listener.as_fd()).collect();
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(b"!")],
        &mut ancillary,
        SendFlags::empty(),
    )
    .unwrap();
}

fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(
        socket,
        &mut buffers,
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    })
}

/// Makes every check: recorded, and where this is root without anything too.
fn checks() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let root = rustix::process::getuid().is_root();
    let known = start("bare", "nothing");
    let mut trials = Vec::new();
    let mut add = |how: &'static str, name: &'static str| {
        let trial = libtest_mimic::Trial::test(format!("{how}::{name}"), move || {
            start(how, name).map_err(libtest_mimic::Failed::from)
        });
        // Where nobody can have a namespace there is nothing to test.
        trials.push(trial.with_ignored_flag(how != "root" && known.is_err()));
    };
    for (name, _) in checks::ALL {
        if root {
            add("root", name);
        }
        add("first", name);
        add("recorded", name);
    }
    for (name, _) in checks::OWN {
        add("recorded", name);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Makes a check in a process of its own; gives what it says when it fails.
fn start(how: &str, name: &str) -> Result<(), String> {
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut command = Command::new(program);
    if how != "root" {
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(here, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.args([how, "/", program]);
    }
    let output = command.args(["inside", name]).arg(here).output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Makes one check, inside.
fn inside(name: &str, here: &str) -> ExitCode {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut all = checks::ALL.iter().chain(checks::OWN);
    match all.find(|(found, _)| *found == name) {
        Some((_, check)) => check(std::path::Path::new(here)),
        None => assert_eq!(name, "nothing", "a check"),
    }
    ExitCode::SUCCESS
}

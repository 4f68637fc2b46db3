//! Programs of this machine, shown to a command: what they need of the kernel
//! is what those of images need.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sandbox::{Mount, MountKind, Step};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, ROOT, go, missing_namespaces};

pub(crate) const TESTS: &[Test] = &[
    ("programs::bash", bash),
    ("programs::calls", calls),
    ("programs::python", python),
    ("programs::set_user", set_user),
];

macro_rules! need {
    ($program:literal) => {
        if let Some(why) = missing_namespaces() {
            return why;
        }
        if !Path::new($program).exists() {
            return Outcome::Skipped(concat!("no `", $program, "`").to_owned());
        }
    };
}

/// Makes a step that sees the programs of this machine.
pub(crate) fn step(bench: &Bench, arguments: &[&str]) -> Step {
    let mut step = bench.command(arguments);
    for name in ["usr", "lib", "lib64"] {
        let Ok(source) = Path::new("/").join(name).canonicalize() else {
            continue;
        };
        fs_err::create_dir(bench.root.join(name)).unwrap();
        step.mounts.push(Mount {
            target: format!("/{name}").into_bytes(),
            kind: MountKind::Bind {
                source,
                read_only: true,
            },
        });
    }
    step
}

fn bash() -> Outcome {
    need!("/usr/bin/bash");
    let bench = Bench::new();
    let script = "cat <(echo one) <(echo two); coproc cat; echo three >&${COPROC[1]}; \
        read -r line <&${COPROC[0]}; echo $line; ulimit -c 0; wait -n 2>/dev/null & trap 'echo \
        trapped' USR1; kill -USR1 $$; printf %s\\\\n \"$BASHPID\"";
    let shown = go(&ROOT, &step(&bench, &["bash", "-c", script]), &[]).ok();
    assert_eq!(shown, "one\ntwo\nthree\ntrapped\n2\n");
    Outcome::Done
}

/// Calls by their numbers, which are those of one kind of machine.
fn calls() -> Outcome {
    need!("/usr/bin/perl");
    if !cfg!(target_arch = "x86_64") {
        return Outcome::Skipped("the numbers are those of x86_64".to_owned());
    }
    let bench = Bench::new();
    let script = "sub try { my $r = syscall($_[1], @_[2 .. $#_]); print \"$_[0] \", ($r < 0 ? $!+0 \
        : 'ok'), \"\\n\" } \
        try('clone3', 435, 0, 0); try('newer', 463, 0, 0); try('unknown', 999); \
        try('io_uring', 425, 1, 0); try('keyctl', 250, 0, 0); try('bpf', 321, 0, 0, 0); \
        try('unshare', 272, 0x10000000); try('clone', 56, 0x10000011, 0, 0, 0, 0); \
        try('personality', 135, 0xffffffff); try('odd personality', 135, 0x4000000); \
        try('vsock', 41, 40, 1, 0); try('socket', 41, 1, 1, 0); \
        try('settimeofday', 164, 0, 0); try('x32', 0x40000000 + 39); try('getpid', 39);";
    let shown = go(&ROOT, &step(&bench, &["perl", "-e", script]), &[]).ok();
    assert_eq!(
        shown,
        "clone3 38\nnewer 38\nunknown 38\nio_uring 1\nkeyctl 1\nbpf 1\nunshare 1\nclone 1\n\
         personality ok\nodd personality 1\nvsock 1\nsocket ok\nsettimeofday 1\nx32 38\n\
         getpid ok\n"
    );
    Outcome::Done
}

fn python() -> Outcome {
    need!("/usr/bin/python3");
    let bench = Bench::new();
    let script = "import multiprocessing, os, pty, socket, threading, signal, mmap, select\n\
        print(multiprocessing.get_context('fork').Pool(2).map(abs, [-1, -2]))\n\
        master, slave = os.openpty()\n\
        print(os.ttyname(slave))\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execvp('tty', ['tty'])\n\
        print(os.read(fd, 100))\n\
        a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))\n\
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
        c = socket.create_connection(s.getsockname()); c.close()\n\
        t = threading.Thread(target=lambda: print('thread')); t.start(); t.join()\n\
        os.memfd_create('m'); select.epoll().close()\n\
        with open('/tmp/sparse', 'wb') as f: f.truncate(5)\n\
        os.setxattr('/tmp/sparse', 'user.x', b'1')\n\
        os.mkfifo('/tmp/fifo'); os.link('/tmp/sparse', '/tmp/linked')\n\
        print(os.sched_getaffinity(0) != set(), len(os.urandom(4)))\n";
    let shown = go(&ROOT, &step(&bench, &["python3", "-c", script]), &[]).ok();
    assert_eq!(
        shown,
        "[1, 2]\n/dev/pts/0\nb'/dev/pts/1\\r\\n'\nb'x'\nthread\nTrue 4\n"
    );
    Outcome::Done
}

fn set_user() -> Outcome {
    need!("/usr/bin/id");
    let bench = Bench::new();
    let program = bench.root.join("bin/whose");
    fs_err::copy("/usr/bin/id", &program).unwrap();
    fs_err::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let mut step = step(&bench, &["whose", "-u"]);
    (step.user, step.group) = (1000, 1000);
    assert_eq!(go(&ROOT, &step, &[]).ok(), "0\n");
    Outcome::Done
}

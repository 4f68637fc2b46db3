//! Where nothing can be mounted: another root directory alone.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};

use sandbox::{Ended, ErrorKind, Mount, MountKind, Network};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, CHROOT, go, missing_chroot, runs};

pub(crate) const TESTS: &[Test] = &[
    ("chroot::view", view),
    ("chroot::binds", binds),
    ("chroot::in_memory", in_memory),
    ("chroot::another_file_system", another_file_system),
    ("chroot::agent", agent),
    ("chroot::network", network),
    ("chroot::left_behind", left_behind),
    ("chroot::timed_out", timed_out),
];

macro_rules! need {
    () => {
        if let Some(why) = missing_chroot() {
            return why;
        }
    };
}

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount {
        target: target.as_bytes().to_vec(),
        kind,
    }
}

fn view() -> Outcome {
    need!();
    let bench = Bench::new();
    fs_err::write(bench.root.join("dev/own"), "as it was").unwrap();
    let mut step = bench.step(
        "id -u; id -g; umask; ls /dev | tr '\\n' ' '; ls / | tr '\\n' ' '; echo; echo x > \
         /dev/null; head -c 4 /dev/zero | wc -c; ls /proc | wc -l; cat",
    );
    step.network = Network::Host;
    (step.user, step.group) = (7, 8);
    assert_eq!(
        go(&CHROOT, &step, &[]).ok(),
        "7\n8\n0022\nfd full null random shm stderr stdin stdout tty urandom zero \
         bin dev etc proc root srv sys tmp work \n4\n0\n"
    );
    let left: Vec<_> = fs_err::read_dir(bench.root.join("dev")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(fs_err::read_dir(&step.scratch).unwrap().count(), 0);
    Outcome::Done
}

fn binds() -> Outcome {
    need!();
    let bench = Bench::new();
    let cache = bench
        .file("cache/old", "1\n")
        .parent()
        .unwrap()
        .to_path_buf();
    let given = bench
        .file("given/file", "2\n")
        .parent()
        .unwrap()
        .to_path_buf();
    let inode = fs_err::metadata(&cache).unwrap().ino();
    fs_err::write(bench.root.join("work/own"), "as it was").unwrap();
    let bind = |source: &std::path::Path, read_only| MountKind::Bind {
        source: source.to_path_buf(),
        read_only,
    };
    let mut step = bench.step(
        "cat /work/old /srv/file; echo new > /work/new; echo new > /srv/new; ls /work; exit 3",
    );
    step.mounts = vec![
        mount("/work", bind(&cache, false)),
        mount("/srv", bind(&given, true)),
        mount("/absent", bind(&given, true)),
    ];
    let gave = go(&CHROOT, &step, &[]);
    assert_eq!(gave.ended, Ok(Ended::Code(3)));
    assert_eq!(gave.output, "1\n2\nnew\nold\n");
    assert_eq!(fs_err::metadata(&cache).unwrap().ino(), inode);
    assert_eq!(fs_err::read_to_string(cache.join("new")).unwrap(), "new\n");
    assert!(!given.join("new").exists());
    assert!(bench.root.join("work/own").exists());
    assert!(!bench.root.join("work/old").exists());
    assert!(!bench.root.join("absent").exists());
    // A command that takes its cache away has an empty one.
    step = bench.step("rm -rf /work; ln -s /etc /work");
    step.mounts = vec![mount("/work", bind(&cache, false))];
    go(&CHROOT, &step, &[]).ok();
    assert!(cache.symlink_metadata().unwrap().is_dir());
    assert_eq!(fs_err::read_dir(&cache).unwrap().count(), 0);
    // What can not be put in place leaves everything as it was.
    step.mounts.push(mount(
        "/srv",
        MountKind::Tmpfs {
            size: Some(1),
            mode: 0o755,
        },
    ));
    let error = go(&CHROOT, &step, &[]).refused(ErrorKind::Denied);
    assert!(error.hint().unwrap().contains("seccomp=unconfined"));
    assert!(bench.root.join("work/own").exists());
    assert!(cache.is_dir());
    Outcome::Done
}

fn in_memory() -> Outcome {
    need!();
    let secret = MountKind::Secret {
        descriptor: 0,
        mode: 0o440,
        uid: 3,
        gid: 4,
    };
    let script =
        "cat /etc/secret; stat -c '%a %u %g' /etc/secret; echo x > /tmp/x; stat -c %a /tmp";
    let tmpfs = MountKind::Tmpfs {
        size: None,
        mode: 0o1777,
    };
    let mounts = vec![mount("/etc/secret", secret), mount("/tmp", tmpfs)];
    let on_disk = Bench::new();
    let mut step = on_disk.step(script);
    step.mounts.clone_from(&mounts);
    let on_tmpfs = {
        let found = rustix::fs::statfs(on_disk.directory.path()).unwrap();
        found.f_type == 0x0102_1994
    };
    let bench = if on_tmpfs {
        Some(on_disk)
    } else {
        let error = go(&CHROOT, &step, &["s"]).refused(ErrorKind::Denied);
        assert!(error.hint().unwrap().contains("env="));
        assert!(!on_disk.root.join("etc/secret").exists());
        Bench::in_memory()
    };
    let Some(bench) = bench else {
        return Outcome::Skipped("no `/dev/shm`".to_owned());
    };
    let mut step = bench.step(script);
    step.mounts = mounts;
    assert_eq!(
        go(&CHROOT, &step, &["hidden\n"]).ok(),
        "hidden\n440 3 4\n1777\n"
    );
    assert!(!bench.root.join("etc/secret").exists());
    assert!(!bench.root.join("tmp/x").exists());
    assert_eq!(fs_err::read_dir(&step.scratch).unwrap().count(), 0);
    Outcome::Done
}

fn another_file_system() -> Outcome {
    need!();
    let (bench, Some(other)) = (Bench::new(), Bench::in_memory()) else {
        return Outcome::Skipped("no `/dev/shm`".to_owned());
    };
    let device = |path| fs_err::metadata(path).unwrap().dev();
    if device(bench.directory.path()) == device(other.directory.path()) {
        return Outcome::Skipped("everything is in memory".to_owned());
    }
    let cache = other.file("cache/deep/old", "1\n");
    let cache = cache.ancestors().nth(2).unwrap();
    std::os::unix::fs::chown(cache.join("deep"), Some(5), Some(6)).unwrap();
    symlink("deep/old", cache.join("link")).unwrap();
    let mut step = bench.step(
        "cat /work/link; stat -c '%u %g' /work/deep; echo new > /work/deep/new; rm /work/deep/old",
    );
    let kind = MountKind::Bind {
        source: cache.to_path_buf(),
        read_only: false,
    };
    step.mounts = vec![mount("/work", kind)];
    assert_eq!(go(&CHROOT, &step, &[]).ok(), "1\n5 6\n");
    assert_eq!(
        fs_err::read_to_string(cache.join("deep/new")).unwrap(),
        "new\n"
    );
    assert_eq!(fs_err::metadata(cache.join("deep")).unwrap().uid(), 5);
    assert_eq!(
        fs_err::read_link(cache.join("link")).unwrap().as_os_str(),
        "deep/old"
    );
    assert!(!cache.join("deep/old").exists());
    assert_eq!(
        fs_err::read_dir(cache.parent().unwrap()).unwrap().count(),
        3
    );
    assert_eq!(
        fs_err::read_dir(bench.root.join("work")).unwrap().count(),
        0
    );
    Outcome::Done
}

fn agent() -> Outcome {
    need!();
    let bench = Bench::new();
    let path = bench.directory.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let mut step =
        bench.step("stat -c '%F %a %u %g' /etc/agent; until test -e /work/done; do true; done");
    step.limits.milliseconds = Some(20_000);
    step.mounts = vec![mount(
        "/etc/agent",
        MountKind::Agent {
            source: path,
            mode: 0o660,
            uid: 1,
            gid: 2,
        },
    )];
    let inside = bench.root.join("etc/agent");
    let done = bench.root.join("work/done");
    let asked = std::thread::spawn(move || {
        let mut inside = loop {
            // Until it is there, and has its mode.
            if let Ok(connection) = UnixStream::connect(&inside) {
                break connection;
            }
        };
        let (mut outside, _) = listener.accept().unwrap();
        inside.write_all(b"ask").unwrap();
        inside.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        outside.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ask");
        fs_err::write(done, "").unwrap();
    });
    assert_eq!(go(&CHROOT, &step, &[]).ok(), "socket 660 1 2\n");
    asked.join().unwrap();
    assert!(bench.root.join("etc/agent").symlink_metadata().is_err());
    Outcome::Done
}

fn network() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step("nc -l -p 18999 127.0.0.1");
    step.limits.milliseconds = Some(5_000);
    let gave = go(&CHROOT, &step, &[]);
    assert_eq!(gave.ended, Ok(Ended::Code(1)));
    assert!(gave.errors.contains("Permission denied"), "{}", gave.errors);
    Outcome::Done
}

fn left_behind() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step(
        "for n in 1 2 3 4 5; do setsid sh -c 'setsid sleep 98765435 & sleep 98765435' & done; \
         exit 4",
    );
    step.network = Network::Host;
    assert_eq!(go(&CHROOT, &step, &[]).ended, Ok(Ended::Code(4)));
    assert!(!runs("98765435"));
    Outcome::Done
}

fn timed_out() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step("setsid sleep 98765436 & sleep 98765436");
    step.network = Network::Host;
    step.limits.milliseconds = Some(200);
    assert_eq!(go(&CHROOT, &step, &[]).ended, Ok(Ended::TimedOut));
    assert!(!runs("98765436"));
    Outcome::Done
}
